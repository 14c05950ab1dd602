"""The row of a model's columns that a patient's profile fills, where the two belong together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..data.tables.genes import gene_name
from ..data.tables.profile import Profile
from ..errors import InputError
from ..imaging.flags import Flag
from ..models.card import Card
from ..models.inputs import Source

FARTHEST = 100.0  # of N training patients none lies farther than sqrt(N) deviations
MOST_MISSING = 0.5  # of the model's columns


@dataclass(frozen=True)
class Row:
    """What goes into the network.

    Attributes:
        values: (D,) float32, NaN where nothing is known.
        missing: genes of the model's that the profile lacks, of `genes`.
        genes: those of its columns that are genes: where they are, (G,).
        used, left_out: names of the model's sources.
        dates: names of the profile's genes that are dates and cannot be told.
        far: genes whose numbers no training patient can have had.
    """

    values: np.ndarray
    missing: int
    genes: np.ndarray
    used: tuple[str, ...]
    left_out: tuple[str, ...]
    dates: int = 0
    far: int = 0

    def flags(self) -> Iterator[Flag]:
        """What is to be said of it."""
        if self.missing:
            sentence = (
                f"{self.missing} of the model's {len(self.genes)} genes are not in the profile; "
                "each counts as if it were the training patients' mean."
            )
            yield Flag("genes_missing", "warning", sentence)
        if self.dates:
            sentence = (
                f"{self.dates} names of genes in the profile are dates, made by a spreadsheet of "
                "names such as MARCH1, and cannot be told: these genes are not used."
            )
            yield Flag("gene_names_dates", "warning", sentence)
        if self.far:
            sentence = (
                f"{self.far} numbers of the profile lie over {FARTHEST:g} standard deviations from "
                "the training patients' mean: they may be mistakes of writing. Correct them."
            )
            yield Flag("genes_far", "warning", sentence)
        for name in self.left_out:
            sentence = f"Nothing is known of the model's source '{name}': it is left out."
            yield Flag("source_missing", "info", sentence)


def row_of(
    card: Card,
    profile: Profile,
    features: Mapping[str, Mapping[str, float]],
    *,
    mean: np.ndarray,
    sd: np.ndarray,
) -> Row:
    """Fill a model's columns.

    Args:
        card: of a model of tables.
        profile: fills its sources of the kind "expression".
        features: fills others, by name: a number for each of their columns.
        mean: (D,) of the training patients.
        sd: (D,) of the training patients, 0 where a column never changed.

    Raises:
        InputError: the model takes no expression, the profile has less than half of its genes or
            cannot be on its scale, or `features` are not those of its sources.
    """
    sources = card.table.sources
    unknown = set(features) - {source.name for source in sources if source.kind != "expression"}
    if unknown:
        raise InputError(f"The model '{card.name}' has no such source as '{min(unknown)}'.")
    parts, at = {}, 0
    for source in sources:
        width = len(source.columns)
        if source.kind == "expression":
            part = _values(source, profile.genes)
            here = slice(at, at + width)
            check_scale(card, source, part[None], mean=mean[here], sd=sd[here], what="profile")
        else:
            _check_columns(card, source, features.get(source.name, {}))
            part = _values(source, features.get(source.name, {}))
        parts[source.name], at = part, at + width
    row = np.concatenate(list(parts.values()))
    molecular = [np.full(len(one.columns), one.kind == "expression") for one in sources]
    genes = np.flatnonzero(np.concatenate(molecular))
    missing = int(np.isnan(row[genes]).sum())
    _check_missing(card, missing, len(genes))
    known = {name: not np.isnan(part).all() for name, part in parts.items()}
    used = tuple(name for name in known if known[name])
    left_out = tuple(name for name in known if not known[name])
    away = np.abs(row[genes] - mean[genes]) > FARTHEST * sd[genes]
    far = int((away & (sd[genes] > 0)).sum())
    return Row(row, missing, genes, used, left_out, profile.dates, far)


def _values(source: Source, known: Mapping[str, float]) -> np.ndarray:
    same = gene_name if source.kind == "expression" else str
    return np.array([known.get(same(name), np.nan) for name in source.columns], np.float32)


def _check_columns(card: Card, source: Source, known: Mapping[str, float]) -> None:
    if known and set(known) != set(source.columns):
        raise InputError(
            f"The numbers for the source '{source.name}' of the model '{card.name}' are not those "
            f"of its {len(source.columns)} columns."
        )


def _check_missing(card: Card, missing: int, genes: int) -> None:
    if not genes:
        raise InputError(f"The model '{card.name}' takes no expression: {card.table}.")
    if missing == genes:
        raise InputError(
            f"The profile has none of the {genes} genes of the model '{card.name}'. Are they named "
            "as in the model (symbols or Ensembl IDs), and one a line?"
        )
    if missing > MOST_MISSING * genes:
        raise InputError(
            f"The profile lacks {missing} of the {genes} genes of the model '{card.name}', more "
            "than half: nothing is said."
        )


_ENOUGH = 20  # numbers, so that their signs say something
_SURPRISE = 0.15  # of the numbers, below 0 beyond those that may be
_SIZE = 5  # times as far from 0 as in training, of the median gene or of the farthest


def check_scale(
    card: Card,
    source: Source,
    values: np.ndarray,
    *,
    mean: np.ndarray,
    sd: np.ndarray,
    what: str,
) -> None:
    """Refuse expression that cannot be on the scale of the model's training patients.

    Numbers of another size; numbers that are never below 0 where genes' means lie round it (as
    z-scores' do), or far more often than normal numbers with these means and deviations would be.
    Means of numbers that are never below 0 do not lie round it: among N patients they are above
    sd / sqrt(N).

    Args:
        card: of a model of tables.
        source: of its sources, the one that is checked.
        values: (N, D) of patients, NaN where nothing is known.
        mean: (D,) of the training patients.
        sd: (D,) of the training patients, 0 where a column never changed.
        what: the numbers are called in the sentence, "profile" say.

    Raises:
        InputError: they cannot be.
    """
    known = ~np.isnan(values) & (sd > 0)
    if not known.any():
        return
    there = known.any(axis=0)
    values, mean, sd = values[known], mean[there], sd[there]
    round_zero = np.mean(mean < 1e-3 * sd) > 0.2  # of every fifth gene at least
    usual = sd if round_zero else mean**2 / np.hypot(mean, sd)  # the median of a lognormal number
    sizes = np.quantile(np.abs(values), (0.5, 0.95)) / np.quantile(usual, (0.5, 0.95))
    below = np.mean(values < 0)
    expected = np.mean([math.erfc(one) / 2 for one in mean / sd / math.sqrt(2)])
    signs = len(values) >= _ENOUGH and (below == 0 if round_zero else below > expected + _SURPRISE)
    if signs or (sizes < 1 / _SIZE).any() or (sizes > _SIZE).any():
        raise InputError(
            f"The {what} cannot be on the scale of the model '{card.name}', which takes "
            f"{source.scale}: the {what}'s numbers run from {values.min():.3g} to "
            f"{values.max():.3g}, {below:.0%} of them below 0. Bring them to the model's scale."
        )
