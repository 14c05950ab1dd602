"""PNG files that say what they show, and move if there are several pictures.

PNG Specification (W3C, third edition): section 5 for chunks, 11.3.3 for text, 11.3.6 for animation.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...files import whole_file

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {2: 0, 3: 2}  # by dimensions: grey, and red, green and blue


def write_film(path: Path, frames: Sequence[np.ndarray], *, text: str, frame_ms: int = 80) -> None:
    """Write pictures of one size, uint8 (y, x) or (y, x, 3), as one PNG; several repeat for ever.

    Args:
        path: of the file, which is whole or absent.
        frames: the pictures. A program that knows no animation shows the first.
        text: ASCII; what the file says of itself.
        frame_ms: how long each is shown.
    """
    height, width = frames[0].shape[:2]
    kind = _COLOUR_TYPES[frames[0].ndim]
    chunks = [
        _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
        _chunk(b"tEXt", b"Description\0" + text.encode("ascii")),
    ]
    if len(frames) > 1:
        chunks.append(_chunk(b"acTL", struct.pack(">II", len(frames), 0)))
    number = 0  # of the chunks that belong to the animation, which are counted
    for frame in frames:
        if len(frames) > 1:
            control = struct.pack(">IIIIIHHBB", number, width, height, 0, 0, frame_ms, 1000, 0, 0)
            chunks.append(_chunk(b"fcTL", control))
            number += 1
        if frame is frames[0]:
            chunks.append(_chunk(b"IDAT", _packed(frame)))
        else:
            chunks.append(_chunk(b"fdAT", struct.pack(">I", number) + _packed(frame)))
            number += 1
    with whole_file(path) as temporary:
        temporary.write_bytes(_SIGNATURE + b"".join([*chunks, _chunk(b"IEND", b"")]))


def write_picture(path: Path, pixels: np.ndarray, *, text: str) -> None:
    """Write one picture; see `write_film`."""
    write_film(path, [pixels], text=text)


def _packed(pixels: np.ndarray) -> bytes:
    """Rows, each with a byte before it that says that it is as it is."""
    rows = np.ascontiguousarray(pixels, np.uint8).reshape(len(pixels), -1)
    return zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
