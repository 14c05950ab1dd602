"""A patient's input row for a model of tables: columns filled from a profile, scale checked."""

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
_ENOUGH = 20  # values, for their signs to be informative
_SURPRISE = 0.15  # of the values, below 0 beyond the expected share
_SIZE = 5  # times the training's size, of the median or of the largest values


@dataclass(frozen=True)
class Row:
    """One patient's input.

    Attributes:
        values: (D,) float32, NaN where a value is missing.
        missing: how many of the model's genes the profile lacks.
        genes: (G,) indices of the columns that are genes.
        used, left_out: names of the model's sources.
        dates: names in the profile that are dates, whose genes are unknown.
        far: values farther from the mean than any training patient's can have been.
    """

    values: np.ndarray
    missing: int
    genes: np.ndarray
    used: tuple[str, ...]
    left_out: tuple[str, ...]
    dates: int = 0
    far: int = 0

    def flags(self) -> Iterator[Flag]:
        """Yield warnings about the input."""
        if self.missing:
            sentence = (
                f"{self.missing} of the model's {len(self.genes)} genes are not in the profile; "
                "each is replaced by the training patients' mean."
            )
            yield Flag("genes_missing", "warning", sentence)
        if self.dates:
            sentence = (
                f"{self.dates} names of genes in the profile are dates, made by a spreadsheet of "
                "names such as MARCH1. These genes are not used."
            )
            yield Flag("gene_names_dates", "warning", sentence)
        if self.far:
            sentence = (
                f"{self.far} values of the profile lie over {FARTHEST:g} standard deviations from "
                "the training patients' mean: they may be typing errors. Check them."
            )
            yield Flag("genes_far", "warning", sentence)
        for name in self.left_out:
            sentence = f"The model's source '{name}' has no values here: it is not used."
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
        profile: fills the sources of the kind "expression".
        features: fills the other sources, by name: a value for each of their columns.
        mean: (D,) of the training patients.
        sd: (D,) of the training patients, 0 where a column is constant.

    Raises:
        InputError: the model takes no expression, the profile has less than half of its genes or
            cannot be on its scale, or `features` are not those of its sources.
    """
    sources = card.table.sources
    unknown = set(features) - {source.name for source in sources if source.kind != "expression"}
    if unknown:
        raise InputError(f"The model '{card.name}' has no source '{min(unknown)}'.")
    parts, start = {}, 0
    for source in sources:
        width = len(source.columns)
        if source.kind == "expression":
            part = _values(source, profile.genes)
            columns = slice(start, start + width)
            check_scale(
                card, source, part[None], mean=mean[columns], sd=sd[columns], what="profile"
            )
        else:
            _check_columns(card, source, features.get(source.name, {}))
            part = _values(source, features.get(source.name, {}))
        parts[source.name], start = part, start + width
    row = np.concatenate(list(parts.values()))
    molecular = [np.full(len(source.columns), source.kind == "expression") for source in sources]
    genes = np.flatnonzero(np.concatenate(molecular))
    missing = int(np.isnan(row[genes]).sum())
    _check_missing(card, missing, len(genes))
    known = {name: not np.isnan(part).all() for name, part in parts.items()}
    used = tuple(name for name in known if known[name])
    left_out = tuple(name for name in known if not known[name])
    away = np.abs(row[genes] - mean[genes]) > FARTHEST * sd[genes]
    far = int((away & (sd[genes] > 0)).sum())
    return Row(row, missing, genes, used, left_out, profile.dates, far)


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

    Refused are values of another order of magnitude; values that are never below 0 where the
    genes' means lie round 0 (as z-scores' do); and values that are below 0 far more often than
    normally distributed ones with these means and deviations. Means of values that are never below
    0 do not lie round 0: among N patients they are above sd / sqrt(N).

    Args:
        card: of a model of tables.
        source: the checked one of its sources.
        values: (N, D) of patients, NaN where a value is missing.
        mean: (D,) of the training patients.
        sd: (D,) of the training patients, 0 where a column is constant.
        what: what the message calls the input, "profile" for example.

    Raises:
        InputError: the values cannot be on the model's scale.
    """
    known = ~np.isnan(values) & (sd > 0)
    if not known.any():
        return
    columns = known.any(axis=0)
    values, mean, sd = values[known], mean[columns], sd[columns]
    round_zero = np.mean(mean < 1e-3 * sd) > 0.2  # of every fifth gene at least
    usual = sd if round_zero else mean**2 / np.hypot(mean, sd)  # the median of a lognormal value
    sizes = np.quantile(np.abs(values), (0.5, 0.95)) / np.quantile(usual, (0.5, 0.95))
    below = np.mean(values < 0)
    expected = np.mean([math.erfc(z) / 2 for z in mean / sd / math.sqrt(2)])
    signs = len(values) >= _ENOUGH and (below == 0 if round_zero else below > expected + _SURPRISE)
    if signs or (sizes < 1 / _SIZE).any() or (sizes > _SIZE).any():
        raise InputError(
            f"The {what} cannot be on the scale of the model '{card.name}', which takes "
            f"{source.scale}: the {what}'s values run from {values.min():.3g} to "
            f"{values.max():.3g}, {below:.0%} of them below 0. Convert them to the model's scale."
        )


def _values(source: Source, known: Mapping[str, float]) -> np.ndarray:
    normalised = gene_name if source.kind == "expression" else str
    return np.array([known.get(normalised(name), np.nan) for name in source.columns], np.float32)


def _check_columns(card: Card, source: Source, known: Mapping[str, float]) -> None:
    if known and set(known) != set(source.columns):
        raise InputError(
            f"The values for the source '{source.name}' of the model '{card.name}' are not those "
            f"of its {len(source.columns)} columns."
        )


def _check_missing(card: Card, missing: int, genes: int) -> None:
    if not genes:
        raise InputError(f"The model '{card.name}' takes no expression: {card.table}.")
    if missing == genes:
        raise InputError(
            f"The profile has none of the {genes} genes of the model '{card.name}'. Name the genes "
            "as the model does (symbols or Ensembl IDs), one a line."
        )
    if missing > MOST_MISSING * genes:
        raise InputError(
            f"The profile lacks {missing} of the {genes} genes of the model '{card.name}', more "
            "than half: no prediction is made."
        )
