"""The checklists TRIPOD+AI and CLAIM, filled with what the evaluation knows.

Items paraphrased, numbered as in Collins et al., BMJ 2024;385:e078378 (table 2), and Mongan et
al., Radiology: Artificial Intelligence 2020;2:e200029 (table 1).
"""

from __future__ import annotations

from dataclasses import dataclass

from ...evaluation.classifier.findings import sample
from ...evaluation.classifier.results import Evaluation, StudyDescription
from ...evaluation.classifier.table import format_name

COLUMNS = ("guideline", "item", "subject", "entry")
_TRIPOD, _CLAIM = "TRIPOD+AI", "CLAIM 2020"


@dataclass(frozen=True)
class Item:
    """One item of a checklist; `entry` is empty where it is not known."""

    guideline: str
    item: str
    subject: str
    entry: str


def checklist(evaluation: Evaluation, study: StudyDescription | None = None) -> list[Item]:
    """Return the items of both checklists."""
    known = _known(evaluation, study or StudyDescription())
    return [
        Item(guideline, number, subject, known.get(topic, ""))
        for guideline, items in ((_TRIPOD, _TRIPOD_ITEMS), (_CLAIM, _CLAIM_ITEMS))
        for number, subject, topic in items
    ]


def _known(evaluation: Evaluation, study: StudyDescription) -> dict[str, str]:
    """The known entries by topic; other topics stay blank."""
    card, counts = study.card, evaluation.counts
    left_out = [f"{count} rows: {why}" for why, count in counts.left_out]
    left_out += [f"{count} cases: {why}" for why, count in study.excluded]
    parts = ", ".join(f"{name} {count}" for name, count in study.patients.items())
    calibration = evaluation.calibration
    temperature = None if calibration is None else calibration.temperature
    label, positive = format_name(evaluation.columns.label), format_name(evaluation.classes[-1])
    entries = {
        "title": study.title,
        "question": study.question or (card.question if card else None),
        "use": card.intended_use if card else None,
        "data": study.data or (card.training.data if card else None),
        "preprocessing": study.preprocessing,
        "outcome": f"Column '{label}'; positive: '{positive}'.",
        "missing": "Left out. " + "; ".join(left_out) + "." if left_out else None,
        "partition": f"{parts}; split {study.split_hash}" if parts and study.split_hash else parts,
        "network": study.network,
        "measures": _measures(evaluation),
        "recalibration": "Temperature, fitted on validation rows." if temperature else None,
        "recalibrated": f"Temperature {temperature.value:.2f}: Brier score {temperature.brier:.3f}."
        if temperature
        else None,
        "thresholds": "; ".join(
            f"{threshold.value:.3g}: {threshold.how}" for threshold in evaluation.thresholds
        ),
        "flow": f"{counts.rows} rows in the table, {counts.used} evaluated. " + "; ".join(left_out),
        "numbers": sample(evaluation),
        "performance": " ".join(evaluation.headline),
        "software": ", ".join(f"{name} {version}" for name, version in study.software.items()),
        "seeds": "Seeds " + ", ".join(map(str, study.seeds)) + "." if study.seeds else None,
        "limitations": " ".join((*evaluation.cautions, *(card.must_not if card else ()))),
        "model": f"Model file with the weights, '{card.name}'." if card else None,
        "reference": "An out-of-distribution score compares each input with reference cases."
        if card and card.reference
        else None,
    }
    return {topic: text.strip() for topic, text in entries.items() if text}


def _measures(evaluation: Evaluation) -> str:
    given = []
    if evaluation.discrimination is not None:
        given += ["AUC", "average precision"]
    if evaluation.baselines:
        given += [
            "difference of AUC to "
            + ", ".join(format_name(baseline.name) for baseline in evaluation.baselines)
        ]
    if evaluation.calibration is not None:
        given += [
            "Brier score, with that of the prevalence",
            "calibration curve, slope, intercept",
            "expected calibration error",
            "net benefit",
        ]
    if evaluation.hard_predictions is not None:
        given += ["precision, recall, F1 and confusion matrix"]
    if evaluation.survival is not None:
        given += ["Kaplan-Meier, log-rank test, concordance"]
    return ", ".join(given) + "; intervals of 95 %."


