"""The results of an audit of a generator, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ...imaging.features import SLICE_FEATURES
from ...statistics.intervals import Estimate
from ...statistics.memorisation import Memorisation
from ..classifier.results import plain
from .image_set import ImageSet

FORMAT_VERSION = 2

LOWER, HIGHER, ALIKE = "lower is better", "higher is better", "should equal that of reals"
SPACES = {"shape": "size, shape and HU", "network": "features of the segmenter"}

# The label of each measure, and which values are good.
MEASURES = {
    **{f"swd_{2**n}": (f"SWD, {2**n} pixels", LOWER) for n in range(9, 3, -1)},
    "swd_mean": ("SWD, mean of levels", LOWER),
    "histogram": ("distance of HU histograms, fraction of the window", LOWER),
    "noise_texture": ("noise texture: pixels against their neighbours, HU", ALIKE),
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
    **{
        f"distance_{name}": (f"distance of {label}", LOWER)
        for name, label in SLICE_FEATURES.items()
    },
}
FRACTIONS = (
    "histogram",
    "ms_ssim",
    "empty",
    "dice",
    *(f"{name}_{of}" for name in ("precision", "recall") for of in SPACES),
)


@dataclass(frozen=True)
class ImageSetMeasure:
    """A measure of the generated slices, and of the sets that it is compared with.

    Attributes:
        name: one of `MEASURES`.
        generated: of the generated slices, with its 95 % interval over seeds.
        reference: of real slices: of the training patients against the held-out ones, or of the
            held-out ones themselves where the measure looks at one set only.
        untrained: of the same network before any training.
        gaussian: of images of independent pixels.
    """

    name: str
    generated: Estimate
    reference: Estimate | None = None
    untrained: Estimate | None = None
    gaussian: Estimate | None = None

    @property
    def label(self) -> str:
        """The label for people."""
        return MEASURES[self.name][0]

    @property
    def better(self) -> str:
        """Which values are good, in words."""
        return MEASURES[self.name][1]


@dataclass(frozen=True)
class Counts:
    """Numbers of patients and slices; `compared`: of each set in a comparison, 0 for none."""

    training_patients: int
    training_slices: int
    held_out_patients: int
    held_out_slices: int
    images: int
    compared: int
    seeds: int


@dataclass(frozen=True, eq=False)
class Gallery:
    """The images of the page.

    Attributes:
        window: one of `imaging.pictures.WINDOWS`.
        fakes: generated slices.
        reals: held-out ones, or training ones where none is held out.
        nearest: the generated slices nearest to a training one, the nearest first.
        neighbours: the nearest training slice of each of these; `distances` (n,): how far it is,
            in the unit of `statistics.memorisation.embedding`.
        fake_features, real_features: each of `imaging.features.SLICE_FEATURES`.
    """

    window: str
    fakes: ImageSet
    reals: ImageSet
    nearest: ImageSet
    neighbours: ImageSet
    distances: np.ndarray
    fake_features: dict[str, np.ndarray]
    real_features: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Audit:
    """The results; what could not be measured is missing from `measures`, or None.

    Attributes:
        model: name and SHA-256 of the file, or "" for images without a model.
        slicing: of the real slices, in words.
        counts: of slices and patients.
        measures: in the order of `MEASURES`.
        memorisation: None without held-out or without training slices.
        findings: the findings, the most important first.
        cautions: limitations.
        gallery: the images of the page; not part of the JSON.
    """

    model: str
    sha256: str
    slicing: str
    counts: Counts
    measures: tuple[ImageSetMeasure, ...]
    memorisation: Memorisation | None
    findings: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    gallery: Gallery | None = field(default=None, repr=False)

    def measure(self, name: str) -> ImageSetMeasure | None:
        """Return the measure of a name; None where it is missing."""
        return next((each for each in self.measures if each.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers and sentences, for JSON."""
        described = {each.name: getattr(self, each.name) for each in fields(self)}
        del described["gallery"]
        described["measures"] = {
            each.name: {"label": each.label, "better": each.better, **_numbers(each)}
            for each in self.measures
        }
        if self.memorisation is not None:
            flagged = self.memorisation.flagged
            described["memorisation"] = {"flagged": flagged, **plain(self.memorisation)}
        return {"format_version": FORMAT_VERSION, **plain(described)}


def _numbers(measure: ImageSetMeasure) -> dict[str, Any]:
    return {name: value for name, value in plain(measure).items() if name != "name"}
