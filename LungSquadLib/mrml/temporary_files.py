"""What goes between Slicer's process and a worker: files in a private folder, and results back."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from ..imaging.files.transfer import ct_writer, write_mask
from ..report.read_back import read_predictions
from .volumes import ct_of_volume

__all__ = ["Exchange", "ct_writer", "read_predictions", "write_mask"]


class Exchange:
    """A private folder for a CT, its mask and what a worker makes of them.

        with Exchange() as exchange:
            for fraction in ct_writer(ct, exchange.ct):
                ...
            write_mask(mask, exchange.mask)
            # a worker's "predict" writes into exchange.results
            predictions = read_predictions(exchange.results, ct, mask, models)

    The folder goes with all that is in it when it is closed, forgotten, or the process ends.

    Attributes:
        ct, mask: the files; results: the folder for results. None of them is there at first.
    """

    def __init__(self) -> None:
        # What another program still holds open on Windows is no reason for an error at the end.
        self._folder = TemporaryDirectory(prefix="lungsquad-", ignore_cleanup_errors=True)
        here = Path(self._folder.name)
        self.ct, self.mask, self.results = here / "ct.mha", here / "mask.seg.nrrd", here / "results"

    def close(self) -> None:
        """Remove the folder; twice does no harm."""
        self._folder.cleanup()

    def __enter__(self) -> Exchange:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class CtCopies:
    """Keeps one copy of the CT that was used last, in a private temporary folder."""

    def __init__(self) -> None:
        self._exchange: Exchange | None = None
        self._key: Any = None

    def of(self, volume: Any, *, share: float) -> Generator[float, None, Path]:
        """Write the CT if it is not written yet, and return the file.

        Args:
            volume: the node.
            share: of the progress bar.

        Raises:
            InputError: as `ct_of_volume`.
        """
        ct = ct_of_volume(volume)
        key = (volume.GetID(), volume.GetImageData().GetMTime(), ct.stored)
        if self._exchange is None:
            self._exchange = Exchange()
        path = self._exchange.ct
        if self._key != key:
            self._key = None
            for fraction in ct_writer(ct, path):
                yield share * fraction
            self._key = key
        return path

    def close(self) -> None:
        """Take the copy away."""
        self._key = None
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None
