"""New patients among the groups that an autoencoder found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..data.overlap import overlap
from ..data.tables.genes import gene_name
from ..data.tables.matrix import Matrix, table_case
from ..errors import InputError, ModelError
from ..models.catalogue import check_kind
from ..models.file import Model
from ..networks.devices import float64_of
from .out_of_distribution import novelty, novelty_flags
from .prediction import Novelty
from .table_input import MOST_MISSING, check_scale

_MANY = 0.5  # of the patients: more that are unlike those of the training are no accident


@dataclass(frozen=True, eq=False)
class Assigned:
    """Where patients lie among a model's groups.

    Attributes:
        patients: N, as the table names them.
        classes: k codes of the groups.
        probabilities: (N, k), NaN for patients of whom too little is known.
        places: (N, latent) in the model's latent space, NaN likewise.
        missing: (N,) how many of the model's columns are not known.
        columns: how many it takes.
        novelties: N, None for patients of whom too little is known.
        notes: what to mind, as sentences.
    """

    patients: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: np.ndarray
    places: np.ndarray
    missing: np.ndarray
    columns: int
    novelties: tuple[Novelty | None, ...]
    notes: tuple[str, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The likeliest group of each, "" where too little is known."""
        return tuple(
            "" if np.isnan(row).any() else self.classes[int(row.argmax())]
            for row in self.probabilities
        )

    def rows(self) -> list[dict[str, Any]]:
        """A patient a row, for a table."""
        return [self._row(number) for number in range(len(self.patients))]

    def _row(self, number: int) -> dict[str, Any]:
        def shown(value: float) -> float | str:
            return "" if np.isnan(value) else float(f"{value:.5g}")

        seen = self.novelties[number]
        each = zip(self.classes, self.probabilities[number], strict=True)
        return {
            "patient": self.patients[number],
            "group": self.groups[number],
            **{f"p_{code}": shown(p) for code, p in each},
            "out_of_distribution": None if seen is None else seen.out_of_distribution,
            "missing": int(self.missing[number]),
            **{f"z{n}": shown(value) for n, value in enumerate(self.places[number])},
        }


def assign_groups(model: Model, matrix: Matrix) -> Assigned:
    """Project patients into an autoencoder's latent space, and tell their groups.

    Args:
        model: an autoencoder, as `read_model` gives it.
        matrix: of `read_matrix`, or `join`ed: columns that the model does not know are left alone.

    Raises:
        InputError: the table lacks more than half of the model's columns, or its numbers cannot be
            on the model's scale.
        ModelError: the model is no autoencoder, or found no groups.
    """
    check_kind(model.card, "autoencoder")
    card = model.card
    if not card.classes:
        raise ModelError(
            f"The model '{card.name}' found no groups: all units of its latent space collapsed."
        )
    absent, columns = absent_columns(model, matrix), card.table.columns
    values = _aligned(model, matrix)
    _check_scale(model, values)
    missing = np.isnan(values).sum(axis=1)
    known = missing <= MOST_MISSING * len(columns)
    with torch.no_grad():
        answer = model.network(torch.from_numpy(values))
    probabilities = float64_of(answer.logits.exp())
    features = float64_of(answer.features)
    probabilities[~known], features[~known] = np.nan, np.nan
    reference = model.reference
    novelties = tuple(
        novelty(row, reference) if enough and reference is not None else None
        for row, enough in zip(features, known, strict=True)
    )
    return Assigned(
        matrix.patients,
        tuple(label.code for label in card.classes),
        probabilities,
        features[:, :-1],
        missing,
        len(columns),
        novelties,
        tuple(_notes(model, matrix, absent, known, novelties)),
    )


def absent_columns(model: Model, matrix: Matrix) -> int:
    """How many of a model's columns a table lacks; `InputError` where that is more than half."""
    columns, there = model.card.table.columns, set(_names(model, matrix.columns))
    absent = sum(name not in there for name in _names(model, columns))
    if absent > MOST_MISSING * len(columns):
        raise InputError(
            f"The table has {len(columns) - absent} of the {len(columns)} columns of the model "
            f"'{model.card.name}', fewer than half. Are they named as in the model "
            f"('{columns[0]}', '{columns[-1]}'), and are patients and genes where they belong?"
        )
    return absent


def _names(model: Model, columns: Sequence[str]) -> list[str]:
    """What columns are compared by: genes without their versions."""
    (source,) = model.card.table.sources
    return [gene_name(one) for one in columns] if source.kind == "expression" else list(columns)


def _aligned(model: Model, matrix: Matrix) -> np.ndarray:
    """The model's columns (N, D) of a table, NaN where it lacks one."""
    columns = _names(model, model.card.table.columns)
    place = {name: number for number, name in enumerate(_names(model, matrix.columns))}
    values = np.full((len(matrix.patients), len(columns)), np.nan, np.float32)
    there = [n for n, name in enumerate(columns) if name in place]
    values[:, there] = matrix.values[:, [place[columns[n]] for n in there]]
    return values


def _check_scale(model: Model, values: np.ndarray) -> None:
    """Refuse expression on another scale; of features, each is on its own."""
    (source,) = model.card.table.sources
    if source.kind == "expression":
        scale = model.network.scale
        mean, sd = (float64_of(one) for one in (scale.mean, scale.sd))
        check_scale(model.card, source, values, mean=mean, sd=sd, what="table")


def _notes(
    model: Model,
    matrix: Matrix,
    absent: int,
    known: np.ndarray,
    novelties: tuple[Novelty | None, ...],
) -> Iterator[str]:
    card = model.card
    if absent:
        yield (
            f"{absent} of the model's {len(card.table.columns)} columns are not in the table; each "
            "counts as if it were the training patients' mean."
        )
    if not known.all():
        yield (
            f"{int((~known).sum())} of {len(known)} patients have less than half of the model's "
            "columns: nothing is said of them."
        )
    first = next((one for one in novelties if one is not None), None)
    if first is not None and first.out_of_distribution is None:  # the same of all of them
        yield from (flag.sentence for flag in novelty_flags(first, "patient"))
    seen = [one for one in novelties if one is not None]
    # Further away than every held-out case: of one patient it may be chance, of half of them not.
    beyond = sum(one.p < 1.5 / (one.held_out + 1) for one in seen)
    new = sum(bool(one.out_of_distribution) for one in seen)
    (source,) = card.table.sources
    if beyond > _MANY * len(seen):
        yield (
            f"{beyond} of {len(seen)} patients lie further from the training than every held-out "
            f"case: is the table on the model's scale ({source.scale})?"
        )
    elif new:
        yield (
            f"{new} of {len(seen)} patients are unlike those of the training; their groups mean "
            "little."
        )
    if card.training.seen is not None:
        cases = list(map(table_case, matrix.patients, matrix.values))
        shared = overlap(card.training.seen, cases, part="The table", where="the model's training")
        if shared:
            yield shared.sentence
    if card.notice:
        yield card.notice
