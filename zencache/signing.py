"""Who made a record: Ed25519 signatures (RFC 8032) over everything that a hit believes.

What is signed is the canonical encoding of :func:`zencache.digest.encode`, in which every value has its type
and its length, so that no two statements share their bytes. Its first item says what kind of statement it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zencache.digest import encode
from zencache.entity import Acceptance, Artifact, CacheEntry, Signature
from zencache.exceptions import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_FORMAT = 1
_PREFIX = "ed25519:"
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_LARGEST_KEY_FILE = 1 << 16  # bytes; what is larger is another file


class SigningKey:
    """A writer's private key.

    Attributes:
        public: ``ed25519:`` and 44 characters, by which others name the writer.
    """

    def __init__(self, private: Ed25519PrivateKey):
        self._private = private
        self.public = _PREFIX + base64.b64encode(private.public_key().public_bytes_raw()).decode()

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> SigningKey:
        """Make a key, and two files: ``path``, for its owner only, and ``path.pub`` for everybody.

        Raises:
            ConfigurationError: one of them is there already, or cannot be written.
        """
        ed25519, serialization = _ed25519(), _serialization()
        key = cls(ed25519.Ed25519PrivateKey.generate())
        pem = key._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = Path(path).expanduser()
        public = file.with_name(file.name + ".pub")
        if os.path.lexists(public):
            raise _exists(public)
        _write_new(file, pem, 0o600)
        _write_new(public, f"{key.public}\n".encode(), 0o644)
        return key

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SigningKey:
        """The key in a PEM file (PKCS 8, without a passphrase).

        Raises:
            ConfigurationError: there is none, it cannot be read, or others than its owner can use it.
        """
        file = Path(path).expanduser()
        hint = "Make one: zencache key new FILE."
        try:
            with _open_regular(file) as stream:
                mode = os.fstat(stream.fileno()).st_mode
                pem = stream.read(_LARGEST_KEY_FILE)
        except OSError as error:
            raise ConfigurationError(
                f"The signing key cannot be read: {error.strerror or error}.", facts={"file": file}, hint=hint
            ) from error
        if mode & (stat.S_IRWXO | stat.S_IWGRP):
            raise ConfigurationError(
                "The signing key can be used by others than its owner.",
                facts={"file": file, "mode": f"{stat.S_IMODE(mode):04o}"},
                hint=f"If nobody has taken it: chmod 600 {file}. Else make a new one.",
            )
        ed25519, serialization = _ed25519(), _serialization()
        try:
            private = serialization.load_pem_private_key(pem, password=None)
        except Exception as error:  # of many kinds, some of them of OpenSSL
            raise ConfigurationError(
                "The file holds no signing key that can be read.",
                facts={"file": file, "expected": "an Ed25519 key in PEM, without a passphrase"},
                hint=hint,
            ) from error
        if not isinstance(private, ed25519.Ed25519PrivateKey):
            raise ConfigurationError(
                "The file holds a key of another kind.",
                facts={"file": file, "expected": "an Ed25519 key", "found": type(private).__name__},
                hint=hint,
            )
        return cls(private)

    def sign(self, statement: bytes) -> Signature:
        """The signature of a statement with this key."""
        return Signature(self.public, base64.b64encode(self._private.sign(statement)).decode())


def public_keys(named: Iterable[str | os.PathLike[str]]) -> frozenset[str]:
    """The public keys that are named, each by itself or by a file that holds one a line.

    Raises:
        ConfigurationError: one is no key, or a file cannot be read or holds none.
    """
    if isinstance(named, str | os.PathLike):
        named = [named]
    found: set[str] = set()
    for one in named:
        text = os.fspath(one)
        found |= {_checked_key(text, None)} if text.startswith(_PREFIX) else _keys_in(Path(text).expanduser())
    if not found:
        raise ConfigurationError(
            "No signature would be accepted: `require_signatures` names no key.",
            hint="Name public keys or files that hold them, or leave the setting out.",
        )
    return frozenset(found)


def _keys_in(file: Path) -> set[str]:
    hint = "A public key is `ed25519:...`, as `zencache key show` prints it; else a file is meant."
    try:
        with _open_regular(file) as stream:
            text = stream.read(_LARGEST_KEY_FILE).decode()
    except (OSError, UnicodeDecodeError) as error:
        because = error.strerror or error if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(
            f"A file of public keys cannot be read: {because}.", facts={"file": file}, hint=hint
        ) from error
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = {_checked_key(line, file) for line in lines if line}
    if not found:
        raise ConfigurationError("A file of public keys holds none.", facts={"file": file}, hint=hint)
    return found


def _checked_key(text: str, file: Path | None) -> str:
    raw = _decoded(text.removeprefix(_PREFIX), _KEY_BYTES)
    if raw is None or not text.startswith(_PREFIX):
        is_private = "PRIVATE KEY" in text
        raise ConfigurationError(
            "This is a private key, not a public one." if is_private else "This is no public key.",
            facts={"file": file, "found": None if is_private else f"{text:.60}"},
            hint="A public key is `ed25519:` and 44 characters, as `zencache key show` prints it.",
        )
    return _PREFIX + base64.b64encode(raw).decode()  # in one form, whatever bits were left over


class Trust:
    """With which key records are signed here, and whose signatures are accepted.

    Args:
        key: the writer's; without one nothing is signed.
        accepted: public keys; without them no signature is asked for, which is the default.
    """

    def __init__(self, key: SigningKey | None = None, accepted: frozenset[str] | None = None):
        self.key = key
        self.accepted = accepted
        self._public: dict[str, Ed25519PublicKey] = {}
        self._own: set[bytes] = set()
        if key is not None or accepted is not None:
            ed25519 = _ed25519()
            for text in accepted or ():
                raw = base64.b64decode(text.removeprefix(_PREFIX))
                self._public[text] = ed25519.Ed25519PublicKey.from_public_bytes(raw)

    @property
    def is_indifferent(self) -> bool:
        """Whether nothing is signed here, and no signature is asked for."""
        return self.key is None and self.accepted is None

    @property
    def is_required(self) -> bool:
        """Whether only what is signed is believed."""
        return self.accepted is not None

    @property
    def drawback(self) -> str:
        """Why what is recorded here will not be believed here; empty if it will be, or if all is."""
        if self.accepted is None:
            return ""
        if self.key is None:
            return "there is no signing key"
        return "" if self.key.public in self.accepted else "the signing key is not among those accepted"

    def sign(self, statement: bytes) -> Signature | None:
        """The signature of a statement, if there is a key. What this process says, it believes."""
        self.note(statement)
        return self.key.sign(statement) if self.key is not None else None

    def note(self, statement: bytes) -> None:
        """This process itself says so, and needs nobody's word for it."""
        if self.is_required:
            self._own.add(hashlib.sha256(statement).digest())

    def problem(self, statement: bytes, signature: Signature | None) -> str:
        """Why a statement is not believed; empty if it is, or if no signature is asked for."""
        if self.accepted is None or hashlib.sha256(statement).digest() in self._own:
            return ""
        if signature is None:
            return "it is not signed"
        public = self._public.get(signature.by)
        if public is None:
            return f"it is signed by {signature.by:.60}, who is not accepted"
        raw = _decoded(signature.value, _SIGNATURE_BYTES)
        if raw is None or not _is_valid(public, raw, statement):
            return "its signature does not fit what is recorded"
        return ""


