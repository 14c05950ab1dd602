"""The CT as a file for the worker: written once, in small steps, and kept while it is the same."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ..exchange import ct_writer
from ..volumes import ct_of_volume


class CtCopies:
    """Keeps one copy of the CT that was used last, in a private temporary folder."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
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
        key = (volume.GetID(), volume.GetImageData().GetMTime(), ct.grid)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix="lungsquad-", ignore_cleanup_errors=True
            )
        path = Path(self._folder.name) / "ct.mha"
        if self._key != key:
            self._key = None
            for fraction in ct_writer(ct, path):
                yield share * fraction
            self._key = key
        return path

    def close(self) -> None:
        """Take the copy away."""
        self._key = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
