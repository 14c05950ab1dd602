"""The page of an integration network's evaluation, and its figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..errors import one_line
from ..evaluation.integration import TOP, Ablation, Importance, cautions, findings, label_of
from ..statistics.intervals import Estimate
from ..statistics.text import format_estimate, format_interval, format_percent
from ..training.integration.data import Setup
from ..training.integration.task import SETTINGS
from .figure_style import ACCENT, BROWN, INK, SOFT, Picture, picture, plot, style
from .page import Child, Markup, element, figure, figures, page, section, small_print, table
from .page import findings as findings_section

_ROWS = 30
_METHODS = (
    "Nested cross-validation: columns (by the F of an analysis of variance), their scale, the "
    "weights, the setting ({settings}), the penalty of the logistic regression and the temperature "
    "are learnt from the training patients of a fold only; missing values are left out, not "
    "imputed. All models are compared on the same patients of the same folds.",
    "The predicted class is the one whose probability exceeds its prior in training most. "
    "Measures are computed within each seed and averaged; AUC is of pairs of patients in the same "
    "fold, since scores of two folds' networks have no common scale. Its interval is DeLong's, "
    "with patients as clusters; the others are by a bootstrap of patients. p: labels permuted "
    "among the patients, against the balanced accuracy. A label counts as predictable where the "
    "interval excludes chance, p is below 0.05 beyond its own uncertainty, and the network is "
    "better than every baseline.",
)


def integration_page(
    setup: Setup, ablation: Ablation, columns: Importance, pictures: Sequence[Picture]
) -> str:
    """Return the whole page."""
    settings = ", ".join(f"{each.columns} columns with dropout {each.dropout}" for each in SETTINGS)
    by_name = {picture.name: picture for picture in pictures}
    importance = element("div", figure(by_name.pop("columns")), style="max-width:760px")
    return page(
        f"{label_of(setup)} from joined tables",
        findings_section(findings(setup, ablation), cautions(setup, ablation)),
        section(
            "Contribution of each source",
            _ablation(ablation),
            figures([*by_name.values()]),
            element("h3", "Confusion matrix of the network, all seeds"),
            _confusion(setup, ablation),
        ),
        section("Important columns", _stability(columns), importance, _columns(columns)),
        section("Patients", _patients(setup)),
        section("Methods", small_print([text.format(settings=settings) for text in _METHODS])),
    )


def _ablation(ablation: Ablation) -> Markup:
    names = list(ablation.models[0].measures)
    less = {each.name: format_estimate(each.value) for each in ablation.differences}
    rows: list[tuple[Child, ...]] = [
        (
            model.name,
            *(format_estimate(model.measures[n]) if n in model.measures else "" for n in names),
            less.get(model.name, ""),
        )
        for model in ablation.models
    ]
    return table(rows, header=("", *names, f"{ablation.measure}: the network less this"))


def _confusion(setup: Setup, ablation: Ablation) -> Markup:
    names = [one_line(name, most=40) for name in setup.classes]
    rows = [
        (f"true {name}", *map(str, counts))
        for name, counts in zip(names, ablation.confusion.tolist(), strict=True)
    ]
    return table(rows, header=("", *(f"predicted {name}" for name in names)))


def _stability(columns: Importance) -> Markup | None:
    if columns.shared is None:
        return None
    return element(
        "p",
        f"The {TOP} most important columns of two trainings share {columns.shared:.1f} on average, "
        f"over {columns.trainings} trainings.",
    )


def _columns(columns: Importance) -> Markup:
    rows: list[tuple[Child, ...]] = [
        (
            one_line(column.name, most=80),
            one_line(column.source, most=40),
            format_percent(column.selected),
            f"{column.rank:.1f}",
            format_interval(column.importance, column.low, column.high),
            f"{column.effect:+.3f}",
        )
        for column in columns.columns[:_ROWS]
    ]
    header = (
        "Column",
        "Source",
        "Selected in",
        "Mean rank",
        "Attribution to the log odds",
        "Effect of one SD",
    )
    return table(rows, header=header)


def _patients(setup: Setup) -> Markup:
    rows: list[tuple[Child, ...]] = []
    for source in setup.sources:
        known = int((~np.isnan(source.values)).any(axis=1).sum())
        text = f"{len(source.columns)} columns of {known} patients; {source.scale}"
        rows.append((f"Source '{one_line(source.name, most=40)}'", text))
    test = {setup.index[name] for name in setup.splits[0, 0].test}
    patients = set(range(len(setup.y)))
    parts = {"Training": patients - test, "Test": test}
    for name, chosen in (parts if setup.external else {"Patients": patients}).items():
        counts = np.bincount(setup.y[sorted(chosen)], minlength=len(setup.classes)).tolist()
        each = ", ".join(f"'{one_line(c)}' {n}" for c, n in zip(setup.classes, counts, strict=True))
        rows.append((name, f"{len(chosen)} patients: {each}"))
    out = [f"{count} patients: {why}" for why, count in setup.excluded.items()]
    dropped = Counter((each.source, each.why) for each in setup.dropped)
    out += [f"{count} in '{source}': {why}" for (source, why), count in dropped.items()]
    rows.append(("Left out", [element("div", line) for line in out] or "nothing"))
    options = setup.options
    outer = f"{options.folds} folds{' by site' if options.by_site else ''}"
    outer = "all of one cohort, then another" if setup.external else outer
    rows.append(("Split", f"{outer}; {options.seeds} seeds, {options.inner_folds} inner folds"))
    return table(rows)


_PLOTTED = 25


def pictures(ablation: Ablation, columns: Importance) -> list[Picture]:
    """Draw all figures.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with style():
        figures = [_models(ablation)]
        figures += [_differences(ablation)] if ablation.differences else []
        return [*figures, _column_figure(columns)]


