"""HU of any box of a DICOM CT: only the rows and slices of the box are read.

Uncompressed frames are read in place. Compressed ones (JPEG, JPEG-LS, JPEG 2000, RLE) are decoded
by GDCM, which comes with SimpleITK: each frame's bit stream goes to it in a minimal file, so that
GDCM returns stored values, without its rescaling and its inversion of MONOCHROME1.
"""

from __future__ import annotations

import io
import os
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...errors import InputError, parsing
from ...progress import Progress, Silent, step
from ..files import inflate
from ..geometry import Box
from . import codestreams
from . import header as tags
from .header import Header
from .planes import PixelFormat, Plane

LARGEST_PLAIN_HU = 3071  # the most that 12 bits hold above -1024
PADDING_HU = -2000  # below air, as scanners fill what is outside their field of view


class FrameReader:
    """Reader of stored values and HU of planes; it caches the last file that must be read whole."""

    def __init__(self) -> None:
        self._encapsulated: tuple[str, list[bytes]] = ("", [])
        self._inflated: tuple[str, bytes] = ("", b"")

    def hu(self, planes: Sequence[Plane], box: Box, progress: Progress | None = None) -> np.ndarray:
        """Return the HU of `box` (index order; z counts `planes`) as an array (z, y, x).

        int16 where every rescale slope and intercept is whole, float32 otherwise.
        """
        whole = all(p.slope == int(p.slope) and p.intercept == int(p.intercept) for p in planes)
        z, y, x = box.slices
        array = np.empty(box.size[::-1], np.int16 if whole else np.float32)
        wanted = planes[z]
        for number, (out, plane) in enumerate(zip(array, wanted, strict=True)):
            step(progress or Silent(), number / len(wanted), "Reading the CT")
            allocated = self._allocated(plane, y)[:, x]
            stored = _stored(allocated, plane.format)
            if whole:
                values = stored.astype(np.int64 if stored.dtype.itemsize > 2 else np.int32)
                values = values * int(plane.slope) + int(plane.intercept)
                np.clip(values, -32768, 32767, out=out, casting="unsafe")
            else:
                out[:] = stored * plane.slope + plane.intercept
            if _padding_too_dense(plane):
                out[_padded(allocated, stored, plane.format)] = PADDING_HU
        return array

    def stored(self, plane: Plane) -> np.ndarray:
        """Return the stored values of a plane (PS3.5 section 8.1.1)."""
        return _stored(self._allocated(plane, slice(None)), plane.format)

    def encoded(self, plane: Plane) -> bytes:
        """Return the bytes of a frame as its file holds them, compressed or not."""
        if plane.format.compressed:
            return self._stream(plane)
        length = plane.format.frame_bytes
        return self._bytes_of(plane.header, plane.frame * length, length)

    def with_known_bits(self, planes: Sequence[Plane]) -> list[Plane]:
        """Return the planes with the position of their values' bits, where High Bit is ambiguous.

        The current standard requires values in the lowest bits (PS3.5 section 8.1.1), older
        editions allowed higher ones. A High Bit above the values' bits is old or wrong, and the
        pixels show which: bits below and above a value are 0.

        Raises:
            InputError: all bits are in use.
        """
        if not any(plane.format.shift for plane in planes):
            return list(planes)
        used = 0
        for plane in planes:
            used |= int(np.bitwise_or.reduce(_bits(self._allocated(plane, slice(None))), None))
        shift = max(plane.format.shift for plane in planes)
        if used & ((1 << shift) - 1) == 0:
            return list(planes)
        if used >> min(plane.format.bits_stored for plane in planes):
            raise InputError(
                f"'{planes[0].header.path}' says that its values lie {shift} bits above the lowest "
                "(High Bit), but all bits are in use; export the series again."
            )
        return [replace(plane, format=replace(plane.format, shift=0)) for plane in planes]

    def _allocated(self, plane: Plane, rows: slice) -> np.ndarray:
        """Return rows of a plane as they are in the file, with all bits."""
        return self._decoded(plane)[rows] if plane.format.compressed else self._raw(plane, rows)

    def same_pixels(self, first: Plane, second: Plane) -> bool:
        """Whether two planes hold the same values."""
        return (first.slope, first.intercept) == (
            second.slope,
            second.intercept,
        ) and np.array_equal(self.stored(first), self.stored(second))

    def _decoded(self, plane: Plane) -> np.ndarray:
        pixel_format = plane.format
        if pixel_format.syntax == tags.DEFLATED_FRAMES:
            width, kind = pixel_format.bits_allocated // 8, "i" if pixel_format.signed else "u"
            data = self._inflated_frame(plane, pixel_format.frame_bytes)
            values = np.frombuffer(data, f"<{kind}{width}")
            return values.reshape(pixel_format.rows, pixel_format.columns)
        if pixel_format.syntax not in codestreams.KNOWN:
            raise InputError(_cannot_decode(plane))
        return _decode(self._stream(plane), plane)

    def _stream(self, plane: Plane) -> bytes:
        """Return the compressed bytes of a frame."""
        path = plane.header.path
        if self._encapsulated[0] != path:
            with parsing(path, "a DICOM file with compressed frames"):
                self._encapsulated = (path, _bit_streams(plane))
        streams = self._encapsulated[1]
        if plane.frame >= len(streams):
            raise InputError(
                f"'{path}' is truncated: frame {plane.frame + 1} of its compressed pixel data is "
                "missing; copy it again."
            )
        return streams[plane.frame]

    def _raw(self, plane: Plane, rows: slice) -> np.ndarray:
        pixel_format, header = plane.format, plane.header
        start, stop, _ = rows.indices(pixel_format.rows)
        order = ">" if pixel_format.syntax == tags.EXPLICIT_BIG else "<"
        kind = "i" if pixel_format.signed else "u"
        width = pixel_format.bits_allocated // 8
        offset = plane.frame * pixel_format.frame_bytes + start * pixel_format.columns * width
        length = (stop - start) * pixel_format.columns * width
        data = self._bytes_of(header, offset, length)
        values = np.frombuffer(data, f"{order}{kind}{width}")
        return values.reshape(stop - start, pixel_format.columns)

    def bits(self, plane: Plane) -> np.ndarray:
        """Return a frame of single bits (y, x) as bool (PS3.5 section 8.1.1).

        Native frames are packed without gaps between them; deflated ones begin at a byte
        (PS3.5 section 8.2.16).
        """
        pixels = plane.format.rows * plane.format.columns
        if plane.format.syntax == tags.DEFLATED_FRAMES:
            start, data = 0, self._inflated_frame(plane, (pixels + 7) // 8)
        elif plane.format.compressed:
            raise InputError(_cannot_decode(plane))
        else:
            start = plane.frame * pixels
            length = (start + pixels + 7) // 8 - start // 8
            data = self._bytes_of(plane.header, start // 8, length)
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        mask = bits[start % 8 : start % 8 + pixels]
        return mask.reshape(plane.format.rows, plane.format.columns) != 0

    def _bytes_of(self, header: Header, offset: int, length: int) -> bytes:
        """Read bytes of native pixel data."""
        if header.pixel_offset < 0:
            data = self._pixels_of_deflated(header.path)[offset : offset + length]
        else:
            with parsing(header.path, "a DICOM file"), open(header.path, "rb", buffering=0) as file:
                file.seek(header.pixel_offset + offset)
                data = file.read(length) or b""
        if len(data) < length:
            raise InputError(
                f"'{header.path}' is truncated: its pixel data end early; copy it again."
            )
        return data

    def _inflated_frame(self, plane: Plane, length: int) -> bytes:
        """Inflate a frame that was deflated by itself (RFC 1951)."""
        stream = io.BytesIO(self._stream(plane))
        return inflate.Inflater(stream, inflate.RAW, plane.header.path).read(length)

    def _pixels_of_deflated(self, path: str) -> bytes:
        if self._inflated[0] != path:
            dataset = tags.read_dataset(path)
            with parsing(path, "a DICOM file with pixel data"):
                self._inflated = (path, bytes(dataset.PixelData))
        return self._inflated[1]


def _stored(allocated: np.ndarray, pixel_format: PixelFormat) -> np.ndarray:
    """Return the values' bits; the unused bits may hold anything."""
    unused = pixel_format.bits_allocated - pixel_format.bits_stored
    if unused == 0:
        return allocated
    if pixel_format.signed:  # shifted out and back, which keeps the sign
        return (allocated << (unused - pixel_format.shift)) >> unused
    return (allocated >> pixel_format.shift) & ((1 << pixel_format.bits_stored) - 1)


def _bits(array: np.ndarray) -> np.ndarray:
    """Return values as unsigned integers with the same bits, in native byte order."""
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    return array.view(array.dtype.str.replace("i", "u"))


def _padding_too_dense(plane: Plane) -> bool:
    """Whether the plane's padding would become HU beyond the CT scale.

    -2000 that is read without its sign becomes 62512 HU, brighter than any metal. Padding below
    air is left unchanged, as in other programs. So is padding with HU of tissue or of a saturated
    scanner, since not every pixel of that value is padding.
    """
    if plane.format.padding is None:
        return False
    return (
        max(end * plane.slope + plane.intercept for end in plane.format.padding) > LARGEST_PLAIN_HU
    )


def _padded(allocated: np.ndarray, stored: np.ndarray, pixel_format: PixelFormat) -> np.ndarray:
    """Return which pixels are padding, also where its value has more bits than stored values."""
    low, high = pixel_format.padding or (0, -1)
    beyond = not pixel_format.signed and high >> pixel_format.bits_stored
    values = allocated if beyond else stored
    return (values >= low) & (values <= high)


def _bit_streams(plane: Plane) -> list[bytes]:
    """Return the compressed frames of a file (PS3.5 A.4)."""
    from pydicom import encaps

    with open(plane.header.path, "rb") as file:
        file.seek(plane.header.pixel_offset)
        data = file.read()
    frames = plane.header.frames
    if hasattr(encaps, "generate_frames"):
        return list(encaps.generate_frames(data, number_of_frames=frames))
    return list(encaps.generate_pixel_data_frame(data, frames))  # pydicom 2


def _decode(stream: bytes, plane: Plane) -> np.ndarray:
    pixel_format = plane.format
    if not codestreams.fits(stream, pixel_format):
        raise InputError(_cannot_decode(plane))
    handle, name = tempfile.mkstemp(suffix=".dcm", prefix="lungsquad-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_single_frame_file(stream, pixel_format))
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(name)
        try:
            array = sitk.GetArrayFromImage(reader.Execute())
        except RuntimeError as error:
            raise InputError(_cannot_decode(plane)) from error
    finally:
        Path(name).unlink(missing_ok=True)
    array = array.reshape(array.shape[-2:])
    if array.shape != (pixel_format.rows, pixel_format.columns):
        raise InputError(_cannot_decode(plane))
    return array


def _cannot_decode(plane: Plane) -> str:
    from pydicom.uid import UID

    return (
        f"The pixel data of '{plane.name}' ({UID(plane.format.syntax).name}) cannot be decoded: "
        "the file is damaged, or the compression is not known; copy it again or decompress it."
    )


def _single_frame_file(stream: bytes, pixel_format: PixelFormat) -> bytes:
    """Return a DICOM file with one compressed frame and no patient data."""

    def element(tag: int, vr: bytes, value: bytes) -> bytes:
        value += b"" if len(value) % 2 == 0 else b"\0" if vr == b"UI" else b" "
        return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value

    def short(tag: int, value: int) -> bytes:
        return element(tag, b"US", struct.pack("<H", value))

    stream += b"\0" * (len(stream) % 2)
    # Values above the lowest bits need all bits back: GDCM takes the lowest ones.
    stored = pixel_format.bits_allocated if pixel_format.shift else pixel_format.bits_stored
    meta = element(tags.TRANSFER_SYNTAX, b"UI", pixel_format.syntax.encode())
    return b"".join(
        (
            b"\0" * 128 + b"DICM",
            struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(meta)) + meta,
            element(tags.SOP_CLASS, b"UI", b"1.2.840.10008.5.1.4.1.1.7"),  # secondary capture
            element(tags.SOP_INSTANCE, b"UI", b"2.25.1"),
            short(tags.SAMPLES_PER_PIXEL, 1),
            element(tags.PHOTOMETRIC, b"CS", b"MONOCHROME2"),
            short(tags.ROWS, pixel_format.rows),
            short(tags.COLUMNS, pixel_format.columns),
            short(tags.BITS_ALLOCATED, pixel_format.bits_allocated),
            short(tags.BITS_STORED, stored),
            short(tags.HIGH_BIT, stored - 1),
            short(tags.PIXEL_REPRESENTATION, int(pixel_format.signed)),
            struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF),
            struct.pack("<HHI", 0xFFFE, 0xE000, 0),  # no offset table
            struct.pack("<HHI", 0xFFFE, 0xE000, len(stream)) + stream,
            struct.pack("<HHI", 0xFFFE, 0xE0DD, 0),
        )
    )
