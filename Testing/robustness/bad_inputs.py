"""Files and folders that are broken, or made to do harm, each out of a good one."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from LungSquadLib.cli.demo import MODELS
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.models.container import CARD
from Testing import dicom_maker, model_samples
from Testing.dicom_maker import some_hu, write_enhanced, write_rtstruct, write_seg, write_series

SHAPE = (6, 24, 28)
EVIL = "<script>alert(1)</script>\x1b[31m\u202e" + "A" * 9000
_GRID = "space: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n"


@dataclass(frozen=True)
class Good:
    """A case in which nothing is wrong: what the bad inputs are made of."""

    folder: Path
    series: Path
    ct: Path
    mask: Path
    rtstruct: Path
    seg: Path
    model: Path
    demo_models: Path

    @classmethod
    def made(cls, folder: Path) -> Good:
        """Write it into a folder."""
        series = write_series(folder / "series", some_hu(SHAPE))
        grid = open_ct(series).grid
        ct, mask = folder / "ct.nrrd", folder / "mask.nrrd"
        sitk.WriteImage(grid.image(some_hu(SHAPE)), str(ct))
        sitk.WriteImage(grid.image(tumour()), str(mask), True)
        rtstruct = write_rtstruct(folder / "rs.dcm", series, {"GTV": square(series, 2, 3)})
        seg = write_seg(folder / "seg.dcm", series, tumour())
        model = model_samples.model_file(folder / "model.safetensors")
        demo_models = folder / "models"
        for name in MODELS:
            model_samples.model_file(demo_models / f"{name}.safetensors", name=name)
        return cls(folder, series, ct, mask, rtstruct, seg, model, demo_models)


Maker = Callable[[Good, Path], Path]  # makes the bad input in a folder and says where it is


def tumour() -> np.ndarray:
    """A block of tumour in the middle of the CT."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:4, 8:16, 10:20] = 1
    return mask


def square(series: Path, *slices: float) -> list[np.ndarray]:
    """A square contour (LPS mm) on each of some slices."""
    grid = open_ct(series).grid
    corners = [(10, 8), (19, 8), (19, 15), (10, 15)]
    return [grid.to_lps(np.array([(x, y, z) for x, y in corners], float)) for z in slices]


def tilted(series: Path, height: float) -> np.ndarray:
    """A square contour (LPS mm) that lies in no plane of the CT."""
    (contour,) = square(series, height)
    contour[1:3, 2] += 6.0
    return contour


# CT as DICOM


def series(edit: Callable[[Dataset, int], None] | None = None, **options) -> Maker:
    """A series whose slices were edited before they were written."""
    return lambda _, here: write_series(here / "CT", some_hu(SHAPE), edit=edit, **options)


def every(**attributes) -> Maker:
    """A series with the same wrong attributes in every slice; None takes one away."""
    return series(lambda dataset, _: _set(dataset, attributes))


def one(**attributes) -> Maker:
    """A series with wrong attributes in its third slice."""
    return series(lambda dataset, z: _set(dataset, attributes) if z == 2 else None)


def files(change: Callable[[Path], object]) -> Maker:
    """A copy of the good series in which something was done to its files."""

    def make(good: Good, here: Path) -> Path:
        folder = Path(shutil.copytree(good.series, here / "CT"))
        change(folder)
        return folder

    return make


def cut(share: float, name: str = "0002.dcm") -> Maker:
    """A series with one file cut short."""
    return files(lambda folder: _shorten(folder / name, share))


def without(*numbers: int) -> Maker:
    """A series that lacks some slices."""
    return files(lambda folder: [(folder / f"{n:04d}.dcm").unlink() for n in numbers])


def conflicting_duplicate(folder: Path) -> None:
    """One slice again, with other pixels."""
    dataset = pydicom.dcmread(folder / "0002.dcm")
    dataset.PixelData = dataset.PixelData[::-1]
    dicom_maker.save(dataset, folder / "again.dcm")


