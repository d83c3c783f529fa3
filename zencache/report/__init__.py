"""The picture of runs: a page that is served, or written as one file."""

from __future__ import annotations

from zencache.report.page import page_of, write_page
from zencache.report.server import application, serve

__all__ = ["application", "page_of", "serve", "write_page"]
