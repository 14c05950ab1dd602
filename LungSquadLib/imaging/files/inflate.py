"""Inflating a compressed file piece by piece, in constant memory."""

from __future__ import annotations

import zlib
from io import BufferedReader, BytesIO
from typing import Any

from ...errors import InputError

GZIP, ZLIB, RAW = 31, 15, -15  # zlib's wbits for the containers
MOST_GROWTH = 1040  # no deflate stream grows by more than this factor


class Inflater:
    """Reader of a gzip or zlib stream that begins at the position of `file`."""

    def __init__(self, file: BufferedReader | BytesIO, wbits: int, path: str) -> None:
        self._file, self._path, self._wbits = file, path, wbits
        self._zlib = _fastest_zlib()
        self._inflate = self._zlib.decompressobj(wbits)
        self._left = b""

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes.

        Raises:
            InputError: the stream is damaged or ends early.
        """
        parts: list[bytes] = []
        missing = count
        while missing:
            given = self._left or self._file.read(1 << 15)
            try:
                data = self._inflate.decompress(given, missing)
            except self._zlib.error as error:
                raise InputError(
                    f"'{self._path}' has damaged compressed data ({error})."
                ) from error
            self._left = self._inflate.unconsumed_tail
            if self._inflate.eof:  # gzip files may be several streams, one after another
                self._left = self._inflate.unused_data
                self._inflate = self._zlib.decompressobj(self._wbits)
            if not data and not given:
                raise InputError(f"'{self._path}' is truncated: it ends early; copy it again.")
            parts.append(data)
            missing -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def inflated_size(file: BufferedReader, wbits: int, *, most: int) -> int:
    """Count the bytes of the stream at the position of `file`, in constant memory, up to `most`.

    Damage ends the count; the reader of the stream reports it.
    """
    module = _fastest_zlib()
    inflate, size, given = module.decompressobj(wbits), 0, file.read(1 << 16)
    try:
        while given and size <= most and not inflate.eof:
            size += len(inflate.decompress(given, 1 << 20))
            given = inflate.unconsumed_tail or file.read(1 << 16)
    except module.error:
        pass
    return size


def _fastest_zlib() -> Any:
    """Return zlib-ng where it is installed: it is five times as fast on masks."""
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return zlib
    return zlib_ng
