"""Volume files (NRRD, NIfTI, MHA): their grid, and reading only the slices that are needed.

SimpleITK reads whole volumes, and a crop needs a few slices: with its readers the crop of a CT of
512 x 512 x 300 voxels takes 1.30 (MHA) to 1.64 (NIfTI) times the CPU time. For masks alone it
takes 1.11 (MHA) to 1.32 (NIfTI) times, and they need the same parsers: for layers, segment names,
slopes and units, and because ITK's own parsers write beyond their buffers on damaged headers. Files
that keep their voxels in a second file (.nhdr, .mhd, .hdr/.img) are refused: a path in a file is
not followed.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, one_line, parsing
from ..geometry import LARGEST_STEP_MM, Grid, plausible_steps
from .grids import NIFTI_BYTES, as_nifti_1, metaimage_grid, millimetres, nifti_grid, nrrd_grid
from .inflate import GZIP, MOST_GROWTH, ZLIB, Inflater

FORMATS = "a DICOM folder, .nrrd, .nii, .nii.gz or .mha"
_LARGEST_HEADER = 16 << 20
_LARGEST_SLICE = 1 << 28  # bytes: slices are held in memory one at a time
_MOST_VALUES = 1 << 32
_MORE_OF_NIFTI_2 = 192  # bytes of its header
_GZIPPED = b"\x1f\x8b"
_NIFTI_MM = {1: 1e3, 2: 1.0, 3: 1e-3}  # millimetres in a unit of length: metre, mm, micrometre


@dataclass(frozen=True)
class VolumeFile:
    """A volume file's grid and the layout of its voxels.

    `components` values lie together at each voxel (the layers of a Slicer segmentation); `fields`
    are the key/value pairs of an NRRD header; HU = value * `slope` + `intercept`.
    """

    path: str
    grid: Grid
    dtype: np.dtype
    components: int
    offset: int  # of the voxels; of them in the inflated file where all of it is compressed
    compression: int | None = None  # GZIP, ZLIB, or None
    all_compressed: bool = False  # the header too
    slope: float = 1.0
    intercept: float = 0.0
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def slice_bytes(self) -> int:
        return self.grid.size[0] * self.grid.size[1] * self.components * self.dtype.itemsize

    def slices(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of slices `start` to `stop`.

        Raises:
            InputError: the file ends early or its compressed data are damaged.
        """
        stop = self.grid.size[2] if stop is None else stop
        with open(self.path, "rb") as file:
            if self.compression is None:
                file.seek(self.offset + start * self.slice_bytes)
                for _ in range(start, stop):
                    data = file.read(self.slice_bytes)
                    if len(data) < self.slice_bytes:
                        raise InputError(f"'{self.path}' is truncated: copy it again.")
                    yield data
                return
            file.seek(0 if self.all_compressed else self.offset)
            source = Inflater(file, self.compression, self.path)
            if self.all_compressed:
                source.read(self.offset)
            for number in range(stop):
                data = source.read(self.slice_bytes)
                if number >= start:
                    yield data

    def array(self, data: bytes) -> np.ndarray:
        """Return the bytes of a slice as an array (y, x), or (y, x, component)."""
        columns, rows, _ = self.grid.size
        shape = (rows, columns) if self.components == 1 else (rows, columns, self.components)
        return np.frombuffer(data, self.dtype).reshape(shape)


def is_volume_file(path: str | os.PathLike[str]) -> bool:
    """Whether `open_volume_file` knows the file's format, by its first bytes."""
    return _kind(path) is not None


def open_volume_file(path: str | os.PathLike[str]) -> VolumeFile:
    """Read the header of an NRRD, NIfTI or MHA file.

    Raises:
        InputError: the file has another format, is damaged, truncated or without a usable grid, or
            uses a feature that is not supported; the message says which.
        OSError: the file cannot be opened.
    """
    name = os.fspath(path)
    kind = _kind(path)
    if kind is None:
        raise InputError(f"'{name}' is not a volume that LungSquad reads; give {FORMATS}.")
    with parsing(name, f"a {kind} file"):
        read = {"NRRD": _read_nrrd, "MetaImage": _read_metaimage, "NIfTI": _read_nifti}[kind]
        layout = read(name)
        expected = int(np.prod([float(n) for n in layout["size"]])) * (
            layout["components"] * layout["dtype"].itemsize
        )
        _check_length(name, layout, expected)
        size, header = layout.pop("size"), layout.pop("header", {})
        if kind == "NIfTI":
            return VolumeFile(name, nifti_grid(name, header, size), **layout)
        if kind == "NRRD":
            return VolumeFile(name, nrrd_grid(name, header, size), **layout, fields=header)
        return VolumeFile(name, metaimage_grid(name, header, size), **layout)


