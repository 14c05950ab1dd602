"""DICOM headers, fast: a scan of the few elements that are needed, pydicom for unusual files.

A chest CT is hundreds of small files, and reading each whole header with pydicom costs more than
all the rest of a crop. The scan walks the top-level elements of an explicit or implicit little
endian file (PS3.5 section 7.1) up to Pixel Data and keeps the raw bytes of those in `WANTED`.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, one_line, parsing
from ..files import inflate

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
DICOMDIR = "1.2.840.10008.1.3.10"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")

MEDIA_SOP_CLASS = 0x00020002
TRANSFER_SYNTAX = 0x00020010
CHARACTER_SET = 0x00080005
IMAGE_TYPE = 0x00080008
SOP_CLASS = 0x00080016
SOP_INSTANCE = 0x00080018
ACQUISITION_TIME = 0x00080032
MODALITY = 0x00080060
SERIES_DESCRIPTION = 0x0008103E
PATIENT_NAME = 0x00100010
PATIENT_ID = 0x00100020
PATIENT_BIRTH_DATE = 0x00100030
CONTRAST_AGENT = 0x00180010
SLICE_THICKNESS = 0x00180050
KVP = 0x00180060
SPACING_BETWEEN_SLICES = 0x00180088
CONVOLUTION_KERNEL = 0x00181210
STUDY_UID = 0x0020000D
SERIES_UID = 0x0020000E
ACQUISITION_NUMBER = 0x00200012
INSTANCE_NUMBER = 0x00200013
IMAGE_POSITION = 0x00200032
IMAGE_ORIENTATION = 0x00200037
FRAME_OF_REFERENCE = 0x00200052
TEMPORAL_POSITION = 0x00200100
SAMPLES_PER_PIXEL = 0x00280002
PHOTOMETRIC = 0x00280004
NUMBER_OF_FRAMES = 0x00280008
ROWS = 0x00280010
COLUMNS = 0x00280011
PIXEL_SPACING = 0x00280030
BITS_ALLOCATED = 0x00280100
BITS_STORED = 0x00280101
HIGH_BIT = 0x00280102
PIXEL_REPRESENTATION = 0x00280103
PIXEL_PADDING = 0x00280120
PIXEL_PADDING_LIMIT = 0x00280121
RESCALE_INTERCEPT = 0x00281052
RESCALE_SLOPE = 0x00281053
RESCALE_TYPE = 0x00281054
LOSSY = 0x00282110
PIXEL_DATA = 0x7FE00010

WANTED = frozenset(
    value for name, value in globals().items() if name.isupper() and isinstance(value, int)
)

# PS3.5 section 7.1.2: with a length of 16 bits, and with one of 32.
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
# Each wanted tag by its four bytes in the file, read as one number: group first.
_BY_KEY = {tag >> 16 | (tag & 0xFFFF) << 16: tag for tag in WANTED}
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_short_element = struct.Struct("<HH2sH").unpack_from
_keyed_short_element = struct.Struct("<I2sH").unpack_from
_keyed_long_element = struct.Struct("<II").unpack_from
_long_element = struct.Struct("<HHI").unpack_from
_uint32 = struct.Struct("<I").unpack_from
_FIRST_READ, _LARGEST_READ = 8 << 10, 8 << 20
_LARGEST_META = 1 << 20
_LARGEST_INFLATED = 1 << 29  # of deflated files, which pydicom inflates whole
_LONGEST_TEXT = 1024


class _Unusual(Exception):  # noqa: N818 - a signal to use pydicom, caught in this file
    """The file has an element that only pydicom reads."""


@dataclass(frozen=True)
class Header:
    """The elements of `WANTED` that a DICOM file has, and where its pixel data lies.

    `pixel_offset` is where the value of Pixel Data begins in the file, -1 if the file has none or
    is deflated; `pixel_length` is its length in bytes, None where it is undefined (compressed
    frames).
    """

    path: str
    elements: dict[int, bytes]
    pixel_offset: int
    pixel_length: int | None
    file_size: int

    def text(self, tag: int) -> str:
        """The value as one line of text, without padding; empty where absent."""
        text = self.elements.get(tag, b"").decode("ascii", "replace").strip(" \0")
        return one_line(text, most=_LONGEST_TEXT)

    def decoded(self, tag: int) -> str:
        """The value as one line in the file's own character set, for people to read."""
        from pydicom.charset import convert_encodings, decode_bytes

        try:
            encodings = convert_encodings(self.text(CHARACTER_SET).split("\\"))
            value = self.elements.get(tag, b"")[: 4 * _LONGEST_TEXT]
            text = decode_bytes(value, encodings, set())
        except (LookupError, ValueError):
            text = self.text(tag)
        return one_line(text.strip(" \0"), most=_LONGEST_TEXT)

    def number(self, tag: int) -> int | None:
        """An unsigned short (VR US), None where absent or malformed."""
        value = self.elements.get(tag, b"")
        if len(value) != 2:
            return None
        order = "big" if self.syntax == EXPLICIT_BIG else "little"
        return int.from_bytes(value, order)  # type: ignore[arg-type]

    def decimals(self, tag: int) -> tuple[float, ...]:
        """Decimal strings (VR DS or IS) as floats; empty where absent or malformed."""
        value = self.elements.get(tag, b"")
        try:
            return tuple(float(part) for part in value.rstrip(b" \0").split(b"\\")) if value else ()
        except ValueError:
            return ()

    @property
    def frames(self) -> int:
        """Number of Frames; 1 where absent or malformed."""
        (first, *_) = self.decimals(NUMBER_OF_FRAMES) or (1.0,)
        return int(first) if 1 <= first < 1 << 31 else 1

    @property
    def syntax(self) -> str:
        """The transfer syntax UID."""
        return self.text(TRANSFER_SYNTAX) or IMPLICIT_LITTLE


