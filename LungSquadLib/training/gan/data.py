"""The setup of a run of the GAN: a set of slices, its split, and the images in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.slice_set import SliceCase, SliceSet
from ...data.splits import held_out
from ...errors import InputError
from ...imaging.slices import to_channels
from ...models.card import NetworkSpec
from ...models.inputs import InputSpec
from ..single_fit import Setup
from .options import PRESETS, SMALLEST, GanOptions


@dataclass(frozen=True)
class ImageSet:
    """Images (N, C, y, x), and their labels (N,) if the GAN is conditional."""

    images: Tensor
    labels: Tensor | None = None

    def subset(self, indices: np.ndarray) -> ImageSet:
        """Return some of the images."""
        where = torch.from_numpy(indices)
        return ImageSet(self.images[where], None if self.labels is None else self.labels[where])


@dataclass(frozen=True)
class GanSetup(Setup[GanOptions, SliceCase]):
    """A run before it starts; `set_up` makes it."""

    slices: SliceSet

    @cached_property
    def network(self) -> NetworkSpec:
        """The generator."""
        preset = PRESETS[self.options.preset]
        arguments = {
            "resolution": self.slices.slicing.resolution,
            "channels": 2,
            "classes": len(self.classes),
            "latent": preset.latent,
            "base": preset.base,
            "most": preset.most,
        }
        if self.options.noise:
            arguments["noise"] = True
        return NetworkSpec("progressive", arguments)

    @cached_property
    def spec(self) -> InputSpec:
        """The images of the generator."""
        slicing = self.slices.slicing
        return InputSpec(
            slicing.resolution, slicing.pixel_mm, slicing.hu_low, slicing.hu_high, True
        )

    def described(self) -> dict[str, Any]:
        """Return all that decides the results."""
        return {
            "training": "gan",
            "slices": self.slices.slicing.hash,
            "options": asdict(self.options),
            "classes": list(self.classes),
            "split": self.fold.hash(self.cases),
        }

    def images(self, names: Sequence[str]) -> ImageSet:
        """Return the slices of the named cases."""
        chosen, spec = set(names), self.spec
        images, labels = [], []
        for case in self.cases:
            if case.case in chosen:
                hu, mask = self.slices.content(case)
                images.append(to_channels(hu, mask, low=spec.hu_low, high=spec.hu_high))
                if self.classes:
                    label = self.classes.index(case.value(str(self.options.label)))
                    labels += [label] * len(hu)
        x = torch.from_numpy(np.concatenate(images))
        return ImageSet(
            x.contiguous(memory_format=torch.channels_last),
            torch.tensor(labels) if self.classes else None,
        )


def set_up(slices: SliceSet, options: GanOptions) -> GanSetup:
    """Choose the cases of a set of slices and split them.

    Raises:
        InputError: the set lacks the label, has too few patients, or its slices are too small.
    """
    cases, classes = slices.cases, tuple[str, ...]()
    if slices.slicing.resolution < SMALLEST:
        raise InputError(f"Slices of fewer than {SMALLEST} pixels a side are no images.")
    if options.label is not None:
        if options.label not in cases[0].columns:
            columns = ", ".join(cases[0].columns) or "none"
            raise InputError(f"The slices have no column '{options.label}'; they have {columns}.")
        cases = tuple(case for case in cases if case.value(str(options.label)))
        classes = tuple(sorted({case.value(str(options.label)) for case in cases}))
    half = options.held_out / 2
    fold = options.given_split(cases, validation=half) or held_out(
        cases, seed=options.seed, validation=half, test=half
    )
    return GanSetup(options, cases, classes, fold, slices)
