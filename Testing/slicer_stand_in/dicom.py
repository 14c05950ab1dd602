"""Slicer's DICOM database and its `DICOMUtils`, by LungSquad's reader, on the real scene."""

from __future__ import annotations

from pathlib import Path

import slicer

from LungSquadLib.imaging.ct import ct_of_series
from LungSquadLib.imaging.dicom import header as tags
from LungSquadLib.imaging.dicom.series import find_series
from LungSquadLib.mrml import add_volume


class Database:
    """The series of the folders that were imported."""

    isOpen = True

    def __init__(self):
        self._series = {}

    def add(self, folder):
        """Take in all series of a folder; files that were there before stay."""
        for series in find_series(folder).series:
            files = {header.text(tags.SOP_INSTANCE): str(header.path) for header in series.headers}
            self._series.setdefault(series.uid, (series, {}))[1].update(files)

    def ct(self, uid):
        """The CT of a series."""
        return ct_of_series(self._series[uid][0])

    def instancesForSeries(self, uid):
        return list(self._series[uid][1]) if uid in self._series else []

    def filesForSeries(self, uid):
        return list(self._series[uid][1].values()) if uid in self._series else []

    def fileForInstance(self, uid):
        return next((files[uid] for _, files in self._series.values() if uid in files), "")

    def seriesForFile(self, file):
        series = (uid for uid, (_, files) in self._series.items() if file in files.values())
        return next(series, "")

    def allSeries(self):
        return list(self._series)


def importDicom(dicomDataDir, dicomDatabase=None, copyFiles=False):
    """Put a folder into a database, by default into Slicer's."""
    (dicomDatabase or slicer.dicomDatabase).add(Path(dicomDataDir))
    return True


def loadSeriesByUID(seriesUIDs):
    """Load CT series as volume nodes; their IDs."""
    return [_loaded(uid).GetID() for uid in seriesUIDs]


def _loaded(uid):
    database = slicer.dicomDatabase
    volume = add_volume(slicer.mrmlScene, database.ct(uid).read(), name=f"CT {uid[-6:]}")
    volume.SetAttribute("DICOM.instanceUIDs", " ".join(database.instancesForSeries(uid)))
    return volume