def _is_valid(public: Ed25519PublicKey, raw: bytes, statement: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(raw, statement)
    except InvalidSignature:
        return False
    return True


def entry_statement(
    cache_key: str, finished: float, inputs: Mapping[str, Artifact], outputs: Mapping[str, Artifact]
) -> bytes:
    """That an execution with this key, completed at this time, took these inputs and made these outputs."""
    taken = [(name, artifact.digest) for name, artifact in sorted(inputs.items())]
    made = [(name, _facts(artifact)) for name, artifact in sorted(outputs.items())]
    return _statement("entry", (cache_key, float(finished), taken, made))


def entry_problem(trust: Trust, entry: CacheEntry) -> str:
    """Why an entry is not believed; empty if it is, or if no signature is asked for."""
    if not trust.is_required:
        return ""
    statement = entry_statement(entry.cache_key, entry.finished, entry.inputs, entry.outputs)
    return trust.problem(statement, entry.signature)


def value_statement(artifact: Artifact) -> bytes:
    """That a pipeline was given this value."""
    return _statement("value", _facts(artifact))


def definition_statement(run: str, pipeline: str, definition: str) -> bytes:
    """That a run of a pipeline had this definition, which says where its code lies."""
    return _statement("definition", (run, pipeline, definition))


def acceptance_statement(acceptance: Acceptance) -> bytes:
    """That an edit of a step's code is harmless, or is not any more."""
    return _statement(
        "acceptance",
        (acceptance.step, acceptance.new, acceptance.old, acceptance.when.isoformat(), acceptance.is_revoked),
    )


def _facts(artifact: Artifact) -> tuple[Any, ...]:
    """Everything about an artifact that loading it believes.

    The address of an object in the artifact store is none of it: objects are found by their digest.
    """
    return (
        artifact.type,
        artifact.digest,
        artifact.object.hash,
        artifact.object.size,
        artifact.materializer,
        artifact.python_type,
        artifact.configuration,
        sorted(artifact.content_properties.items()),
        artifact.uri if artifact.is_external else None,
    )


def _statement(kind: str, content: Any) -> bytes:
    return encode((f"zencache {kind}", _FORMAT, content))


def _decoded(text: str, length: int) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == length else None


def _open_regular(file: Path) -> Any:
    """A file for reading; a pipe or a device, which might never end, is an error."""
    stream = os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb")
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError("it is no file")
    return stream


def _write_new(file: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise _exists(file) from None
    except OSError as error:
        raise ConfigurationError(
            f"The key cannot be written: {error.strerror}.", facts={"file": file}
        ) from error
    with open(handle, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _exists(file: Path) -> ConfigurationError:
    return ConfigurationError(
        "There is a file already, and a key is never overwritten.",
        facts={"file": file},
        hint="Give another name. What an old key has signed is believed while its public key is accepted.",
    )


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise ConfigurationError(
            "Signatures need a package that is not installed.",
            facts={"missing": "cryptography"},
            hint='pip install "zencache[signing]"',
        ) from error
    return ed25519


def _serialization() -> Any:
    from cryptography.hazmat.primitives import serialization

    return serialization
