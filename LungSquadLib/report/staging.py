"""The page of a staged cohort: agreement of the methods, and the cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.staging.methods import METHODS, Agreement
from ..imaging.stage import GROUPS
from ..statistics.intervals import SAMPLES
from .page import Markup, element, page, section, small_print, table

_KAPPA = (
    "Quadratic-weighted kappa over T1 to T4 (Cohen 1968): 1 where all agree, around 0 by chance; a "
    "difference of two stages counts as much as four differences of one. In brackets the 95 % "
    f"interval of {SAMPLES:,} bootstrap samples of patients. Of several tumours of a patient the "
    "largest counts; of a training run, its test patients."
)


def cohort_page(
    agreements: Sequence[Agreement], cases: Sequence[Mapping[str, Any]], notes: Sequence[str]
) -> str:
    """Return the whole page.

    Args:
        agreements: of every two methods.
        cases: rows of `stage.csv`; those with a sentence come first.
        notes: sentences on what was compared.
    """
    flagged = sum(bool(case["sentence"]) for case in cases)
    count = f"{flagged} of {len(cases)} are flagged." if flagged else "None is flagged."
    none = element("p", "No patient was staged by two methods: there is nothing to compare.")
    return page(
        "T stage by all methods",
        [element("p", note) for note in notes],
        section(
            "Agreement",
            [element("p", agreement.sentence) for agreement in agreements] or none,
            small_print([_KAPPA] if agreements else []),
            element("div", list(map(_counts, agreements)), class_="figures"),
        ),
        section(
            "Cases",
            element("p", count),
            _cases(sorted(cases, key=lambda case: not case["sentence"])),
        ),
    )


def _counts(agreement: Agreement) -> Markup:
    """The number of patients with each pair of stages."""
    corner = f"{METHODS[agreement.first]} down, {METHODS[agreement.second]} across"
    rows = [
        (group, *map(str, counts)) for group, counts in zip(GROUPS, agreement.counts, strict=True)
    ]
    return element("div", table(rows, header=(corner, *GROUPS)), class_="card")


def _cases(cases: Sequence[Mapping[str, Any]]) -> Markup:
    """Each case by every method that staged any."""
    methods = [method for method in METHODS if any(case.get(method) for case in cases)]
    names = {
        "case": "case",
        "patient": "patient",
        "size_mm": "mm",
        **{method: METHODS[method] for method in methods},
    }
    rows = [[str(case.get(name, "")) for name in (*names, "sentence")] for case in cases]
    return table(rows, header=(*names.values(), ""))
