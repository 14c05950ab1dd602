"""Tumours of training cases, painted into the CTs of others: further samples to train on.

After Shin et al. 2018 (arXiv:1807.10225, section 4.1). A sample has the CT of one case, whose own
tumour gives way, and of another one of the same class the tumour's shape, mean HU and label. Both
are training cases of the same fold, so that nothing of its validation or test gets into training.
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

from ...data.case_file import Content, read_unknown, write_content
from ...data.store import Store, StoredCase, case_name
from ...errors import InputError, ModelError
from ...fields import identifier
from ...inference.inpainting import BAND_MM, synthetic_cube
from ...models.catalogue import check_kind, read_model
from ...models.file import Model
from ...progress import Progress, step


@dataclass(frozen=True)
class Pair:
    """The cases that a sample is made of, by their names.

    Attributes:
        ct: in whose CT the tumour is painted.
        tumour: whose shape, mean HU and label it has.
        repeat: how often the two were taken before; only the noise differs then.
    """

    ct: str
    tumour: str
    repeat: int = 0

    @property
    def name(self) -> str:
        """Of the sample."""
        return f"{self.tumour} in {self.ct}" + (f" ({self.repeat + 1})" if self.repeat else "")


@dataclass(frozen=True)
class Painter:
    """What makes the samples.

    Attributes:
        model: a translator.
        fraction: how many samples it makes for each training case.
        conditions: what it is told of a case's class, by the class's name; see `paint`'s orders.
    """

    model: Model
    fraction: float
    conditions: Mapping[str, int]


def read_painter(asked: tuple[str, float], classes: Sequence[str]) -> Painter:
    """The painter that was asked for.

    It is told the class of each tumour where it knows all of them by their codes. If it knows only
    some, it is told none: a classifier could learn which tumours were painted on demand.

    Args:
        asked: name or file of the model, and the fraction.
        classes: that are to be told apart.

    Raises:
        ModelError: the model cannot be used, or makes no cubes.
    """
    model = read_model(asked[0])
    card = model.card
    if card.kind == "generator" or card.network.arguments.get("dimensions") == 2:
        raise ModelError(
            f"The model '{card.name}' makes slices, and a classifier is trained on cubes: name a "
            "model of `lungsquad train inpainting`."
        )
    check_kind(card, "inpainter")
    codes = [one.code for one in card.classes]
    own = [identifier(name) for name in classes]
    known = len(set(own)) == len(own) and set(own) <= set(codes)
    numbers = [codes.index(code) if known else -1 for code in own]
    return Painter(model, asked[1], dict(zip(classes, numbers, strict=True)))


def paired(
    cases: Sequence[StoredCase], label: str, *, fraction: float, seed: Sequence[int]
) -> tuple[Pair, ...]:
    """The pairs that are made of some training cases, in the proportion of their classes.

    In proportion, for the loss weighs rare classes up already; and to fill them up with samples
    would leave them to painted tumours. The patients of a class stand in a circle, in an order that
    follows from the seed and their content: each one's CT gets a tumour of the next patient, then
    of the next but one. So each tumour is used equally often, and folds that share patients share
    most of their pairs, which are painted once.

    Args:
        cases: of the training.
        label: the column of their classes.
        fraction: how many samples for each case; a class gets one at least.
        seed: numbers; others draw other pairs.

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
        hosts = [(place, case) for place, patient in enumerate(circle) for case in patient]
        for number in range(max(round(fraction * len(hosts)), 1)):
            turn, at = divmod(number, len(hosts))
            place, ct = hosts[at]
            repeat, further = divmod(turn, len(circle) - 1)
            giver = circle[(place + 1 + further) % len(circle)]
            pairs.append(Pair(ct.case, giver[turn % len(giver)].case, repeat))
    return tuple(pairs)


