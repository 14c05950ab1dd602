"""The page of a staged cohort: how far the ways agree, and on whom they do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ... import __version__
from ...imaging.stage import GROUPS
from ..document import RESEARCH
from ..html import Child, Markup, element
from .agreement import WAYS, Agreement

_STYLE = Path(__file__).parents[1] / "style.css"
_KAPPA = (
    "Quadratic-weighted kappa over T1 to T4 (Cohen 1968): 1 where all agree, around 0 by chance; a "
    "miss by two stages counts as much as four by one. In brackets the 95 % interval of 2,000 "
    "bootstrap samples of patients. Of several tumours of a patient the largest counts; of a run's "
    "patients, those that it was tested on."
)


def cohort_page(
    found: Sequence[Agreement],
    shown: Sequence[tuple[str, str, str]],
    notes: Sequence[str],
    *,
    count: int,
) -> str:
    """The whole page.

    Args:
        found: the agreements.
        shown: case, patient and sentence of each that is flagged.
        notes: sentences on what was compared.
        count: how many cases there are.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element(
            "meta",
            http_equiv="Content-Security-Policy",
            content="default-src 'none'; img-src data:; style-src 'unsafe-inline'",
        ),
        element("title", "LungSquad T stage"),
        element("style", Markup(_STYLE.read_text(encoding="utf-8"))),
    )
    body = element(
        "body",
        element(
            "header",
            element("h1", "T stage, every way"),
            element("span", f"{count} cases", class_="soft"),
        ),
        element("p", RESEARCH, class_="notice research"),
        [element("p", note) for note in notes],
        element("h2", "Agreement"),
        [element("p", one.sentence) for one in found]
        or element("p", "No patient was staged in two ways: there is nothing to compare."),
        element("p", _KAPPA, class_="soft") if found else None,
        element("div", [_counts(one) for one in found], class_="figures"),
        element("h2", "Flagged"),
        _table([("Case", "Patient", "What"), *shown])
        if shown
        else element("p", "Nothing: every case was measured, and no ways disagree."),
        element("footer", element("small", f"Made by LungSquad {__version__}. {RESEARCH}")),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en")


def _counts(found: Agreement) -> Markup:
    """How many patients have which two stages."""
    corner = f"{WAYS[found.one]} down, {WAYS[found.other]} across"
    rows = [(group, *map(str, counts)) for group, counts in zip(GROUPS, found.counts, strict=True)]
    return element("div", _table([(corner, *GROUPS), *rows]), class_="card")


def _table(rows: Sequence[Sequence[Child]]) -> Markup:
    """A table whose first row is its header."""
    header, *others = rows
    return element(
        "table",
        element("tr", [element("th", cell) for cell in header]),
        [element("tr", [element("td", cell) for cell in row]) for row in others],
    )
