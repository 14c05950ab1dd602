"""The files of predictions: temporary, kept while their scene is open, or in it on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from ...errors import InputError
from ..report_files import (
    keep_report_files,
    kept_report_files,
    remove_report_files,
    unpack_report_files,
)
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
        self._in_scene: list[CaseRun] = []

    def add(self, run: CaseRun) -> None:
        """Keep a run in place of an earlier one for the same tumour."""
        for earlier in self._runs:
            if _is_same(earlier, run):
                earlier.files.close()
        self._runs = [*(each for each in self._runs if not _is_same(each, run)), run]

    def runs(self, volume: Any) -> list[CaseRun]:
        """Return the runs for a CT, also those that its scene was loaded with.

        Those of a deleted segmentation stay until the scene closes.

        Raises:
            InputError: the scene's are damaged.
        """
        for tumour, node in kept_report_files(volume):
            known = [run.tumour for run in self._of(volume)]
            if not any(each.is_segment(tumour.segmentation, tumour.segment) for each in known):
                self._read(volume, tumour, node)
        return self._of(volume)

    def _read(self, volume: Any, tumour: Tumour, node: Any) -> None:
        files = CaseFiles()
        try:
            unpack_report_files(node, files.results)
        except BaseException:
            files.close()
            raise
        run = CaseRun(volume, tumour, files)
        self._runs.append(run)
        self._in_scene.append(run)

    def _of(self, volume: Any) -> list[CaseRun]:
        return [run for run in self._runs if run.volume is volume]

    def keep_next(self, volume: Any) -> bool:
        """Put the files of one more run for a CT into the scene; return whether there was one."""
        for run in self._of(volume):
            if run not in self._in_scene:
                keep_report_files(volume, run.tumour, run.files.results)
                self._in_scene.append(run)
                return True
        return False

    def keep_none(self, volume: Any) -> None:
        """Take the files of all runs for a CT out of the scene; they stay as long as it is open."""
        if kept_report_files(volume):
            self.runs(volume)
            remove_report_files(volume)
            self._in_scene = []

    def run(self, volume: Any, segmentation: Any, segment: str) -> CaseRun:
        """Return the last run for a tumour.

        Raises:
            InputError: the scene has none, and there was none since it was opened.
        """
        for run in self.runs(volume):
            if run.tumour.is_segment(segmentation, segment):
                return run
        raise InputError(
            _("The files of these results are gone: the scene was saved without. Predict again.")
        )

    def close(self) -> None:
        """Remove all files."""
        for run in self._runs:
            run.files.close()
        self._runs, self._in_scene = [], []


def _is_same(run: CaseRun, other: CaseRun) -> bool:
    return run.volume is other.volume and run.tumour.is_segment(
        other.tumour.segmentation, other.tumour.segment
    )
