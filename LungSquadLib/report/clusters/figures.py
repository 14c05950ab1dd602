"""The figures of a page of clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.classifier.table import format_name
from ...evaluation.clusters.analyse import FIRST, follow_up, latent_planes
from ...evaluation.clusters.findings import named
from ...evaluation.clusters.results import ClusterAnalysis, ClusterSurvival, Gene
from ...statistics.text import format_number, format_p
from ...training.autoencoder.grouping import Stability
from ...training.autoencoder.task import ALIVE
from ..figure_style import (
    ACCENT,
    AMBER,
    BROWN,
    INK,
    LINE,
    PALE,
    SOFT,
    Picture,
    canvas,
    picture,
    plot,
    style,
    write_labels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CURVES = {
    "error": "Squared error of a column",
    "divergence": "Divergence, nats",
    "bound": "Negative evidence lower bound, nats",
}


def pictures(analysis: ClusterAnalysis) -> dict[str, list[Picture]]:
    """Draw all figures, by the section of the page.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with style():
        figures = {"Training": [_curves(analysis)], "Latent space": [_units(analysis)]}
        if analysis.clusterings:
            figures["Latent space"] = [*latent(analysis), _units(analysis)]
        if analysis.stability is not None:
            figures["Groups"] = [_stability(analysis.stability)]
        if analysis.survival is not None:
            figures["Groups"].append(_survival(analysis.survival, analysis.names))
        if analysis.genes:
            figures["Columns"] = [_genes(analysis)]
    return figures


def _curves(analysis: ClusterAnalysis) -> Picture:
    figure = canvas(9.6, 3.2)
    parts = (("", AMBER), ("validation ", SOFT), ("test ", ACCENT))
    for axes, (name, label) in zip(figure.subplots(1, 3), _CURVES.items(), strict=True):
        for trained in analysis.run.seeds:
            is_model = trained is analysis.run.trained
            for prefix, colour in parts:
                values = [row[prefix + name] for row in trained.history]
                width, alpha = (1.6, 0.95) if is_model else (0.8, 0.25)
                epochs = range(1, len(values) + 1)
                axes.plot(epochs, values, color=colour, linewidth=width, alpha=alpha)
                if is_model:
                    axes.plot(
                        trained.best_epoch + 1,
                        values[trained.best_epoch],
                        "o",
                        color=colour,
                        markersize=4,
                    )
        axes.set_xlabel("Epoch")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        if name == "divergence":
            labels = [("training", BROWN), ("validation", SOFT), ("test", ACCENT)]
            write_labels(axes, labels, at=(0.98, 0.03))
    row = analysis.run.trained.history[analysis.run.trained.best_epoch]
    return picture(
        figure,
        "curves",
        title="Training and test",
        alt=f"Training curves. Squared error {format_number(row['error'])} in training, "
        f"{format_number(row['test error'])} in the test; divergence {row['divergence']:.1f} and "
        f"{row['test divergence']:.1f} nats.",
        caption="Bold: the model's seed, points: the epoch that was kept, by the validation "
        "patients; faint: other seeds. The bound is the two others' sum. In training the network "
        "changes while it is measured, and the divergence's weight rises over the first epochs.",
    )


def _units(analysis: ClusterAnalysis) -> Picture:
    trained = analysis.run.trained
    threshold = analysis.run.options.free_bits + ALIVE
    values = np.sort(trained.divergences)[::-1]
    figure, axes = plot(
        4.6, 3.9, x="Units of the latent space, the most informative first", y="Divergence, nats"
    )
    colours = [ACCENT if value > threshold else PALE for value in values]
    axes.bar(range(1, len(values) + 1), values, color=colours)
    axes.axhline(threshold, color=BROWN, linewidth=1, linestyle=(0, (3, 2)))
    axes.locator_params(axis="x", integer=True)
    active = int(trained.active.sum())
    return picture(
        figure,
        "units",
        title="Information of each unit",
        alt=f"{active} of {len(values)} units have a divergence above {threshold:.2f} nats.",
        caption=f"Divergence of the training patients from the prior. "
        f"{active} of {len(values)} units are above the dashed line ({threshold:.2f} nats: the "
        "free bits and a little more); those below have collapsed.",
    )


def _stability(stability: Stability) -> Picture:
    figure, axes = plot(4.6, 3.4, x="Groups", y="Mean ARI between halves")
    low, high = stability.clouds.min(0), stability.clouds.max(0)
    axes.fill_between(stability.counts, low, high, color=AMBER, alpha=0.25, linewidth=0)
    axes.plot(stability.counts, stability.clouds.mean(0), color=AMBER, linewidth=1.4)
    axes.plot(stability.counts, stability.values, "o-", color=ACCENT, markersize=4)
    axes.set_ylim(0, 1.02)
    axes.locator_params(axis="x", integer=True)
    labels = [("patients", ACCENT), ("clouds without groups", BROWN)]
    write_labels(axes, labels, at=(0.98, 0.84))
    return picture(
        figure,
        "stability",
        title="How many groups?",
        alt=f"Stability by number of groups; {stability.best} groups are farthest above clouds "
        f"without groups, {format_p(stability.p)}.",
        caption="Groupings of random halves of the training patients, held against each "
        f"other; band: {len(stability.clouds)} clouds without groups, of the same mean and "
        f"covariance. Farthest above them: {stability.best} groups, {format_p(stability.p)} over "
        "all numbers.",
    )


