# Without it, the artifact store cannot be opened.
"""The file system of the store opens. What it does on a server, tests/contracts tells."""

import os
import sys

from zencache import Repository, ZencacheError

# It must know an account; nobody is asked when it opens.
os.environ["AZURE_STORAGE_CONNECTION_STRING"] = (
    "AccountName=nobody;AccountKey=bm9uZQ==;EndpointSuffix=localhost"
)

try:
    Repository(artifacts="az://bucket/cache")
except ZencacheError as error:
    sys.exit(str(error))
