"""The figures of a training of the integration network."""

from __future__ import annotations

from ...errors import one_line
from ...evaluation.integration.importance import Importance
from ...evaluation.integration.results import Ablation
from ...statistics.intervals import Measure
from ...statistics.text import percent, with_interval
from ..figure_style import ACCENT, BROWN, INK, SOFT, Picture, canvas, picture, style

SHOWN = 25


def pictures(found: Ablation, columns: Importance) -> list[Picture]:
    """All figures.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with style():
        drawn = [_arms(found)]
        drawn += [_differences(found)] if found.differences else []
        return [*drawn, _columns(columns)]


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
    rows: list[tuple[str, Measure]], name: str, *, title: str, axis: str, line: float, caption: str
) -> Picture:
    figure = canvas(6.4, 1.1 + 0.36 * len(rows))
    axes = figure.add_subplot()
    axes.axvline(line, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    for place, (_, one) in enumerate(rows):
        colour = ACCENT if place == 0 and name == "arms" else INK
        axes.plot((one.low, one.high), (place, place), color=colour, linewidth=1.4)
        axes.plot(one.value, place, "s", color=colour, markersize=5)
        axes.annotate(
            with_interval(one),
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
    told = "; ".join(f"{text} {with_interval(one)}" for text, one in rows)
    return picture(figure, name, title=title, alt=f"{axis}: {told}.", caption=caption)


def _columns(columns: Importance) -> Picture:
    top = columns.columns[:SHOWN]
    figure = canvas(6.4, 1.1 + 0.22 * len(top))
    axes = figure.add_subplot()
    for place, one in enumerate(top):
        colour = ACCENT if one.effect > 0 else BROWN
        axes.plot((one.low, one.high), (place, place), color=colour, linewidth=1.2)
        axes.plot(one.importance, place, "o", color=colour, markersize=4)
    names = [f"{one_line(one.name, most=40)} ({percent(one.selected)})" for one in top]
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