def _survival(survival: ClusterSurvival, names: tuple[str, ...]) -> Picture:
    figure, axes = plot(6.4, 3.8, x="Days", y="Share alive")
    last = max(float(curve.time[-1]) for curve in survival.curves.values())
    labels = []
    for group, curve in survival.curves.items():
        colour = COLOURS[group % len(COLOURS)]
        axes.step(curve.time, curve.survival, color=colour, where="post")
        n, events = int(curve.at_risk[0]), int(curve.events.sum())
        labels.append((f"{names[group]}: {n} patients, {events} deaths", colour))
    axes.set(xlim=(0, last), ylim=(0, 1.02))
    test = f"log-rank {format_p(survival.log_rank.p)}"
    write_labels(axes, [*labels, (test, INK)], at=(0.015, 0.03), right=False)
    return picture(
        figure,
        "survival",
        title="Survival by group",
        alt=f"Kaplan-Meier curves of {len(survival.curves)} groups, {test}.",
        caption="Kaplan-Meier curves; the test is of all groups together.",
    )


def _genes(analysis: ClusterAnalysis) -> Picture:
    groups = sorted({gene.group for gene in analysis.genes})
    figure = canvas(min(2.4 * len(groups) + 0.6, 12.0), 3.2)
    for axes, group in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        _bars(axes, [gene for gene in analysis.genes if gene.group == group])
        axes.set_title(analysis.names[group], fontsize=9, color=COLOURS[group % len(COLOURS)])
    figure.supxlabel("Difference from all others, standard deviations", fontsize=9)
    return picture(
        figure,
        "genes",
        title="What differs most in each group",
        alt="; ".join(
            f"{analysis.names[group]}: "
            + ", ".join(gene.name for gene in analysis.genes if gene.group == group)
            for group in groups
        ),
        caption="Means of a group less those of the rest. The darker, the more often it is "
        "among the group's first ten again when patients are drawn anew. The groups were made of "
        "these numbers, so that they differ is no finding.",
    )


def _bars(axes: Axes, genes: list[Gene]) -> None:
    positions = np.arange(len(genes))[::-1]
    for position, gene in zip(positions, genes, strict=True):
        colour = ACCENT if gene.difference > 0 else BROWN
        axes.barh(position, gene.difference, color=colour, alpha=0.15 + 0.85 * gene.recurrence)
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.set_yticks(positions, [format_name(gene.name, 14) for gene in genes], fontsize=7.5)
    axes.tick_params(axis="x", labelsize=7.5)
    axes.grid(visible=False, axis="y")


# Told apart by lightness and, in the plane, by their marks too.
COLOURS = (ACCENT, AMBER, "#3d8b5f", "#a51d2d", "#7a5ba8", BROWN, "#4fb0c6", "#d97fa6", SOFT)
_MARKS = "os^DvP*Xd"


def latent(analysis: ClusterAnalysis) -> list[Picture]:
    """Draw the latent space coloured by group, T stage, histology, sex, site and survival."""
    planes = latent_planes(analysis.run)
    groups = analysis.clusterings[0].groups
    named_groups = [analysis.names[group] for group in groups]
    figures = [_coloured(planes, "group", named_groups, analysis.names)]
    figures += [
        _coloured(planes, annotation.name, annotation.values, annotation.categories)
        for annotation in analysis.annotations
        if annotation.name in FIRST
    ]
    time, event = follow_up(analysis.run.table.facts)
    if not np.isnan(time).all():
        figures.append(_by_survival(planes, time, event))
    return figures


def _coloured(
    planes: Mapping[str, np.ndarray], name: str, values: Sequence[str], categories: Sequence[str]
) -> Picture:
    figure = canvas(4.6 * len(planes), 3.9)
    each = np.array(values, object)
    for axes, (label, positions) in zip(_axes(figure, len(planes)), planes.items(), strict=True):
        _pale(axes, positions[each == ""])
        for number, kind in enumerate(categories):
            chosen = positions[each == kind]
            axes.scatter(
                chosen[:, 0],
                chosen[:, 1],
                s=20,
                color=COLOURS[number % len(COLOURS)],
                marker=_MARKS[number % len(_MARKS)],
                linewidths=0.4,
                edgecolors="white",
                label=f"{format_name(kind, 24)} ({int((each == kind).sum())})",
            )
        _bare(axes, label)
    _legend(figure, axes, columns=4)
    label_ = named(name)
    return picture(
        figure,
        f"latent-{name}",
        title=f"By {label_}",
        alt=f"Places of {len(each)} patients in the latent space, coloured by {label_}.",
        caption=f"A point a patient{'; pale: not known' if (each == '').any() else ''}.",
    )


def _by_survival(planes: Mapping[str, np.ndarray], time: np.ndarray, event: np.ndarray) -> Picture:
    figure = canvas(4.6 * len(planes), 3.9)
    for axes, (label, positions) in zip(_axes(figure, len(planes)), planes.items(), strict=True):
        _pale(axes, positions[np.isnan(time)])
        for died, mark, word in ((1, "o", "died"), (0, "^", "alive when last seen")):
            chosen = event == died
            shades = axes.scatter(
                positions[chosen, 0],
                positions[chosen, 1],
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
    """Draw one legend for all planes, which have the same marks."""
    marks = axes.get_legend_handles_labels()
    figure.legend(*marks, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5)


def _pale(axes: Axes, positions: np.ndarray) -> None:
    """Draw the patients whose value is not known."""
    axes.scatter(positions[:, 0], positions[:, 1], s=12, color=LINE)


def _bare(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
