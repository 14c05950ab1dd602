"""Audit a generator: compare generated slices with real training and held-out slices."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from ...data.slice_set import SliceSet, Slicing
from ...errors import InputError, ModelError
from ...imaging.slices import to_channels
from ...inference.generator import Images, check_generator, sample
from ...inference.segmenter import Segmenter, train_segmenter
from ...models.card import Card, Seen
from ...models.file import Model
from ...networks import build
from ...progress import Part, Progress, Silent, step
from ...statistics.image_similarity import SMALLEST
from ...statistics.memorisation import Memorisation, embedding, memorisation, nearest
from .compare import (
    MIN_SLICES,
    MOST_SEEDS,
    MeasuredSlices,
    SeedComparison,
    measure_slices,
    measures,
    reduced,
)
from .findings import cautions, findings
from .image_set import ImageSet, split
from .results import Audit, Counts, Gallery

_MOST_IMAGES, _MOST_PIXELS = 2000, 1 << 26
_GALLERY, _PAIRS = 48, 12

Draw: TypeAlias = Callable[[int, int], Images]  # so many images, of a seed


def audit(
    model: Model,
    slices: SliceSet,
    *,
    images: int = 512,
    seeds: int = 3,
    label: str | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Audit a generator with a set of slices; its card has the hashes of its training patients.

    Args:
        model: a generator of CT and mask.
        slices: cut as its training slices, with patients that were not in its training.
        images: number of generated slices of each seed.
        seeds: number of seeds, over which the intervals are.
        label: column of the slices with the model's conditions: each is generated as often as it
            is among the slices; evenly by default.
        progress: receives the progress.

    Raises:
        InputError: the slices are not of the model's kind, have no such column or none of the
            conditions in it, or a number is out of range.
        ModelError: the model is no such generator.
    """
    check_fits(model.card, slices.slicing)
    untrained = _untrained(model)
    class_fractions = _class_fractions(model.card, slices, label) if label is not None else ()
    result = audit_images(
        lambda n, seed: sample(model, n, seed=seed, class_fractions=class_fractions),
        slices,
        seen=model.card.training.seen,
        untrained=lambda n, seed: sample(untrained, n, seed=seed, class_fractions=class_fractions),
        images=images,
        seeds=seeds,
        progress=progress,
    )
    return replace(result, model=model.card.name, sha256=model.sha256)


def audit_images(
    draw: Draw,
    slices: SliceSet,
    *,
    seen: Seen | None,
    untrained: Draw | None = None,
    images: int = 512,
    seeds: int = 3,
    progress: Progress | None = None,
) -> Audit:
    """Audit images of any origin; see `audit`.

    Args:
        draw: gives so many images of a seed.
        slices: the real ones.
        seen: the generator's training patients; None if unknown.
        untrained: gives images of the generator before its training.
        images: as in `audit`.
        seeds: likewise.
        progress: likewise.
    """
    _check_numbers(images, seeds, slices.slicing.resolution)
    progress = progress or Silent()
    step(progress, 0, "reading slices")
    known, unknown = split(slices, seen)
    slicing = slices.slicing
    segmenter = _segmenter(known, slicing, Part(progress, 0.05, 0.5))
    step(progress, 0.5, "measuring real slices")
    training, held_out = (
        measure_slices(image_set, slicing, segmenter) for image_set in (known, unknown)
    )
    compared = _compared(len(training), len(held_out), images)
    rounds: list[dict[str, dict[str, float]]] = []
    first: list[MeasuredSlices] = []  # the gallery and the test for memorisation use the first seed
    for seed in range(seeds):
        step(progress, 0.6 + 0.3 * seed / seeds, f"comparing, seed {seed + 1} of {seeds}")
        fakes = measure_slices(_generated(draw(images, seed)), slicing, segmenter)
        blank = None
        if untrained is not None and compared:
            blank = measure_slices(_generated(untrained(compared, seed)), slicing, None)
        rounds.append(SeedComparison(fakes, training, held_out, blank, compared, seed).columns())
        first = first or [fakes]
    step(progress, 0.9, "testing for memorisation")
    result = Audit(
        model="",
        sha256="",
        slicing=str(slicing),
        counts=Counts(
            known.patients, len(known), unknown.patients, len(unknown), images, compared, seeds
        ),
        measures=measures(rounds),
        memorisation=_memorisation(first[0], training, held_out),
        gallery=_gallery(first[0], training, held_out, window=slicing.window),
    )
    return replace(
        result, findings=findings(result), cautions=cautions(result, known=seen is not None)
    )


