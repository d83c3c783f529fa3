"""The contract of a materializer: how values of a Python type become files and come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from zencache.class_annotation import module_of
from zencache.digest import Digest
from zencache.exceptions import MaterializerError

SYSTEM_TYPES = frozenset({"Dataset", "Model", "Metrics", "Statistics"})
_BUILT_IN = __name__.rpartition(".")[0] + "."


@dataclass(frozen=True, slots=True)
class ArtifactType:
    """The MLMD artifact type under which a value is recorded.

    Args:
        name: name of the type.
        base: the MLMD system type it derives from: ``Dataset``, ``Model``, ``Metrics`` or ``Statistics``.
        properties: name -> MLMD type (``INT``, ``DOUBLE``, ``STRING``, ``BOOLEAN``, ``STRUCT``) of each
            property that artifacts of this type declare.
    """

    name: str
    base: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


class BaseMaterializer:
    """How values of some Python types become files and come back.

    Defining a subclass that states its ``types`` registers it. A user's materializer goes before a
    built-in one for the same type, and of two of the same origin the last defined wins.

    Attributes:
        types: the Python types it is for, their subclasses included unless ``exact``.
        exact: only the types themselves, because a subclass would come back as its base.
        artifact_type: the MLMD type of what it saves; ``"Dataset"``, ``"Model"``, ``"Metrics"`` and
            ``"Statistics"`` are MLMD's own system types.
        format: raised when the files change their meaning; part of the cache key.
        runs_code: whether loading may run code that the files name, as a pickle does. Such a one is used only
            where a step, or the reader, asks for it by name; what is recorded is not enough.

    Example::

        class ImageMaterializer(BaseMaterializer):
            types = (Image.Image,)
            artifact_type = "Dataset"

            def save(self, value, directory):
                value.save(directory / "image.png")

            def load(self, directory, type):
                return Image.open(directory / "image.png").copy()
    """

    types: ClassVar[tuple[type, ...]] = ()
    exact: ClassVar[bool] = False
    artifact_type: ClassVar[str | ArtifactType] = "Artifact"
    format: ClassVar[int] = 1
    runs_code: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "types" in cls.__dict__:  # inherited types are those of another, registered materializer
            register(cls)

    @classmethod
    def artifact_type_for(cls, python_type: type) -> ArtifactType:
        """The artifact type of a value of this Python type; override it where the type decides."""
        stated = cls.artifact_type
        if isinstance(stated, ArtifactType):
            return stated
        return ArtifactType(stated, base=stated if stated in SYSTEM_TYPES else None)

    def save(self, value: Any, directory: Path) -> Mapping[str, Digest] | None:
        """Write a value as files below an existing, empty directory.

        Returns:
            The digests of files that were hashed while they were written, by path relative to
            ``directory`` with ``/`` between its parts. Files that are not named, or all of them if
            nothing is returned, are hashed by the caller.

        Raises:
            MaterializerError: the value would not come back as it is.
        """
        raise NotImplementedError

    def load(self, directory: Path, type: type) -> Any:
        """Read a value back.

        Args:
            directory: a verified, read-only copy that others share. Never write into it, and return
                nothing that writes through to it.
            type: the type that the saved value had, which may be a subclass of the declared one.

        Raises:
            MaterializerError: the files are not what ``save`` wrote.
        """
        raise NotImplementedError

    def digest(self, directory: Path) -> str | None:
        """Text that identifies the content where the bytes do not; ``None`` where they do."""
        return None

    def digest_files(self, files: Mapping[str, Digest]) -> str | None:
        """As :meth:`digest`, from the digests of all files by their path, so that no file is read again."""
        return None

    def write_beam(self, collections: Any, directory: Path, type: type) -> Any:
        """Write a Beam collection, or a dict of them, below an existing, empty directory.

        It is called while the pipeline is built, which then runs; the files are there when that has ended.

        Args:
            collections: what the step returned.
            directory: where they shall lie; workers write there.
            type: the declared type of the output.

        Returns:
            The value that lies there, for its :meth:`properties`; ``None`` if it has none.
        """
        raise MaterializerError(
            "A Beam collection cannot be written as a value of the declared type.",
            facts={"type": type_name(type)},
            hint="Declare `Examples` or `pyarrow.dataset.Dataset`, or give the materializer a `write_beam`.",
        )

    def properties(self, value: Any) -> Mapping[str, Any]:
        """What is recorded of a value beside its files, and counts as its content: JSON values by name."""
        return {}

    def restore(self, value: Any, properties: Mapping[str, Any]) -> Any:
        """A loaded value with what :meth:`properties` gave when it was saved."""
        return value


registered: dict[type, type[BaseMaterializer]] = {}


def register(materializer: type[BaseMaterializer]) -> None:
    """Make a materializer the one for its ``types``.

    Only needed for a class that states no ``types`` of its own, or to put an earlier one back.
    """
    for python_type in materializer.types:
        earlier = registered.get(python_type)
        # Built-in leaves are imported late, so that "the last wins" alone would undo a user's choice.
        if earlier is None or is_built_in(earlier) or not is_built_in(materializer):
            registered[python_type] = materializer


def is_built_in(materializer: type[BaseMaterializer]) -> bool:
    """Whether a materializer is one of this package."""
    return materializer.__module__.startswith(_BUILT_IN)


def type_name(python_type: type) -> str:
    """``"module:qualname"``, by which a type is recorded.

    >>> type_name(Path), type_name(int)
    ('pathlib:Path', 'builtins:int')
    """
    return f"{module_of(python_type)}:{python_type.__qualname__}"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a damaged or foreign file provokes into one ``MaterializerError``."""
    try:
        yield
    except MaterializerError:
        raise
    except Exception as error:
        raise MaterializerError(
            "The files of an artifact cannot be read.",
            facts={"file": path.name, "because": _summary(error)},
            hint="They are damaged, or were written by something else; run the step again.",
        ) from error


@contextmanager
def writing(value: Any, hint: str | None = None) -> Iterator[None]:
    """Turn whatever a library says of a value that it cannot write into one ``MaterializerError``."""
    try:
        yield
    except (MaterializerError, OSError):  # a full disk is no fault of the value
        raise
    except Exception as error:
        raise MaterializerError(
            "The value cannot be saved.",
            facts={"type": type_name(type(value)), "because": _summary(error)},
            hint=hint,
        ) from error


def _summary(error: Exception) -> str:
    first_line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first_line}"[:300]
