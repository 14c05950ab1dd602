"""Target leakage in tables: columns made from the label, scaling by class, duplicate samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from ..errors import InputError, one_line
from ..statistics.discrimination import auc, variance_ratio
from .tables.matrix import Matrix

LEAKAGE_AUC = 0.995  # from this AUC on, a single column counts as the label
CHANCE = 0.01  # at most, that any column separates the classes by chance
MIN_PATIENTS = 20  # to judge a column
MIN_COLUMNS = 50  # from which on equal rows are no chance
SAME = 0.9999  # correlation from which on two patients' rows are duplicates
MIN_GROUP = 10  # patients of a group, to judge its scaling
_ALIKE, _ALIKE_TOO = 0.02, 0.2  # an F: the median, and nearly all, of columns made alike
_EXACT = 1e-5  # of what varies between groups, left over by a function of their mean labels


def check_leakage(sources: Sequence[Matrix], label: str, y: np.ndarray) -> None:
    """Refuse columns with target leakage.

    That is the label's column itself; one that separates the classes almost perfectly, by its
    values or by where they are missing; and one that was made from the labels of patients who
    share a value (target encoding, Micci-Barreca, SIGKDD Explorations 2001;3:27), with those
    patients' own labels or without.

    Args:
        sources: of the same patients.
        label: name of the label.
        y: (N,) class indices.

    Raises:
        InputError: names the first such column.
    """
    count = sum(len(source.columns) for source in sources)
    for source in sources:
        for column, values in zip(source.columns, source.values.T, strict=True):
            is_label = column.split("=")[0] == label
            why = "is the label" if is_label else leakage_reason(values, y, columns=count)
            if why:
                raise InputError(
                    f"The column '{one_line(column, most=100)}' of '{source.name}' {why}: a "
                    f"network that reads it learns nothing else. Leave it out (--exclude-columns "
                    f"'{one_line(column, most=100)}'), or pass --allow-leakage if you know that "
                    "it was measured without knowing the label."
                )


def leakage_reason(values: np.ndarray, y: np.ndarray, *, columns: int = 1) -> str | None:
    """Return why a column has target leakage, as the end of a sentence; None where it has none.

    Args:
        values: (N,), NaN where missing.
        y: (N,) class indices.
        columns: how many are tested: among many, one may separate a few patients by chance.
    """
    known = ~np.isnan(values)
    if known.any() and not known.all() and _separates(known.astype(np.float64), y, columns):
        return "is missing where the label says so"
    values, y = values[known], y[known]
    if len(y) < MIN_PATIENTS:
        return None
    if _separates(values, y, columns):
        return "alone separates the classes almost perfectly"
    if _is_encoded(values, y):
        return "was made from the labels of patients who share a value"
    return None


def _separates(values: np.ndarray, y: np.ndarray, columns: int) -> bool:
    """Return whether the values separate each two classes, and not by chance."""
    classes = np.unique(y)
    if len(y) < MIN_PATIENTS or len(classes) < 2:
        return False
    for first, second in combinations(classes, 2):
        pair = (y == first) | (y == second)
        area = auc((y[pair] == first).astype(int), values[pair])
        if max(area, 1 - area) < LEAKAGE_AUC:
            return False
        orders = math.comb(int(pair.sum()), int((y == first).sum()))
        if 2 * columns > CHANCE * orders:
            return False
    return True


def _is_encoded(values: np.ndarray, y: np.ndarray) -> bool:
    """Return whether the value of each group of equal values follows from the group's labels."""
    ordered, least = np.sort(values), max(MIN_PATIENTS, len(y) / 2)
    if 2 * np.count_nonzero(ordered[1:] == ordered[:-1]) < least:
        return False  # decided early, for most columns of a wide table are numbers that differ
    distinct, group, count = np.unique(values, return_inverse=True, return_counts=True)
    if count[count > 1].sum() < least or len(distinct) < 4:
        return False
    if np.ptp(np.diff(distinct)) < 1e-4 * np.ptp(distinct):
        return False  # 1, 2, 3, ...: the code of an order
    classes = np.unique(y)
    codes = [y] if len(classes) == 2 else [y, *((y == name).astype(int) for name in classes)]
    return any(
        _follows(distinct, count, np.bincount(group, code)) or _leaves_one_out(values, code)
        for code in codes
    )


def _follows(values: np.ndarray, count: np.ndarray, total: np.ndarray) -> bool:
    """Return whether values are an affine function of groups' mean labels, smoothed or not.

    A smoothed mean, (total + a prior) / (count + a), moved and stretched, solves one equation that
    is linear in `a` and in how it was moved and stretched; that needs more groups than unknowns.
    Two groups may have the same value by chance, and are then one that does not: the worst third
    is put aside.
    """
    mean, ones = total / count, np.ones(len(values))
    if _explained(values, np.column_stack([ones, mean])) is not None:
        return True
    kept = np.arange(len(values))
    while len(kept) >= max(7, len(values) * 2 / 3):
        v, n = values[kept], count[kept]
        unknowns = np.column_stack([v, ones[kept], n, total[kept]])
        weights = _explained(v * n, unknowns)
        if weights is not None:
            return bool(weights[0] < 0)  # which is -a
        fitted = np.linalg.lstsq(unknowns, v * n, rcond=None)[0]
        kept = np.delete(kept, np.argmax(np.abs(v * n - unknowns @ fitted)))
    return False


