"""The page of a batch: every case's answer on one scale, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..imaging.flags import counted
from ..statistics.text import format_percent
from .molecular import IMAGE, modality
from .page import RESEARCH, Markup, element, flag_markup


def index_page(
    cases: Sequence[tuple[str, dict[str, Any]]], failed: Sequence[dict[str, Any]], count: int
) -> str:
    """The whole page.

    Args:
        cases: name and result of each case that is whole.
        failed: row, case and error of each that is not.
        count: how many cases the manifest has.
    """
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    models: dict[str, list[tuple[str, dict[str, Any], dict[str, Any]]]] = {}
    for name, described in cases:
        for prediction in (*described["predictions"], *described.get("molecular", ())):
            of = "" if modality(prediction) == IMAGE else f" ({modality(prediction)})"
            row = (name, described, prediction)
            models.setdefault(prediction["question"] + of, []).append(row)
    notices = dict.fromkeys(notice for _, described in cases for notice in described["notices"])
    body = element(
        "body",
        element(
            "header",
            element("h1", "LungSquad batch"),
            element("span", f"{len(cases)} of {count} cases, {len(failed)} failed", class_="soft"),
        ),
        element("p", RESEARCH, class_="notice research"),
        [element("p", notice, class_="notice") for notice in notices],
        [_model(question, rows) for question, rows in models.items()],
        _flags(cases),
        _failures(failed),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("title", "LungSquad batch"),
        element("style", Markup(style)),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en")


def _model(
    question: str, rows: Sequence[tuple[str, dict[str, Any], dict[str, Any]]]
) -> list[Markup]:
    rows = sorted(rows, key=lambda row: -row[2]["probabilities"][row[2]["positive_class"]])
    header = ("Case", "Answer", f"Probability of {rows[0][2]['positive_class']}", "Flags")
    return [
        element("h2", question),
        element(
            "table",
            element("tr", [element("th", text) for text in header]),
            [_row(*row) for row in rows],
        ),
    ]


def _row(name: str, described: dict[str, Any], prediction: dict[str, Any]) -> Markup:
    interval = prediction["interval"]
    answer = prediction["probabilities"][prediction["positive_class"]]
    between = f"{format_percent(interval['low'])} to {format_percent(interval['high'])}"
    figure = element(
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
        element("circle", cx=round(100 * answer, 2), cy=4, r=1.6, class_="variant"),
        viewBox="-2 0 104 8",
        class_="spread",
        style="width:320px",
        role="img",
        aria_label=f"{format_percent(answer)}, interval {between}",
    )
    link = element("a", name, href=f"cases/{name}/{described['files']['report']}")
    value = f" {format_percent(answer)} ({between})"
    return element(
        "tr",
        element("td", link),
        element("td", prediction["predicted_class"]),
        element("td", figure, value),
        element("td", counted(flag["severity"] for flag in described["flags"])),
    )


def _flags(cases: Sequence[tuple[str, dict[str, Any]]]) -> list[Markup]:
    """Each case's flags as in its report."""
    rows = [
        element("tr", element("th", name), element("td", list(map(flag_markup, one["flags"]))))
        for name, one in cases
        if one["flags"]
    ]
    return [element("h2", "Flags"), element("table", rows)] if rows else []


def _failures(failed: Sequence[dict[str, Any]]) -> list[Markup]:
    if not failed:
        return []
    rows = [
        element("tr", element("th", row["case"]), element("td", row["error"])) for row in failed
    ]
    return [element("h2", "Cases that failed"), element("table", rows)]
