"""What goes between Slicer's process and a worker: files in a private folder, and results back."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from ..imaging.files.exchange import ct_writer, write_mask
from ..report.read_back import read_predictions

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
