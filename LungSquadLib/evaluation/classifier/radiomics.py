"""The radiomics baseline of a table of scores, fitted on the other folds for each fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...data.feature_table import FeatureTable
from ...errors import InputError
from ...statistics.selection import fit_selected_logistic
from .rows import Columns, plain, select
from .table import Table, format_name

NAME = "radiomics"


def key_column(features: FeatureTable, columns: Columns) -> str:
    """Return the column of a table of scores by which its rows have radiomic features.

    Raises:
        InputError: the features are of patients, and the patient's column is not named.
    """
    if not features.of_patients:
        return "case"
    if columns.group is None:
        raise InputError(
            "The table of --radiomics has a row for each patient: name the patient's column of the "
            "scores (--group)."
        )
    return columns.group


def with_radiomics(
    table: Table, columns: Columns, features: FeatureTable, *, positive: str | None = None
) -> tuple[Table, Columns]:
    """Add the column "radiomics" to a table of scores, and name it as a baseline.

    In each fold of each repeat it is the probability by a model of radiomics (see
    `fit_selected_logistic`) that was fitted on the other folds; empty where a row has no features.

    Args:
        table: with the columns and `key_column`.
        columns: of the table, with a score and folds.
        features: of its cases or patients.
        positive: as of `evaluate`.

    Raises:
        InputError: there are no folds, no rows with features, or folds of one class.
    """
    if columns.score is None or columns.fold is None:
        raise InputError("--radiomics needs a --score and its folds (--fold).")
    if columns.part is not None or NAME in columns:
        raise InputError(
            "--radiomics is for test predictions without a column 'radiomics'. For a run "
            "of `lungsquad train classifier`, give --radiomics to the training."
        )
    classes = select(table, columns, positive=positive).test.classes
    label, fold = table.cells(columns.label), table.cells(columns.fold)
    repeat = [""] * len(table) if columns.repeat is None else table.cells(columns.repeat)
    keys = [cell or "" for cell in table.cells(key_column(features, columns))]
    groups = keys if columns.group is None else [c or "" for c in table.cells(columns.group)]
    y = np.array([-1 if c is None else classes.index(plain(c)) for c in label])
    known = np.isin(keys, features.keys) & (y >= 0)
    if not known.any():
        raise InputError(
            f"The table of --radiomics has none of the cases of '{table.source}' (column "
            f"'{format_name(key_column(features, columns))}')."
        )
    x, scores = features.of(keys), np.full(len(table), np.nan)
    strata = np.array([f"{first}\0{second}" for first, second in zip(repeat, fold, strict=True)])
    repeats = np.array(repeat, object)
    for stratum in np.unique(strata[known]):
        test = known & (strata == stratum)
        of_test = np.isin(groups, np.array(groups)[test])
        training = known & ~of_test & (repeats == repeats[test][0])
        if not 0 < y[training].sum() < training.sum():
            raise InputError(
                "Radiomics cannot be fitted: the rows outside a fold "
                f"('{format_name(columns.fold)}') that have features are of one class."
            )
        model = fit_selected_logistic(x[training], y[training], np.array(groups)[training])
        scores[test] = model.probability(x[test])
    column = tuple("" if np.isnan(score) else repr(float(score)) for score in scores)
    added = replace(table, columns={**table.columns, NAME: column})
    return added, replace(columns, baselines=(*columns.baselines, NAME))
