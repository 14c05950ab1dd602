"""Slicer's DICOM database: opened where it is closed, read from and written to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ...errors import InputError


def open_database() -> str:
    """Open Slicer's DICOM database, which a first-time user does not have yet.

    Returns:
        A sentence that says where the database was created; empty where it was there.

    Raises:
        InputError: it cannot be opened or created.
    """
    if _is_open():
        return ""
    folder = _folder()
    existed = (folder / "ctkDICOM.sql").exists()
    qt.QDir().mkpath(str(folder))
    from DICOMLib import DICOMUtils

    DICOMUtils.openDatabase(str(folder))
    database = slicer.dicomDatabase
    if _is_open() and database.schemaVersionLoaded() != database.schemaVersion():
        database.closeDatabase()  # of another version of Slicer, which may still use it
    if not _is_open():
        sentence = _(
            "Slicer's DICOM database could not be opened in '{folder}'. Open the module DICOM, "
            "choose another database folder in its settings, and try again."
        )
        raise InputError(sentence.format(folder=folder))
    if existed:
        return ""
    return str(_("Slicer's DICOM database was created in '{folder}'.").format(folder=folder))


def import_series(folder: str, uid: str) -> Any:
    """Import a folder into Slicer's database, load a CT series of it, and return its volume node.

    Raises:
        InputError: Slicer loaded no volume.
    """
    from DICOMLib import DICOMUtils

    DICOMUtils.importDicom(folder)
    nodes = map(slicer.mrmlScene.GetNodeByID, DICOMUtils.loadSeriesByUID([uid]))
    volumes = [node for node in nodes if node and node.IsA("vtkMRMLScalarVolumeNode")]
    if not volumes:
        raise InputError(_("Slicer could not load this series. See its error log."))
    return volumes[0]


def add_to_database(folder: Path) -> None:
    """Copy DICOM files into Slicer's database.

    The database keeps one patient for a study: files with a known study UID and another patient ID
    would move the whole study. They must carry the patient's identity.

    Raises:
        InputError: Slicer imported nothing.
    """
    from DICOMLib import DICOMUtils

    if not DICOMUtils.importDicom(str(folder), copyFiles=True):
        raise InputError(_("Slicer's DICOM database took no SEG and SR. See its error log."))


def _is_open() -> bool:
    database = getattr(slicer, "dicomDatabase", None)
    return database is not None and bool(database.isOpen)


def _folder() -> Path:
    """Return the database's folder in Slicer's settings, by default among the user's documents."""
    chosen = qt.QSettings().value(slicer.dicomDatabaseDirectorySettingsKey)
    if chosen:
        return Path(chosen)
    documents = qt.QStandardPaths.writableLocation(qt.QStandardPaths.DocumentsLocation)
    return Path(documents) / f"{slicer.app.applicationName}DICOMDatabase"
