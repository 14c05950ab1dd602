"""The CT, from DICOM, a volume file or memory: its grid, and the HU of any box of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..progress import Progress
from .dicom import header as tags
from .dicom.pixels import FrameReader
from .dicom.planes import LARGEST_INTERCEPT, LARGEST_SLOPE, Plane, planes_of
from .dicom.series import Series, choose_ct, find_series
from .dicom.stack import stack
from .files.volumes import VolumeFile, is_volume_file, open_volume_file
from .flags import Flag
from .geometry import Box, Grid, Reorientation, reorientation

LARGEST_HU = 1e6  # the densest metal has not a tenth of it
LARGEST_CT = 1 << 31  # voxels: 4 GB of HU


class Voxels(Protocol):
    """The source of a CT's HU, with axes in the order in which they are stored."""

    def read(self, box: Box, progress: Progress | None) -> np.ndarray:
        """HU of `box` of the stored grid as an array (z, y, x), int16 or float32."""


@dataclass(frozen=True)
class DicomOrigin:
    """The DICOM series of a CT, to which results refer."""

    series_uid: str
    frame_of_reference: str
    planes: tuple[Plane, ...]

    @property
    def patient_id(self) -> str:
        """Patient ID (0010,0020). It identifies a person: outputs carry a hash of it."""
        return self.planes[0].header.decoded(tags.PATIENT_ID)