_TRIPOD_ITEMS = (
    ("1", "Title says that a prediction model is made or evaluated, in whom, for what", "title"),
    ("2", "Abstract after TRIPOD+AI for Abstracts", ""),
    ("3a", "Medical context and why the model is needed; models that exist", ""),
    ("3b", "Whom it is for, its place in the care, its users", "use"),
    ("3c", "Known inequalities between groups of people", ""),
    ("4", "Aim: making, evaluating, or both", "question"),
    ("5a", "Where the data come from, for making and for evaluating, and why these", "data"),
    ("5b", "Dates of recruitment and of the end of follow-up", ""),
    ("6a", "Setting: kind, number and places of the centres", ""),
    ("6b", "Who could be included", ""),
    ("6c", "Treatments, and how they were handled", ""),
    ("7", "Preparation of the data and checks of their quality", "preprocessing"),
    ("8a", "The outcome, its time, how and when it was found", "outcome"),
    ("8b", "Who judged the outcome, where judgement was needed", ""),
    ("8c", "Whether who judged the outcome knew the predictors", ""),
    ("9a", "How the first set of predictors was chosen", ""),
    ("9b", "All predictors: what, how and when measured", "preprocessing"),
    ("9c", "Who judged the predictors, where judgement was needed", ""),
    ("10", "How the number of participants was arrived at", ""),
    ("11", "Missing data and what was done about them", "missing"),
    ("12a", "How the data were used and divided", "partition"),
    ("12b", "How predictors enter the model", "preprocessing"),
    ("12c", "Kind of model, all steps of making it, internal validation", "network"),
    ("12d", "Differences between clusters, such as hospitals", ""),
    ("12e", "Measures and figures of performance", "measures"),
    ("12f", "Changes to the model after evaluation, such as recalibration", "recalibration"),
    ("12g", "How predictions were computed when evaluating", "model"),
    ("13", "Imbalance of classes and what was done about it", ""),
    ("14", "Fairness: what was done and why", ""),
    ("15", "What the model puts out; how thresholds were found", "thresholds"),
    ("16", "Differences between the data for making and for evaluating", ""),
    ("17", "Ethical approval and consent", ""),
    ("18a", "Funding", ""),
    ("18b", "Conflicts of interest", ""),
    ("18c", "Where the protocol is", ""),
    ("18d", "Registration", ""),
    ("18e", "Where the data are", ""),
    ("18f", "Where the code is", ""),
    ("19", "Part that patients and the public had", ""),
    ("20a", "Flow of participants, with and without the outcome, follow-up", "flow"),
    ("20b", "Characteristics of the participants, missing data of each", ""),
    ("20c", "Comparison of the predictors between making and evaluating", ""),
    ("21", "Participants and outcomes in each analysis", "numbers"),
    ("22", "The whole model, so that others can use it", "model"),
    ("23a", "Performance with intervals, also in groups of people", "performance"),
    ("23b", "Differences of performance between clusters", ""),
    ("24", "Results of changing the model", "recalibrated"),
    ("25", "What the results mean, fairness included", ""),
    ("26", "Limits of the study", "limitations"),
    ("27a", "Input of poor quality, or absent, when in use", "reference"),
    ("27b", "What users must do and know", ""),
    ("27c", "Next steps of research", ""),
)
_CLAIM_ITEMS = (
    ("1", "Title or abstract names the AI method", "title"),
    ("2", "Structured abstract", ""),
    ("3", "Scientific and clinical background, intended use", "use"),
    ("4", "Aims and hypotheses", "question"),
    ("5", "Prospective or retrospective", ""),
    ("6", "Goal: making a model, feasibility, or other", ""),
    ("7", "Sources of the data", "data"),
    ("8", "Who could be included", ""),
    ("9", "Preprocessing", "preprocessing"),
    ("10", "Choice of parts of the images, such as a crop", "preprocessing"),
    ("11", "Definitions of the data's elements", "outcome"),
    ("12", "De-identification", ""),
    ("13", "Missing data", "missing"),
    ("14", "Reference standard", "outcome"),
    ("15", "Why this reference standard", ""),
    ("16", "Who annotated, with which training", ""),
    ("17", "Tools of annotation", ""),
    ("18", "Variability between and within those who annotated", ""),
    ("19", "Intended number of cases and how it was determined", ""),
    ("20", "How cases were assigned to parts", "partition"),
    ("21", "Level at which parts are disjoint", ""),
    ("22", "The model: inputs, outputs, layers", "network"),
    ("23", "Software", "software"),
    ("24", "How parameters were initialised", "network"),
    ("25", "How it was trained", "seeds"),
    ("26", "How the final model was chosen", ""),
    ("27", "Ensembles", ""),
    ("28", "Measures of performance", "measures"),
    ("29", "Uncertainty and significance", "measures"),
    ("30", "Robustness", ""),
    ("31", "Explainability", ""),
    ("32", "Test on external data", ""),
    ("33", "Flow of participants", "flow"),
    ("34", "Characteristics of the cases in each part", ""),
    ("35", "Performance on every part of the data", ""),
    ("36", "Accuracy with its precision", "performance"),
    ("37", "Analysis of misclassified cases", ""),
    ("38", "Limits of the study", "limitations"),
    ("39", "What it means for practice", ""),
    ("40", "Registration", ""),
    ("41", "Where the protocol is", ""),
    ("42", "Funding", ""),
)
