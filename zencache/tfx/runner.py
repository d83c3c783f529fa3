"""``LocalDagRunner``: runs a pipeline of components in this process."""

from __future__ import annotations

from typing import Any

from zencache.exceptions import DeclarationError
from zencache.pipeline_function import Pipeline
from zencache.view import Run


class LocalDagRunner:
    """Runs a pipeline; each component is taken from the cache, or executed and recorded."""

    def run(self, pipeline: Pipeline, **options: Any) -> Run:
        """Run it. ``options`` are those of :meth:`zencache.Pipeline.run`, such as ``refresh``.

        Raises:
            StepFailed: a component raised.
        """
        if not isinstance(pipeline, Pipeline):
            raise DeclarationError(
                "The runner takes a pipeline.",
                facts={"found": repr(pipeline)},
                hint="Give a `tfx.dsl.Pipeline(...)`, or a `@pipeline` function that has been called.",
            )
        return pipeline.run(**options)
