"""``Importer``: files that lie elsewhere become an artifact, with the content that they have now."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from zencache.binding import copied
from zencache.declaration import Declaration
from zencache.exceptions import DeclarationError
from zencache.policy import CachePolicy
from zencache.reference import Artifact, is_reference
from zencache.resource import Resource, Surroundings
from zencache.tfx.node import Node


class Constant(Resource):
    """Something that a node of zencache's own hands to its function, and that no key need tell apart."""

    def __init__(self, value: Any):
        self._value = value

    def check(self, flags: Sequence[str]) -> None:
        return None

    @contextmanager
    def provide(self, surroundings: Surroundings, flags: Sequence[str]) -> Iterator[Any]:
        yield self._value


class Importer(Node):
    """An artifact of files that lie outside of the artifact store; nothing is copied.

    What they contain is fingerprinted at every run, with the stat cache that external files have, so that
    what takes the artifact runs again when they change.

    Args:
        source_uri: a file, a folder or any fsspec URL.
        artifact_type: the artifact class.
        reimport: make a new artifact at every run.
        properties: values of properties that the class declares.
        custom_properties: others, texts or integers.
        output_key: the name of the output.
    """

    def __init__(
        self,
        source_uri: str | os.PathLike[str],
        artifact_type: type[Artifact],
        reimport: bool | None = False,
        properties: Mapping[str, Any] | None = None,
        custom_properties: Mapping[str, Any] | None = None,
        output_key: str | None = None,
    ):
        if not is_reference(artifact_type):
            raise DeclarationError(
                "`artifact_type` takes an artifact class.",
                facts={"component": "Importer", "found": repr(artifact_type)},
                hint="For example `tfx.types.standard_artifacts.Schema`.",
            )
        if not isinstance(source_uri, str | os.PathLike) or not os.fspath(source_uri):
            raise DeclarationError(
                "`source_uri` takes a path or a URL.",
                facts={"component": "Importer", "found": repr(source_uri)},
                hint="That of a file or a folder that is there.",
            )
        source_uri = os.fspath(source_uri)
        output = output_key or "result"
        arguments: dict[str, Any] = {
            "artifact_uri": source_uri,
            "reimport": int(bool(reimport)),
            "output_key": output,
            **({"properties": dict(properties)} if properties else {}),
            **({"custom_properties": dict(custom_properties)} if custom_properties else {}),
        }
        import_artifact(artifact_type, **arguments)  # raises here if a property is wrong
        declaration = Declaration(
            name="Importer",
            function=import_artifact,
            arguments={name: type(value) for name, value in arguments.items()},
            defaults={},
            outputs={output: artifact_type},
            several=True,
            enable_cache=False if reimport else None,
            cache_policy=CachePolicy(file_dependencies=(source_uri,)),
            resources={"artifact_type": Constant(artifact_type)},
            by_name=True,
            base=None,
            made_by=(
                Importer,
                {
                    "source_uri": source_uri,
                    "artifact_type": artifact_type,
                    "reimport": bool(reimport),
                    "properties": dict(properties or {}),
                    "custom_properties": dict(custom_properties or {}),
                    "output_key": output,
                },
            ),
        )
        super().__init__(declaration, {k: copied(v, "Importer", k) for k, v in arguments.items()})
        self.join()


def import_artifact(
    artifact_type: type[Artifact],
    artifact_uri: str,
    reimport: int,
    output_key: str,
    properties: Mapping[str, Any] | None = None,
    custom_properties: Mapping[str, Any] | None = None,
) -> dict[str, Artifact]:
    """What an importer does when it runs. ``reimport`` only decides whether it does."""
    artifact = artifact_type()
    artifact.uri = artifact_uri
    artifact.is_external = True
    for name, value in (properties or {}).items():
        setattr(artifact, name, value)
    for name, value in (custom_properties or {}).items():
        if type(value) is int:
            artifact.set_int_custom_property(name, value)
        else:
            artifact.set_string_custom_property(name, value)
    return {output_key: artifact}
