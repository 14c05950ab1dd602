"""Predictions from the image, from molecules and from both, and their section of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..statistics.text import format_interval, format_percent
from .page import Child, Markup, element

IMAGE, MOLECULAR, MULTIMODAL = "image", "molecular", "multimodal"
_ORDER = (IMAGE, MOLECULAR, MULTIMODAL)


@dataclass(frozen=True)
class Answer:
    """One model's answer.

    Attributes:
        modality: IMAGE, MOLECULAR or MULTIMODAL.
        title, name: of the model.
        code, answer: the most probable class, and its name for people; `share` its probability.
        probability, low, high: of the question's class with its interval; the ends are None where
            the model's interval is about another class, of more than two.
        out_of_distribution: whether the patient is so for the model; None where it is not known.
        metric: how good the model is, in words; empty where its card does not say.
    """

    modality: str
    title: str
    name: str
    code: str
    answer: str
    share: float
    probability: float
    low: float | None
    high: float | None
    out_of_distribution: bool | None
    metric: str

    @property
    def interval(self) -> str:
        """Its interval, for people."""
        if self.low is None or self.high is None:
            return "not known"
        return f"{format_percent(self.low)} to {format_percent(self.high)}"


@dataclass(frozen=True)
class Question:
    """A question that molecules answer, with all answers to it.

    Attributes:
        task, question: as the models' cards say.
        code, of: the class that the probabilities are of, and its name for people.
        answers: first the image's, then those of molecules, then those of both.
    """

    task: str
    question: str
    code: str
    of: str
    answers: tuple[Answer, ...]

    @property
    def disagreement(self) -> str:
        """A sentence where answers differ; else empty."""
        said: dict[str, dict[str, None]] = {}
        for one in self.answers:
            said.setdefault(one.answer, {})[f"{one.title} ({one.modality})"] = None
        if len(said) < 2:
            return ""
        told = "; ".join(f"{answer}: {', '.join(who)}" for answer, who in said.items())
        return f"The answers differ. {told}. No model proves another one wrong."


def questions(described: Mapping[str, Any]) -> list[Question]:
    """Of a case's `prediction.json`: each question that has a molecular answer."""
    found: dict[tuple[str, frozenset[str]], list[Mapping[str, Any]]] = {}
    for one in (*described["predictions"], *described.get("molecular", ())):
        found.setdefault((one["task"], frozenset(one["probabilities"])), []).append(one)
    return [
        _question(every) for every in found.values() if any(modality(one) != IMAGE for one in every)
    ]


def modality(prediction: Mapping[str, Any]) -> str:
    """IMAGE, MOLECULAR or MULTIMODAL."""
    return str(prediction.get("modality", IMAGE))


def _question(every: Sequence[Mapping[str, Any]]) -> Question:
    every = sorted(every, key=lambda one: _ORDER.index(modality(one)))
    first = every[0]
    code = first["positive_class"]
    names = {one["code"]: one["name"] for one in first["classes"]}
    return Question(
        first["task"],
        first["question"],
        code,
        names[code],
        tuple(_answer(one, code, names) for one in every),
    )


def _answer(one: Mapping[str, Any], code: str, names: Mapping[str, str]) -> Answer:
    probabilities, interval, ood = (
        one["probabilities"],
        one["interval"],
        one["out_of_distribution"],
    )
    low, high = interval["low"], interval["high"]
    if one["positive_class"] != code:
        low, high = (1 - high, 1 - low) if len(names) == 2 else (None, None)
    return Answer(
        modality(one),
        one["model"]["title"],
        one["model"]["name"],
        one["predicted_class"],
        names[one["predicted_class"]],
        probabilities[one["predicted_class"]],
        probabilities[code],
        low,
        high,
        None if ood is None else ood["out_of_distribution"],
        next(_metrics(one["model"]["metrics"]), ""),
    )


def _metrics(metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """In words; what tells classes apart first."""

    def last(name: str) -> tuple[bool, bool]:
        return "auc" not in name.casefold(), "accuracy" not in name

    for name in sorted(metrics, key=last):
        one, said = metrics[name], name.replace("_", " ")
        estimate = format_interval(one["value"], one["low"], one["high"])
        yield f"{said} {estimate}, n = {one['n']}"


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
        element("div", [_question_markup(one) for one in questions(case)], class_="stack"),
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


def _question_markup(question: Question) -> Markup:
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
        f"{answer.answer} ({format_percent(answer.share)})",
        format_percent(answer.probability),
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