@dataclass(frozen=True)
class CT:
    """A CT volume whose voxels are read only where they are needed.

    `grid` needs no voxels; `read` and `hu` fetch them. Their axes are in LPS order, whatever
    the order in which the CT is stored; see `geometry`.

    Attributes:
        stored: the grid as the file, series or image has it.
        voxels: HU on that grid.
        flags: findings of reading.
        dicom: set for a DICOM series; its planes are those of the stored grid.
    """

    stored: Grid
    voxels: Voxels
    flags: tuple[Flag, ...] = ()
    dicom: DicomOrigin | None = None

    @cached_property
    def _to_lps(self) -> Reorientation:
        return reorientation(self.stored)

    @cached_property
    def grid(self) -> Grid:
        """The stored grid with its axes in LPS order."""
        return self._to_lps.grid(self.stored)

    def hu(self, box: Box, progress: Progress | None = None) -> np.ndarray:
        """HU of a box of the grid (index order) as an array (z, y, x), int16 or float32.

        Raises:
            InputError: voxels are damaged, or are not numbers.
        """
        return self._to_lps.array(self.stored_hu(self.stored_box(box), progress))

    def stored_box(self, box: Box) -> Box:
        """A box of the grid in indices of the stored one."""
        return self._to_lps.inverse.box(box, self.grid.size)

    def stored_hu(self, box: Box, progress: Progress | None = None) -> np.ndarray:
        """HU of a box of the stored grid, its axes as they are stored; see `hu`."""
        array = self.voxels.read(box, progress)
        if array.dtype.kind == "f" and array.size:
            low, high = float(array.min()), float(array.max())
            if not (np.isfinite(low) and np.isfinite(high)):
                raise InputError("The CT holds voxels that are not numbers (NaN or infinite).")
            if max(-low, high) > LARGEST_HU:
                raise InputError(f"The CT holds values from {low:.3g} to {high:.3g}: no HU.")
        return array

    def read(self, box: Box | None = None, progress: Progress | None = None) -> sitk.Image:
        """HU of a box of the grid, or of all of it, as an image; see `hu`."""
        box = self.grid.box if box is None else box
        return self.grid.part(box).image(self.hu(box, progress))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the grid and the voxels: of a DICOM series as its files hold them, encoded."""
        if self.dicom is None:
            return content_hash(self.read())
        digest, reader = hashlib.sha256(repr(self.stored).encode()), FrameReader()
        for plane in self.dicom.planes:
            digest.update(repr((plane.slope, plane.intercept, plane.format)).encode())
            digest.update(reader.encoded(plane))
        return digest.hexdigest()

    def loaded(self, progress: Progress | None = None) -> CT:
        """Return the same CT with all its voxels in memory, for work that reads them repeatedly."""
        return replace(self, voxels=ArrayVoxels(self.stored_hu(self.stored.box, progress)))

    def read_once(self, progress: Progress | None = None) -> CT:
        """Return the same CT, of which each voxel is read once.

        A DICOM series' slices are read when they are first needed, since decoding takes most of
        the time of a prediction; a file is read at once, since it may have to be inflated whole.
        """
        if self.dicom is None:
            return self.loaded(progress)
        return replace(self, voxels=_SlicesReadOnce(self.stored, self.voxels))

    def as_stored(self, image: sitk.Image) -> sitk.Image:
        """An image on voxels of `grid` with its axes as the CT is stored, on that very grid.

        Raises:
            InputError: the image is on other voxels.
        """
        grid, offset = Grid.of(image), Grid.of(image).offset_in(self.grid)
        if offset is None:
            raise InputError("The image is not on the voxels of this CT.")
        stored = self.stored.part(self.stored_box(grid.box.shifted(offset)))
        return stored.image(self._to_lps.inverse.array(sitk.GetArrayViewFromImage(image)))


def open_ct(
    path: str | os.PathLike[str], *, series: str | None = None, progress: Progress | None = None
) -> CT:
    """Open a CT: a DICOM folder (or one file of it), NRRD, NIfTI or MHA.

    Args:
        path: the folder or file.
        series: the Series Instance UID to take where a folder holds several CT.
        progress: receives the progress of the search for series.

    Raises:
        InputError: the path holds no CT, several CT, or one whose header is not consistent; the
            message says why and what to do.
        OSError: the file cannot be opened.
    """
    source = Path(path)
    volume = source.is_file() and is_volume_file(source)
    ct = (
        _from_volume_file(open_volume_file(source))
        if volume
        else _from_dicom(source, series, progress)
    )
    if ct.grid.box.voxels > LARGEST_CT:
        listed = " x ".join(map(str, ct.grid.size))
        raise InputError(f"'{path}' has {listed} voxels: more than any CT. Cut out a part of it.")
    return ct


def ct_of_series(series: Series) -> CT:
    """Return the CT volume of a DICOM series.

    Raises:
        InputError: its images are not one volume; the message says why, and where.
    """
    reader = FrameReader()
    planes = reader.with_known_bits(planes_of(series.ct_images))
    stacked = stack(planes, reader.same_pixels)
    frame = stacked.planes[0].header.text(tags.FRAME_OF_REFERENCE)
    origin = DicomOrigin(series.uid, frame, stacked.planes)
    return CT(stacked.grid, _DicomVoxels(stacked.planes, reader), stacked.flags, origin)


def as_ct(ct: CT | sitk.Image) -> CT:
    """Return a SimpleITK image (HU, LPS mm, axes in any order) as a CT; a CT unchanged."""
    if isinstance(ct, CT):
        return ct
    if ct.GetDimension() != 3 or ct.GetNumberOfComponentsPerPixel() != 1:
        raise InputError("The CT must be a 3D image with one value a voxel.")
    return CT(Grid.of(ct), _ImageVoxels(ct))


def content_hash(image: sitk.Image) -> str:
    """Return the SHA-256 of an image's voxels and grid, which does not depend on its file.

    The grid is rounded to a millionth: a scene that is saved and read changes its last digits.
    """
    grid = Grid.of(image)
    geometry = [round(value, 6) + 0.0 for value in (*grid.spacing, *grid.origin, *grid.direction)]
    digest = hashlib.sha256(repr((grid.size, geometry)).encode())
    view = sitk.GetArrayViewFromImage(image)
    digest.update(str(view.dtype).encode())
    digest.update(view.tobytes())
    return digest.hexdigest()


def _from_dicom(source: Path, series: str | None, progress: Progress | None) -> CT:
    search = find_series(source, progress)
    if source.is_file() and search.series:  # one slice stands for its series
        if not search.series[0].ct_images:
            raise InputError(
                f"'{source}' is not a CT image (modality {search.series[0].modality or 'unknown'})."
            )
        if search.series[0].frames == 1:
            series = series or search.series[0].uid
            search = find_series(source.parent, progress)
    if source.is_file() and not search.series:
        reason = f" ({search.unreadable[0]})" if search.unreadable else ""
        raise InputError(f"'{source}' is not a volume or DICOM file that can be read{reason}.")
    ct = ct_of_series(choose_ct(search, series))
    if not search.unreadable:
        return ct
    sentence = (
        f"{len(search.unreadable)} files could not be read and were left out; `lungsquad inspect` "
        "names them."
    )
    return replace(ct, flags=(*ct.flags, Flag("unreadable_files", "warning", sentence)))


def _from_volume_file(file: VolumeFile) -> CT:
    if file.components != 1:
        raise InputError(
            f"'{file.path}' has {file.components} values a voxel; a CT has one. "
            "Is it a segmentation?"
        )
    if not (abs(file.slope) <= LARGEST_SLOPE and abs(file.intercept) <= LARGEST_INTERCEPT):
        raise InputError(
            f"'{file.path}' has the slope {file.slope:g} and the intercept {file.intercept:g}, "
            "which give no HU."
        )
    return CT(file.grid, _FileVoxels(file))


@dataclass(frozen=True)
class _DicomVoxels:
    planes: tuple[Plane, ...]
    reader: FrameReader

    def read(self, box: Box, progress: Progress | None) -> np.ndarray:
        return self.reader.hu(self.planes, box, progress)


@dataclass(frozen=True)
class _SlicesReadOnce:
    """Slices of a CT, which stay in memory once they have been read."""

    grid: Grid
    source: Voxels
    slices: dict[int, np.ndarray] = field(default_factory=dict)

    def read(self, box: Box, progress: Progress | None) -> np.ndarray:
        z, y, x = box.slices
        columns, rows, _ = self.grid.size
        missing = [number for number in range(z.start, z.stop) if number not in self.slices]
        for first, last in _runs(missing):
            part = self.source.read(Box((0, 0, first), (columns, rows, last + 1)), progress)
            self.slices.update(enumerate(part, first))
        return np.stack([self.slices[number][y, x] for number in range(z.start, z.stop)])


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each run of consecutive numbers."""
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        consecutive = [number for _, number in run]
        yield consecutive[0], consecutive[-1]