def _explained(target: np.ndarray, columns: np.ndarray) -> np.ndarray | None:
    """Return the weights by which columns give a target exactly; None where they do not."""
    weights = np.linalg.lstsq(columns, target, rcond=None)[0]
    left = ((target - columns @ weights) ** 2).sum()
    exact = left <= _EXACT**2 * ((target - target.mean()) ** 2).sum()
    return weights if exact else None


def _leaves_one_out(values: np.ndarray, code: np.ndarray) -> bool:
    """Return whether most values are leave-one-out means of labels, (total - label) / (n - 1).

    A group of n patients whose labels sum to a total has as many values as labels, which
    determine n and the total; groups with the right counts are searched. A group with one label
    is no proof: it has a single value, as many honest columns have for most patients.
    """
    if values.min() < code.min() - 1e-4 or values.max() > code.max() + 1e-4:
        return False
    kinds, kind = np.unique(code, return_inverse=True)
    distinct, at = np.unique(values, return_inverse=True)
    held = np.zeros((len(kinds), len(distinct)), int)
    np.add.at(held, (kind, at), 1)
    explained = np.zeros(held.shape, bool)
    for n in range(2, len(values) + 1):
        totals = np.unique(np.round((distinct[:, None] * (n - 1) + kinds)[held.T > 0], 3))
        for total in totals[np.abs(totals - np.round(totals)) < 2e-3].round():
            wanted = (total - kinds) / (n - 1)
            nearest = np.abs(distinct - wanted[:, None]).argmin(axis=1)
            matched = np.abs(distinct[nearest] - wanted) < 1e-5
            counts = np.where(matched, held[np.arange(len(kinds)), nearest], 0)
            mixed = np.count_nonzero(counts) > 1
            if mixed and counts.sum() == n and (counts * kinds).sum() == total:
                explained[np.flatnonzero(counts), nearest[counts > 0]] = True
    return bool(held[explained].sum() >= len(values) / 2)


def check_group_scaling(sources: Sequence[Matrix], label: str, y: np.ndarray) -> None:
    """Refuse a wide source whose numbers were standardised or centred in each class by itself.

    Raises:
        InputError: names the source.
    """
    for source in sources:
        how = group_scaling(source.values, y)
        if how:
            raise InputError(
                f"The numbers of '{source.name}' were {how} in each class of '{label}' separately: "
                "that takes out what separates the classes, and puts the label into every number. "
                "Bring them as they were measured, or scaled over all patients together, or pass "
                "--allow-leakage."
            )


def group_scaling(values: np.ndarray, groups: np.ndarray) -> str | None:
    """Return how columns were scaled in each group separately; None where they were not.

    Groups that were drawn from one population differ in the means of their columns by chance: the F
    of an analysis of variance is about 1. Where nearly all are below a hundredth part of that, the
    groups were made alike: centred each by itself, as removing "batch effects" does (Johnson et
    al., Biostatistics 2007;8:118), and standardised where their deviations are alike too. A few
    patients who were left out afterwards leave a trace, for which there is room.

    Args:
        values: (N, D), NaN where missing.
        groups: (N,) any values; groups of fewer than `MIN_GROUP` patients are passed over.
    """
    names, count = np.unique(groups, return_counts=True)
    chosen = np.isin(groups, names[count >= MIN_GROUP])
    x, group = values[chosen].astype(np.float64), groups[chosen]
    parts = [x[group == name] for name in np.unique(group)]
    if len(parts) < 2 or x.shape[1] < MIN_COLUMNS:
        return None
    known = [np.maximum((~np.isnan(part)).sum(axis=0), 1) for part in parts]
    sd = np.stack([_sd(part) for part in parts])
    usable = (sd > 1e-9).all(axis=0) & (np.stack(known) >= MIN_GROUP).all(axis=0)
    if usable.sum() < MIN_COLUMNS:
        return None
    ratio = variance_ratio(x[:, usable], group)
    if np.median(ratio) > _ALIKE or np.quantile(ratio, 0.9) > _ALIKE_TOO:
        return None
    # Of two normal samples the log of a deviation has a variance of 1 / (2 n).
    apart = np.log(sd[:, usable])
    apart = (apart - apart.mean(axis=0)) ** 2 * 2 * np.stack(known)[:, usable]
    return "standardised" if np.median(apart.sum(axis=0)) < _ALIKE_TOO else "centred"


def _sd(x: np.ndarray) -> np.ndarray:
    """Return standard deviations (D,) of known values; 0 where a column has none."""
    known = ~np.isnan(x)
    count = np.maximum(known.sum(axis=0), 1)
    off = np.where(known, x - np.where(known, x, 0).sum(axis=0) / count, 0)
    deviations: np.ndarray = np.sqrt((off**2).sum(axis=0) / count)
    return deviations


def duplicate_rows(sources: Sequence[Matrix]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield pairs of patients with the same row in a wide source: its name, and two indices.

    Columns are standardised first, or the largest would make all rows alike.
    """
    for source in sources:
        rows = np.flatnonzero(~np.isnan(source.values).all(axis=1))
        if len(source.columns) < MIN_COLUMNS or len(rows) < 3:
            continue
        x = source.values[rows].astype(np.float64)
        known = ~np.isnan(x)
        count = np.maximum(known.sum(axis=0), 1)
        x = np.where(known, x - np.where(known, x, 0).sum(axis=0) / count, 0)
        sd = np.sqrt((x**2).sum(axis=0) / count)
        x = x[:, sd > 0] / sd[sd > 0]
        x -= x.mean(axis=1, keepdims=True)
        x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)
        for first, second in np.argwhere(np.triu(x @ x.T > SAME, 1)):
            yield source.name, (int(rows[first]), int(rows[second]))
