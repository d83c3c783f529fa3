"""A pipeline whose steps Dask's workers execute.

Without the extra it is the program's own import of Dask that fails.
"""

from distributed import Client

from zencache import pipeline, step


@step
def double(x: int) -> int:
    return 2 * x


@pipeline
def doubling():
    double(2)


if __name__ == "__main__":
    with Client(n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        run = doubling().run(executor=client.get_executor(pure=False))
        assert run.steps["double"].output.read() == 4
