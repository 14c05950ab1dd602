"""Synthetic training samples: tumours of training cases, inpainted into the CT of other cases.

After Shin et al. 2018 (arXiv:1807.10225, section 4.1). A sample has the CT of one case, whose
tumour is removed, and the tumour's shape, mean HU and label of another case of the same class. Both
are training cases of the same fold, so that no data of its validation or test get into training.
So a model without classes serves any label: what the class has of its own is shape and density,
which are real, and the network makes texture and edge. Voxels that are unknown in the CT (-1024 HU,
beyond a cut-out) stay unknown, but where the tumour is.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..data.case_file import Content, read_unknown, write_content
from ..data.overlap import Overlap, overlap
from ..data.splits import Case
from ..data.store import Store, StoredCase, case_name
from ..errors import InputError, ModelError
from ..fields import identifier
from ..imaging.resample import AIR
from ..inference.inpainting import BAND_MM, synthetic_cube
from ..models.catalogue import check_kind, read_model
from ..models.file import Model
from ..progress import Progress, step


@dataclass(frozen=True)
class SourcePair:
    """Names of the two cases that a sample is made of.

    Attributes:
        ct: case with the CT.
        tumour: case with shape, mean HU and label of the tumour.
        repeat: number of earlier samples of the same pair; only their noise differs.
    """

    ct: str
    tumour: str
    repeat: int = 0

    @property
    def name(self) -> str:
        """The sample's name."""
        return f"{self.tumour} in {self.ct}" + (f" ({self.repeat + 1})" if self.repeat else "")


@dataclass(frozen=True)
class Synthesis:
    """How synthetic samples are made.

    Attributes:
        model: of inpainting.
        fraction: number of samples for each training case.
        conditions: the model's class number for each class; -1: unconditional.
    """

    model: Model
    fraction: float
    conditions: Mapping[str, int]

    def sentence(self, count: int) -> str:
        """Return what a card says of so many samples."""
        return (
            f"Trained on {count} synthetic samples as well, tumours of these patients, synthesised "
            f"by '{self.model.card.name}' (SHA-256 {self.model.sha256})."
        )

    @property
    def licence(self) -> str:
        """What the licence of a model says that was trained on the samples."""
        card = self.model.card
        return f"'{card.name}', which made synthetic samples for it: {card.licence}"

    def overlap(self, held_out: Sequence[Case]) -> Overlap | None:
        """Return the overlap of cases of validation and test with the model's training data."""
        if (seen := self.model.card.training.seen) is None:
            return None
        return overlap(
            seen,
            held_out,
            part="What is validated or tested on",
            where="the training data of the model of --synthetic",
        )


def read_synthesis(name: str, classes: Sequence[str], *, fraction: float) -> Synthesis:
    """Read the model of the option `synthetic`.

    It is conditional on the class of each tumour if it has all classes, by their codes. If it has
    only some, it is unconditional for all: a network could learn which samples are conditional.

    Args:
        name: of the model, or its file.
        classes: of the training.
        fraction: number of samples for each training case.

    Raises:
        ModelError: the model cannot be used, or makes no cubes.
    """
    model = read_model(name)
    card = model.card
    if card.kind == "generator" or card.network.arguments.get("dimensions") == 2:
        raise ModelError(
            f"The model '{card.name}' makes slices, and a synthetic sample is a cube: name a "
            "model of `lungsquad train inpainting`."
        )
    check_kind(card, "inpainter")
    codes = [each.code for each in card.classes]
    wanted = [identifier(label) for label in classes]
    conditional = len(set(wanted)) == len(wanted) and set(wanted) <= set(codes)
    numbers = [codes.index(code) if conditional else -1 for code in wanted]
    return Synthesis(model, fraction, dict(zip(classes, numbers, strict=True)))


def source_pairs(
    cases: Sequence[StoredCase], label: str, *, fraction: float, seed: Sequence[int]
) -> tuple[SourcePair, ...]:
    """Return the pairs of training cases for the samples of a fit, in proportion to the classes.

    In proportion, because the loss weighs rare classes up already, and because rare classes would
    otherwise consist of synthetic tumours. The patients of a class stand in a circle, in an order
    that follows from the seed and their content: each patient's CT gets a tumour of the next
    patient, then of the next but one. So each tumour is used equally often, and folds that share
    patients share most of their pairs, which are made once.

    Args:
        cases: of the training.
        label: the column of their classes.
        fraction: number of samples for each case; one at least for each class.
        seed: numbers that decide the order.

    Raises:
        InputError: a class has a single patient.
    """
    pairs = []
    for value in sorted({case.columns[label] for case in cases}):
        circle = _circle([case for case in cases if case.columns[label] == value], seed)
        if len(circle) < 2:
            raise InputError(
                f"A training has one patient of the class '{value}', and a synthetic sample takes "
                "two: bring more patients, or leave out --synthetic."
            )
        hosts = [(position, case) for position, patient in enumerate(circle) for case in patient]
        for number in range(max(round(fraction * len(hosts)), 1)):
            turn, at = divmod(number, len(hosts))
            position, ct = hosts[at]
            repeat, further = divmod(turn, len(circle) - 1)
            giver = circle[(position + 1 + further) % len(circle)]
            pairs.append(SourcePair(ct.case, giver[turn % len(giver)].case, repeat))
    return tuple(pairs)


