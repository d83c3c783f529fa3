"""``tfx.dsl.Pipeline``: components put together by a list instead of by a function's body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from inspect import signature
from typing import Any

from zencache.declaration import check_options
from zencache.exceptions import DeclarationError
from zencache.pipeline_function import Pipeline as StepPipeline
from zencache.pipeline_function import check_switch
from zencache.plan import Plan
from zencache.project import Project
from zencache.tfx.connection import ConnectionConfig
from zencache.tfx.node import Node
from zencache.view import Run
from zencache.wiring import wiring


class Pipeline(StepPipeline):
    """A pipeline of components.

    Args:
        pipeline_name: its name.
        pipeline_root: path or URL of the artifact store; the project's unless given.
        metadata_connection_config: the metadata store; the project's unless given.
        components: nodes, in any order.
        enable_cache: as everywhere in zencache: ``False`` turns caching off, and it is on unless somebody
            says so. TFX's own default is off.
        beam_pipeline_args: options of the pipelines that its Beam components receive.

    Raises:
        DeclarationError: two components have one id, one is missing, or they wait for each other.
    """

    def __init__(
        self,
        pipeline_name: str,
        pipeline_root: str | None = "",
        metadata_connection_config: ConnectionConfig | None = None,
        components: Iterable[Node] = (),
        enable_cache: bool | None = None,
        beam_pipeline_args: Sequence[str] | None = None,
        **unknown: Any,
    ):
        check_options(
            "tfx.dsl.Pipeline()", unknown, [one for one in signature(Pipeline).parameters if one != "unknown"]
        )
        if metadata_connection_config is not None and not isinstance(
            metadata_connection_config, ConnectionConfig
        ):
            raise DeclarationError(
                "`metadata_connection_config` is none that zencache makes.",
                facts={"found": repr(metadata_connection_config)},
                hint="Use `tfx.orchestration.metadata.sqlite_metadata_connection_config(path)`.",
            )
        check_switch(enable_cache)
        self.pipeline_root = pipeline_root or ""
        self.enable_cache = enable_cache
        self.beam_pipeline_args = beam_pipeline_args
        self.metadata_connection_config = metadata_connection_config
        self.components = _ordered(pipeline_name, components)
        with wiring() as current:
            for node in self.components:
                node.wire(current)
            nodes = current.nodes()
        super().__init__(
            pipeline_name, nodes, enable_cache=enable_cache, beam_pipeline_args=beam_pipeline_args
        )

    @property
    def pipeline_name(self) -> str:
        return self.name

    def project(self) -> Project:
        """The stores that it names; those of the project where it names none."""
        config = self.metadata_connection_config
        return Project(metadata=config.url if config else None, artifacts=self.pipeline_root or None)

    def copy(self, name: str) -> Pipeline:
        """A pipeline of another name with the same components, in the same stores."""
        return Pipeline(
            name,
            self.pipeline_root,
            self.metadata_connection_config,
            self.components,
            enable_cache=self.enable_cache,
            beam_pipeline_args=self.beam_pipeline_args,
        )

    def run(self, *, repository: Project | None = None, **options: Any) -> Run:
        """Run it in the stores that it names; see :meth:`zencache.Pipeline.run`."""
        return super().run(repository=repository or self.project(), **options)

    def plan(self, *, repository: Project | None = None, **options: Any) -> Plan:
        """What :meth:`run` would do; see :meth:`zencache.Pipeline.plan`."""
        return super().plan(repository=repository or self.project(), **options)


def _ordered(pipeline: str, given: Any) -> list[Node]:
    """The components, each behind those that it takes its inputs from; else as they were given."""
    components = list(given) if isinstance(given, Iterable) else []
    if not components:
        raise DeclarationError(
            "A pipeline takes a list of components.",
            facts={"pipeline": pipeline, "found": repr(given)},
            hint="`components=[...]`, with what calling components gives.",
        )
    for node in components:
        if not isinstance(node, Node):
            raise DeclarationError(
                "`components` takes components that have been called.",
                facts={"pipeline": pipeline, "found": repr(node)},
                hint="A `@step` becomes one by `tfx.dsl.components.component(step)(...)`.",
            )
    ordered: list[Node] = []
    waiting: list[Node] = []

    def visit(node: Node, below: Node | None) -> None:
        if any(node is one for one in ordered):
            return
        if not any(node is one for one in components):
            raise DeclarationError(
                "A component takes an input from one that is not in the pipeline.",
                facts={"pipeline": pipeline, "component": below, "takes from": node},
                hint="Add it to `components`.",
            )
        if any(node is one for one in waiting):
            raise DeclarationError(
                "Components wait for each other.",
                facts={"pipeline": pipeline, "components": " -> ".join(n.id for n in [*waiting, node])},
                hint="Take one `add_upstream_node` away.",
            )
        waiting.append(node)
        for above in node.above():
            visit(above, node)
        waiting.pop()
        ordered.append(node)

    for node in components:
        visit(node, None)
    return ordered
