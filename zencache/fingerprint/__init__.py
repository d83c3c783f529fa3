"""Fingerprints: of code, of values and of files."""

from zencache.fingerprint.code import Code, Unit, code_of, is_user_code
from zencache.fingerprint.definition import load_memory, save_memory
from zencache.fingerprint.file import ExternalFile, FileFingerprints, FoundFile, Sighting
from zencache.fingerprint.observation import observe, unobserve, was_observed
from zencache.fingerprint.value import value_fingerprint

__all__ = [
    "Code",
    "ExternalFile",
    "FileFingerprints",
    "FoundFile",
    "Sighting",
    "Unit",
    "code_of",
    "is_user_code",
    "load_memory",
    "observe",
    "save_memory",
    "unobserve",
    "value_fingerprint",
    "was_observed",
]
