"""The files of a case's report in a scene: packed into a text node, and unpacked again.

The page itself is not kept: it is made anew from the files, with the checks of every reading, for a
scene may come from anywhere.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from ..errors import InputError, LungSquadError, parsing
from ..report.render import PLANES, REPORT, RESULT, read_result, rendered
from .hierarchy import file_beside
from .results import mark_as_result, nodes_of_model, remove_prediction
from .scene import new_node
from .tumour import Tumour, tumour_of

_FILES = "(report files)"  # in place of a model's name, which cannot have brackets
_KEPT = re.compile(r"(crop|crop_mask|saliency-[A-Za-z0-9._-]+)\.nrrd|view-[A-Za-z0-9._-]+\.png")
_LARGEST = 1 << 28  # bytes, unpacked


def keep_report_files(volume: Any, tumour: Tumour, results: Path) -> Any:
    """Add the files of a folder of results to the scene, in place of earlier ones of the tumour.

    DICOM files are left out: they can be written again.

    Returns:
        The node.

    Raises:
        InputError: the folder is not one of results.
    """
    described = read_result(results)
    kept = {kind: name for kind, name in described["files"].items() if _is_kept(name)}
    described["files"] = {**kept, "report": REPORT}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(RESULT, json.dumps(described))
        for name in kept.values():
            archive.write(results / name, name)
    remove_report_files(volume, tumour)
    node = new_node(volume.GetScene(), "vtkMRMLTextNode", f"Report files, {tumour.name}")
    node.SetText(base64.b64encode(packed.getvalue()).decode())
    mark_as_result([node], _FILES, tumour)
    file_beside(volume, [node], folder=f"LungSquad: report files, {tumour.name}")
    return node


def remove_report_files(volume: Any, tumour: Tumour | None = None) -> None:
    """Remove the files of the reports of a volume, or of one tumour in it, from the scene."""
    remove_prediction(volume, _FILES, tumour)


def kept_report_files(volume: Any) -> list[tuple[Tumour, Any]]:
    """Return the tumours of a volume whose report's files the scene holds, with the nodes."""
    nodes = [node for node in nodes_of_model(volume, _FILES) if node.IsA("vtkMRMLTextNode")]
    return [(tumour, node) for node in nodes if (tumour := tumour_of(node)) is not None]


def unpack_report_files(node: Any, folder: Path) -> None:
    """Write the files of a node into a new folder, and its report.

    Raises:
        InputError: they are damaged, or are no files of a report.
    """
    with parsing(node.GetName(), "the files of a report"):
        data = base64.b64decode(node.GetText(), validate=True)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > _LARGEST:
                raise InputError(f"'{node.GetName()}' inflates to more than a report takes.")
            folder.mkdir()
            for entry in entries:
                if entry.filename != RESULT and not _is_kept(entry.filename):
                    raise InputError(f"'{node.GetName()}' holds a file that no report has.")
                (folder / entry.filename).write_bytes(archive.read(entry))
        try:
            page = rendered(folder)
        except LungSquadError as error:
            sentence = "are damaged, or those of another version of LungSquad. Predict again."
            raise InputError(f"The files of '{node.GetName()}' {sentence}") from error
        (folder / REPORT).write_text(page, encoding="utf-8")


def _is_kept(name: str) -> bool:
    return name == PLANES or _KEPT.fullmatch(name) is not None