def read_header(path: str | os.PathLike[str]) -> Header | None:
    """Read the header of a DICOM file; return None if the file is not DICOM.

    Raises:
        InputError: the file is DICOM and cannot be read.
        OSError: the file cannot be opened.
    """
    name = os.fspath(path)
    descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        length, wanted = os.fstat(descriptor).st_size, _FIRST_READ
        buffer = os.read(descriptor, wanted)
        start = _start(buffer)
        if start is None:
            return None
        while True:
            try:
                return _known(_scan(name, buffer, length, start), start)
            except struct.error:  # the header goes on beyond what was read
                if len(buffer) >= min(length, _LARGEST_READ):
                    break
                wanted *= 8
                more = os.read(descriptor, wanted - len(buffer))
                if not more:
                    break
                buffer += more
            except _Unusual:
                break
    finally:
        os.close(descriptor)
    try:
        return _known(_read_with_pydicom(name), start)
    except InputError:
        if start == 0:  # it only looked like DICOM
            return None
        raise


def _start(buffer: bytes) -> int | None:
    """Return the offset of the first element: 0 without a preamble; None if not DICOM.

    Planning systems and old archives write data sets without preamble and often without file meta
    information. Such a file begins with an element of group 0002 or 0008, which is no proof: see
    `_known`.
    """
    if buffer[128:132] == b"DICM":
        return 132
    if len(buffer) < 8:
        return None
    group, element, vr, size = _short_element(buffer)
    if vr not in _SHORT_VRS | _LONG_VRS:  # implicit
        (size,) = _uint32(buffer, 4)
    plausible = group in (0x0002, 0x0008) and element < 0x0100 and size < _LONGEST_TEXT
    return 0 if plausible else None


def _known(header: Header, start: int) -> Header | None:
    """Return the header; None if only the first bytes looked like DICOM."""
    if start == 0 and not {SOP_CLASS, SERIES_UID} <= header.elements.keys():
        return None
    plain = header.syntax in (IMPLICIT_LITTLE, EXPLICIT_LITTLE)
    if plain and header.pixel_offset > 0 and header.pixel_length is None:
        raise InputError(
            f"'{header.path}' has compressed pixel data and no Transfer Syntax UID that names the "
            "compression; export it again."
        )
    return header


def _scan(path: str, buffer: bytes, length: int, start: int) -> Header:
    position, elements = _scan_meta(buffer, start)
    syntax = elements.get(TRANSFER_SYNTAX, b"").rstrip(b"\0 ").decode("ascii", "replace")
    if syntax in (DEFLATED, EXPLICIT_BIG, ""):
        raise _Unusual
    explicit = syntax != IMPLICIT_LITTLE
    while position < length:  # a hundred times a file, so every test here counts
        if explicit:
            key, vr, size = _keyed_short_element(buffer, position)
            position += 8
            if vr not in _SHORT_VRS:
                if vr not in _LONG_VRS:
                    raise _Unusual
                (size,) = _uint32(buffer, position)
                position += 4
        else:
            key, size = _keyed_long_element(buffer, position)
            position += 8
        tag = _BY_KEY.get(key)
        if tag == PIXEL_DATA:
            return Header(path, elements, position, None if size == _UNDEFINED else size, length)
        if size == _UNDEFINED:
            position = _skip_sequence(buffer, position, explicit=explicit)
            continue
        start, position = position, position + size
        if tag is not None:
            if len(buffer) < position <= length:
                raise struct.error
            elements[tag] = buffer[start:position]
        elif key & 0xFFFF > 0x7FE0:
            raise _Unusual
    if position > length:
        raise _Unusual
    return Header(path, elements, -1, 0, length)


def _syntax_by_vr(buffer: bytes, position: int) -> bytes:
    """Return the transfer syntax of a data set without file meta information."""
    explicit = buffer[position + 4 : position + 6] in _SHORT_VRS | _LONG_VRS
    return (EXPLICIT_LITTLE if explicit else IMPLICIT_LITTLE).encode()