def painted(
    store: Store,
    pairs: Sequence[Pair],
    painter: Painter,
    *,
    label: str,
    folder: Path,
    device: torch.device,
    progress: Progress,
) -> Store:
    """Samples as a store of their own; those that are on disk already are only read.

    A sample's file is named by all that its voxels depend on, is whole or absent, and is made again
    where it is damaged. Its row says of it what the tumour's case says, and no patient but that.

    Args:
        store: of the cases.
        pairs: of cases, in the order of the result.
        painter: who makes them.
        label: the column of the classes.
        folder: of the result; made if need be. Several processes may share it.
        device: to paint on.
        progress: told how it goes; may cancel between two samples.

    Raises:
        InputError: a case's file in the store is damaged, or has no tumour.
        CancelledError: `progress` said so; what is done is kept.
    """
    painter.model.network.to(device)
    by_name = {case.case: case for case in store.cases}
    made = []
    for number, pair in enumerate(pairs):
        step(progress, number / len(pairs), f"Painting tumours ({number}/{len(pairs)})")
        ct, tumour = by_name[pair.ct], by_name[pair.tumour]
        condition = painter.conditions[tumour.columns[label]]
        key = _key(store, painter, ct.sha256, tumour.sha256, condition, pair.repeat)
        path = folder / case_name(key)
        try:
            digest = read_unknown(path, store.preprocessing.side)[1]
        except (FileNotFoundError, InputError):
            sample = _sample(store, painter, ct=ct, tumour=tumour, condition=condition, key=key)
            digest = write_content(path, sample)
        made.append(
            replace(tumour, case=pair.name, file=case_name(key), sha256=digest, crop=key, flags=())
        )
    return Store(folder, store.preprocessing, tuple(made), len(made))


def _circle(cases: Sequence[StoredCase], seed: Sequence[int]) -> list[list[StoredCase]]:
    """The cases of each patient, in an order that hangs on nothing but their content and seed."""
    by_patient: dict[str, list[StoredCase]] = {}
    for case in sorted(cases, key=lambda case: case.crop):
        by_patient.setdefault(case.patient, []).append(case)

    def rank(patient: list[StoredCase]) -> str:
        return hashlib.sha256(f"{[*seed]} synthetic {patient[0].crop}".encode()).hexdigest()

    return sorted(by_patient.values(), key=rank)


def _key(store: Store, painter: Painter, *what: object) -> str:
    common = (painter.model.sha256, store.preprocessing.hash)
    return hashlib.sha256(json.dumps([*common, *what]).encode()).hexdigest()


def _sample(
    store: Store,
    painter: Painter,
    *,
    ct: StoredCase,
    tumour: StoredCase,
    condition: int,
    key: str,
) -> Content:
    host, giver = store.content(ct), store.content(tumour)
    marked = giver.mask != 0
    if not marked.any():
        raise InputError(
            f"The crop of the case '{tumour.case}' has nothing of its tumour, so none can be "
            "painted after it: leave the case or --synthetic out."
        )
    cube = _cube(marked | (host.mask != 0), painter.model)
    hu = host.hu.copy()
    hu[cube] = synthetic_cube(
        painter.model,
        host.hu[cube],
        host.mask[cube],
        new_mask=giver.mask[cube],
        mean_hu=float(giver.hu[marked].mean()),
        label=condition,
        seed=int(key[:16], 16),
    )
    return Content(hu, giver.mask, {"ct": ct.case, "tumour": tumour.case})


def _cube(marked: np.ndarray, model: Model) -> tuple[slice, slice, slice]:
    """The middle of a crop, as large as the model is used to, or as what is marked needs."""
    side, unit = len(marked), model.network.step
    reach = np.abs(np.argwhere(marked) - (side - 1) / 2).max() + BAND_MM / model.card.image.spacing
    needed = unit * math.ceil(2 * (reach + 1) / unit)
    size = min(max(needed, model.card.image.size), side // unit * unit)
    start = (side - size) // 2
    middle = slice(start, start + size)
    return middle, middle, middle
