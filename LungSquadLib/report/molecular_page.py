"""The report's part about molecules: answers side by side, and the genes behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..statistics.text import percent
from .html import Child, Markup, element
from .side_by_side import Answer, Question, questions

SHOWN = 10  # genes of each answer


def molecular_markup(case: dict[str, Any]) -> list[Markup]:
    """Of a case's `prediction.json`; nothing where it has no profile."""
    if "profile" not in case:
        return []
    intervals = {f"Interval: {one['interval']['explanation']}": None for one in case["molecular"]}
    genes = {one["contributions_explanation"]: None for one in case["molecular"]}
    return [
        element("h2", "Molecules beside images" if case["predictions"] else "Molecules"),
        element("p", _whose(case["profile"]), class_="soft"),
        element("div", [_question(one) for one in questions(case)], class_="stack"),
        *[element("p", text, class_="soft") for text in intervals],
        element("h2", "What moved the answers of molecules most"),
        element("div", [_contributions(one) for one in case["molecular"]], class_="answers"),
        *[element("p", text, class_="soft") for text in genes],
    ]


def _whose(profile: dict[str, Any]) -> list[Child]:
    return [
        f"Expression profile of {profile['genes']} genes, SHA-256 of its content ",
        element("code", profile["sha256"]),
        ". Nothing in it says whose it is: that it is this patient's, whoever chose it must know.",
    ]


def _question(question: Question) -> Markup:
    header = ("Modality", "Answer", f"Probability of {question.of}", "Interval", "", "Model")
    told = question.disagreement
    return element(
        "div",
        element("h3", question.question),
        element(
            "table",
            element("tr", [element("th", text) for text in header]),
            [_row(one) for one in question.answers],
        ),
        [element("p", told, class_="flag warning")] if told else [],
        class_="card",
    )


def _row(answer: Answer) -> Markup:
    ood = "out of distribution" if answer.out_of_distribution else ""
    model = [answer.title, element("br"), element("small", answer.metric or "no metrics")]
    cells: list[Child] = [
        answer.modality,
        f"{answer.answer} ({percent(answer.share)})",
        percent(answer.probability),
        answer.interval,
        ood,
        model,
    ]
    return element("tr", [element("td", cell) for cell in cells])


def _contributions(prediction: dict[str, Any]) -> Markup:
    names = {one["code"]: one["name"] for one in prediction["classes"]}
    shown: Sequence[dict[str, Any]] = prediction["contributions"][:SHOWN]
    rows = [
        element(
            "tr",
            element("th", one["column"]),
            element("td", one["source"]),
            element("td", f"{one['value']:+.3f}"),
        )
        for one in shown
    ]
    title = f"{prediction['model']['title']} ({prediction['modality']})"
    position = prediction["latent_position"]
    at = "" if position is None else ", ".join(f"{z:.2f}" for z in position)
    return element(
        "div",
        element("h3", title),
        element("p", f"For {names[prediction['predicted_class']]} (above 0), or against it:"),
        element("table", rows),
        [element("p", f"Position in the latent space: {at}.", class_="soft")] if at else [],
        class_="card",
    )
