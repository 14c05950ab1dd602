"""Assignment of new patients to the groups of an autoencoder's latent space."""

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
from .out_of_distribution import ood_flags, ood_score
from .prediction import OODScore
from .table_input import MOST_MISSING, check_scale

_MANY = 0.5  # of the patients: more that are out of distribution are no accident


@dataclass(frozen=True, eq=False)
class GroupAssignment:
    """Groups of N patients.

    Attributes:
        patients: N, as the table names them.
        classes: k codes of the groups.
        probabilities: (N, k), NaN for patients with too few values.
        latent: (N, latent) positions in the model's latent space, NaN likewise.
        missing: (N,) how many of the model's columns have no value.
        columns: how many columns the model takes.
        ood_scores: N, None for patients with too few values.
        notes: remarks, as sentences.
    """

    patients: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: np.ndarray
    latent: np.ndarray
    missing: np.ndarray
    columns: int
    ood_scores: tuple[OODScore | None, ...]
    notes: tuple[str, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The most probable group of each patient, "" for those with too few values."""
        return tuple(
            "" if np.isnan(row).any() else self.classes[int(row.argmax())]
            for row in self.probabilities
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return a table with a row for each patient."""
        return [self._row(number) for number in range(len(self.patients))]

    def _row(self, number: int) -> dict[str, Any]:
        def rounded(value: float) -> float | str:
            return "" if np.isnan(value) else float(f"{value:.5g}")

        score = self.ood_scores[number]
        by_group = zip(self.classes, self.probabilities[number], strict=True)
        return {
            "patient": self.patients[number],
            "group": self.groups[number],
            **{f"p_{code}": rounded(p) for code, p in by_group},
            "out_of_distribution": None if score is None else score.out_of_distribution,
            "missing": int(self.missing[number]),
            **{f"z{n}": rounded(z) for n, z in enumerate(self.latent[number])},
        }


def assign_groups(model: Model, matrix: Matrix) -> GroupAssignment:
    """Project patients into an autoencoder's latent space and assign them to its groups.

    Args:
        model: an autoencoder, as `read_model` returns it.
        matrix: of `read_matrix`, or `join`ed; columns that are not the model's are ignored.

    Raises:
        InputError: the table lacks more than half of the model's columns, or its values cannot be
            on the model's scale.
        ModelError: the model is no autoencoder, or has no groups.
    """
    check_kind(model.card, "autoencoder")
    card = model.card
    if not card.classes:
        raise ModelError(
            f"The model '{card.name}' has no groups: all units of its latent space collapsed."
        )
    absent, columns = absent_columns(model, matrix), card.table.columns
    values = _aligned(model, matrix)
    _check_scale(model, values)
    missing = np.isnan(values).sum(axis=1)
    enough = missing <= MOST_MISSING * len(columns)
    with torch.no_grad():
        output = model.network(torch.from_numpy(values))
    probabilities = float64_of(output.logits.exp())
    features = float64_of(output.features)
    probabilities[~enough], features[~enough] = np.nan, np.nan
    reference = model.reference
    scores = tuple(
        ood_score(row, reference) if known and reference is not None else None
        for row, known in zip(features, enough, strict=True)
    )
    return GroupAssignment(
        matrix.patients,
        tuple(label.code for label in card.classes),
        probabilities,
        features[:, :-1],
        missing,
        len(columns),
        scores,
        tuple(_notes(model, matrix, absent, enough, scores)),
    )


def absent_columns(model: Model, matrix: Matrix) -> int:
    """Count a model's columns that a table lacks; `InputError` where that is more than half."""
    columns, present = model.card.table.columns, set(_names(model, matrix.columns))
    absent = sum(name not in present for name in _names(model, columns))
    if absent > MOST_MISSING * len(columns):
        raise InputError(
            f"The table has {len(columns) - absent} of the {len(columns)} columns of the model "
            f"'{model.card.name}', fewer than half. Name them as the model does ('{columns[0]}', "
            f"'{columns[-1]}'), and check that rows are patients and columns are genes."
        )
    return absent


def _names(model: Model, columns: Sequence[str]) -> list[str]:
    """The names by which columns are compared: genes without their versions."""
    (source,) = model.card.table.sources
    return [gene_name(name) for name in columns] if source.kind == "expression" else list(columns)


def _aligned(model: Model, matrix: Matrix) -> np.ndarray:
    """The model's columns (N, D) of a table, NaN where it lacks one."""
    columns = _names(model, model.card.table.columns)
    index = {name: number for number, name in enumerate(_names(model, matrix.columns))}
    values = np.full((len(matrix.patients), len(columns)), np.nan, np.float32)
    present = [n for n, name in enumerate(columns) if name in index]
    values[:, present] = matrix.values[:, [index[columns[n]] for n in present]]
    return values


def _check_scale(model: Model, values: np.ndarray) -> None:
    """Refuse expression on another scale; each image feature has its own."""
    (source,) = model.card.table.sources
    if source.kind == "expression":
        scale = model.network.scale
        mean, sd = float64_of(scale.mean), float64_of(scale.sd)
        check_scale(model.card, source, values, mean=mean, sd=sd, what="table")


def _notes(
    model: Model,
    matrix: Matrix,
    absent: int,
    enough: np.ndarray,
    scores: tuple[OODScore | None, ...],
) -> Iterator[str]:
    card = model.card
    if absent:
        yield (
            f"{absent} of the model's {len(card.table.columns)} columns are not in the table; each "
            "is replaced by the training patients' mean."
        )
    if not enough.all():
        yield (
            f"{int((~enough).sum())} of {len(enough)} patients have less than half of the model's "
            "columns: they are not assigned."
        )
    known = [score for score in scores if score is not None]
    if known and known[0].out_of_distribution is None:  # the same for all of them
        yield from (flag.sentence for flag in ood_flags(known[0], "patient"))
    # Farther away than every held-out case: for one patient it may be chance, for half of them not.
    farthest = sum(score.p < 1.5 / (score.held_out + 1) for score in known)
    outside = sum(bool(score.out_of_distribution) for score in known)
    (source,) = card.table.sources
    if farthest > _MANY * len(known):
        yield (
            f"{farthest} of {len(known)} patients lie farther from the training than every "
            f"held-out case: is the table on the model's scale ({source.scale})?"
        )
    elif outside:
        yield (
            f"{outside} of {len(known)} patients are out of distribution; their groups are not "
            "reliable."
        )
    if card.training.seen is not None:
        cases = list(map(table_case, matrix.patients, matrix.values))
        shared = overlap(card.training.seen, cases, part="The table", where="the model's training")
        if shared:
            yield shared.sentence
    if card.notice:
        yield card.notice
