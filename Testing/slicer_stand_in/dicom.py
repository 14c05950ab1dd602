"""Slicer's DICOM database and its `DICOMUtils`, by LungSquad's reader, on the real scene."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import slicer

from LungSquadLib.imaging.ct import ct_of_series
from LungSquadLib.imaging.dicom import header as tags
from LungSquadLib.imaging.dicom.series import find_series
from LungSquadLib.mrml import add_volume

SETTINGS_KEY = "DatabaseDirectory_1"


class Database:
    """The series of the folders that were imported; as in Slicer, a study has one patient."""

    def __init__(self):
        self.isOpen = True  # as after the module DICOM was opened
        self._series, self._headers, self._patients = {}, {}, {}

    def openDatabase(self, file):
        """As Slicer's: it makes the file, but no folder."""
        self.isOpen = Path(file).parent.is_dir()
        if self.isOpen:
            Path(file).touch()

    def closeDatabase(self):
        self.isOpen = False

    def schemaVersion(self):
        return "1"

    def schemaVersionLoaded(self):
        return "1"

    def add(self, folder):
        """Take in all files of a folder; files that were there before stay."""
        for series in find_series(folder).series:
            self._series.setdefault(series.uid, series)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            header = tags.read_header(path)
            if header is not None:
                self._headers.setdefault(header.text(tags.SOP_INSTANCE), header)
                self._patients[header.text(tags.STUDY_UID)] = header.text(tags.PATIENT_ID)

    def ct(self, uid):
        """The CT of a series."""
        return ct_of_series(self._series[uid])

    def patients(self):
        return sorted(set(self._patients.values()))

    def studiesForPatient(self, patient):
        return [study for study, owner in self._patients.items() if owner == patient]

    def seriesForStudy(self, study):
        headers = self._headers.values()
        return sorted(
            {
                header.text(tags.SERIES_UID)
                for header in headers
                if header.text(tags.STUDY_UID) == study
            }
        )

    def instancesForSeries(self, uid):
        headers = self._headers.items()
        return [instance for instance, header in headers if header.text(tags.SERIES_UID) == uid]

    def filesForSeries(self, uid):
        return [str(self._headers[instance].path) for instance in self.instancesForSeries(uid)]

    def fileForInstance(self, uid):
        return str(self._headers[uid].path) if uid in self._headers else ""

    def seriesForFile(self, file):
        headers = self._headers.values()
        series = (header.text(tags.SERIES_UID) for header in headers if str(header.path) == file)
        return next(series, "")

    def allSeries(self):
        return list(self._series)


def openDatabase(databaseDir):
    """Open the database in a folder that is there."""
    if not Path(databaseDir).is_dir():
        return False
    slicer.dicomDatabase.openDatabase(f"{databaseDir}/ctkDICOM.sql")
    return slicer.dicomDatabase.isOpen


@contextmanager
def TemporaryDICOMDatabase(directory=None):
    """Another database instead of Slicer's, for a while."""
    before, slicer.dicomDatabase = slicer.dicomDatabase, Database()
    try:
        yield slicer.dicomDatabase
    finally:
        slicer.dicomDatabase = before


def importDicom(dicomDataDir, dicomDatabase=None, copyFiles=False):
    """Put a folder into a database, by default into Slicer's."""
    database = dicomDatabase or slicer.dicomDatabase
    if not database.isOpen:
        return False
    database.add(Path(dicomDataDir))
    return True


def loadSeriesByUID(seriesUIDs):
    """Load CT series as volume nodes; their IDs."""
    if not slicer.dicomDatabase.isOpen:
        raise OSError("DICOM module or database cannot be accessed")
    return [_loaded(uid).GetID() for uid in seriesUIDs]


def _loaded(uid):
    database = slicer.dicomDatabase
    volume = add_volume(slicer.mrmlScene, database.ct(uid).read(), name=f"CT {uid[-6:]}")
    volume.SetAttribute("DICOM.instanceUIDs", " ".join(database.instancesForSeries(uid)))
    return volume
