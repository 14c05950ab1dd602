"""The files of predictions: temporary, and kept while their scene is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from ...errors import InputError
from ..temporary_files import CaseFiles
from ..tumour import Tumour


@dataclass(frozen=True)
class CaseRun:
    """What a prediction for a tumour of a CT wrote."""

    volume: Any
    tumour: Tumour
    files: CaseFiles


class PredictionFiles:
    """The files of the last prediction for each tumour."""

    def __init__(self) -> None:
        self._runs: list[CaseRun] = []

    def add(self, run: CaseRun) -> None:
        """Keep a run in place of an earlier one for the same tumour."""
        for earlier in self._runs:
            if _is_same(earlier, run):
                earlier.files.close()
        self._runs = [*(each for each in self._runs if not _is_same(each, run)), run]

    def runs(self, volume: Any) -> list[CaseRun]:
        """Return the runs for a CT; those of a deleted segmentation stay until the scene closes."""
        return [run for run in self._runs if run.volume is volume]

    def run(self, volume: Any, segmentation: Any, segment: str) -> CaseRun:
        """Return the last run for a tumour.

        Raises:
            InputError: there was none since the scene was opened.
        """
        for run in self.runs(volume):
            if run.tumour.is_segment(segmentation, segment):
                return run
        raise InputError(
            _("The files of these results are gone: a scene does not keep them. Predict again.")
        )

    def close(self) -> None:
        """Remove all files."""
        for run in self._runs:
            run.files.close()
        self._runs = []


def _is_same(run: CaseRun, other: CaseRun) -> bool:
    return run.volume is other.volume and run.tumour.is_segment(
        other.tumour.segmentation, other.tumour.segment
    )
