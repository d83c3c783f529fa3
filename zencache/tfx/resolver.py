"""``Resolver``: artifacts that earlier runs of the pipeline have made, such as the latest model."""

from __future__ import annotations

import abc
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from zencache.declaration import Declaration, check_argument_names
from zencache.entity import Artifact as Recorded
from zencache.exceptions import ArtifactUnusable, DeclarationError
from zencache.materializer import name_of, require_type
from zencache.policy import CachePolicy
from zencache.provenance import unsigned
from zencache.reference import Artifact
from zencache.resource import Resource, Surroundings
from zencache.taint import Taint
from zencache.tfx.channel import Channel
from zencache.tfx.importer import Constant
from zencache.tfx.node import Node
from zencache.wiring import Wiring


class ResolverStrategy(abc.ABC):
    """How a resolver chooses among the artifacts that fit its channels."""

    @abc.abstractmethod
    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]] | None:
        """The artifacts that are chosen, by channel; ``None`` or no artifact where nothing is.

        Args:
            store: the stock ``ml_metadata.MetadataStore``.
            input_dict: for each channel the artifacts that fit it, oldest first.
        """


class LatestArtifactStrategy(ResolverStrategy):
    """The latest artifact of each channel; nothing at all unless each has one."""

    def __init__(self, desired_num_of_artifacts: int = 1):
        if desired_num_of_artifacts != 1:
            raise DeclarationError(
                "A resolver gives one artifact for each channel.",
                facts={"desired_num_of_artifacts": desired_num_of_artifacts},
                hint="Take the latest, or choose another one by a `ResolverStrategy` of your own.",
            )

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]] | None:
        latest = {
            name: sorted(found, key=lambda artifact: artifact.id)[-1:] for name, found in input_dict.items()
        }
        return latest if all(latest.values()) else None


