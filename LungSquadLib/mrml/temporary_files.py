"""Temporary files for the worker: a CT, a mask, and the results that it writes."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from ..imaging.files.transfer import ct_writer
from .volumes import ct_of_volume, voxels_and_grid


class CaseFiles:
    """A private temporary folder for a CT, its mask and a worker's results.

        with CaseFiles() as files:
            for fraction in ct_writer(ct, files.ct):
                ...
            write_mask(mask, files.mask)
            # a worker's "predict" writes into files.results
            predictions = read_predictions(files.results, ct, mask, models)

    The folder is removed when it is closed or forgotten, and when the process ends.

    Attributes:
        ct, mask: paths of the files.
        results, preliminary: paths of the folders for results. None exists at first.
    """

    def __init__(self) -> None:
        # What another program still holds open on Windows is no reason for an error at the end.
        self._folder = TemporaryDirectory(prefix="lungsquad-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self.ct, self.mask = folder / "ct.mha", folder / "mask.seg.nrrd"
        self.results, self.preliminary = folder / "results", folder / "preliminary"

    def close(self) -> None:
        """Remove the folder; a second call has no effect."""
        self._folder.cleanup()

    def __enter__(self) -> CaseFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class CtFileCache:
    """A temporary file of the CT that was used last, written again only when the CT changes."""

    def __init__(self) -> None:
        self._files: CaseFiles | None = None
        self._key: Any = None

    def file(self, volume: Any, *, share: float) -> Generator[float, None, Path]:
        """Write the CT in small steps, where it is not written yet, and return the file.

        Args:
            volume: the CT's node.
            share: of the progress bar.

        Raises:
            InputError: as `ct_of_volume`.
        """
        ct = ct_of_volume(volume)
        key = (volume.GetID(), voxels_and_grid(volume))
        if self._files is None:
            self._files = CaseFiles()
        path = self._files.ct
        if self._key != key:
            self._key = None
            for fraction in ct_writer(ct, path):
                yield share * fraction
            self._key = key
        return path

    def close(self) -> None:
        """Remove the file."""
        self._key = None
        if self._files is not None:
            self._files.close()
            self._files = None