def _kind(path: str | os.PathLike[str]) -> str | None:
    with parsing(path, "a file that can be read"), open(path, "rb") as file:
        start = file.read(352)
    if start.startswith(b"NRRD0"):
        return "NRRD"
    if start.startswith((b"ObjectType", b"NDims", b"Comment")):
        return "MetaImage"
    name = os.fspath(path).lower()
    if name.endswith((".nii", ".nii.gz", ".hdr")):
        return "NIfTI"
    return None


def _read_nrrd(path: str) -> dict[str, Any]:
    fields: dict[str, str] = {}
    with open(path, "rb") as file:
        lines = iter(_header_lines(file, path))
        next(lines)  # the magic
        for line in lines:
            if line.startswith("#"):
                continue
            key, separator, value = line.partition(":=")
            if separator:
                fields[key.strip()] = _ESCAPED.sub(_unescaped, value.strip())
            else:
                key, _, value = line.partition(":")
                fields[key.strip().lower()] = value.strip()
        offset = file.tell()
    for name in ("data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip"):
        if fields.get(name, "0") != "0":
            _refuse_second_file(path)
    sizes = [int(part) for part in fields["sizes"].split()]
    kinds = fields.get("kinds", "").lower().split()
    components = 1
    if int(fields["dimension"]) != len(sizes) or any("color" in kind for kind in kinds[-3:]):
        raise InputError(f"'{path}' contradicts itself about its dimension; save it again.")
    if len(sizes) == 4:
        spatial = kinds[1:] == ["domain"] * 3 or kinds[1:] == ["space"] * 3
        # pynrrd 0.4 writes "none" as a vector of NaN
        fields["space directions"] = _NO_VECTOR.sub("none ", fields.get("space directions", "none"))
        if not spatial or fields["space directions"].split()[0] != "none":
            raise InputError(f"'{path}' has four dimensions; a single 3D volume is needed.")
        components = sizes.pop(0)
    encoding = fields["encoding"].lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise InputError(
            f"'{path}' is encoded as {one_line(encoding, most=40)}; save it as gzip or raw."
        )
    order = {"big": ">", "little": "<"}[fields.get("endian", "little").lower()]
    return {
        "size": sizes,
        "dtype": np.dtype(order + _NRRD_TYPES[fields["type"].lower()]),
        "components": components,
        "offset": offset,
        "compression": None if encoding == "raw" else GZIP,
        "header": fields,
    }


_NO_VECTOR = re.compile(r"^\s*\(\s*nan\s*,\s*nan\s*,\s*nan\s*\)\s*", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([\\n])")  # in the values of NRRD's key/value pairs


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else "\\"


def _read_metaimage(path: str) -> dict[str, Any]:
    fields: dict[str, str] = {}
    with open(path, "rb") as file:
        for line in _header_lines(file, path, last="ElementDataFile"):
            key, _, value = line.partition("=")
            fields[key.strip()] = value.strip()
        offset = file.tell()
    if fields.get("ElementDataFile", "").upper() != "LOCAL":
        _refuse_second_file(path)
    if not _true(fields, "BinaryData", "True") or fields.get("HeaderSize", "0") != "0":
        raise InputError(
            f"'{path}' is a MetaImage with text data or a HeaderSize; save it again as .mha."
        )
    spacing = fields.get("ElementSpacing") or fields.get("ElementSize") or ""
    step = millimetres(path, [fields.get("DistanceUnits", "")])
    _check_spacing(path, [float(part) * step for part in spacing.split()])
    big = _true(fields, "BinaryDataByteOrderMSB") or _true(fields, "ElementByteOrderMSB")
    return {
        "size": [int(part) for part in fields["DimSize"].split()],
        "dtype": np.dtype((">" if big else "<") + _METAIMAGE_TYPES[fields["ElementType"]]),
        "components": int(fields.get("ElementNumberOfChannels", "1")),
        "offset": offset,
        "compression": ZLIB if _true(fields, "CompressedData") else None,
        "header": fields,
    }


def _read_nifti(path: str) -> dict[str, Any]:
    """NIfTI-1 and NIfTI-2 single files (nifti1.h, nifti2.h)."""
    with open(path, "rb") as file:
        compressed = file.read(2) == _GZIPPED  # whatever its suffix
        file.seek(0)
        source = Inflater(file, GZIP, path) if compressed else file
        header = source.read(NIFTI_BYTES)
        if 540 in struct.unpack("<i", header[:4]) + struct.unpack(">i", header[:4]):
            header += source.read(_MORE_OF_NIFTI_2)
    for order in "<>":
        (length,) = struct.unpack_from(order + "i", header)
        if length == 348:
            magic, shape = header[344:348], struct.unpack_from(order + "8h", header, 40)
            (code,) = struct.unpack_from(order + "h", header, 70)
            spacing = struct.unpack_from(order + "8f", header, 76)
            offset, slope, intercept = struct.unpack_from(order + "3f", header, 108)
            unit = header[123]
            break
        if length == 540:
            magic, shape = header[4:8], struct.unpack_from(order + "8q", header, 16)
            (code,) = struct.unpack_from(order + "h", header, 12)
            spacing = struct.unpack_from(order + "8d", header, 104)
            offset, slope, intercept = struct.unpack_from(order + "qdd", header, 168)
            (unit,) = struct.unpack_from(order + "i", header, 500)
            header = as_nifti_1(header, order)
            break
    else:
        named = path.lower().endswith(".gz") and not compressed
        what = "has damaged compressed data" if named else "does not begin with a NIfTI header"
        raise InputError(f"'{path}' {what}: copy it again.")
    if magic not in (b"n+1\0", b"n+2\0"):
        _refuse_second_file(path)
    if not 3 <= shape[0] <= 7 or any(extent > 1 for extent in shape[4 : shape[0] + 1]):
        raise InputError(f"'{path}' has {shape[0]} dimensions; a single 3D volume is needed.")
    step = _NIFTI_MM.get(unit & 7, 1.0)
    _check_spacing(path, [abs(value) * step for value in spacing[1:4]])
    if not np.isfinite((slope, intercept)).all() or slope == 0:
        slope, intercept = 1.0, 0.0
    return {
        "size": list(shape[1:4]),
        "dtype": np.dtype(order + _NIFTI_TYPES[code]),
        "components": 1,
        "offset": int(offset),
        "compression": GZIP if compressed else None,
        "all_compressed": compressed,
        "header": header,
        "slope": float(slope),
        "intercept": float(intercept),
    }


_NRRD_TYPES = {
    name: code
    for code, names in {
        "i1": "signed char,int8,int8_t",
        "u1": "uchar,unsigned char,uint8,uint8_t",
        "i2": "short,short int,signed short,signed short int,int16,int16_t",
        "u2": "ushort,unsigned short,unsigned short int,uint16,uint16_t",
        "i4": "int,signed int,int32,int32_t",
        "u4": "uint,unsigned int,uint32,uint32_t",
        "i8": "longlong,long long,long long int,signed long long,int64,int64_t",
        "u8": "ulonglong,unsigned long long,unsigned long long int,uint64,uint64_t",
        "f4": "float",
        "f8": "double",
    }.items()
    for name in names.split(",")
}
_METAIMAGE_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_NIFTI_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}


