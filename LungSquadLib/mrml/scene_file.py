"""A whole scene as one file (.mrb) that Slicer opens by itself."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import whole_file

SUFFIX = ".mrb"


def write_scene(scene: Any, path: str | os.PathLike[str]) -> None:
    """Write a scene with all its data, whole or not at all.

    Raises:
        InputError: the name does not end in .mrb, or a node of the scene cannot be written.
        OSError: the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != SUFFIX:
        raise InputError(f"'{path}' must end in {SUFFIX}.")
    with tempfile.TemporaryDirectory(prefix="lungsquad-") as temporary:
        folder = Path(temporary).resolve() / "scene"
        folder.mkdir()
        if not scene.SaveSceneToSlicerDataBundleDirectory(str(folder), None):
            raise InputError(f"The scene could not be written for '{path}': see Slicer's messages.")
        with whole_file(target) as file, zipfile.ZipFile(file, "w") as archive:
            for entry in sorted(folder.rglob("*")):
                packed = zipfile.ZIP_STORED if entry.suffix == ".nrrd" else zipfile.ZIP_DEFLATED
                name = Path(target.stem) / entry.relative_to(folder)
                archive.write(entry, name.as_posix(), compress_type=packed)