def two_series(_: Good, here: Path) -> Path:
    """Two CT of the same patient, with hostile descriptions."""
    for name in "ab":
        write_series(here / "CT" / name, some_hu(SHAPE), edit=_evil_description)
    return here / "CT"


def shifted(dataset: Dataset, z: int, *, by: tuple[float, ...]) -> None:
    """Move a slice sideways, by so many mm for each slice of the list."""
    x, y, height = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x, float(y) + by[z], height]


def resized(dataset: Dataset, z: int) -> None:
    """One slice of another size."""
    if z == 2:
        dicom_maker.set_pixels(dataset, some_hu((1, 20, 20))[0] + 1024)


def wrong_endian(_: Good, here: Path) -> Path:
    """Big-endian files that say they are little-endian."""
    big, little = b"1.2.840.10008.1.2.2\0", b"1.2.840.10008.1.2.1\0"
    write_series(here / "CT", some_hu(SHAPE), syntax=big[:-1].decode())
    for path in (here / "CT").iterdir():
        path.write_bytes(path.read_bytes().replace(big, little))
    return here / "CT"


def renamed_syntax(folder: Path, *, to: bytes) -> None:
    """Explicit little-endian files that name another transfer syntax of the same length."""
    for path in folder.iterdir():
        data = path.read_bytes()
        path.write_bytes(data.replace(b"1.2.840.10008.1.2.1\0", to.ljust(20, b"\0"), 1))


def damaged_frames(syntax: str) -> Maker:
    """A compressed series with one stream whose second half is lost."""

    def make(_: Good, here: Path) -> Path:
        write_series(here / "CT", some_hu(SHAPE), syntax=syntax)
        path = here / "CT" / "0002.dcm"
        data = path.read_bytes()
        start = data.index(b"\xfe\xff\x00\xe0", data.index(b"\xe0\x7f\x10\x00")) + 8
        half = (start + len(data)) // 2
        path.write_bytes(data[:half] + bytes(len(data) - 8 - half) + data[-8:])
        return here / "CT"

    return make


