"""The METhodological RadiomICs Score (METRICS), filled with what the evaluation knows.

Kocak et al., Insights into Imaging 2024;15:8, doi:10.1186/s13244-023-01572-w, table 1: 30 items,
here paraphrased, with their weights. The score is the weight of the items that are met, divided by
the weight of those that apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ...evaluation.classifier.results import Evaluation, StudyDescription
from ...evaluation.classifier.table import format_name
from ...models.inputs import InputSpec

Answer: TypeAlias = Literal["yes", "no", "n/a", ""]
COLUMNS = ("item", "category", "subject", "weight", "answer", "reason")


@dataclass(frozen=True)
class MetricsItem:
    """One item of METRICS; `answer` is empty where the evaluation does not know it."""

    item: int
    category: str
    subject: str
    weight: float
    answer: Answer
    reason: str


def metrics_items(
    evaluation: Evaluation, study: StudyDescription | None = None
) -> list[MetricsItem]:
    """Return the 30 items, answered as far as the evaluation and the study are known."""
    known = _known(evaluation, study or StudyDescription())
    return [
        MetricsItem(number, category, subject, weight, *known.get(number, ("", "")))
        for number, (category, subject, weight) in enumerate(_ITEMS, start=1)
    ]


def score_range(items: Sequence[MetricsItem]) -> tuple[float, float]:
    """Return the score (0 to 1) if no open item is met, and if all of them are."""
    weights = {
        answer: sum(item.weight for item in items if item.answer == answer)
        for answer in ("yes", "no", "")
    }
    total = sum(weights.values())
    return weights["yes"] / total, (weights["yes"] + weights[""]) / total


def _known(evaluation: Evaluation, study: StudyDescription) -> dict[int, tuple[Answer, str]]:
    """Return answer and reason by item; the others are for the authors."""
    known: dict[int, tuple[Answer, str]] = {}
    if study.preprocessing:
        known[11] = ("yes", f"Preprocessing: {study.preprocessing}")
    if study.network and study.preprocessing:
        known[13] = ("yes", f"Network: {study.network}")
    if study.card is not None and isinstance(study.card.input, InputSpec):
        end_to_end = "The network takes the image itself: there are no tables of features."
        known |= {12: ("n/a", end_to_end), 14: ("n/a", end_to_end)}
        known |= {15: ("n/a", end_to_end), 16: ("n/a", end_to_end)}
        known[23] = ("yes", "The network takes one CT.")
    if study.split_hash and study.seeds:
        known[18] = ("yes", f"Split by patient, fixed before the training: {study.split_hash}")
    if evaluation.discrimination is not None and evaluation.hard_predictions is not None:
        known[20] = ("yes", "AUC, average precision, confusion matrix, precision, recall, F1")
    if evaluation.discrimination is not None:
        known[21] = ("yes", "Intervals of 95 % for every measure")
    calibrated = evaluation.calibration is not None
    known[22] = (
        ("yes", "Brier score, calibration curve, slope, intercept, expected calibration error")
        if calibrated
        else ("no", "The evaluation has no probabilities whose calibration could be assessed.")
    )
    if evaluation.baselines:
        names = ", ".join(format_name(baseline.name) for baseline in evaluation.baselines)
        known[25] = ("yes", f"Difference of AUC with DeLong's test to: {names}")
        if any(baseline.name.startswith("volume") for baseline in evaluation.baselines):
            known[24] = ("yes", "Difference of AUC with DeLong's test to the tumour's volume")
    else:
        known[25] = ("no", "The evaluation has no score to compare with.")
    if evaluation.counts.folds or "test" in study.patients:
        known[26] = ("yes", "Tested on patients of the same source that the model did not see")
    return known


_DESIGN, _IMAGING, _SEGMENTATION = "study design", "imaging data", "segmentation"
_EXTRACTION, _FEATURES = "image processing and feature extraction", "feature processing"
_PREPARATION, _COMPARISON = "preparation for modeling", "metrics and comparison"
_TESTING, _OPEN = "testing", "open science"
_ITEMS = (
    (_DESIGN, "A checklist or guideline of radiomics or machine learning was followed", 0.0368),
    (_DESIGN, "Criteria of inclusion that describe a representative population", 0.0735),
    (_DESIGN, "Reference standard of high quality, clearly defined", 0.0919),
    (_IMAGING, "Images of several centres", 0.0438),
    (_IMAGING, "Images as clinics make them, by a standard", 0.0292),
    (_IMAGING, "Imaging protocol with parameters of acquisition", 0.0438),
    (_IMAGING, "Interval between imaging and reference standard", 0.0292),
    (_SEGMENTATION, "Method of segmentation described", 0.0337),
    (_SEGMENTATION, "Fully automated segmentation formally evaluated", 0.0225),
    (_SEGMENTATION, "Masks of the test set by one reader or by an automated tool", 0.0112),
    (_EXTRACTION, "Preprocessing of the images appropriate and described", 0.0622),
    (_EXTRACTION, "Standardised software for hand-crafted features", 0.0311),
    (
        _EXTRACTION,
        "Parameters of feature extraction reported, or that they are the defaults",
        0.0415,
    ),
    (_FEATURES, "Features that are not robust removed", 0.0200),
    (_FEATURES, "Redundant features removed", 0.0200),
    (_FEATURES, "Number of features appropriate to the number of cases", 0.0300),
    (_FEATURES, "Robustness of end-to-end deep learning assessed", 0.0200),
    (_PREPARATION, "Data properly divided", 0.0599),
    (_PREPARATION, "Confounding factors handled", 0.0300),
    (_COMPARISON, "Measures of performance appropriate to the task", 0.0352),
    (_COMPARISON, "Uncertainty considered", 0.0234),
    (_COMPARISON, "Calibration assessed", 0.0176),
    (_COMPARISON, "One kind of image, or proof that it is inferior", 0.0117),
    (
        _COMPARISON,
        "Compared with a method without radiomics, or added clinical value shown",
        0.0293,
    ),
    (_COMPARISON, "Compared with simple or classical statistical models", 0.0176),
    (_TESTING, "Internal testing", 0.0375),
    (_TESTING, "External testing", 0.0749),
    (_OPEN, "Data available", 0.0075),
    (_OPEN, "Code available", 0.0075),
    (_OPEN, "Model available", 0.0075),
)
