"""What one section of the panel needs of another, as small protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ...imaging.crop import Crop
from ...models.catalogue import Entry
from ..descriptions import StoredDescriptions
from ..results import StoredPrediction
from ..tumour import CaseKey


class OutlineReceiver(Protocol):
    """Takes outlines of the tumour that come with a CT."""

    def offer(self, outlines: list[dict[str, Any]]) -> None:
        """Let the user choose among outlines in files."""

    def choose(self, segmentation: Any, segment_id: str) -> None:
        """Make a segment the tumour."""


class CropSource(Protocol):
    """The crop of the tumour that is chosen."""

    @property
    def crop(self) -> Crop | None:
        """The crop; None while there is none."""

    @property
    def key(self) -> CaseKey | None:
        """What the crop was made from."""

    def missing(self) -> str:
        """Return what the user must do to get a crop, or an empty text."""


class EditCounter(Protocol):
    """Counts the changes of the outlines."""

    @property
    def edits(self) -> int:
        """How often a segment was changed, added, moved or removed."""


class ModelChoice(Protocol):
    """The models that the user chose for predictions."""

    def chosen_paths(self) -> list[Path]:
        """Return their files."""


class ProfileSource(Protocol):
    """The expression profile that is chosen for the tumour."""

    @property
    def file(self) -> Path | None:
        """The profile's file, or None."""

    def models_for(self, chosen: Sequence[Entry], *, every: bool) -> list[Path]:
        """Return the models of the profile for the same questions as the chosen image models."""

    def show_predictions(self, case: Mapping[str, Any], file: Path, volume: Any) -> None:
        """Show the predictions of `prediction.json` for a profile's file."""


class PredictionSource(Protocol):
    """The predictions for the CT that is chosen."""

    @property
    def stored(self) -> list[StoredPrediction]:
        """The predictions that the scene holds for the chosen tumour."""

    @property
    def all_stored(self) -> list[StoredPrediction]:
        """The predictions that the scene holds for all tumours."""


class MeasurementSource(Protocol):
    """The measurements of the tumours of the segmentation that is chosen."""

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each tumour and prediction, as the CSV file of the table has it."""


class DescriptionSource(Protocol):
    """The descriptions for the CT that is chosen."""

    @property
    def stored(self) -> StoredDescriptions | None:
        """The descriptions that the scene holds for the chosen tumour."""

    @property
    def all_stored(self) -> list[StoredDescriptions]:
        """The descriptions that the scene holds for all tumours."""