class LatestBlessedModelStrategy(ResolverStrategy):
    """The latest model that was blessed, and its blessing; nothing at all if none was.

    Its resolver has two channels, of the types ``Model`` and ``ModelBlessing``. As in TFX, a blessing says
    by its custom properties that ``blessed`` is 1, and of which model: ``current_model_id`` is the model's
    ``id``. A model with the same content as a blessed one is blessed, too.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]] | None:
        if not all(input_dict.values()):
            return None
        kinds = {name: found[0].type_name for name, found in input_dict.items()}
        if sorted(kinds.values()) != ["Model", "ModelBlessing"]:
            raise DeclarationError(
                "The latest blessed model is looked for by other channels than a model and its blessing.",
                facts={"channels": ", ".join(f"{name}: {kind}" for name, kind in kinds.items())},
                hint="`model=Channel(type=Model), model_blessing=Channel(type=ModelBlessing)`.",
            )
        (model, blessing), _ = zip(*sorted(kinds.items(), key=lambda one: one[1]), strict=True)
        digests = {one.id: one.recorded.digest for one in input_dict[model]}
        blessings = {
            digests[of]: one
            for one in sorted(input_dict[blessing], key=lambda artifact: artifact.id)
            if one.get_int_custom_property("blessed") == 1
            and (of := one.get_int_custom_property("current_model_id")) in digests
        }
        for found in sorted(input_dict[model], key=lambda artifact: -artifact.id):
            if digests[found.id] in blessings:
                return {model: [found], blessing: [blessings[digests[found.id]]]}
        return None


class Resolver(Node):
    """Artifacts that runs of this pipeline have made. It is resolved anew at every run.

    Where nothing is found, a consumer receives the default None, or fails if it has no default.

    Args:
        strategy_class: a :class:`ResolverStrategy`.
        config: what it is made with.
        channels: by name, what to look for: ``model=Channel(type=Model)``.
    """

    def __init__(
        self,
        strategy_class: type[ResolverStrategy] | None = None,
        config: Mapping[str, Any] | None = None,
        **channels: Channel,
    ):
        if strategy_class is not None and not (
            isinstance(strategy_class, type) and issubclass(strategy_class, ResolverStrategy)
        ):
            raise DeclarationError(
                "`strategy_class` takes a ResolverStrategy.",
                facts={"found": repr(strategy_class)},
                hint="For example `tfx.dsl.experimental.LatestArtifactStrategy`.",
            )
        for name, channel in channels.items():
            if not isinstance(channel, Channel):
                raise DeclarationError(
                    "A resolver is given something other than a channel.",
                    facts={"channel": name, "found": repr(channel)},
                    hint="For example `model=tfx.dsl.Channel(type=Model)`.",
                )
        if not channels:
            raise DeclarationError(
                "A resolver is given no channel.",
                facts={"component": "Resolver"},
                hint="For example `model=tfx.dsl.Channel(type=Model)`.",
            )
        check_argument_names(channels, "Resolver")
        try:
            strategy = (strategy_class or LatestArtifactStrategy)(**(config or {}))
        except TypeError as error:
            raise DeclarationError(
                f"`config` does not fit the strategy: {error}.",
                facts={"strategy": (strategy_class or LatestArtifactStrategy).__name__},
                hint="It holds the arguments that the class is made with, by name.",
            ) from error
        declaration = Declaration(
            name="Resolver",
            function=resolve,
            arguments={},
            defaults={},
            outputs={name: channel.type for name, channel in channels.items()},
            several=True,
            enable_cache=False,
            # What is recorded changes with every run, so that no key may ever be met again.
            cache_policy=CachePolicy(cache_func=_never_the_same),
            resources={
                "history": _HistoryOfPipeline(),
                "strategy": Constant(strategy),
                "channels": Constant(channels),
            },
            by_name=True,
            base=None,
        )
        super().__init__(declaration, {})
        self.channels = channels
        self._made_with = {"strategy_class": strategy_class, "config": dict(config or {})}
        self._remember_channels()
        self.join()

    def wire(self, wiring: Wiring) -> None:
        self._remember_channels()  # once more: a component may have been given another id
        super().wire(wiring)

    def _remember_channels(self) -> None:
        """What it was made with, for another process that makes it again."""
        channels = {
            name: (channel.type, channel.producer_component_id, channel.output_key)
            for name, channel in self.channels.items()
        }
        made_by = (_resolver, {**self._made_with, "channels": channels})
        self.declaration = replace(self.declaration, made_by=made_by)

    def waits_for(self) -> list[Node]:
        made = [channel.producer for channel in self.channels.values() if channel.producer is not None]
        return [*super().waits_for(), *made]


def _resolver(
    strategy_class: type[ResolverStrategy] | None,
    config: Mapping[str, Any],
    channels: Mapping[str, tuple[type[Artifact], str | None, str | None]],
) -> Resolver:
    """A resolver from what is recorded of it."""
    found = {
        name: Channel(kind, producer_component_id=producer, output_key=output)
        for name, (kind, producer, output) in channels.items()
    }
    return Resolver(strategy_class, config, **found)


def resolve(
    history: History, strategy: ResolverStrategy, channels: Mapping[str, Channel]
) -> dict[str, Artifact]:
    """What a resolver does when it runs."""
    found = {name: history.artifacts(channel) for name, channel in channels.items()}
    chosen = strategy.resolve_artifacts(history.store, found) or {}
    for name, artifacts in chosen.items():
        if len(artifacts) > 1:
            raise DeclarationError(
                "A resolver found several artifacts for one channel.",
                facts={"channel": name, "artifacts": len(artifacts)},
                hint="Choose one: an input takes one artifact.",
            )
    return {name: artifacts[0] for name, artifacts in chosen.items() if artifacts}


class History:
    """What the runs of one pipeline have made, and can still be used."""

    def __init__(self, surroundings: Surroundings):
        assert surroundings.metadata is not None  # the resource says that it needs it
        self._pipeline = surroundings.pipeline
        self._artifacts = surroundings.artifacts
        self._metadata = surroundings.metadata
        self._read = surroundings.metadata.read
        self._taint = Taint(surroundings.metadata, read_only=True)
        self.store = surroundings.metadata.stock

    def artifacts(self, channel: Channel) -> list[Artifact]:
        """The artifacts that fit a channel, oldest first."""
        fitting = [
            one
            for one in self._read.artifacts_of_pipeline(self._pipeline, channel.type_name)
            if self._is_usable(one, channel.type)
        ]
        not_believed = unsigned(self._metadata, fitting)
        fitting = [one for one in fitting if one.id not in not_believed]
        if channel.producer_component_id or channel.output_key:
            made = self._made_by(channel, [one.id for one in fitting])
            fitting = [one for one in fitting if one.id in made]
        return [_reference(channel.type, one) for one in fitting]

    def _is_usable(self, artifact: Recorded, kind: type[Artifact]) -> bool:
        """Whether an artifact was made by reference, is not quarantined, and its files are there."""
        materializer = require_type(kind)
        assert materializer is not None  # an artifact class has one
        by_reference = artifact.materializer == name_of(materializer) or bool(
            artifact.is_external and artifact.python_type
        )
        if not by_reference or artifact.state != "LIVE" or self._taint.of([artifact]) is not None:
            return False
        try:
            if not artifact.is_external:
                self._artifacts.verify(artifact.object)
        except ArtifactUnusable:
            return False
        return True

    def _made_by(self, channel: Channel, artifact_ids: Sequence[int]) -> set[int]:
        """Those of some artifacts that the channel's component made, under the channel's name."""
        edges = [
            edge
            for edge in self._read.edges_of_artifacts(artifact_ids)
            if edge.is_output and (channel.output_key is None or channel.output_key in edge.names)
        ]
        nodes = {e.id: e.node for e in self._read.brief_executions(edge.execution_id for edge in edges)}
        wanted = channel.producer_component_id
        return {edge.artifact_id for edge in edges if wanted is None or nodes[edge.execution_id] == wanted}


class _HistoryOfPipeline(Resource):
    needs_metadata = True

    def check(self, flags: Sequence[str]) -> None:
        return None

    @contextmanager
    def provide(self, surroundings: Surroundings, flags: Sequence[str]) -> Iterator[History]:
        yield History(surroundings)


def _reference(kind: type[Artifact], artifact: Recorded) -> Artifact:
    reference = kind()
    reference.recorded = artifact
    reference.uri = artifact.uri
    reference.restore(artifact.content_properties)
    return reference


def _never_the_same() -> str:
    return uuid.uuid4().hex
