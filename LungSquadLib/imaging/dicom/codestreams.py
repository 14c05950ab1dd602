"""Checks of a compressed frame's own header, before a decoder in C++ reads the frame.

GDCM sizes some of its buffers by the DICOM header and others by the frame's own header: where the
two differ it may crash or exhaust the memory. JPEG: ITU-T T.81 B.2.2; JPEG-LS: T.87 C.2.2; JPEG
2000: T.800 A.5.1 and I.5; RLE: PS3.5 annex G.
"""

from __future__ import annotations

import struct

from .planes import PixelFormat

RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
JPEG_FAMILY = frozenset(_JPEG + end for end in ("50", "51", "57", "70", "80", "81"))
JPEG_2000 = frozenset(_JPEG + end for end in ("90", "91"))
KNOWN = JPEG_FAMILY | JPEG_2000 | {RLE}

_FRAME_HEADERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # SOF0-15 and JPEG-LS's SOF55
_END_OF_IMAGE, _MOST_PADDING = b"\xff\xd9", 64
_MOST_TILES = 65535


def fits(stream: bytes, pixel_format: PixelFormat) -> bool:
    """Whether a compressed frame has the DICOM header's size and depth, and one component."""
    try:
        if pixel_format.syntax == RLE:
            return _rle_fits(stream, pixel_format)
        read = _jpeg_2000 if pixel_format.syntax in JPEG_2000 else _jpeg
        rows, columns, depth, components = read(stream)
    except (struct.error, ValueError):  # it ends early
        return False
    same = (rows, columns, components) == (pixel_format.rows, pixel_format.columns, 1)
    return same and 1 <= depth <= pixel_format.bits_allocated


def _jpeg(stream: bytes) -> tuple[int, int, int, int]:
    """Read rows, columns, bits and components from the first frame header."""
    if stream[:2] != b"\xff\xd8":
        raise ValueError("no start of image")
    if _END_OF_IMAGE not in stream[-_MOST_PADDING:]:  # decoders make up what is missing
        raise ValueError("no end of image")
    position = 2
    while True:
        fill, marker = struct.unpack_from("BB", stream, position)
        if fill != 0xFF or marker == 0xDA:
            raise ValueError("no frame header")
        position += 1 if marker == 0xFF else 2
        if marker == 0xFF or 0xD0 <= marker <= 0xD7 or marker == 0x01:
            continue  # these have no length
        if marker in _FRAME_HEADERS:
            _, depth, rows, columns, components = struct.unpack_from(">HBHHB", stream, position)
            return rows, columns, depth, components
        (length,) = struct.unpack_from(">H", stream, position)
        position += max(length, 2)


def _jpeg_2000(stream: bytes) -> tuple[int, int, int, int]:
    """Read rows, columns, bits and components from the codestream's SIZ segment."""
    start = _codestream_start(stream)
    if stream[start : start + 4] != b"\xff\x4f\xff\x51":
        raise ValueError("no codestream")
    x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components, depth, step_x, step_y = (
        struct.unpack_from(">8IH3B", stream, start + 8)
    )
    columns, rows = x1 - x0, y1 - y0
    if (step_x, step_y) != (1, 1) or min(tile_x, tile_y, columns, rows) < 1:
        raise ValueError("no grid of tiles")
    across, down = -(-(x1 - tile_x0) // tile_x), -(-(y1 - tile_y0) // tile_y)
    if across * down > _MOST_TILES:
        raise ValueError("too many tiles")
    return rows, columns, (depth & 0x7F) + 1, components


def _codestream_start(stream: bytes) -> int:
    """Return the codestream's offset: 0, or that of the first codestream box of a JP2 file."""
    if stream[4:8] != b"jP  ":
        return 0
    position = 0
    while True:
        length, kind = struct.unpack_from(">I4s", stream, position)
        header = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", stream, position + 8)
            header = 16
        if kind == b"jp2c":
            return position + header
        if length < header:
            raise ValueError("no codestream box")
        position += length


def _rle_fits(stream: bytes, pixel_format: PixelFormat) -> bool:
    """Whether the frame has a segment for each byte of a value, each within the frame."""
    count, *offsets = struct.unpack_from("<16I", stream)
    used = offsets[:count]
    return (
        count == pixel_format.bits_allocated // 8
        and used[0] == 64
        and used == sorted(used)
        and used[-1] < len(stream)
    )
