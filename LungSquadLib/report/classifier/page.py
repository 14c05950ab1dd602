"""The page of a classifier's evaluation, and the folder that it stands in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ...errors import InputError
from ...evaluation.classifier.findings import sample
from ...evaluation.classifier.results import (
    Evaluation,
    HardPredictions,
    StudyDescription,
    Threshold,
    plain,
)
from ...evaluation.classifier.table import format_name
from ...files import whole_folder, write_csv, write_json
from ...models.card import Card, Metric
from ...models.inputs import InputSpec
from ...statistics.text import format_estimate, format_number, format_p, format_percent
from ..figure_style import Picture
from ..page import RESEARCH, Child, Markup, element, figure, figures, findings, page, section, table
from .checklist import COLUMNS, Item, checklist
from .figures import NAMES, pictures
from .methods import cited_references, escaped, methods_text
from .metrics_score import COLUMNS as METRICS_COLUMNS
from .metrics_score import MetricsItem, metrics_items, score_range
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


RESULT, PAGE, CHECKLIST, METRICS, METHODS, REFERENCES, CARD, FIGURES = FILES = (
    "evaluation.json",
    "index.html",
    "checklist.csv",
    "metrics.csv",
    "methods.md",
    "references.bib",
    "card.md",
    "figures",
)


def write_evaluation(
    evaluation: Evaluation, folder: str | os.PathLike[str], *, study: StudyDescription | None = None
) -> Path:
    """Write `evaluation.json`, `index.html`, `figures/`, and a model's `card.md`.

    And for a paper: `checklist.csv`, `metrics.csv` (the METRICS score), `methods.md` and the
    `references.bib` that it cites.

    Args:
        evaluation: what was found.
        folder: made if it is not there; what else lies in it stays.
        study: how the score came about, as far as it is known.

    Returns:
        The page.

    Raises:
        InputError: the folder is a file, or its `figures` holds something else.
        MissingPackageError: matplotlib is not installed.
    """
    target, study = Path(folder), study or StudyDescription()
    if target.is_file():
        raise InputError(f"'{target}' is a file, so nothing can be written into it.")
    for path in (target / FIGURES).glob("*"):
        if path.stem not in NAMES or path.suffix not in (".png", ".svg"):
            raise InputError(
                f"'{target / FIGURES}' holds files that are no evaluation's: choose another folder."
            )
    with whole_folder(target, last=PAGE) as temporary:
        pictures_, items = pictures(evaluation, study), checklist(evaluation, study)
        metrics = metrics_items(evaluation, study)
        page = evaluation_page(evaluation, pictures_, items, metrics, study=study)
        (temporary / FIGURES).mkdir()
        for picture in pictures_:
            (temporary / FIGURES / f"{picture.name}.png").write_bytes(picture.png)
            (temporary / FIGURES / f"{picture.name}.svg").write_bytes(picture.svg)
        write_json(temporary / RESULT, evaluation.to_dict() | {"study": plain(study)})
        write_csv(temporary / CHECKLIST, COLUMNS, [asdict(item) for item in items])
        write_csv(temporary / METRICS, METRICS_COLUMNS, [asdict(item) for item in metrics])
        methods = methods_text(evaluation, study)
        (temporary / METHODS).write_text(methods, encoding="utf-8")
        (temporary / REFERENCES).write_text(cited_references(methods), encoding="utf-8")
        if study.card is not None:
            text = card_page(study.card, evaluation)
            (temporary / CARD).write_text(text, encoding="utf-8")
        (temporary / PAGE).write_text(page, encoding="utf-8")
    return target / PAGE


def card_page(card: Card, evaluation: Evaluation) -> str:
    """The whole page, from a model's card and the evaluation of its test patients."""
    return "\n".join(_lines(card, evaluation)) + "\n"


def _lines(card: Card, evaluation: Evaluation) -> Iterator[str]:
    yield from (f"# {escaped(card.title)}", "", f"*{RESEARCH}*", "")
    yield from ([f"**{escaped(card.notice)}**", ""] if card.notice else [])
    yield from (f"{escaped(card.question)} Answers:", "")
    yield from (f"- {escaped(label.name)} (`{label.code}`)" for label in card.classes)
    yield from ("", "## Use", "", escaped(card.intended_use), "")
    yield from (f"- {escaped(sentence)}" for sentence in card.must_not)
    yield from ("", "## How well it does", "", escaped(sample(evaluation)), "")
    for sentence in (*evaluation.headline, *evaluation.cautions):
        yield f"- {escaped(sentence)}"
    yield from _metrics(card.metrics, "")
    if card.baseline is not None:
        yield from _metrics(card.baseline.metrics, " of tumour volume alone")
    yield from ("", "## How it was made", "", escaped(card.training.data), "")
    yield f"- Network `{card.network.name}`; input {escaped(str(card.input))}"
    if isinstance(card.input, InputSpec):
        yield f"- HU {card.input.hu_low:g} to {card.input.hu_high:g}"
    yield f"- Temperature {card.temperature:.3g}"
    known = {
        "Patients": card.training.patients,
        "Seed": card.training.seed,
        "Split": card.training.split_hash,
        "Training data": card.training.fingerprint,
    }
    yield from (f"- {name}: {value}" for name, value in known.items() if value is not None)
    yield from ("", "## Licence", "", escaped(card.licence))


def _metrics(metrics: Mapping[str, Metric], of: str) -> Iterator[str]:
    for name, metric in metrics.items():
        yield f"- {escaped(name)}{of}: {format_estimate(metric)}, {escaped(metric.where)}"
