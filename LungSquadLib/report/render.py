"""The report of a case, made from the files in its folder: at once, or again later."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import InputError, parsing
from ..imaging.files.volumes import open_volume_file
from ..imaging.pictures import VIEWS, PlaneView
from .document import profile_page, report_page
from .figures import crop_viewer, plane_figure, view_figure

RESULT = "prediction.json"
REPORT = "report.html"
PLANES = "planes.npz"
VIEW = "view-"  # what pictures of 3D Slicer's views are called
FORMAT_VERSION = 4
_LARGEST_PICTURE = 1 << 23
_LARGEST = 1 << 29  # bytes: what a damaged or hostile file may make the report hold


def rendered(folder: str | os.PathLike[str], *, window: str = "lung") -> str:
    """The report's HTML from a case's folder.

    Args:
        folder: as `run_case` wrote it.
        window: of the CT planes, one of `imaging.pictures.WINDOWS`.

    Raises:
        InputError: the folder is not one, or a file of it is missing or damaged.
    """
    here = Path(folder)
    described = read_result(here)
    with parsing(here / RESULT, "a result of this LungSquad"):
        made = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        if "ct" not in described:
            return profile_page(described, made=made)
        files = described["files"]
        planes = [
            plane_figure(plane, window) for plane in read_planes(_inside(here, files["planes"]))
        ]
        ct, mask = (_volume(_inside(here, files[name])) for name in ("crop", "crop_mask"))
        viewers = [
            crop_viewer(ct, mask, saliency_of(here, described, prediction))
            for prediction in described["predictions"]
        ]
        views = [
            view_figure(_picture(_inside(here, name)), _view_caption(kind))
            for kind, name in files.items()
            if kind.startswith(VIEW)
        ]
        return report_page(described, planes, viewers, views=views, made=made)


def read_result(folder: Path) -> dict[str, Any]:
    """Read `prediction.json` of a case's folder.

    Raises:
        InputError: there is none, or it is not one that this version reads.
    """
    path = folder / RESULT
    if not path.is_file():
        raise InputError(f"'{folder}' holds no {RESULT}: it is no folder of a finished case.")
    with parsing(path, "a result of this LungSquad"):
        described = json.loads(path.read_text(encoding="utf-8"))
        version = described["format_version"]
        if version != FORMAT_VERSION:
            raise InputError(
                f"'{path}' has the format version {version}; this LungSquad reads {FORMAT_VERSION}."
            )
        return dict(described)


def saliency_of(folder: Path, described: dict[str, Any], prediction: dict[str, Any]) -> sitk.Image:
    """The saliency of one prediction of a result, on the CT's voxels.

    Raises:
        InputError: its file is missing or damaged.
    """
    name = described["files"][f"saliency-{prediction['model']['name']}"]
    return _volume(_inside(folder, name))


def write_planes(path: Path, planes: Sequence[PlaneView]) -> None:
    """Write the planes of the figures: HU, mask, pixel size and line of each view."""
    arrays: dict[str, Any] = {}
    for plane in planes:
        arrays[f"{plane.view}_hu"] = plane.hu
        arrays[f"{plane.view}_mask"] = plane.mask
        arrays[f"{plane.view}_pixel_mm"] = np.array(plane.pixel_mm)
        arrays[f"{plane.view}_line"] = plane.line
    np.savez_compressed(path, **arrays)


def read_planes(path: Path) -> list[PlaneView]:
    """Read the planes of `write_planes`; other content raises an error."""
    with zipfile.ZipFile(path) as archive:  # a header may declare what no memory holds
        if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
            raise InputError(f"'{path}' inflates to more than planes of a CT take.")
    with np.load(path, allow_pickle=False) as arrays:
        planes = []
        for view in VIEWS:
            across, down = arrays[f"{view}_pixel_mm"].tolist()
            hu, mask = arrays[f"{view}_hu"], arrays[f"{view}_mask"]
            line = arrays[f"{view}_line"]
            planes.append(PlaneView(view, hu, mask, (float(across), float(down)), line))
        return planes


def _picture(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST_PICTURE:
        raise InputError(f"'{path}' is too large for a picture of a view.")
    return path.read_bytes()


def _view_caption(kind: str) -> str:
    """The caption of a view: "3d", "axial", or a model's saliency."""
    name = kind.removeprefix(VIEW)
    return f"saliency of {name.removeprefix('saliency-')}" if name.startswith("saliency-") else name


def _inside(folder: Path, name: str) -> Path:
    """A file of the folder; a name from a file is not followed elsewhere."""
    if Path(name).name != name or name == "..":
        raise InputError(f"'{folder / RESULT}' names the file '{name}' outside its folder.")
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise InputError(f"'{path}' is not there, or is no file; predict again.")
    return path


def _volume(path: Path) -> sitk.Image:
    """A volume of our own, read as if it were a stranger's: no second file, no absurd size."""
    file = open_volume_file(path)
    if file.components != 1 or file.grid.box.voxels * file.dtype.itemsize > _LARGEST:
        raise InputError(f"'{path}' is no volume that LungSquad wrote.")
    return file.grid.image(np.stack([file.array(data) for data in file.slices()]))