@dataclass(frozen=True)
class _FileVoxels:
    file: VolumeFile

    def read(self, box: Box, progress: Progress | None) -> np.ndarray:
        del progress
        file, (z, y, x) = self.file, box.slices
        whole = (
            file.dtype.kind in "iu" and file.slope == 1 and file.intercept == int(file.intercept)
        )
        array = np.empty(box.size[::-1], np.int16 if whole else np.float32)
        for out, data in zip(array, file.slices(z.start, z.stop), strict=True):
            _as_hu(file.array(data)[y, x], file.slope, file.intercept, out)
        return array


@dataclass(frozen=True)
class ArrayVoxels:
    """HU (z, y, x) of a whole grid in memory, as of an image or a Slicer node."""

    array: np.ndarray

    def read(self, box: Box, progress: Progress | None) -> np.ndarray:
        del progress
        view = self.array[box.slices]
        array = np.empty(view.shape, np.int16 if view.dtype.kind in "iu" else np.float32)
        _as_hu(view, 1, 0, array)
        return array


@dataclass(frozen=True)
class _ImageVoxels:
    image: sitk.Image

    def read(self, box: Box, progress: Progress | None) -> np.ndarray:
        return ArrayVoxels(sitk.GetArrayViewFromImage(self.image)).read(box, progress)


def _as_hu(values: np.ndarray, slope: float, intercept: float, out: np.ndarray) -> None:
    """Write HU into `out`; integers are clipped to the range of int16, far beyond any HU."""
    if out.dtype.kind == "f":
        out[:] = values * slope + intercept
    elif values.dtype == np.int16 and intercept == 0:
        out[:] = values
    else:
        if values.dtype.kind == "u" and values.dtype.itemsize == 8:  # int64 does not hold them
            values = np.minimum(values, np.uint64(1 << 62))
        hu = values.astype(np.int64) + int(intercept)
        np.clip(hu, -32768, 32767, out=out, casting="unsafe")
