"""The page of a classifier's evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from ...evaluation.classifier.findings import sample
from ...evaluation.classifier.results import (
    Evaluation,
    HardPredictions,
    StudyDescription,
    Threshold,
)
from ...evaluation.classifier.table import format_name
from ...statistics.text import format_estimate, format_number, format_p, format_percent
from ..figure_style import Picture
from ..page import Child, Markup, element, figure, figures, findings, page, section, table
from .checklist import Item
from .metrics_score import MetricsItem, score_range
from .text import calibration_rows, survival_rows, threshold_rows


def evaluation_page(
    evaluation: Evaluation,
    pictures: Sequence[Picture],
    items: Sequence[Item],
    metrics: Sequence[MetricsItem],
    *,
    study: StudyDescription,
) -> str:
    """Return the whole page; `items` are those of the checklists, `metrics` those of METRICS."""
    by_name = {picture.name: picture for picture in pictures}

    def named(*names: str) -> Markup | None:
        return figures([by_name[name] for name in names if name in by_name])

    calibration = None
    if evaluation.calibration is not None:
        calibration = _below(table(calibration_rows(evaluation.calibration)))
    return page(
        study.title or f"Evaluation of '{format_name(_subject(evaluation))}'",
        section("Question and patients", table(_description(evaluation, study))),
        _results(evaluation),
        section("Discrimination", named("roc", "precision-recall", "scores")),
        section("Calibration and use", named("calibration", "decision"), calibration),
        section("Thresholds", _thresholds(evaluation.thresholds)),
        _hard_predictions(evaluation.hard_predictions),
        _survival(evaluation, by_name.get("survival")),
        section("Controls", named("learning-curve", "permuted-labels")),
        section("Methods", [element("p", note) for note in evaluation.notes]),
        _checklist(items, metrics),
        notices=[study.card.notice] if study.card and study.card.notice else (),
    )


def _subject(evaluation: Evaluation) -> str:
    return str(evaluation.columns.score or evaluation.columns.predicted)


def _description(evaluation: Evaluation, study: StudyDescription) -> list[tuple[Child, ...]]:
    counts = evaluation.counts
    parts = [f"{name} {number}" for name, number in study.patients.items()]
    excluded = [f"{count} rows: {why}" for why, count in counts.left_out]
    excluded += [f"{count} cases before: {why}" for why, count in study.excluded]
    positive = f"'{format_name(evaluation.classes[1])}'" if evaluation.columns.score else None
    rows: list[tuple[Child, ...]] = [
        ("Question", study.question),
        ("Data", study.data),
        ("Evaluated", sample(evaluation)),
        ("Positive class", positive),
        ("Patients", ", ".join(parts)),
        ("Left out", "; ".join(excluded) or "nothing"),
        ("Network", study.network),
        ("Preprocessing", study.preprocessing),
    ]
    return [row for row in rows if row[1]]


def _results(evaluation: Evaluation) -> Markup:
    """The headline, the cautions, and each AUC with its difference to the score's."""
    discrimination, aucs = evaluation.discrimination, None
    if discrimination is not None:
        header = ("", "AUC (95 % interval)", "Difference to it", "p")
        name = format_name(_subject(evaluation))
        rows: list[tuple[Child, ...]] = [(name, format_estimate(discrimination.auc))]
        for baseline in evaluation.baselines:
            inverted = ", sign inverted" if baseline.inverted else ""
            rows.append(
                (
                    f"{format_name(baseline.name)}{inverted} ({baseline.n} rows)",
                    format_estimate(baseline.auc),
                    format_estimate(baseline.difference),
                    format_p(baseline.p),
                )
            )
        aucs = table(rows, header=header)
    return element("section", findings(evaluation.headline, evaluation.cautions), aucs)


def _thresholds(thresholds: Sequence[Threshold]) -> Markup | None:
    if not thresholds:
        return None
    header, *rows = threshold_rows(tuple(thresholds))
    return table(rows, header=header)


def _hard_predictions(hard: HardPredictions | None) -> list[Markup]:
    if hard is None:
        return []
    report = hard.report
    rows: list[tuple[Child, ...]] = [
        (
            format_name(row.name),
            *map(_number, (row.precision, row.recall, row.f1)),
            str(row.support),
        )
        for row in (*report.classes, report.macro, report.weighted)
    ]
    rows.append(("accuracy", "", "", _number(report.accuracy), str(report.macro.support)))
    names = [format_name(row.name) for row in report.classes]
    counts: list[tuple[Child, ...]] = [
        (f"true {name}", *map(str, row))
        for name, row in zip(names, hard.confusion.tolist(), strict=True)
    ]
    return section(
        "Predicted classes",
        element("p", f"From {hard.source}.", class_="soft"),
        table(rows, header=("", "Precision", "Recall", "F1", "Support")),
        element("h3", "Confusion matrix", style="margin-top:20px"),
        table(counts, header=("", *(f"predicted {name}" for name in names))),
    )


def _survival(evaluation: Evaluation, picture: Picture | None) -> list[Markup]:
    survival = evaluation.survival
    if survival is None or picture is None:
        return []
    patients = f"{survival.n}, {survival.events} with the event"
    return section(
        "Survival",
        element("div", figure(picture), style="max-width:760px"),
        _below(table([("Patients", patients), *survival_rows(survival)])),
    )


def _checklist(items: Sequence[Item], metrics: Sequence[MetricsItem]) -> list[Markup]:
    low, high = score_range(metrics)
    rows = [(f"{item.guideline} {item.item}", item.subject, item.entry) for item in items]
    return section(
        "Checklists",
        element(
            "p",
            "TRIPOD+AI and CLAIM, paraphrased; items that are not known stay blank. "
            "The same table is in checklist.csv.",
            class_="soft",
        ),
        table(
            rows,
            header=("Item", "What to report", "Known from this evaluation"),
            widths=("14%", "43%", "43%"),
        ),
        element(
            "p",
            f"METRICS, paraphrased (doi:10.1186/s13244-023-01572-w): {format_percent(low)} if no "
            f"open item is met, {format_percent(high)} if all are. The answers are those that the "
            "evaluation knows; fill in the others, and check these, in metrics.csv. A paragraph on "
            "the methods and its references are in methods.md and references.bib.",
            class_="soft",
        ),
        table(
            [
                (str(item.item), item.subject, f"{item.weight:.4f}", item.answer, item.reason)
                for item in metrics
            ],
            header=("METRICS", "Item", "Weight", "Answer", "Known from this evaluation"),
            widths=("8%", "36%", "8%", "8%", "40%"),
        ),
    )


def _below(content: Markup) -> Markup:
    """A table under figures, with room between."""
    return element("div", content, style="margin-top:16px")


def _number(value: float | None) -> str:
    return "-" if value is None else format_number(value)