def enhanced(**attributes) -> Maker:
    """An enhanced CT with wrong attributes."""

    def make(_: Good, here: Path) -> Path:
        path = write_enhanced(here / "enhanced.dcm", some_hu(SHAPE) // 2 * 2)
        return edited(path, path, lambda dataset: _set(dataset, attributes))

    return make


# Whatever is no CT at all


def nothing(_: Good, here: Path) -> Path:
    """A path that does not exist."""
    return here / "nowhere"


def content(name: str, data: bytes) -> Maker:
    """A file with just this in it."""

    def make(_: Good, here: Path) -> Path:
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_bytes(data)
        return here / Path(name).parts[0]

    return make


def folder(*names: str) -> Maker:
    """A folder with files of junk."""

    def make(_: Good, here: Path) -> Path:
        (here / "CT").mkdir()
        for name in names:
            (here / "CT" / name).write_bytes(b"\0\xff junk" * 100)
        return here / "CT"

    return make


def link_loop(_: Good, here: Path) -> Path:
    """Two links that lead to one another."""
    (here / "a").symlink_to(here / "b")
    (here / "b").symlink_to(here / "a")
    return here / "a"


def folder_loop(_: Good, here: Path) -> Path:
    """A folder that holds a link to itself and nothing else."""
    (here / "CT").mkdir()
    (here / "CT" / "CT").symlink_to(here / "CT", target_is_directory=True)
    return here / "CT"


def fifo(_: Good, here: Path) -> Path:
    """A pipe that nobody writes to."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(here / "pipe.nrrd")
    return here / "pipe.nrrd"


def device(name: str) -> Maker:
    """A file of the system that never ends, or gives an error."""

    def make(_: Good, here: Path) -> Path:
        if not Path(name).exists():
            pytest.skip(f"this system has no {name}")
        return Path(name)

    return make


def locked(_: Good, here: Path) -> Path:
    """A file that this user may not read."""
    path = here / "locked.nrrd"
    path.write_bytes(b"NRRD0004\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    return path


def locked_folder(_: Good, here: Path) -> Path:
    """A folder that this user may not read."""
    (here / "CT").mkdir(mode=0)
    if os.access(here / "CT", os.R_OK):
        pytest.skip("this user may read everything")
    return here / "CT"


# Volume files


def nrrd(header: str, data: bytes = b"", *, name: str = "volume.nrrd") -> Maker:
    """An NRRD with these lines in its header; a line given replaces the usual one."""
    lines = {
        "type": "short",
        "dimension": "3",
        "sizes": "4 4 4",
        "encoding": "raw",
        "endian": "little",
    }
    given = dict(line.split(": ", 1) for line in header.splitlines())
    own = _GRID if not {"space", "spacings"} & set(given) else ""
    text = "".join(f"{key}: {value}\n" for key, value in (lines | given).items())
    return content(name, f"NRRD0004\n{text}{own}\n".encode() + data)


def mha(data: bytes = bytes(128), *, name: str = "volume.mha", **fields: str) -> Maker:
    """A MetaImage with these fields."""
    usual = {
        "ObjectType": "Image",
        "NDims": "3",
        "DimSize": "4 4 4",
        "ElementSpacing": "1 1 1",
        "ElementType": "MET_SHORT",
    }
    last = {"ElementDataFile": fields.pop("ElementDataFile", "LOCAL")}
    lines = "".join(f"{key} = {value}\n" for key, value in (usual | fields | last).items())
    return content(name, lines.encode() + data)


def nifti(
    *, shape=(3, 4, 4, 4), code=4, steps=(1.0, 1.0, 1.0), magic=b"n+1\0", packed=False
) -> Maker:
    """A NIfTI-1 file with such a header and room for 4 x 4 x 4 voxels."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *shape, *[1] * (8 - len(shape)))
    struct.pack_into("<h", header, 70, code)
    struct.pack_into("<8f", header, 76, 1, *steps, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, 352, 1, 0)
    header[344:348] = magic
    data = bytes(header) + bytes(256)
    return content("volume.nii.gz", gzip.compress(data)) if packed else content("volume.nii", data)


def voxels(change: Callable[[np.ndarray], np.ndarray], *, of: str = "ct", name="v.nrrd") -> Maker:
    """The good CT or mask with other voxels."""

    def make(good: Good, here: Path) -> Path:
        image = sitk.ReadImage(str(getattr(good, of)))
        array = change(sitk.GetArrayFromImage(image))
        other = sitk.GetImageFromArray(array, isVector=array.ndim == 4)
        other.CopyInformation(image)
        sitk.WriteImage(other, str(here / name))
        return here / name

    return make


def with_value(value: float) -> Maker:
    """The CT with one such voxel, in the tumour."""

    def change(array: np.ndarray) -> np.ndarray:
        array = array.astype(np.float32)
        array[3, 12, 15] = value
        return array

    return voxels(change)


def moved(name: str = "m.nrrd", *, mm: float = 5000.0) -> Maker:
    """The mask far from its CT."""

    def make(good: Good, here: Path) -> Path:
        image = sitk.ReadImage(str(good.mask))
        image.SetOrigin([value + mm for value in image.GetOrigin()])
        sitk.WriteImage(image, str(here / name))
        return here / name

    return make


def sheared(_: Good, here: Path) -> Path:
    """An NRRD whose axes are not perpendicular."""
    directions = "space: LPS\nspace directions: (1,0,0) (0,1,0) (0,0.4,1)"
    return nrrd(directions, bytes(128))(_, here)


def cut_file(which: str, share: float) -> Maker:
    """A good file of the case, cut short."""

    def make(good: Good, here: Path) -> Path:
        path = Path(shutil.copy(getattr(good, which), here))
        _shorten(path, share)
        return path

    return make


# Masks as DICOM and as Slicer's segmentation


def edited(source: Path, target: Path, edit: Callable[[Dataset], object]) -> Path:
    """A DICOM file with a change."""
    dataset = pydicom.dcmread(source)
    edit(dataset)
    dicom_maker.save(dataset, target)
    return target


def dicom_mask(which: str, edit: Callable[[Dataset], object]) -> Maker:
    """The good RTSTRUCT or SEG with a change."""
    return lambda good, here: edited(getattr(good, which), here / f"{which}.dcm", edit)


def contours(make_rois: Callable[[Path], dict[str, list[np.ndarray]]]) -> Maker:
    """An RTSTRUCT on the good CT with other ROIs."""
    return lambda good, here: write_rtstruct(here / "rs.dcm", good.series, make_rois(good.series))


def same_names(dataset: Dataset) -> None:
    """All ROIs of one name."""
    for roi in dataset.StructureSetROISequence:
        roi.ROIName = "GTV"


def same_rois(good: Good, here: Path) -> Path:
    """Two ROIs of one name."""
    path = write_rtstruct(here / "rs.dcm", good.series, {name: [] for name in "ab"})
    return edited(path, path, same_names)


def every_contour(edit: Callable[[Dataset], object]) -> Maker:
    """The good RTSTRUCT with a change to each contour."""
    return dicom_mask(
        "rtstruct", lambda ds: [edit(one) for one in ds.ROIContourSequence[0].ContourSequence]
    )


def other_frame(dataset: Dataset) -> None:
    """An RTSTRUCT or SEG of another scan."""
    dataset.FrameOfReferenceUID = "1.2.3"
    for roi in dataset.get("StructureSetROISequence", []):
        roi.ReferencedFrameOfReferenceUID = "1.2.3"


def not_numbers(contour: Dataset) -> None:
    """A contour of which one coordinate is NaN; as text, for no writer of DICOM lets it pass."""
    values = ["nan", *map(str, contour.ContourData[1:])]
    del contour.ContourData
    contour.add_new(0x30060050, "LO", values)


def no_frames(dataset: Dataset) -> None:
    """A SEG without frames."""
    dataset.NumberOfFrames, dataset.PixelData = 0, b""
    dataset.PerFrameFunctionalGroupsSequence = []


def blank(dataset: Dataset) -> None:
    """A SEG whose frames are all zero."""
    dataset.PixelData = bytes(len(dataset.PixelData))


def two_masks(good: Good, here: Path) -> Path:
    """A folder with an RTSTRUCT and a SEG."""
    for path in (good.rtstruct, good.seg):
        shutil.copy(path, here)
    return here


def slicer(*, layer: str = "0", label: str = "1", names=("Tumour",)) -> Maker:
    """A Slicer segmentation."""

    def make(good: Good, here: Path) -> Path:
        image = sitk.ReadImage(str(good.mask))
        for number, name in enumerate(names):
            key = f"Segment{number}_"
            for field, value in (
                ("ID", f"S{number}"),
                ("Name", name),
                ("Layer", layer),
                ("LabelValue", label),
            ):
                image.SetMetaData(key + field, value)
        sitk.WriteImage(image, str(here / "s.seg.nrrd"))
        return here / "s.seg.nrrd"

    return make


# Models


def model_header(change: Callable[[dict], object]) -> Maker:
    """The good model with another header; its card is an object while it is changed."""

    def make(good: Good, here: Path) -> Path:
        data = good.model.read_bytes()
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:end])
        header["__metadata__"][CARD] = json.loads(header["__metadata__"][CARD])
        change(header)
        header["__metadata__"][CARD] = json.dumps(header["__metadata__"][CARD])
        text = json.dumps(header).encode()
        path = here / "model.safetensors"
        path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])
        return path

    return make


def model_card(**fields) -> Maker:
    """The good model with other fields in its card."""
    return model_header(lambda header: header["__metadata__"][CARD].update(fields))


def _set(dataset: Dataset, attributes: dict[str, object]) -> None:
    """Attributes as they come: what pydicom would not write is written as text."""
    for keyword, value in attributes.items():
        if keyword in dataset:
            del dataset[keyword]
        if isinstance(value, str):
            dataset.add_new(keyword, "LO", value)
        elif value is not None:
            setattr(dataset, keyword, value)


def _evil_description(dataset: Dataset, _: int) -> None:
    dataset.add_new(0x0008103E, "UT", EVIL)


def _shorten(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
