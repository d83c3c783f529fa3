"""Moving from ZenML: its pipeline of before.py, with other imports and `run.steps[...]`."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from zencache import BaseStepConfig, Output, PickleMaterializer, Repository, pipeline, step


class SVCTrainerConfig(BaseStepConfig):
    gamma: float = 0.001


@step
def importer() -> Output(X_train=np.ndarray, X_test=np.ndarray, y_train=np.ndarray, y_test=np.ndarray):
    digits = load_digits()
    data = digits.images.reshape((len(digits.images), -1))
    X_train, X_test, y_train, y_test = train_test_split(data, digits.target, test_size=0.2, shuffle=False)
    return X_train, X_test, y_train, y_test


@step(materializers=PickleMaterializer)
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
        cached = {name: run.steps[name].is_cached for name in ("importer", "trainer", "evaluator")}
        print(f"gamma={gamma}: accuracy {run.steps['evaluator'].output.read():.2f}, cached {cached}")


if __name__ == "__main__":
    main()
