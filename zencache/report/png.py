"""An array of grey or coloured pixels as a PNG file (https://www.w3.org/TR/png/)."""

from __future__ import annotations

import struct
import zlib
from typing import Any

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # channels -> grey, RGB, RGBA


def png_of(pixels: Any) -> bytes:
    """The PNG file of a ``uint8`` array of shape ``(height, width, channels)``; 1, 3 or 4 channels."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + pixels[row].tobytes() for row in range(height))  # each unfiltered
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
