"""The grids of NRRD, MetaImage and NIfTI headers, as ITK reads them.

ITK's own parsers of the two text headers write beyond their buffers on damaged headers, so they are
not used. NRRD: teem.sourceforge.net/nrrd/format.html. MetaImage:
itk.org/Wiki/MetaIO/Documentation. NIfTI: nifti1.h, nifti2.h.
"""

from __future__ import annotations

import math
import os
import re
import struct
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...errors import InputError, one_line
from ..geometry import FARTHEST_MM, LARGEST_STEP_MM, Grid, plausible_position, plausible_steps

# Factors that turn x and y to LPS; other spaces are read as LPS.
_SIGNS = {
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}
# Millimetres in the units of length that NRRD's "space units" and MetaImage's DistanceUnits name.
_MM = {"mm": 1.0, "millimeter": 1.0, "millimetre": 1.0, "cm": 10.0, "centimeter": 10.0}
_MM |= {"centimetre": 10.0, "m": 1e3, "meter": 1e3, "metre": 1e3, "um": 1e-3, "\u00b5m": 1e-3}
_MM |= {"\u03bcm": 1e-3, "micron": 1e-3, "micrometer": 1e-3, "micrometre": 1e-3}
_MM |= {"nm": 1e-6, "nanometer": 1e-6, "nanometre": 1e-6, "inch": 25.4, "in": 25.4}
_UNKNOWN = ("", "?", "???", "none", "pixel", "voxel")  # read as millimetres, as in ITK
_VECTOR = re.compile(r"none|\(([^()]*)\)")
NIFTI_BYTES = 352  # of a NIfTI-1 header; the last four say whether extensions follow
_QUOTED = re.compile(r'"([^"]*)"')
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def nrrd_grid(path: str, fields: Mapping[str, str], size: Sequence[int]) -> Grid:
    """Return the grid of an NRRD header, whose spatial axes are its last three.

    Raises:
        InputError: the header has no grid, or one that is not rectangular.
    """
    signs = np.array(_SIGNS.get(fields.get("space", "").lower(), (1.0, 1.0, 1.0)))
    spaced = "space" in fields or "space dimension" in fields
    directions = _vectors(fields.get("space directions", ""))[-3:]
    origin = next(iter(_vectors(fields.get("space origin", ""))), None) or (0.0, 0.0, 0.0)
    steps = fields.get("spacings", "").split()[-3:]
    mm = millimetres(path, _QUOTED.findall(fields.get("space units", fields.get("units", ""))))
    if "axis mins" in fields or "axis maxs" in fields:
        raise InputError(f"'{path}' places its voxels by 'axis mins'; save it with a space origin.")
    if (directions and not spaced) or (steps and spaced) or (steps and directions):
        raise InputError(f"'{path}' contradicts itself about its space; save it again.")
    if not directions:
        spacing = [float(step) * mm for step in steps] or [1.0, 1.0, 1.0]
        return checked_grid(path, size, spacing, signs * origin * mm, _IDENTITY)
    if any(vector is None for vector in directions):
        raise InputError(f"'{path}' does not say how far apart its voxels are; save it again.")
    vectors = [np.array(vector) * mm for vector in directions]
    spacing = [math.sqrt(sum(vector * vector)) for vector in vectors]
    axes = [signs * (v * (1 / (step or 1.0))) for v, step in zip(vectors, spacing, strict=True)]
    return checked_grid(path, size, spacing, signs * origin * mm, np.array(axes).T.ravel())


def metaimage_grid(path: str, fields: Mapping[str, str], size: Sequence[int]) -> Grid:
    """Return the grid of a MetaImage header.

    Raises:
        InputError: the header has no grid, or one that is not rectangular.
    """
    if fields.get("NDims") != "3":
        raise InputError(f"'{path}' says it is not 3D; a single 3D volume is needed.")

    def numbers(names: Iterable[str], default: tuple[float, ...]) -> list[float]:
        text = next((fields[name] for name in names if name in fields), None)
        return list(default) if text is None else [float(part) for part in text.split()]

    spacing = numbers(("ElementSpacing", "ElementSize"), (1.0, 1.0, 1.0))
    origin = numbers(("Origin", "Position", "Offset"), (0.0, 0.0, 0.0))
    axes = numbers(("TransformMatrix", "Orientation", "Rotation"), _IDENTITY)
    if (len(spacing), len(origin), len(axes)) != (3, 3, 9):
        raise InputError(f"'{path}' has a grid that is not 3D; a single 3D volume is needed.")
    mm = millimetres(path, [fields.get("DistanceUnits", "")])
    spacing, origin = [step * mm for step in spacing], [value * mm for value in origin]
    # A row of its matrix is the direction of an axis.
    return checked_grid(path, size, spacing, origin, np.array(axes).reshape(3, 3).T.ravel())


