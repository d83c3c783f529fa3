"""Digits by a support vector machine, as it was written for ZenML 0.6 to 0.13."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from zenml.pipelines import pipeline
from zenml.repository import Repository
from zenml.steps import BaseStepConfig, Output, step


class SVCTrainerConfig(BaseStepConfig):
    gamma: float = 0.001


@step
def importer() -> Output(X_train=np.ndarray, X_test=np.ndarray, y_train=np.ndarray, y_test=np.ndarray):
    digits = load_digits()
    data = digits.images.reshape((len(digits.images), -1))
    X_train, X_test, y_train, y_test = train_test_split(data, digits.target, test_size=0.2, shuffle=False)
    return X_train, X_test, y_train, y_test


@step
def svc_trainer(config: SVCTrainerConfig, X_train: np.ndarray, y_train: np.ndarray) -> ClassifierMixin:
    model = SVC(gamma=config.gamma)
    model.fit(X_train, y_train)
    return model


@step
def evaluator(X_test: np.ndarray, y_test: np.ndarray, model: ClassifierMixin) -> float:
    return float(model.score(X_test, y_test))


@pipeline
def digits_pipeline(importer, trainer, evaluator):
    X_train, X_test, y_train, y_test = importer()
    model = trainer(X_train=X_train, y_train=y_train)
    evaluator(X_test=X_test, y_test=y_test, model=model)


def main():
    for gamma in (0.001, 0.002, 0.001):
        digits_pipeline(
            importer=importer(),
            trainer=svc_trainer(config=SVCTrainerConfig(gamma=gamma)),
            evaluator=evaluator(),
        ).run()
        run = Repository().get_pipeline("digits_pipeline").runs[-1]
        cached = {name: run.get_step(name).is_cached for name in ("importer", "trainer", "evaluator")}
        print(f"gamma={gamma}: accuracy {run.get_step('evaluator').output.read():.2f}, cached {cached}")


if __name__ == "__main__":
    main()