def _models(ablation: Ablation) -> Picture:
    rows = [(model.name, model.measures[ablation.measure]) for model in ablation.models]
    return _forest(
        rows,
        "models",
        title=f"{ablation.measure[0].upper()}{ablation.measure[1:]} of each",
        axis=f"{ablation.measure} (95 % interval)",
        line=ablation.chance,
        caption="Dotted: chance. Means over seeds; intervals over patients.",
    )


def _differences(ablation: Ablation) -> Picture:
    rows = [(f"less {each.name}", each.value) for each in ablation.differences]
    return _forest(
        rows,
        "differences",
        title="The network less each other model",
        axis=f"difference of the {ablation.measure} (95 % interval)",
        line=0.0,
        caption="On the same patients. To the right of the dotted line the network does better.",
    )


def _forest(
    rows: list[tuple[str, Estimate]], name: str, *, title: str, axis: str, line: float, caption: str
) -> Picture:
    figure, axes = plot(6.4, 1.1 + 0.36 * len(rows), x=axis)
    axes.axvline(line, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    for position, (_, estimate) in enumerate(rows):
        colour = ACCENT if position == 0 and name == "models" else INK
        axes.plot((estimate.low, estimate.high), (position, position), color=colour, linewidth=1.4)
        axes.plot(estimate.value, position, "s", color=colour, markersize=5)
        axes.annotate(
            format_estimate(estimate),
            (1.01, position),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            color=colour,
        )
    axes.set_yticks(range(len(rows)), [text for text, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    listed = "; ".join(f"{text} {format_estimate(estimate)}" for text, estimate in rows)
    return picture(figure, name, title=title, alt=f"{axis}: {listed}.", caption=caption)


def _column_figure(columns: Importance) -> Picture:
    top = columns.columns[:_PLOTTED]
    figure, axes = plot(
        6.4, 1.1 + 0.22 * len(top), x="mean attribution to the log odds (95 % of the trainings)"
    )
    for position, column in enumerate(top):
        colour = ACCENT if column.effect > 0 else BROWN
        axes.plot((column.low, column.high), (position, position), color=colour, linewidth=1.2)
        axes.plot(column.importance, position, "o", color=colour, markersize=4)
    names = [
        f"{one_line(column.name, most=40)} ({format_percent(column.selected)})" for column in top
    ]
    axes.set_yticks(range(len(top)), names, fontsize=8)
    axes.set_ylim(len(top) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    return picture(
        figure,
        "columns",
        title="Columns that the network uses",
        alt="The most important columns: " + ", ".join(names) + ".",
        caption="Integrated gradients on test patients. Blue: high values favour the positive "
        "class; brown: the other. In brackets: fraction of the trainings that selected the column.",
    )
