"""The page of a training of the integration network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ...errors import one_line
from ...evaluation.integration.importance import TOP, Importance
from ...evaluation.integration.results import Ablation
from ...evaluation.integration.sentences import cautions, findings, label_of
from ...statistics.text import interval_text, percent, with_interval
from ...training.integration.setup import Setup
from ...training.integration.task import SETTINGS
from ..classifier.page import figure_of
from ..figure_style import Picture
from ..html import Child, Markup, element
from ..page import page, table

_SHOWN = 30
_METHODS = (
    "Nested cross-validation: columns (by the F of an analysis of variance), their scale, the "
    "weights, the setting ({settings}), the penalty of the logistic regression and the temperature "
    "are learnt from the training patients of a fold alone; what is missing is left out, not "
    "filled in. All are compared on the same patients of the same folds.",
    "What is answered is the class that gains most against its share of the training patients. "
    "Measures are computed within each seed and averaged; AUC is of pairs of patients in the same "
    "fold, for scores of two folds' networks have no common scale. Its interval is DeLong's, with "
    "patients as clusters; the others draw patients, with all that is said of them. p: labels "
    "shuffled among the patients, against the balanced accuracy. A label can be separated where "
    "the interval excludes chance, p is below 0.05 beyond its own uncertainty, and the network is "
    "better than every baseline.",
)


def integration_page(
    setup: Setup, found: Ablation, columns: Importance, drawn: Sequence[Picture]
) -> str:
    """The whole page."""
    first, *more = findings(setup, found)
    settings = ", ".join(f"{one.columns} columns with dropout {one.dropout}" for one in SETTINGS)
    figures = {one.name: figure_of(one) for one in drawn}
    genes = figures.pop("columns")
    return page(
        f"{label_of(setup)} from joined tables",
        element("h2", "What was found"),
        element("p", first, class_="verdict"),
        [element("p", sentence) for sentence in more],
        [element("p", sentence, class_="flag warning") for sentence in cautions(setup, found)],
        element("h2", "What each source adds"),
        _ablation(found),
        element("div", [*figures.values()], class_="figures"),
        element("h3", "Answers of the network, all seeds"),
        _confusion(setup, found),
        element("h2", "Columns that matter"),
        _stability(columns),
        element("div", genes, style="max-width:760px"),
        _columns(columns),
        element("h2", "Of whom"),
        _asked(setup),
        element("h2", "How it was measured"),
        [element("p", text.format(settings=settings), class_="soft") for text in _METHODS],
    )


def _ablation(found: Ablation) -> Markup:
    names = list(found.arms[0].measures)
    less = {one.name: with_interval(one.value) for one in found.differences}
    rows: list[tuple[Child, ...]] = [
        (
            arm.name,
            *(with_interval(arm.measures[n]) if n in arm.measures else "" for n in names),
            less.get(arm.name, ""),
        )
        for arm in found.arms
    ]
    return table(rows, header=("", *names, f"{found.measure}: the network less this"))


def _confusion(setup: Setup, found: Ablation) -> Markup:
    names = [one_line(name, most=40) for name in setup.classes]
    rows = [
        (f"true {name}", *map(str, counts))
        for name, counts in zip(names, found.confusion.tolist(), strict=True)
    ]
    return table(rows, header=("", *(f"answered {name}" for name in names)))


def _stability(columns: Importance) -> Markup | None:
    if columns.shared is None:
        return None
    return element(
        "p",
        f"Of the {TOP} most important columns of one training, {columns.shared:.1f} are among "
        f"those of another, on average over {columns.trainings} trainings.",
    )


def _columns(columns: Importance) -> Markup:
    rows: list[tuple[Child, ...]] = [
        (
            one_line(one.name, most=80),
            one_line(one.source, most=40),
            percent(one.selected),
            f"{one.rank:.1f}",
            interval_text(one.importance, one.low, one.high),
            f"{one.effect:+.3f}",
        )
        for one in columns.columns[:_SHOWN]
    ]
    header = (
        "Column",
        "Source",
        "Kept in",
        "Mean rank",
        "Share in the log odds",
        "A standard deviation",
    )
    return table(rows, header=header)


def _asked(setup: Setup) -> Markup:
    rows: list[tuple[Child, ...]] = []
    for source in setup.sources:
        known = int((~np.isnan(source.values)).any(axis=1).sum())
        text = f"{len(source.columns)} columns of {known} patients; {source.scale}"
        rows.append((f"Source '{one_line(source.name, most=40)}'", text))
    tested = {setup.index[name] for name in setup.splits[0, 0].test}
    everyone = set(range(len(setup.y)))
    parts = {"Learnt from": everyone - tested, "Tested on": tested}
    for name, chosen in (parts if setup.other_cohort else {"Patients": everyone}).items():
        counts = np.bincount(setup.y[sorted(chosen)], minlength=len(setup.classes)).tolist()
        each = ", ".join(f"'{one_line(c)}' {n}" for c, n in zip(setup.classes, counts, strict=True))
        rows.append((name, f"{len(chosen)} patients: {each}"))
    out = [f"{count} patients: {why}" for why, count in setup.excluded.items()]
    dropped = Counter((one.source, one.why) for one in setup.dropped)
    out += [f"{count} in '{source}': {why}" for (source, why), count in dropped.items()]
    rows.append(("Left out", [element("div", line) for line in out] or "nothing"))
    options = setup.options
    outer = f"{options.folds} folds{' by site' if options.by_site else ''}"
    outer = "all of one cohort, then another" if setup.other_cohort else outer
    rows.append(("Split", f"{outer}; {options.seeds} seeds, {options.inner} inner folds"))
    return table(rows)
