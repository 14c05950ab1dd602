"""The crop, as a user of each library writes it: a DICOM folder and a mask in, 64x64x64 out.

Every library is imported where it is used: a fresh process pays for its own and no other's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from .children import Timer

SIDE = 64
LUNGSQUAD = "LungSquad"
WITHOUT_ZLIB_NG = "LungSquad without zlib-ng"
SIMPLEITK = "SimpleITK, whole volume then crop"
TORCHIO = "torchio"
MONAI = "MONAI (ITKReader, Spacingd)"
IN_MEMORY = "LungSquad, CT and mask in memory"


@dataclass(frozen=True)
class Block:
    """CT and mask (z, y, x), and where the first voxel's centre lies (LPS mm)."""

    ct: Any
    mask: Any
    origin: tuple[float, ...]


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Run one contender `runs` times; keep its crop where `save` names a file."""
    act = (_in_memory if job["contender"] == IN_MEMORY else _from_files)(job)
    wall, cpu = [], []
    for _ in range(job["runs"]):
        with Timer() as timer:
            block = act()
        wall.append(timer.wall)
        cpu.append(timer.cpu)
    if "save" in job:
        import numpy as np

        np.savez(job["save"], ct=block.ct, mask=block.mask, origin=block.origin)
    return {"wall_s": wall, "cpu_s": cpu}


def lungsquad(folder: str, mask: str) -> Block:
    """Crop first, read only what the crop needs."""
    import SimpleITK as sitk

    import LungSquadLib as ls

    ct = ls.open_ct(folder)
    cut = ls.crop(ct, ls.read_mask(mask, ct), size=SIDE)
    return Block(
        sitk.GetArrayFromImage(cut.ct), sitk.GetArrayFromImage(cut.mask), cut.ct.GetOrigin()
    )


def lungsquad_with_zlib(folder: str, mask: str) -> Block:
    """The same on a machine without zlib-ng."""
    sys.modules["zlib_ng"] = None  # type: ignore[assignment] - importing it fails
    return lungsquad(folder, mask)


def simpleitk(folder: str, mask: str) -> Block:
    """Read everything, resample everything, cut."""
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder))
    ct = reader.Execute()
    resample = sitk.ResampleImageFilter()
    resample.SetOutputSpacing((1.0, 1.0, 1.0))
    resample.SetOutputOrigin(ct.GetOrigin())
    resample.SetOutputDirection(ct.GetDirection())
    resample.SetSize([round(n * own) for n, own in zip(ct.GetSize(), ct.GetSpacing(), strict=True)])
    resample.SetDefaultPixelValue(-1024)
    whole = resample.Execute(ct)
    resample.SetInterpolator(sitk.sitkNearestNeighbor)
    resample.SetDefaultPixelValue(0)
    marked = resample.Execute(sitk.ReadImage(mask))
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(marked)
    centre = whole.TransformPhysicalPointToIndex(shape.GetCentroid(1))
    cut = tuple(slice(c - SIDE // 2, c + SIDE // 2) for c in centre)
    ct, marked = whole[cut], marked[cut]
    return Block(sitk.GetArrayFromImage(ct), sitk.GetArrayFromImage(marked), ct.GetOrigin())


def torchio(folder: str, mask: str) -> Block:
    """Resample to 1 mm on torchio's own grid, then cut round the mask's centre of mass."""
    import torchio as tio

    subject = tio.Subject(ct=tio.ScalarImage(folder), mask=tio.LabelMap(mask))
    subject = tio.Resample(1)(subject)
    marked = subject.mask.data[0]
    start = [round(float(axis.float().mean())) - SIDE // 2 for axis in marked.nonzero().T]
    crop = tio.Crop(
        [
            edge
            for first, size in zip(start, marked.shape, strict=True)
            for edge in (first, size - first - SIDE)
        ]
    )
    subject = crop(subject)
    return _from_ras(subject.ct.data, subject.mask.data, subject.ct.affine)


def monai(folder: str, mask: str) -> Block:
    """ITKReader, Spacingd, then a crop round the mask's centre of mass."""
    from monai.transforms import (
        Compose,
        EnsureChannelFirstd,
        LoadImaged,
        Spacingd,
        SpatialCropd,
    )

    keys = ("ct", "mask")
    load = Compose(
        [
            LoadImaged(keys, reader="ITKReader"),
            EnsureChannelFirstd(keys),
            Spacingd(keys, pixdim=1.0, mode=("bilinear", "nearest")),
        ]
    )
    data = load({"ct": folder, "mask": mask})
    centre = [round(float(axis.float().mean())) for axis in data["mask"][0].nonzero().T]
    data = SpatialCropd(keys, roi_center=centre, roi_size=SIDE)(data)
    return _from_ras(data["ct"], data["mask"], data["ct"].affine)


CONTENDERS: dict[str, Callable[[str, str], Block]] = {
    LUNGSQUAD: lungsquad,
    WITHOUT_ZLIB_NG: lungsquad_with_zlib,
    SIMPLEITK: simpleitk,
    TORCHIO: torchio,
    MONAI: monai,
}


def _from_files(job: dict[str, Any]) -> Callable[[], Any]:
    return partial(CONTENDERS[job["contender"]], job["folder"], job["mask"])


def _in_memory(job: dict[str, Any]) -> Callable[[], Any]:
    """The crop of images that are there already, as in Slicer; reading them is not measured."""
    import SimpleITK as sitk

    import LungSquadLib as ls

    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(job["folder"])
    ct = sitk.Cast(sitk.ReadImage(names), sitk.sitkInt16)
    return partial(ls.crop, ct, sitk.ReadImage(job["mask"]), size=SIDE)


def _from_ras(ct: Any, mask: Any, affine: Any) -> Block:
    """From (1, i, j, k) on a RAS affine, whichever way the axes run, to (z, y, x) in LPS."""
    import numpy as np

    matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(affine, float)
    arrays = [np.asarray(image)[0].transpose(2, 1, 0) for image in (ct, mask)]
    origin = matrix[:3, 3].copy()
    for axis in range(3):
        if matrix[axis, axis] < 0:  # runs towards the patient's other side
            origin[axis] += matrix[axis, axis] * (arrays[0].shape[2 - axis] - 1)
            arrays = [np.flip(array, 2 - axis) for array in arrays]
    return Block(*arrays, tuple(origin.tolist()))