def _scan_meta(buffer: bytes, start: int = 132) -> tuple[int, dict[int, bytes]]:
    position, elements = start, {}
    while buffer[position : position + 2] == b"\x02\x00":
        group, element, vr, size = _short_element(buffer, position)
        position += 8
        if vr in _LONG_VRS:
            (size,) = _uint32(buffer, position)
            position += 4
        if position + size > len(buffer):
            raise struct.error
        if (tag := group << 16 | element) in WANTED:
            elements[tag] = buffer[position : position + size]
        position += size
    if start == 0:
        elements.setdefault(TRANSFER_SYNTAX, _syntax_by_vr(buffer, position))
    return position, elements


def _skip_sequence(buffer: bytes, position: int, *, explicit: bool, depth: int = 0) -> int:
    """Return the position after a sequence of undefined length whose value begins at `position`."""
    if depth > 8:
        raise _Unusual
    while True:
        group, element, size = _long_element(buffer, position)
        position += 8
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise _Unusual
        if size != _UNDEFINED:
            position += size
            continue
        position = _skip_item(buffer, position, explicit=explicit, depth=depth)


def _skip_item(buffer: bytes, position: int, *, explicit: bool, depth: int) -> int:
    while True:
        group, element, size = _long_element(buffer, position)
        if group << 16 | element == _ITEM_END:
            return position + 8
        position += 8
        if explicit:
            vr, size = buffer[position - 4 : position - 2], size >> 16
            if vr in _LONG_VRS:
                (size,) = _uint32(buffer, position)
                position += 4
        if size == _UNDEFINED:
            position = _skip_sequence(buffer, position, explicit=explicit, depth=depth + 1)
        else:
            position += size


def _read_with_pydicom(path: str) -> Header:
    """Read the header with pydicom, for big endian, deflated and irregular files."""
    dataset = read_dataset(path)
    size = os.stat(path).st_size
    with parsing(path, "a DICOM file"):
        elements: dict[int, bytes] = {}
        for tag in (tag for tag in WANTED if tag in dataset and tag != PIXEL_DATA):
            raw = dataset.get_item(tag)
            if isinstance(raw.value, bytes):
                elements[tag] = raw.value
            elif tag == CHARACTER_SET:  # pydicom has it converted already
                names = [raw.value] if isinstance(raw.value, str) else list(raw.value or ())
                elements[tag] = "\\".join(names).encode("ascii", "replace")
        syntax = str(getattr(dataset.file_meta, "TransferSyntaxUID", "") or _encoding(dataset))
        elements[TRANSFER_SYNTAX] = syntax.encode("ascii", "replace")
        media = str(getattr(dataset.file_meta, "MediaStorageSOPClassUID", ""))
        elements[MEDIA_SOP_CLASS] = media.encode("ascii", "replace")
        pixels = dataset.get_item(PIXEL_DATA) if PIXEL_DATA in dataset else None
        if pixels is None or syntax == DEFLATED:
            return Header(path, elements, -1, None if pixels is not None else 0, size)
        offset = pixels.value_tell if pixels.is_raw else pixels.file_tell
        open_ended = syntax not in (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG)
        return Header(path, elements, offset, None if open_ended else len(pixels.value), size)


def _encoding(dataset: Any) -> str:
    """Return the transfer syntax that pydicom detected in a file that does not name it."""
    implicit, little = dataset.original_encoding
    return IMPLICIT_LITTLE if implicit else EXPLICIT_LITTLE if little else EXPLICIT_BIG


def read_dataset(path: str | os.PathLike[str], **options: Any) -> Any:
    """Read a file as a pydicom data set.

    Raises:
        InputError: pydicom cannot read it.
        OSError: the file cannot be opened.
    """
    import pydicom

    with parsing(path, "a DICOM file"):
        with open(path, "rb") as file:
            start = _start(file.read(_FIRST_READ))
        _check_inflated(path, start)
        return pydicom.dcmread(path, force=start == 0, **options)


def _check_inflated(path: str | os.PathLike[str], start: int | None) -> None:
    """Refuse a deflated file that would fill the memory, before it is inflated."""
    from pydicom.filereader import read_file_meta_info

    if start and read_file_meta_info(path).get("TransferSyntaxUID") != DEFLATED:
        return
    with open(path, "rb") as file:
        position, elements = _scan_meta(file.read(_LARGEST_META), start or 0)
        if elements.get(TRANSFER_SYNTAX, b"").strip(b"\0 ") != DEFLATED.encode():
            return
        file.seek(position)
        if inflate.inflated_size(file, inflate.RAW, most=_LARGEST_INFLATED) > _LARGEST_INFLATED:
            raise InputError(
                f"'{os.fspath(path)}' inflates to more than {_LARGEST_INFLATED >> 20} MB; "
                "no CT or mask does. Export it uncompressed if it is one."
            )
