"""An audit: generated slices beside real ones, some of which the generator has never seen."""

from __future__ import annotations

import math
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
from .compare import FEWEST, MOST_SEEDS, Round, View, look, measures, reduced
from .findings import cautions, sentences
from .image_set import Material, split
from .results import Audit, Counts, Gallery

_MOST_IMAGES, _MOST_PIXELS = 2000, 1 << 26
_SHOWN, _PAIRS_SHOWN = 48, 12

Draw: TypeAlias = Callable[[int, int], Images]  # so many images, of a seed


def audit(
    model: Model,
    slices: SliceSet,
    *,
    images: int = 512,
    seeds: int = 3,
    progress: Progress | None = None,
) -> Audit:
    """Hold a generator against a set of slices; its card says which patients it has seen.

    Args:
        model: a generator of CT and mask.
        slices: cut as its training slices were; with patients that it has not seen.
        images: generated of each seed.
        seeds: how many times everything that is drawn is drawn: the intervals are over them.
        progress: told how far it is.

    Raises:
        InputError: the slices are not of the model's kind, or a number is out of its range.
        ModelError: the model is no such generator.
    """
    check_fits(model.card, slices.slicing)
    untrained = _untrained(model)
    found = audit_images(
        lambda n, seed: sample(model, n, seed=seed),
        slices,
        seen=model.card.training.seen,
        untrained=lambda n, seed: sample(untrained, n, seed=seed),
        images=images,
        seeds=seeds,
        progress=progress,
    )
    return replace(found, model=model.card.name, sha256=model.sha256)


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
    """As `audit`, for images of any origin.

    Args:
        draw: gives so many images of a seed.
        slices: the real ones.
        seen: whom the generator was trained on; None where nobody knows.
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
    step(progress, 0.5, "looking at real slices")
    training, held_out = (look(one, slicing, segmenter) for one in (known, unknown))
    compared = _compared(len(training), len(held_out), images)
    rounds: list[dict[str, dict[str, float]]] = []
    first: list[View] = []  # slices are shown, and copies looked for, of the first seed
    for seed in range(seeds):
        step(progress, 0.6 + 0.3 * seed / seeds, f"comparing, seed {seed + 1} of {seeds}")
        fakes = look(_generated(draw(images, seed)), slicing, segmenter)
        blank = None
        if untrained is not None and compared:
            blank = look(_generated(untrained(compared, seed)), slicing, None)
        rounds.append(Round(fakes, training, held_out, blank, compared, seed).columns())
        first = first or [fakes]
    step(progress, 0.9, "looking for copies")
    found = Audit(
        model="",
        sha256="",
        slicing=str(slicing),
        counts=Counts(
            known.patients, len(known), unknown.patients, len(unknown), images, compared, seeds
        ),
        measures=measures(rounds),
        memorisation=_copied(first[0], training, held_out),
        gallery=_gallery(first[0], training, held_out, window=slicing.window),
    )
    told = sentences(found)
    return replace(found, sentences=told, cautions=cautions(found, known=seen is not None))


def check_fits(card: Card, slicing: Slicing) -> None:
    """Refuse a model that is no generator of CT and mask, or slices that are not like its own.

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
    for what, own, theirs, unit in (
        ("resolution", spec.size, slicing.resolution, "pixels"),
        ("pixel size", spec.spacing, slicing.pixel_mm, "mm"),
        ("lowest HU", spec.hu_low, slicing.hu_low, "HU"),
        ("highest HU", spec.hu_high, slicing.hu_high, "HU"),
    ):
        if not math.isclose(own, theirs, rel_tol=1e-6, abs_tol=1e-6):
            raise InputError(
                f"The {what} of the slices is {theirs:g} {unit}, that of the model '{card.name}' "
                f"{own:g}: make slices like those that it was trained on (`lungsquad gan data`)."
            )


def _check_numbers(images: int, seeds: int, side: int) -> None:
    most = min(_MOST_IMAGES, _MOST_PIXELS // side**2)
    if not 2 * FEWEST <= images <= most:
        raise InputError(f"--images must be {2 * FEWEST} to {most}, not {images}.")
    if not 2 <= seeds <= MOST_SEEDS:
        raise InputError(f"--seeds must be 2 to {MOST_SEEDS}, not {seeds}.")


def _segmenter(known: Material, slicing: Slicing, progress: Progress) -> Segmenter | None:
    """Trained on the slices that the generator has seen, too: the others are there to be judged."""
    if len(known) < FEWEST:
        return None
    channels = to_channels(known.hu, known.mask, low=slicing.hu_low, high=slicing.hu_high)
    return train_segmenter(reduced(channels), progress=progress)


def _generated(images: Images) -> Material:
    return Material(images.hu, images.mask, np.arange(len(images.hu)))


def _untrained(model: Model) -> Model:
    """The same model with weights that nobody trained."""
    import torch

    torch.manual_seed(0)
    network = build(model.card.network.name, model.card.network.arguments)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return replace(model, weights=weights)


def _compared(training: int, held_out: int, images: int) -> int:
    """How many slices of each set are compared; 0: too few are held out.

    Distances depend on how many there are, so all sets have equally many. For the reference of
    training against held-out slices up to half are given up.
    """
    most = min(held_out, images)
    if most < FEWEST:
        return 0
    return min(most, training) if training >= most / 2 and training >= FEWEST else most


def _copied(fakes: View, training: View, held_out: View) -> Memorisation | None:
    if not len(training) or held_out.material.patients < 2:
        return None
    return memorisation(
        *(embedding(one.channels) for one in (training, held_out, fakes)),
        held_out_patients=held_out.material.patient,
    )


def _gallery(fakes: View, training: View, held_out: View, *, window: str) -> Gallery:
    reals = held_out if len(held_out) else training
    shown = np.random.default_rng(0).permutation(len(reals))[:_SHOWN]
    copies = originals = np.zeros(0, int)
    distances = np.zeros(0)
    if len(training):
        near, apart = nearest(embedding(fakes.channels), embedding(training.channels))
        copies = np.argsort(apart, kind="stable")[:_PAIRS_SHOWN]
        originals, distances = near[copies], apart[copies]
    return Gallery(
        window=window,
        fakes=fakes.material.taken(np.arange(min(_SHOWN, len(fakes)))),
        reals=reals.material.taken(shown),
        copies=fakes.material.taken(copies),
        originals=training.material.taken(originals),
        distances=distances,
        fake_features=fakes.shapes,
        real_features=reals.shapes,
    )