def _header_lines(file: BufferedReader, path: str, last: str | None = None) -> Iterator[str]:
    """Yield text lines up to an empty line, or up to and with the line that begins with `last`."""
    while line := file.readline(_LARGEST_HEADER):
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text and last is None:
            return
        yield text
        if last is not None and text.startswith(last):
            return
        if file.tell() > _LARGEST_HEADER:
            break
    raise InputError(f"'{path}' has a header without an end; the file is damaged.")


def _true(fields: dict[str, str], name: str, default: str = "False") -> bool:
    """A MetaImage flag: True, T or 1."""
    return fields.get(name, default)[:1] in ("T", "t", "1")


def _refuse_second_file(path: str) -> None:
    raise InputError(
        f"'{path}' keeps its voxels in another file, which is not followed; "
        "save it as one file (.nrrd, .nii.gz or .mha)."
    )


def _check_spacing(path: str, spacing: list[float]) -> None:
    if spacing and not plausible_steps(spacing):
        listed = one_line(" x ".join(f"{value:g}" for value in spacing), most=100)
        raise InputError(
            f"'{path}' has voxels of {listed} mm; sizes above zero are needed (and below "
            f"{LARGEST_STEP_MM:g} mm)."
        )


def _check_length(path: str, layout: dict[str, Any], expected: int) -> None:
    """Refuse a size that the file cannot hold, before memory is allocated."""
    size, length = layout["size"], Path(path).stat().st_size
    components = layout["components"]
    listed = one_line(" x ".join(str(extent) for extent in size), most=100)
    if len(size) != 3 or min(size) < 1 or not 1 <= components <= 4096:
        raise InputError(f"'{path}' says it has {listed} voxels; a 3D volume is needed.")
    available = length - layout["offset"]
    if layout["compression"] is not None:
        available = (length + 1024) * MOST_GROWTH
    if available < expected or not 0 <= layout["offset"] <= _LARGEST_HEADER:
        raise InputError(
            f"'{path}' is truncated or its header is damaged: it says that {expected} bytes of "
            f"voxels follow, and there can be at most {max(available, 0)}."
        )
    values = size[0] * size[1] * components
    if values * layout["dtype"].itemsize > _LARGEST_SLICE or values * size[2] > _MOST_VALUES:
        raise InputError(
            f"'{path}' says it has {listed} voxels: more than any CT or mask. Save a part of it."
        )
