"""Offering a metadata store to others, over MLMD's own gRPC protocol."""

from __future__ import annotations

from zencache.server.access import Tokens
from zencache.server.serving import HOST, PORT, MetadataServer, serve

__all__ = ["HOST", "PORT", "MetadataServer", "Tokens", "serve"]
