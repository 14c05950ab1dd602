"""The page of an integration network's evaluation, and its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..errors import one_line
from ..evaluation.integration.ablation import Ablation, cautions, findings, label_of
from ..evaluation.integration.importance import TOP, Importance
from ..statistics.intervals import Estimate
from ..statistics.text import format_estimate, format_interval, format_percent
from ..training.integration.data import Setup
from ..training.integration.task import SETTINGS
from .figure_style import ACCENT, BROWN, INK, SOFT, Picture, canvas, picture, style
from .page import Child, Markup, element, figure, page, table

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
    figures = {one.name: figure(one) for one in drawn}
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
    less = {one.name: format_estimate(one.value) for one in found.differences}
    rows: list[tuple[Child, ...]] = [
        (
            arm.name,
            *(format_estimate(arm.measures[n]) if n in arm.measures else "" for n in names),
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
            format_percent(one.selected),
            f"{one.rank:.1f}",
            format_interval(one.importance, one.low, one.high),
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
    for name, chosen in (parts if setup.external else {"Patients": everyone}).items():
        counts = np.bincount(setup.y[sorted(chosen)], minlength=len(setup.classes)).tolist()
        each = ", ".join(f"'{one_line(c)}' {n}" for c, n in zip(setup.classes, counts, strict=True))
        rows.append((name, f"{len(chosen)} patients: {each}"))
    out = [f"{count} patients: {why}" for why, count in setup.excluded.items()]
    dropped = Counter((one.source, one.why) for one in setup.dropped)
    out += [f"{count} in '{source}': {why}" for (source, why), count in dropped.items()]
    rows.append(("Left out", [element("div", line) for line in out] or "nothing"))
    options = setup.options
    outer = f"{options.folds} folds{' by site' if options.by_site else ''}"
    outer = "all of one cohort, then another" if setup.external else outer
    rows.append(("Split", f"{outer}; {options.seeds} seeds, {options.inner_folds} inner folds"))
    return table(rows)


SHOWN = 25


def pictures(found: Ablation, columns: Importance) -> list[Picture]:
    """All figures.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with style():
        drawn = [_arms(found)]
        drawn += [_differences(found)] if found.differences else []
        return [*drawn, _columns_of_figures(columns)]


def _arms(found: Ablation) -> Picture:
    rows = [(one.name, one.measures[found.measure]) for one in found.arms]
    return _forest(
        rows,
        "arms",
        title=f"{found.measure[0].upper()}{found.measure[1:]} of each",
        axis=f"{found.measure} (95 % interval)",
        line=found.chance,
        caption="Dotted: chance. Means over seeds; intervals over patients.",
    )


def _differences(found: Ablation) -> Picture:
    rows = [(f"less {one.name}", one.value) for one in found.differences]
    return _forest(
        rows,
        "differences",
        title="The network less each other",
        axis=f"difference of the {found.measure} (95 % interval)",
        line=0.0,
        caption="On the same patients. To the right of the dotted line the network does better.",
    )


def _forest(
    rows: list[tuple[str, Estimate]], name: str, *, title: str, axis: str, line: float, caption: str
) -> Picture:
    figure = canvas(6.4, 1.1 + 0.36 * len(rows))
    axes = figure.add_subplot()
    axes.axvline(line, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    for place, (_, one) in enumerate(rows):
        colour = ACCENT if place == 0 and name == "arms" else INK
        axes.plot((one.low, one.high), (place, place), color=colour, linewidth=1.4)
        axes.plot(one.value, place, "s", color=colour, markersize=5)
        axes.annotate(
            format_estimate(one),
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            color=colour,
        )
    axes.set_yticks(range(len(rows)), [text for text, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(axis)
    told = "; ".join(f"{text} {format_estimate(one)}" for text, one in rows)
    return picture(figure, name, title=title, alt=f"{axis}: {told}.", caption=caption)


def _columns_of_figures(columns: Importance) -> Picture:
    top = columns.columns[:SHOWN]
    figure = canvas(6.4, 1.1 + 0.22 * len(top))
    axes = figure.add_subplot()
    for place, one in enumerate(top):
        colour = ACCENT if one.effect > 0 else BROWN
        axes.plot((one.low, one.high), (place, place), color=colour, linewidth=1.2)
        axes.plot(one.importance, place, "o", color=colour, markersize=4)
    names = [f"{one_line(one.name, most=40)} ({format_percent(one.selected)})" for one in top]
    axes.set_yticks(range(len(top)), names, fontsize=8)
    axes.set_ylim(len(top) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("mean share in the log odds (95 % of the trainings)")
    return picture(
        figure,
        "columns",
        title="Columns that the network goes by",
        alt="The most important columns: " + ", ".join(names) + ".",
        caption="Integrated gradients on test patients. Blue: high values speak for the positive "
        "class; brown: against it. In brackets: how many of the trainings kept the column.",
    )
