"""What every connection to a metadata store does: one call at a time, errors in one form, opened anew.

An error after which it is not known whether a write was applied (a lost answer) is told apart from one after
which it was not (an aborted transaction). The second is simply repeated. After the first, the store is opened
anew and the caller's ``found`` is asked whether the write is there. A write without ``found`` must be one
that may be repeated: masked updates, types, contexts and artifacts with unique names, attributions.
"""

from __future__ import annotations

import ctypes
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from zencache.exceptions import MetadataStoreError
from zencache.metadata.connection.address import Address
from zencache.metadata.connection.stock import UntouchedRootLogger, load_quietly

T = TypeVar("T")

_ATTEMPTS = 5
_BACK_OFF = 0.005  # seconds, times the number of the attempt


class StoreAway(MetadataStoreError):
    """A metadata server does not answer now; it may in a moment."""


class Connection:
    """Calls to one stock ``ml_metadata.MetadataStore``, one at a time."""

    # Seconds for which a server that has answered before may be away, as when it is started anew.
    patience = 0.0
    # How often a transaction that another one got in the way of is repeated.
    attempts = _ATTEMPTS
    # How often a client that reported an internal error is opened anew for one call.
    reopenings = 1
    hint = "Check that its disk has space and that its file can be read and written."

    def __init__(self, address: Address):
        self.address = address
        self.url = address.url
        self.type_ids: dict[tuple[str, str], int] = {}
        self._guard = threading.RLock()
        self._store: Any = None
        self._pid = 0
        self._has_answered = False

    @property
    def store(self) -> Any:
        """The stock client. It is opened anew after an error that leaves it unusable, or a fork."""
        with self._guard:
            if self._store is None or self._pid != os.getpid() or self._is_stale():
                self._forget()
                self._store = self._open()
                self._pid = os.getpid()
            return self._store

    @property
    def exists(self) -> bool:
        """Whether the database has been made."""
        return True

    def abandon(self) -> None:
        """In a child process: forget the parent's client without closing it, which would end its session."""
        self._guard = threading.RLock()
        if self._store is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._store))
        self._forget()

    def read(self, call: Callable[[Any], T]) -> T:
        """Call with the stock client; an error becomes a MetadataStoreError, a broken client a new one."""
        return self._call(call)

    def write(
        self, call: Callable[[Any], T], found: Callable[[Any], T | None] | None = None, *, once: bool = False
    ) -> T:
        """As :meth:`read`, for calls that change something.

        Args:
            call: must be one that may be repeated, unless there is ``found``.
            found: asked after an answer was lost: what ``call`` would have returned if it was applied,
                and None if it was not.
            once: do not repeat it after a lost answer, whose error is then the caller's to deal with.
        """
        return self._call(call, found, once)

    def _call(
        self, call: Callable[[Any], T], found: Callable[[Any], T | None] | None = None, once: bool = False
    ) -> T:
        load_quietly()
        from ml_metadata import errors

        until = time.monotonic() + self.patience
        aborted = broken = 0
        is_unsure = False
        while True:
            try:
                with self._guard:
                    store = self.store
                    result = found(store) if is_unsure and found is not None else None
                    if result is None:
                        with UntouchedRootLogger():
                            result = call(store)
                    self._has_answered = True
                    return result
            except StoreAway:
                if not self._has_answered or time.monotonic() >= until:
                    raise
                time.sleep(random.uniform(0.05, 0.25))
            except errors.AlreadyExistsError:
                if not is_unsure or found is None:
                    raise
                with self._guard:
                    result = found(self.store)  # what was lost was applied after all, and late
                if result is None:
                    raise
                return result
            except errors.NotFoundError:
                raise
            except errors.StatusError as error:
                if self._was_undone(error):
                    aborted += 1
                    if aborted >= self.attempts:
                        raise self._failure(error) from error
                    time.sleep(_BACK_OFF * aborted * random.uniform(0.5, 1.5))
                elif isinstance(error, errors.UnavailableError):
                    self._forget()
                    is_unsure = True
                    if once or not self._has_answered or time.monotonic() >= until:
                        raise self._failure(error) from error
                    time.sleep(random.uniform(0.05, 0.25))
                elif isinstance(error, errors.InternalError | errors.FailedPreconditionError):
                    self._forget()
                    is_unsure = True
                    broken += 1
                    if once or broken > self.reopenings:
                        raise self._failure(error) from error
                else:
                    raise self._failure(error) from error

    def _open(self) -> Any:
        raise NotImplementedError

    def _was_undone(self, error: Exception) -> bool:
        """Whether an error says that a transaction was rolled back because of another one."""
        from ml_metadata import errors

        return isinstance(error, errors.AbortedError)

    def _is_stale(self) -> bool:
        """Whether the open client no longer speaks to the database of this URL."""
        return False

    def _forget(self) -> None:
        with self._guard:
            self._store = None
            self.type_ids.clear()

    def _failure(self, error: Exception) -> MetadataStoreError:
        return MetadataStoreError(
            f"The metadata store did not answer: {self._said(error)}.",
            facts={"metadata": self.url},
            hint=self.hint,
        )

    def _said(self, error: Exception) -> str:
        """What a client says, without the query behind it, which holds the user's values, and secrets."""
        text = next(iter(str(error).splitlines()), "").partition(" query:")[0]
        if self.address.secret:
            text = text.replace(self.address.secret, "***")
        return text[:200].rstrip(" .:") or type(error).__name__
