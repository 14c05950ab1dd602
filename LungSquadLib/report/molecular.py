"""Predictions from the image, from molecules and from both, and their section of the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..statistics.text import format_interval, format_percent
from .page import Child, Markup, element, section, small_print, table

IMAGE, MOLECULAR, MULTIMODAL = "image", "molecular", "multimodal"
_ORDER = (IMAGE, MOLECULAR, MULTIMODAL)
_GENES = 10  # contributions listed for each prediction


@dataclass(frozen=True)
class ComparedPrediction:
    """The prediction of one model for a question.

    Attributes:
        modality: IMAGE, MOLECULAR or MULTIMODAL.
        title, name: of the model.
        code, predicted_class: the most probable class, and its name; `predicted_probability` its
            probability.
        probability, low, high: of the question's class with its interval; the ends are None where
            the model's interval is about another class, of more than two.
        out_of_distribution: whether the patient is so for the model; None where it is not known.
        metric: a metric of the model as text; empty where its card has none.
    """

    modality: str
    title: str
    name: str
    code: str
    predicted_class: str
    predicted_probability: float
    probability: float
    low: float | None
    high: float | None
    out_of_distribution: bool | None
    metric: str

    @property
    def interval(self) -> str:
        """The interval as text."""
        if self.low is None or self.high is None:
            return "not known"
        return f"{format_percent(self.low)} to {format_percent(self.high)}"


@dataclass(frozen=True)
class Question:
    """A question with a molecular prediction, and all predictions for it.

    Attributes:
        task, question: as in the models' cards.
        code, class_name: the class of the probabilities, and its name.
        predictions: those from the image first, then the molecular and the multimodal ones.
    """

    task: str
    question: str
    code: str
    class_name: str
    predictions: tuple[ComparedPrediction, ...]

    @property
    def disagreement(self) -> str:
        """A sentence where the predicted classes differ; else empty."""
        models: dict[str, dict[str, None]] = {}
        for model in self.predictions:
            models.setdefault(model.predicted_class, {})[f"{model.title} ({model.modality})"] = None
        if len(models) < 2:
            return ""
        listed = "; ".join(f"{name}: {', '.join(titles)}" for name, titles in models.items())
        return f"The predictions differ. {listed}. No model proves another one wrong."


def questions(described: Mapping[str, Any]) -> list[Question]:
    """Return the questions of a case's `prediction.json` that have a molecular prediction."""
    by_question: dict[tuple[str, frozenset[str]], list[Mapping[str, Any]]] = {}
    for prediction in (*described["predictions"], *described.get("molecular", ())):
        key = (prediction["task"], frozenset(prediction["probabilities"]))
        by_question.setdefault(key, []).append(prediction)
    return [
        _question(predictions)
        for predictions in by_question.values()
        if any(modality(prediction) != IMAGE for prediction in predictions)
    ]


def modality(prediction: Mapping[str, Any]) -> str:
    """Return IMAGE, MOLECULAR or MULTIMODAL."""
    return str(prediction.get("modality", IMAGE))


def modality_suffix(prediction: Mapping[str, Any]) -> str:
    """Return the modality in brackets, to follow a name; empty for predictions from the image."""
    return "" if modality(prediction) == IMAGE else f" ({modality(prediction)})"


def _question(predictions: Sequence[Mapping[str, Any]]) -> Question:
    predictions = sorted(predictions, key=lambda prediction: _ORDER.index(modality(prediction)))
    first = predictions[0]
    code = first["positive_class"]
    names = {label["code"]: label["name"] for label in first["classes"]}
    compared = tuple(_compared(prediction, code, names) for prediction in predictions)
    return Question(first["task"], first["question"], code, names[code], compared)


def _compared(
    prediction: Mapping[str, Any], code: str, names: Mapping[str, str]
) -> ComparedPrediction:
    model, ood = prediction["model"], prediction["out_of_distribution"]
    predicted, probabilities = prediction["predicted_class"], prediction["probabilities"]
    low, high = prediction["interval"]["low"], prediction["interval"]["high"]
    if prediction["positive_class"] != code:
        low, high = (1 - high, 1 - low) if len(names) == 2 else (None, None)
    return ComparedPrediction(
        modality(prediction),
        model["title"],
        model["name"],
        predicted,
        names[predicted],
        probabilities[predicted],
        probabilities[code],
        low,
        high,
        None if ood is None else ood["out_of_distribution"],
        next(_metrics(model["metrics"]), ""),
    )


def _metrics(metrics: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The metrics as text: AUC first, then accuracy."""

    def order(name: str) -> tuple[bool, bool]:
        return "auc" not in name.casefold(), "accuracy" not in name

    for name in sorted(metrics, key=order):
        metric = metrics[name]
        estimate = format_interval(metric["value"], metric["low"], metric["high"])
        yield f"{name.replace('_', ' ')} {estimate}, n = {metric['n']}"


def molecular_markup(case: dict[str, Any]) -> list[Markup]:
    """Return the sections about molecules of a case; nothing where it has no profile."""
    if "profile" not in case:
        return []
    molecular = case["molecular"]
    intervals = dict.fromkeys(f"Interval: {p['interval']['explanation']}" for p in molecular)
    contributions = dict.fromkeys(p["contributions_explanation"] for p in molecular)
    return [
        *section(
            "Molecules and images" if case["predictions"] else "Molecules",
            element("p", _profile(case["profile"]), class_="soft"),
            element("div", [_question_markup(each) for each in questions(case)], class_="stack"),
            small_print(list(intervals)),
        ),
        *section(
            "Largest contributions to the molecular predictions",
            element("div", [_contributions(each) for each in molecular], class_="predictions"),
            small_print(list(contributions)),
        ),
    ]


def _profile(profile: dict[str, Any]) -> list[Child]:
    return [
        f"Expression profile of {profile['genes']} genes, SHA-256 of its content ",
        element("code", profile["sha256"]),
        ". The profile does not name its patient. Check that it is of the patient of this report.",
    ]


def _question_markup(question: Question) -> Markup:
    header = (
        "Modality",
        "Predicted class",
        f"Probability of {question.class_name}",
        "Interval",
        "",
        "Model",
    )
    warning = question.disagreement
    return element(
        "div",
        element("h3", question.question),
        table([_row(prediction) for prediction in question.predictions], header=header),
        element("p", warning, class_="flag warning") if warning else None,
        class_="card",
    )


def _row(prediction: ComparedPrediction) -> list[Child]:
    metric = element("small", prediction.metric or "no metrics")
    predicted = format_percent(prediction.predicted_probability)
    return [
        prediction.modality,
        f"{prediction.predicted_class} ({predicted})",
        format_percent(prediction.probability),
        prediction.interval,
        "out of distribution" if prediction.out_of_distribution else "",
        [prediction.title, element("br"), metric],
    ]


def _contributions(prediction: dict[str, Any]) -> Markup:
    names = {label["code"]: label["name"] for label in prediction["classes"]}
    rows = [
        (column["column"], column["source"], f"{column['value']:+.3f}")
        for column in prediction["contributions"][:_GENES]
    ]
    position = prediction["latent_position"]
    at = "" if position is None else ", ".join(f"{z:.2f}" for z in position)
    return element(
        "div",
        element("h3", f"{prediction['model']['title']} ({prediction['modality']})"),
        element("p", f"For {names[prediction['predicted_class']]} (above 0), or against it:"),
        table(rows),
        small_print([f"Position in the latent space: {at}."] if at else []),
        class_="card",
    )
