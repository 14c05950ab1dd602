"""Clinical covariates and follow-up: columns of a store's manifest, checked before a training.

A covariate needs no code: add a column to the manifest, build the store, name it with --clinical.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError, one_line
from ..statistics.survival import concordance
from .store import StoredCase
from .tables.facts import read_follow_up
from .tables.number_columns import read_number_column


@dataclass(frozen=True)
class FollowUp:
    """Time and event ("1" or "0") by case, "" where one of the two is missing; sentences."""

    by_case: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def check_columns(cases: Sequence[StoredCase], columns: Sequence[str], option: str) -> None:
    """`InputError` for columns that the store lacks; `option` is who named them."""
    for name in columns:
        if name not in cases[0].columns:
            present = ", ".join(f"'{column}'" for column in cases[0].columns) or "none"
            raise InputError(f"The store has no column '{name}' for {option}; it has {present}.")


def check_clinical(cases: Sequence[StoredCase], columns: Sequence[str]) -> None:
    """`InputError` for a column of --clinical that is of numbers but for some cells."""
    for name in columns:
        texts = [case.value(name) for case in cases]
        numbers = read_number_column(texts)
        if numbers.is_numeric and numbers.invalid_rows:
            first = numbers.invalid_rows[0]
            raise InputError(
                f"The column '{name}' for --clinical is of numbers, but the case "
                f"'{cases[first].case}' has '{one_line(texts[first], most=40)}': correct or empty "
                "it in the manifest, and run `lungsquad cohort build` again."
            )


def follow_up_of(cases: Sequence[StoredCase], columns: tuple[str, str] | None) -> FollowUp:
    """Times and events of cases, by their columns; nothing where none are named.

    Raises:
        InputError: a case's time or event is none, cases of one patient differ in them, no patient
            has the event, or no two patients have a known order.
    """
    if columns is None:
        return FollowUp()
    option = f"--survival {' '.join(columns)}"
    times, events = ([case.value(name) for case in cases] for name in columns)

    def where(number: int) -> str:
        return f"{option}, case '{cases[number].case}'"

    follow_up = read_follow_up(times, events, where)
    by_case: dict[str, tuple[str, str]] = {}
    by_patient: dict[str, tuple[float, float]] = {}
    for n, case in enumerate(cases):
        time, event = follow_up.time[n], follow_up.event[n]
        if math.isnan(time) or math.isnan(event):
            by_case[case.case] = ("", "")
            continue
        by_case[case.case] = (f"{time:.10g}", f"{event:.0f}")
        if by_patient.setdefault(case.patient, (time, event)) != (time, event):
            raise InputError(f"{where(n)}: another case of the patient has another follow-up.")
    known = np.array(list(by_patient.values())).reshape(-1, 2)
    if not known[:, 1].any():
        raise InputError(f"{option}: no patient who has a time has the event.")
    try:
        concordance(known[:, 0], known[:, 1], np.zeros(len(known)))
    except ValueError as error:
        raise InputError(f"{option}: {error}, so survival cannot be evaluated.") from error
    return FollowUp(by_case, follow_up.notes)
