"""The page of a batch: the predictions of all cases on one scale, flags, failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..imaging.flags import count_by_severity
from ..statistics.text import format_percent
from .molecular import modality_suffix
from .page import Child, Markup, element, flag_markup, page, section, table


def index_page(
    cases: Sequence[tuple[str, dict[str, Any]]], failed: Sequence[dict[str, Any]], count: int
) -> str:
    """Return the whole page.

    Args:
        cases: name and result of each finished case.
        failed: row, case and error of each case that failed.
        count: the number of cases in the manifest.
    """
    models: dict[str, list[tuple[str, dict[str, Any], dict[str, Any]]]] = {}
    for name, described in cases:
        for prediction in (*described["predictions"], *described.get("molecular", ())):
            question = prediction["question"] + modality_suffix(prediction)
            models.setdefault(question, []).append((name, described, prediction))
    notices = dict.fromkeys(notice for _, described in cases for notice in described["notices"])
    return page(
        "LungSquad batch",
        [_model(question, rows) for question, rows in models.items()],
        section("Flags", _flags(cases)),
        section("Cases that failed", _failures(failed)),
        subtitle=f"{len(cases)} of {count} cases, {len(failed)} failed",
        notices=list(notices),
    )


def _model(
    question: str, rows: Sequence[tuple[str, dict[str, Any], dict[str, Any]]]
) -> list[Markup]:
    rows = sorted(rows, key=lambda row: -row[2]["probabilities"][row[2]["positive_class"]])
    positive = rows[0][2]["positive_class"]
    header = ("Case", "Predicted class", f"Probability of {positive}", "Flags")
    return section(question, table([_row(*row) for row in rows], header=header))


def _row(name: str, described: dict[str, Any], prediction: dict[str, Any]) -> list[Child]:
    interval = prediction["interval"]
    probability = prediction["probabilities"][prediction["positive_class"]]
    ends = f"{format_percent(interval['low'])} to {format_percent(interval['high'])}"
    scale = element(
        "svg",
        element("line", x1=0, x2=100, y1=4, y2=4, class_="axis"),
        element(
            "rect",
            x=round(100 * interval["low"], 2),
            width=round(max(100 * (interval["high"] - interval["low"]), 0.5), 2),
            y=2,
            height=4,
            class_="interval",
        ),
        element("circle", cx=round(100 * probability, 2), cy=4, r=1.6, class_="variant"),
        viewBox="-2 0 104 8",
        class_="spread",
        style="width:320px",
        role="img",
        aria_label=f"{format_percent(probability)}, interval {ends}",
    )
    return [
        element("a", name, href=f"cases/{name}/{described['files']['report']}"),
        prediction["predicted_class"],
        [scale, f" {format_percent(probability)} ({ends})"],
        count_by_severity(flag["severity"] for flag in described["flags"]),
    ]


def _flags(cases: Sequence[tuple[str, dict[str, Any]]]) -> Markup | None:
    """The flags of each case, as in its report."""
    rows = [
        (name, list(map(flag_markup, described["flags"])))
        for name, described in cases
        if described["flags"]
    ]
    return table(rows) if rows else None


def _failures(failed: Sequence[dict[str, Any]]) -> Markup | None:
    return table([(row["case"], row["error"]) for row in failed]) if failed else None
