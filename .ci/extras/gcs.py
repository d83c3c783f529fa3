# Without it, the artifact store cannot be opened.
"""The file system of the store opens. What it does on a server, tests/contracts tells."""

import os
import sys

from zencache import Repository, ZencacheError

os.environ["STORAGE_EMULATOR_HOST"] = "http://127.0.0.1:1"  # else it looks for credentials

try:
    Repository(artifacts="gs://bucket/cache")
except ZencacheError as error:
    sys.exit(str(error))
