"""The CT as a file for the worker: written once, in small steps, and kept while it is the same."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from ..volumes import ct_of_volume
from ..worker_call import Exchange, ct_writer


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
