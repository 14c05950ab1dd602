"""What an audit of a generator found, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ...imaging.features import SLICE_FEATURES
from ...statistics.intervals import Estimate
from ...statistics.memorisation import Memorisation
from ..classifier.results import plain
from .image_set import Material

FORMAT_VERSION = 1

LOWER, HIGHER, ALIKE = "lower is better", "higher is better", "should be that of reals"
SPACES = {"shape": "size, shape and HU", "network": "features of our segmenter"}

# Of each measure, what it is for people and what is good.
MEASURES = {
    **{f"swd_{2**n}": (f"SWD, {2**n} pixels", LOWER) for n in range(9, 3, -1)},
    "swd_mean": ("SWD, mean of levels", LOWER),
    "ms_ssim": ("MS-SSIM of random pairs", ALIKE),
    **{
        f"{measure}_{space}": (f"{label}, {words}", better)
        for space, words in SPACES.items()
        for measure, label, better in (
            ("kid", "KID", LOWER),
            ("frechet", "Frechet distance", LOWER),
            ("precision", "precision", HIGHER),
            ("recall", "recall", HIGHER),
        )
    },
    "dice": ("Dice of mask and segmenter", HIGHER),
    "empty": ("share of empty masks", ALIKE),
    **{f"apart_{name}": (f"distance of {label}", LOWER) for name, label in SLICE_FEATURES.items()},
}
SHARES = (
    "ms_ssim",
    "empty",
    "dice",
    *(f"{name}_{of}" for name in ("precision", "recall") for of in SPACES),
)


@dataclass(frozen=True)
class ImageSetMeasure:
    """A number of the generated slices, and the same of what it is held against.

    Attributes:
        name: one of `MEASURES`.
        value: with its 95 % interval over seeds.
        reference: of real slices: of the training patients against the held-out ones, or of the
            held-out ones themselves where the measure looks at one set only.
        untrained: of the same network before any training.
        gaussian: of images whose pixels are drawn each by itself.
    """

    name: str
    value: Estimate
    reference: Estimate | None = None
    untrained: Estimate | None = None
    gaussian: Estimate | None = None

    @property
    def label(self) -> str:
        """What it is, for people."""
        return MEASURES[self.name][0]

    @property
    def better(self) -> str:
        """Which values are good, in words."""
        return MEASURES[self.name][1]


@dataclass(frozen=True)
class Counts:
    """How many there were; `compared`: slices of each set in a comparison, 0 where none was."""

    training_patients: int
    training_slices: int
    held_out_patients: int
    held_out_slices: int
    images: int
    compared: int
    seeds: int


@dataclass(frozen=True, eq=False)
class Gallery:
    """What the page shows of the images themselves.

    Attributes:
        window: one of `imaging.pictures.WINDOWS`.
        fakes: generated slices.
        reals: held-out ones, or training ones where none is held out.
        copies: the generated slices that lie nearest to a training one, the nearest first.
        originals: the training slice next to each of these; distances: (n,) how far it is, in
            the unit of `statistics.memorisation.outlook`.
        fake_features, real_features: each of `imaging.features.SLICE_FEATURES`.
    """

    window: str
    fakes: Material
    reals: Material
    copies: Material
    originals: Material
    distances: np.ndarray
    fake_features: dict[str, np.ndarray]
    real_features: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found; what could not be measured is missing from `measures`, or None.

    Attributes:
        model: its name and file's SHA-256, or "" where images came without a model.
        slicing: of the real slices, in words.
        counts: of slices and patients.
        measures: in the order of `MEASURES`.
        memorisation: None where nothing was held out, or nothing seen.
        sentences: what was found, first things first.
        cautions: what to mind.
        gallery: what the page shows; it is not part of the numbers.
    """

    model: str
    sha256: str
    slicing: str
    counts: Counts
    measures: tuple[ImageSetMeasure, ...]
    memorisation: Memorisation | None
    sentences: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    gallery: Gallery | None = field(default=None, repr=False)

    def measure(self, name: str) -> ImageSetMeasure | None:
        """The measure of that name, if it could be had."""
        return next((one for one in self.measures if one.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """All numbers and sentences, for JSON."""
        described = {one.name: getattr(self, one.name) for one in fields(self)}
        del described["gallery"]
        described["measures"] = {
            one.name: {"label": one.label, "better": one.better, **_numbers(one)}
            for one in self.measures
        }
        if self.memorisation is not None:
            flagged = self.memorisation.flagged
            described["memorisation"] = {"flagged": flagged, **plain(self.memorisation)}
        return {"format_version": FORMAT_VERSION, **plain(described)}


def _numbers(measure: ImageSetMeasure) -> dict[str, Any]:
    return {name: value for name, value in plain(measure).items() if name != "name"}
