"""Synthetic patients of the training of an integration network: inpainted images as further rows.

A synthetic patient is a sample of `training.synthetic`: the tumour of one training patient in the
CT of another one of the same class and fold. Its image features are computed as those of the store
are. Its other columns are those of the patient whose tumour, and so whose label, it has: a new
image of the same disease, so that the network still sees which molecules go with which image. Were
they missing, it would see synthetic images by themselves only, and with `Tables.augmented` it sees
those often enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...data.splits import Case, Fold
from ...data.store import Store, StoredCase
from ...data.tables.matrix import Matrix
from ...errors import InputError
from ...progress import Progress
from ..classifier.data import check_store
from ..synthetic import Synthesis, read_synthesis
from .options import IntegrationOptions


@dataclass(frozen=True)
class TrainingImages:
    """The images of a training's patients.

    Attributes:
        store: of all image sources.
        features: by the name of each image source, what computes its features of a store.
        device: of the inpainting model.
    """

    store: Store
    features: Mapping[str, Callable[[Store, Progress], Matrix]]
    device: str = "cpu"


@dataclass(frozen=True)
class SyntheticPatients:
    """How synthetic patients are made.

    Attributes:
        images: of the patients.
        synthesis: of the samples.
        cases: of patients who have features in all image sources: named after their patient, with
            the label of the training as their only column.
    """

    images: TrainingImages
    synthesis: Synthesis
    cases: Mapping[str, StoredCase]

    @property
    def hash(self) -> str:
        """SHA-256 of the crops that samples can be made of."""
        lines = sorted(f"{name} {case.sha256}" for name, case in self.cases.items())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def synthetic_patients(
    images: TrainingImages | None,
    options: IntegrationOptions,
    *,
    sources: Sequence[Matrix],
    patients: Sequence[Case],
    labels: Sequence[str],
    classes: Sequence[str],
) -> SyntheticPatients | None:
    """Return how synthetic patients are made; None if the options ask for none.

    Raises:
        InputError: there are no images, or they do not fit the model or the patients.
        ModelError: the model cannot be used.
    """
    if options.synthetic is None:
        return None
    if images is None:
        raise InputError(
            "--synthetic makes images of training patients: name their store among --sources "
            "(image=STORE or image=STORE:MODEL)."
        )
    synthesis = read_synthesis(options.synthetic, classes, fraction=options.synthetic_fraction)
    spec = synthesis.model.card.image
    check_store(images.store, spec, network="The model of --synthetic")
    label_of = dict(zip((patient.case for patient in patients), labels, strict=True))
    for source in sources:
        if source.name in images.features:
            absent = np.isnan(source.values).all(axis=1)
            label_of = {
                patient.case: label_of[patient.case]
                for patient, missing in zip(patients, absent, strict=True)
                if patient.case in label_of and not missing
            }
    cases: dict[str, StoredCase] = {}
    for case in images.store.cases:
        if (name := case.patient) in label_of and name not in cases:
            cases[name] = replace(case, case=name, columns={options.label: label_of[name]})
    return SyntheticPatients(images, synthesis, cases)


def check_held_out(
    synthetic: SyntheticPatients,
    patients: Sequence[Case],
    splits: Mapping[tuple[int, int], Fold],
    options: IntegrationOptions,
) -> tuple[str, ...]:
    """Return a sentence if the inpainting model has learnt from patients of validation or test.

    Raises:
        InputError: it has, and `options.allow_overlap` is false.
    """
    names = {name for fold in splits.values() for name in (*fold.validation, *fold.test)}
    held_out = [synthetic.cases.get(each.case, each) for each in patients if each.case in names]
    if synthetic.synthesis.model.card.training.seen is None:
        return (
            "The model of --synthetic does not say which patients it was trained on: whether they "
            "are among those of validation or test is unknown.",
        )
    shared = synthetic.synthesis.overlap(held_out)
    if shared and not options.allow_overlap:
        raise InputError(
            f"{shared.sentence} Leave them out, or pass --allow-overlap; the results then say so."
        )
    return (shared.sentence,) if shared else ()
