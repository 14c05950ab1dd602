"""The page of an evaluation: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from ...evaluation.classifier.findings import sample
from ...evaluation.classifier.results import Answers, Evaluation, Facts, Threshold
from ...evaluation.classifier.table import shown
from ...statistics.text import format_estimate, format_number, format_p
from ..figure_style import Picture
from ..page import Child, Markup, element, page
from .checklist import Item
from .text import calibration_rows, survival_rows, threshold_rows


def evaluation_page(
    evaluation: Evaluation, pictures: Sequence[Picture], items: Sequence[Item], *, facts: Facts
) -> str:
    """The whole page; `items` are those of the checklists."""
    drawn = {one.name: one for one in pictures}
    title = facts.title or f"Evaluation of '{shown(_subject(evaluation))}'"
    return page(
        title,
        element("p", facts.card.notice, class_="notice")
        if facts.card and facts.card.notice
        else None,
        _asked(evaluation, facts),
        _found(evaluation),
        _section("Discrimination", drawn, ("roc", "precision-recall", "scores")),
        _section("Calibration and use", drawn, ("calibration", "decision")),
        _below(_table(calibration_rows(evaluation.calibration)))
        if evaluation.calibration
        else None,
        _thresholds(evaluation.thresholds),
        _answers(evaluation.answers) if evaluation.answers is not None else None,
        _survival(evaluation, drawn),
        _section("Controls", drawn, ("learning-curve", "shuffled-labels")),
        _notes(evaluation),
        _checklist(items),
    )


def _subject(evaluation: Evaluation) -> str:
    return str(evaluation.columns.score or evaluation.columns.predicted)


def _asked(evaluation: Evaluation, facts: Facts) -> list[Markup]:
    counts = evaluation.counts
    parts = [f"{name} {number}" for name, number in facts.patients.items()]
    out = [f"{count} rows: {why}" for why, count in counts.left_out]
    out += [f"{count} cases before: {why}" for why, count in facts.excluded]
    rows: list[tuple[Child, ...]] = [
        ("Question", facts.question),
        ("Data", facts.data),
        ("Evaluated", sample(evaluation)),
        (
            "Positive class",
            f"'{shown(evaluation.classes[1])}'" if evaluation.columns.score else None,
        ),
        ("Patients", ", ".join(parts)),
        ("Left out", "; ".join(out) or "nothing"),
        ("Network", facts.network),
        ("Preprocessing", facts.preprocessing),
    ]
    return [element("h2", "What was asked, and of whom"), _table([row for row in rows if row[1]])]


def _found(evaluation: Evaluation) -> list[Markup]:
    """Headline first, then what to mind, then every number beside what to hold it against."""
    first, *more = evaluation.headline or ("",)
    cells = [
        element("h2", "What was found"),
        element("p", first, class_="verdict") if first else None,
        [element("p", sentence) for sentence in more],
        [element("p", sentence, class_="flag warning") for sentence in evaluation.cautions],
    ]
    found = evaluation.discrimination
    if found is not None:
        header = ("", "AUC (95 % interval)", "Difference to it", "p")
        rows: list[tuple[Child, ...]] = [(shown(_subject(evaluation)), format_estimate(found.auc))]
        for one in evaluation.baselines:
            name = f"{shown(one.name)}{', sign turned' if one.turned else ''} ({one.n} rows)"
            difference = format_estimate(one.difference)
            rows.append((name, format_estimate(one.auc), difference, format_p(one.p)))
        cells.append(_table(rows, header=header))
    return [element("section", cells)]


def _section(title: str, drawn: dict[str, Picture], names: Sequence[str]) -> list[Markup]:
    there = [figure_of(drawn[name]) for name in names if name in drawn]
    return [element("h2", title), element("div", there, class_="figures")] if there else []


def figure_of(picture: Picture) -> Markup:
    """A picture with its title and what there is to say of it, as part of a page."""
    data = base64.b64encode(picture.svg).decode()
    return element(
        "figure",
        element("h3", picture.title),
        element(
            "img", src=f"data:image/svg+xml;base64,{data}", alt=picture.alt, style="width:100%"
        ),
        element("figcaption", picture.caption),
        class_="card",
    )


def _thresholds(thresholds: Sequence[Threshold]) -> list[Markup]:
    if not thresholds:
        return []
    header, *rows = threshold_rows(tuple(thresholds))
    return [element("h2", "Thresholds"), _table(rows, header=header)]


def _answers(answers: Answers) -> list[Markup]:
    report = answers.report
    rows: list[tuple[Child, ...]] = [
        (shown(row.name), *map(_number, (row.precision, row.recall, row.f1)), str(row.support))
        for row in (*report.classes, report.macro, report.weighted)
    ]
    rows.append(("accuracy", "", "", _number(report.accuracy), str(report.macro.support)))
    names = [shown(row.name) for row in report.classes]
    counts: list[tuple[Child, ...]] = [
        (f"true {name}", *map(str, row))
        for name, row in zip(names, answers.confusion.tolist(), strict=True)
    ]
    return [
        element("h2", "Answers"),
        element("p", f"From {answers.source}.", class_="soft"),
        _table(rows, header=("", "Precision", "Recall", "F1", "Support")),
        element("h3", "Confusion matrix", style="margin-top:20px"),
        _table(counts, header=("", *(f"answered {name}" for name in names))),
    ]


def _survival(evaluation: Evaluation, drawn: dict[str, Picture]) -> list[Markup]:
    found = evaluation.survival
    if found is None:
        return []
    rows = [("Patients", f"{found.n}, {found.events} with the event"), *survival_rows(found)]
    return [
        element("h2", "Survival"),
        element("div", figure_of(drawn["survival"]), style="max-width:760px"),
        _below(_table(rows)),
    ]


def _notes(evaluation: Evaluation) -> list[Markup]:
    if not evaluation.notes:
        return []
    return [element("h2", "How it was measured"), *(element("p", one) for one in evaluation.notes)]


def _checklist(items: Sequence[Item]) -> list[Markup]:
    rows = [(f"{one.guideline} {one.item}", one.subject, one.answer) for one in items]
    return [
        element("h2", "Checklists"),
        element(
            "p",
            "TRIPOD+AI and CLAIM, in our words; what is not known stays blank. "
            "The same table is in checklist.csv.",
            class_="soft",
        ),
        _table(
            rows,
            header=("Item", "What to report", "Known from this evaluation"),
            widths=("14%", "43%", "43%"),
        ),
    ]


def _below(table: Markup) -> Markup:
    """A table under figures, with room between."""
    return element("div", table, style="margin-top:16px")


def _number(value: float | None) -> str:
    return "-" if value is None else format_number(value)


def _table(
    rows: Sequence[Sequence[Child]], *, header: Sequence[str] = (), widths: Sequence[str] = ()
) -> Markup:
    """The first cell of a row is its heading; a short row is filled with empty cells."""
    count = max(len(header), *(len(row) for row in rows))
    names = [
        element("th", text, scope="col", style=f"width:{width}")
        for text, width in zip(header, widths or ["auto"] * len(header), strict=True)
    ]
    lines = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            [element("td", cell) for cell in row[1:]],
            [element("td")] * (count - len(row)),
        )
        for row in rows
    ]
    return element("table", element("tr", names) if names else None, lines)
