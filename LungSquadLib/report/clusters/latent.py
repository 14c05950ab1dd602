"""The latent space in two dimensions, coloured by the groups and by what is known of patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.classifier.table import shown
from ...evaluation.clusters.facts import FIRST, follow_up
from ...evaluation.clusters.results import Groups
from ...evaluation.clusters.sentences import named
from ..figure_style import ACCENT, AMBER, BROWN, LINE, SOFT, Picture, canvas, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart by lightness and, in the plane, by their marks too.
COLOURS = (ACCENT, AMBER, "#3d8b5f", "#a51d2d", "#7a5ba8", BROWN, "#4fb0c6", "#d97fa6", SOFT)
_MARKS = "os^DvP*Xd"


def latent(found: Groups) -> list[Picture]:
    """By group, T stage, histology, sex, site and survival, as far as they are known."""
    planes = _planes(found)
    groups = found.groupings[0].groups
    named_groups = [found.names[group] for group in groups]
    drawn = [_coloured(planes, "group", named_groups, found.names)]
    drawn += [
        _coloured(planes, fact.name, fact.values, fact.kinds)
        for fact in found.facts
        if fact.name in FIRST
    ]
    time, event = follow_up(found.run.table.facts)
    if not np.isnan(time).all():
        drawn.append(_by_survival(planes, time, event))
    return drawn


def _planes(found: Groups) -> dict[str, np.ndarray]:
    """Places (N, 2) by what they are called; UMAP's where it is installed."""
    space, train = found.run.trained.space, found.run.table.train
    mean = space[train].mean(0)
    _, sizes, axes = np.linalg.svd(space[train] - mean, full_matrices=False)
    share = sizes**2 / (sizes**2).sum()
    flat = np.zeros((len(space), 2))
    flat[:, : len(axes[:2])] = (space - mean) @ axes[:2].T
    planes = {f"PCA of the latent space, {share[:2].sum():.0%} of its variance": flat}
    try:
        from umap import UMAP
    except ImportError:
        return planes
    return planes | {"UMAP of the latent space": UMAP(random_state=0).fit_transform(space)}


def _coloured(
    planes: Mapping[str, np.ndarray], name: str, values: Sequence[str], kinds: Sequence[str]
) -> Picture:
    figure = canvas(4.6 * len(planes), 3.9)
    each = np.array(values, object)
    for axes, (label, places) in zip(_axes(figure, len(planes)), planes.items(), strict=True):
        _pale(axes, places[each == ""])
        for number, kind in enumerate(kinds):
            chosen = places[each == kind]
            axes.scatter(
                chosen[:, 0],
                chosen[:, 1],
                s=20,
                color=COLOURS[number % len(COLOURS)],
                marker=_MARKS[number % len(_MARKS)],
                linewidths=0.4,
                edgecolors="white",
                label=f"{shown(kind, 24)} ({int((each == kind).sum())})",
            )
        _bare(axes, label)
    _legend(figure, axes, columns=4)
    said = named(name)
    return picture(
        figure,
        f"latent-{name}",
        title=f"By {said}",
        alt=f"Places of {len(each)} patients in the latent space, coloured by {said}.",
        caption=f"A point a patient{'; pale: not known' if (each == '').any() else ''}.",
    )


def _by_survival(planes: Mapping[str, np.ndarray], time: np.ndarray, event: np.ndarray) -> Picture:
    figure = canvas(4.6 * len(planes), 3.9)
    for axes, (label, places) in zip(_axes(figure, len(planes)), planes.items(), strict=True):
        _pale(axes, places[np.isnan(time)])
        for died, mark, word in ((1, "o", "died"), (0, "^", "alive when last seen")):
            chosen = event == died
            shades = axes.scatter(
                places[chosen, 0],
                places[chosen, 1],
                s=20,
                c=time[chosen],
                cmap="viridis",
                vmin=0,
                vmax=np.nanmax(time),
                marker=mark,
                label=f"{word} ({int(chosen.sum())})",
            )
        _bare(axes, label)
        figure.colorbar(shades, ax=axes, label="Days", shrink=0.8)
    _legend(figure, axes, columns=2)
    return picture(
        figure,
        "latent-survival",
        title="By survival",
        alt=f"Places of {int((~np.isnan(time)).sum())} patients, coloured by days of follow-up.",
        caption="Days to death, or to when a patient was last seen alive; pale: not known.",
    )


def _axes(figure: Figure, count: int) -> Sequence[Axes]:
    axes: Sequence[Axes] = figure.subplots(1, count, squeeze=False)[0]
    return axes


def _legend(figure: Figure, axes: Axes, *, columns: int) -> None:
    """One for all planes, which have the same marks."""
    marks = axes.get_legend_handles_labels()
    figure.legend(*marks, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5)


def _pale(axes: Axes, places: np.ndarray) -> None:
    """Patients of whom nothing is known."""
    axes.scatter(places[:, 0], places[:, 1], s=12, color=LINE)


def _bare(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
