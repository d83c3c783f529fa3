"""str, bytes and bytearray as files that any program reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zencache.digest import Digest, digest_bytes
from zencache.materializer.contract import ArtifactType, BaseMaterializer, reading


class TextMaterializer(BaseMaterializer):
    """Saves a ``str`` as UTF-8; newlines stay what they are, and lone surrogates survive."""

    types = (str,)
    exact = True
    artifact_type = ArtifactType("String")

    def save(self, value: str, directory: Path) -> Mapping[str, Digest]:
        payload = value.encode("utf-8", "surrogatepass")
        (directory / "value.txt").write_bytes(payload)
        return {"value.txt": digest_bytes(payload)}

    def load(self, directory: Path, type: type) -> str:
        path = directory / "value.txt"
        with reading(path):
            return path.read_bytes().decode("utf-8", "surrogatepass")


class BytesMaterializer(BaseMaterializer):
    """Saves ``bytes`` and ``bytearray`` as they are."""

    types = (bytes, bytearray)
    exact = True
    artifact_type = ArtifactType("Bytes")

    def save(self, value: bytes | bytearray, directory: Path) -> Mapping[str, Digest]:
        (directory / "value.bin").write_bytes(value)
        return {"value.bin": digest_bytes(value)}

    def load(self, directory: Path, type: type) -> Any:
        path = directory / "value.bin"
        with reading(path):
            payload = path.read_bytes()
        return bytearray(payload) if type is bytearray else payload