def check_fits(card: Card, slicing: Slicing) -> None:
    """Refuse a model that is no generator of CT and mask, or slices of other geometry or window.

    Raises:
        ModelError: the model is none.
        InputError: resolution, window or pixel size differ.
    """
    check_generator(card)
    spec = card.image
    if spec.size < SMALLEST:
        raise ModelError(
            f"The model '{card.name}' makes images of {spec.size} pixels a side, and an audit "
            f"takes {SMALLEST} or more."
        )
    for what, expected, given, unit in (
        ("resolution", spec.size, slicing.resolution, "pixels"),
        ("pixel size", spec.spacing, slicing.pixel_mm, "mm"),
        ("lowest HU", spec.hu_low, slicing.hu_low, "HU"),
        ("highest HU", spec.hu_high, slicing.hu_high, "HU"),
    ):
        if not math.isclose(expected, given, rel_tol=1e-6, abs_tol=1e-6):
            raise InputError(
                f"The {what} of the slices is {given:g} {unit}, that of the model '{card.name}' "
                f"{expected:g}. Make slices like those of its training (`lungsquad gan data`)."
            )


def _class_fractions(card: Card, slices: SliceSet, label: str) -> tuple[float, ...]:
    """Return which part of the slices each condition of a model has."""
    columns = slices.cases[0].columns
    if label not in columns:
        raise InputError(f"The slices have no column '{label}'; they have {', '.join(columns)}.")
    counts = Counter[str]()
    for case in slices.cases:
        counts[case.value(label)] += case.count
    known = [counts[each.code] for each in card.classes]
    if not sum(known):
        codes = ", ".join(each.code for each in card.classes) or "none"
        raise InputError(
            f"The column '{label}' has none of the conditions of the model '{card.name}': {codes}."
        )
    return tuple(count / sum(known) for count in known)


def _check_numbers(images: int, seeds: int, side: int) -> None:
    most = min(_MOST_IMAGES, _MOST_PIXELS // side**2)
    if not 2 * MIN_SLICES <= images <= most:
        raise InputError(f"--images must be {2 * MIN_SLICES} to {most}, not {images}.")
    if not 2 <= seeds <= MOST_SEEDS:
        raise InputError(f"--seeds must be 2 to {MOST_SEEDS}, not {seeds}.")


def _segmenter(known: ImageSet, slicing: Slicing, progress: Progress) -> Segmenter | None:
    """A segmenter trained on the generator's training slices only."""
    if len(known) < MIN_SLICES:
        return None
    channels = to_channels(known.hu, known.mask, low=slicing.hu_low, high=slicing.hu_high)
    return train_segmenter(reduced(channels), progress=progress)


def _generated(images: Images) -> ImageSet:
    return ImageSet(images.hu, images.mask, np.arange(len(images.hu)))


def _untrained(model: Model) -> Model:
    """The same model with random weights."""
    import torch

    torch.manual_seed(0)
    network = build(model.card.network.name, model.card.network.arguments)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return replace(model, weights=weights)


def _compared(training: int, held_out: int, images: int) -> int:
    """The number of slices of each set that are compared; 0: too few are held out.

    Distances depend on the sample size, so all sets have equally many. For the reference of
    training against held-out slices up to half are left out.
    """
    most = min(held_out, images)
    if most < MIN_SLICES:
        return 0
    return min(most, training) if training >= most / 2 and training >= MIN_SLICES else most


def _memorisation(
    fakes: MeasuredSlices, training: MeasuredSlices, held_out: MeasuredSlices
) -> Memorisation | None:
    if not len(training) or held_out.images.patients < 2:
        return None
    return memorisation(
        *(embedding(slices.channels) for slices in (training, held_out, fakes)),
        held_out_patients=held_out.images.patient,
    )


def _gallery(
    fakes: MeasuredSlices, training: MeasuredSlices, held_out: MeasuredSlices, *, window: str
) -> Gallery:
    reals = held_out if len(held_out) else training
    chosen = np.random.default_rng(0).permutation(len(reals))[:_GALLERY]
    nearest_fakes = neighbours = np.zeros(0, int)
    distances = np.zeros(0)
    if len(training):
        index, distance = nearest(embedding(fakes.channels), embedding(training.channels))
        nearest_fakes = np.argsort(distance, kind="stable")[:_PAIRS]
        neighbours, distances = index[nearest_fakes], distance[nearest_fakes]
    return Gallery(
        window=window,
        fakes=fakes.images.subset(np.arange(min(_GALLERY, len(fakes)))),
        reals=reals.images.subset(chosen),
        nearest=fakes.images.subset(nearest_fakes),
        neighbours=training.images.subset(neighbours),
        distances=distances,
        fake_features=fakes.shapes,
        real_features=reals.shapes,
    )