def synthetic_store(
    store: Store,
    pairs: Sequence[SourcePair],
    synthesis: Synthesis,
    *,
    label: str,
    folder: Path,
    device: torch.device,
    progress: Progress,
) -> Store:
    """Return samples as a store; those that are on disk already are only read.

    A sample's file is named by the hash of all that its voxels depend on, is complete or absent,
    and is made again if it is damaged. Its row is that of the tumour's case.

    Args:
        store: of the cases.
        pairs: of cases, in the order of the result.
        synthesis: how they are made.
        label: the column of the classes.
        folder: of the store; made if need be. Several processes may share it.
        device: of the model.
        progress: gets the number of samples done; may cancel between two samples.

    Raises:
        InputError: a case's file in the store is damaged, or has no tumour.
        CancelledError: `progress` was cancelled; what is done is kept.
    """
    synthesis.model.network.to(device)
    by_name = {case.case: case for case in store.cases}
    made = []
    for number, pair in enumerate(pairs):
        step(progress, number / len(pairs), f"Synthetic samples ({number}/{len(pairs)})")
        ct, tumour = by_name[pair.ct], by_name[pair.tumour]
        condition = synthesis.conditions[tumour.columns[label]]
        key = _key(store, synthesis, ct.sha256, tumour.sha256, condition, pair.repeat)
        path = folder / case_name(key)
        try:
            digest = read_unknown(path, store.preprocessing.side)[1]
        except (FileNotFoundError, InputError):
            sample = _sample(store, synthesis, ct=ct, tumour=tumour, condition=condition, key=key)
            digest = write_content(path, sample)
        made.append(
            replace(tumour, case=pair.name, file=case_name(key), sha256=digest, crop=key, flags=())
        )
    return Store(folder, store.preprocessing, tuple(made), len(made))


def _circle(cases: Sequence[StoredCase], seed: Sequence[int]) -> list[list[StoredCase]]:
    """Return the cases of each patient, in an order that depends only on their content and seed."""
    by_patient: dict[str, list[StoredCase]] = {}
    for case in sorted(cases, key=lambda case: case.crop):
        by_patient.setdefault(case.patient, []).append(case)

    def rank(patient: list[StoredCase]) -> str:
        return hashlib.sha256(f"{[*seed]} synthetic {patient[0].crop}".encode()).hexdigest()

    return sorted(by_patient.values(), key=rank)


def _key(store: Store, synthesis: Synthesis, *parts: object) -> str:
    common = (synthesis.model.sha256, store.preprocessing.hash)
    return hashlib.sha256(json.dumps([*common, *parts]).encode()).hexdigest()


def _sample(
    store: Store,
    synthesis: Synthesis,
    *,
    ct: StoredCase,
    tumour: StoredCase,
    condition: int,
    key: str,
) -> Content:
    host, giver = store.content(ct), store.content(tumour)
    marked = giver.mask != 0
    known = marked & (giver.hu > AIR)
    if not known.any():
        raise InputError(
            f"The crop of the case '{tumour.case}' has no voxel of its tumour, so no sample "
            "can be made of it: leave the case or --synthetic out."
        )
    cube = _cube(marked | (host.mask != 0), synthesis.model)
    hu = host.hu.copy()
    hu[cube] = synthetic_cube(
        synthesis.model,
        host.hu[cube],
        host.mask[cube],
        new_mask=giver.mask[cube],
        mean_hu=float(giver.hu[known].mean()),
        label=condition,
        seed=int(key[:16], 16),
    )
    return Content(hu, giver.mask, {"ct": ct.case, "tumour": tumour.case})


def _cube(marked: np.ndarray, model: Model) -> tuple[slice, slice, slice]:
    """Return the middle of a crop: of the model's size, or larger if the masks need it."""
    side, unit = len(marked), model.network.step
    radius = np.abs(np.argwhere(marked) - (side - 1) / 2).max() + BAND_MM / model.card.image.spacing
    needed = unit * math.ceil(2 * (radius + 1) / unit)
    size = min(max(needed, model.card.image.size), side // unit * unit)
    start = (side - size) // 2
    middle = slice(start, start + size)
    return middle, middle, middle
