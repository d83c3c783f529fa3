"""Plain scikit-learn: search for the best model, and reuse every step that a change does not touch."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from zencache import CachePolicy, Output, PickleMaterializer, Repository, pipeline, step

# A model that another version of scikit-learn has made is another model.
WITH_VERSION = CachePolicy(package_dependencies=["scikit-learn"])


@step(cache_policy=WITH_VERSION)
def load() -> Output(X_train=np.ndarray, X_test=np.ndarray, y_train=np.ndarray, y_test=np.ndarray):
    """1,797 digits of 8 x 8 pixels, which scikit-learn carries."""
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.3, random_state=0)


# An estimator is kept by pickle, which has to be asked for, because reading a pickle runs code.
@step(cache_policy=WITH_VERSION, materializers=PickleMaterializer)
def fit_scaler(X_train: np.ndarray) -> StandardScaler:
    return StandardScaler().fit(X_train)


@step(cache_policy=WITH_VERSION, materializers=PickleMaterializer)
def train(
    scaler: StandardScaler, X: np.ndarray, y: np.ndarray, kind: str, strength: float
) -> ClassifierMixin:
    model = SVC(C=strength) if kind == "svc" else LogisticRegression(C=strength, max_iter=2000)
    return model.fit(scaler.transform(X), y)


@step(cache_policy=WITH_VERSION)
def score(scaler: StandardScaler, model: ClassifierMixin, X: np.ndarray, y: np.ndarray) -> float:
    return float(model.score(scaler.transform(X), y))


@pipeline
def digits(kind: str = "svc", strength: float = 1.0):
    X_train, X_test, y_train, y_test = load()
    scaler = fit_scaler(X_train)
    model = train(scaler, X_train, y_train, kind=kind, strength=strength)
    score(scaler, model, X_test, y_test)


def main():
    runs = []
    for kind in ("logistic", "svc"):
        for strength in (0.1, 1.0):
            run = digits(kind, strength).run()
            runs.append(run)
            executed = [name for name, one in run.steps.items() if not one.is_cached]
            accuracy = run.steps["score"].output.read()
            print(f"{kind:8}  C={strength:<4}  accuracy {accuracy:.2f}  executed: {', '.join(executed)}")

    best = max(runs, key=lambda run: run.steps["score"].output.read())
    print("Best:", best.steps["train"].parameters)

    # Any time later, in another process: the estimator itself, as it was trained.
    found = Repository().get_run(best.name).steps["train"].output
    print("Read back:", found.read(materializer=PickleMaterializer))
    again = digits(**best.steps["train"].parameters).run()
    print("Once more:", {name: one.status for name, one in again.steps.items()})


if __name__ == "__main__":
    main()
