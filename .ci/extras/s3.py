# Without it, the artifact store cannot be opened.
"""The file system of the store opens. What it does on a server, tests/contracts tells."""

import sys

from zencache import Repository, ZencacheError

try:
    Repository(artifacts="s3://bucket/cache")
except ZencacheError as error:
    sys.exit(str(error))
