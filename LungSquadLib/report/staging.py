"""The page of a staged cohort: agreement of the methods, and the cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.staging.methods import WAYS, Agreement
from ..imaging.stage import GROUPS
from .page import Markup, element, page, table

_KAPPA = (
    "Quadratic-weighted kappa over T1 to T4 (Cohen 1968): 1 where all agree, around 0 by chance; a "
    "miss by two stages counts as much as four by one. In brackets the 95 % interval of 2,000 "
    "bootstrap samples of patients. Of several tumours of a patient the largest counts; of a run's "
    "patients, those that it was tested on."
)


def cohort_page(
    found: Sequence[Agreement], cases: Sequence[Mapping[str, Any]], notes: Sequence[str]
) -> str:
    """The whole page.

    Args:
        found: the agreements.
        cases: rows of `stage.csv`; those that say something are shown first.
        notes: sentences on what was compared.
    """
    flagged = sum(bool(case["sentence"]) for case in cases)
    said = f"{flagged} of {len(cases)} are flagged." if flagged else "None is flagged."
    return page(
        "T stage, every way",
        [element("p", note) for note in notes],
        element("h2", "Agreement"),
        [element("p", one.sentence) for one in found]
        or element("p", "No patient was staged in two ways: there is nothing to compare."),
        element("p", _KAPPA, class_="soft") if found else None,
        element("div", [_counts(one) for one in found], class_="figures"),
        element("h2", "Cases"),
        element("p", said),
        _cases(sorted(cases, key=lambda case: not case["sentence"])),
    )


def _counts(found: Agreement) -> Markup:
    """How many patients have which two stages."""
    corner = f"{WAYS[found.one]} down, {WAYS[found.other]} across"
    rows = [(group, *map(str, counts)) for group, counts in zip(GROUPS, found.counts, strict=True)]
    return element("div", table(rows, header=(corner, *GROUPS)), class_="card")


def _cases(cases: Sequence[Mapping[str, Any]]) -> Markup:
    """Each case by every way that staged anybody."""
    ways = [way for way in WAYS if any(case.get(way) for case in cases)]
    names = {
        "case": "case",
        "patient": "patient",
        "size_mm": "mm",
        **{way: WAYS[way] for way in ways},
    }
    rows = [[str(case.get(name, "")) for name in (*names, "sentence")] for case in cases]
    return table(rows, header=(*names.values(), ""))