def millimetres(path: str, units: Sequence[str]) -> float:
    """Return the millimetres in the unit of length of all axes of a volume.

    Raises:
        InputError: the unit is not a length, or axes have different units.
    """
    names = {unit.strip().lower() for unit in units}
    if names <= set(_UNKNOWN):
        return 1.0
    known = {_MM.get(name, _MM.get(name.removesuffix("s"))) for name in names - set(_UNKNOWN)}
    (first, *more) = known
    if first is None or more:
        listed = one_line(", ".join(sorted(names)), most=100)
        raise InputError(f"'{path}' has axes in {listed}; save it with millimetres.")
    return first


def as_nifti_1(header: bytes, order: str) -> bytes:
    """Convert grid and type of a NIfTI-2 header to a NIfTI-1 header, the only one ITK reads."""
    shorter = bytearray(NIFTI_BYTES)
    for to, kind, count, at, from_kind in (
        (40, "h", 8, 16, "q"),  # dim
        (70, "h", 2, 12, "h"),  # datatype, bitpix
        (76, "f", 8, 104, "d"),  # pixdim
        (252, "h", 2, 344, "i"),  # qform_code, sform_code
        (256, "f", 18, 352, "d"),  # quatern_b to srow_z
    ):
        values = struct.unpack_from(f"{order}{count}{from_kind}", header, at)
        struct.pack_into(f"<{count}{kind}", shorter, to, *values)
    struct.pack_into("<i", shorter, 0, 348)
    struct.pack_into("<f", shorter, 108, NIFTI_BYTES)  # vox_offset
    shorter[123] = struct.unpack_from(f"{order}i", header, 500)[0] & 0xFF  # xyzt_units
    shorter[344:348] = b"n+1\0"
    return bytes(shorter)


def nifti_grid(path: str, header: bytes, size: list[int]) -> Grid:
    """Return the grid of a NIfTI header, by ITK: its length is fixed, unlike that of the others.

    The header is passed in a temporary file, since ITK goes by the file name: a `.nii.gz` that is
    not compressed, as some tools write it, would be refused.
    """
    handle, name = tempfile.mkstemp(suffix=".nii", prefix="lungsquad-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(header[:-4] + bytes(4))  # no extensions follow
        reader = sitk.ImageFileReader()
        reader.SetImageIO("NiftiImageIO")
        reader.SetFileName(name)
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            reason = one_line(str(error).strip().splitlines()[-1].split("ERROR:")[-1].strip())
            raise InputError(
                f"'{path}' has a header that ITK does not accept: {reason.replace(name, path)}"
            ) from error
    finally:
        Path(name).unlink(missing_ok=True)
    if list(reader.GetSize()) != size:
        raise InputError(f"'{path}' contradicts itself about its size; save it again.")
    return checked_grid(path, size, reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())


def checked_grid(
    path: str,
    size: Sequence[int],
    spacing: Sequence[float],
    origin: Sequence[float] | np.ndarray,
    direction: Sequence[float] | np.ndarray,
) -> Grid:
    """Return the grid, after a check that its numbers are finite and its axes rectangular.

    Raises:
        InputError: the grid is not usable.
    """
    matrix = np.array(direction, float)
    placed = plausible_steps(spacing) and plausible_position(origin)
    if matrix.size != 9 or len(origin) != 3 or not np.isfinite(matrix).all() or not placed:
        raise InputError(
            f"'{path}' has no usable grid: spacing must be above 0 and below {LARGEST_STEP_MM:g} "
            f"mm, origin and direction finite and within {FARTHEST_MM:g} mm."
        )
    matrix = matrix.reshape(3, 3)
    if np.abs(matrix.T @ matrix - np.eye(3)).max() > 1e-3:
        raise InputError(f"'{path}' has a sheared grid; resample it onto a rectangular one.")
    x, y, z = (float(value) for value in spacing)
    a, b, c = (float(value) for value in origin)
    return Grid((size[0], size[1], size[2]), (x, y, z), (a, b, c), tuple(matrix.ravel().tolist()))


def _vectors(text: str) -> list[tuple[float, ...] | None]:
    """Parse the vectors of an NRRD field, of three numbers each; None for "none"."""
    if _VECTOR.sub("", text).strip():
        raise ValueError("a space vector is malformed")
    vectors: list[tuple[float, ...] | None] = []
    for match in _VECTOR.finditer(text):
        inside = match.group(1)
        vectors.append(None if inside is None else tuple(float(n) for n in inside.split(",")))
    if any(vector is not None and len(vector) != 3 for vector in vectors):
        raise ValueError("a space vector has not three numbers")
    return vectors
