"""The figures of a page of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.classifier.table import shown
from ...evaluation.clusters.results import Gene, Groups, GroupSurvival
from ...statistics.text import decimal, p_value
from ...training.autoencoder.grouping import Stability
from ...training.autoencoder.task import ALIVE
from ..figure_style import (
    ACCENT,
    AMBER,
    BROWN,
    INK,
    PALE,
    SOFT,
    Picture,
    canvas,
    picture,
    style,
    write_labels,
)
from .latent import COLOURS, latent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CURVES = {
    "error": "Squared error of a column",
    "divergence": "Divergence, nats",
    "bound": "Negative evidence lower bound, nats",
}


def pictures(found: Groups) -> dict[str, list[Picture]]:
    """All figures that what was found allows, by the section that they belong to.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with style():
        drawn = {"Training": [_curves(found)], "Latent space": [_units(found)]}
        if found.groupings:
            drawn["Latent space"] = [*latent(found), _units(found)]
        if found.stability is not None:
            drawn["Groups"] = [_stability(found.stability)]
        if found.survival is not None:
            drawn["Groups"].append(_survival(found.survival, found.names))
        if found.genes:
            drawn["Genes"] = [_genes(found)]
    return drawn


def _curves(found: Groups) -> Picture:
    figure = canvas(9.6, 3.2)
    parts = (("", AMBER), ("validation ", SOFT), ("test ", ACCENT))
    for axes, (name, label) in zip(figure.subplots(1, 3), _CURVES.items(), strict=True):
        for one in found.run.seeds:
            own = one is found.run.trained
            for prefix, colour in parts:
                values = [row[prefix + name] for row in one.history]
                width, alpha = (1.6, 0.95) if own else (0.8, 0.25)
                epochs = range(1, len(values) + 1)
                axes.plot(epochs, values, color=colour, linewidth=width, alpha=alpha)
                if own:
                    axes.plot(one.kept + 1, values[one.kept], "o", color=colour, markersize=4)
        axes.set_xlabel("Epoch")
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        if name == "divergence":
            labels = [("training", BROWN), ("validation", SOFT), ("test", ACCENT)]
            write_labels(axes, labels, at=(0.98, 0.03))
    row = found.run.trained.history[found.run.trained.kept]
    return picture(
        figure,
        "curves",
        title="Training and test",
        alt=f"Training curves. Squared error {decimal(row['error'])} in training, "
        f"{decimal(row['test error'])} in the test; divergence {row['divergence']:.1f} and "
        f"{row['test divergence']:.1f} nats.",
        caption="Bold: the model's seed, points: the epoch that was kept, by the validation "
        "patients; faint: other seeds. The bound is the two others' sum. In training the network "
        "changes while it is measured, and the divergence's weight rises over the first epochs.",
    )


def _units(found: Groups) -> Picture:
    trained = found.run.trained
    threshold = found.run.options.recipe.free_bits + ALIVE
    values = np.sort(trained.divergences)[::-1]
    figure = canvas(4.6, 3.9)
    axes = figure.add_subplot()
    colours = [ACCENT if value > threshold else PALE for value in values]
    axes.bar(range(1, len(values) + 1), values, color=colours)
    axes.axhline(threshold, color=BROWN, linewidth=1, linestyle=(0, (3, 2)))
    axes.set_xlabel("Units of the latent space, the most telling first")
    axes.set_ylabel("Divergence, nats")
    axes.locator_params(axis="x", integer=True)
    active = int(trained.active.sum())
    return picture(
        figure,
        "units",
        title="What each unit says",
        alt=f"{active} of {len(values)} units say more than {threshold:.2f} nats of a patient.",
        caption=f"Divergence of the training patients from one that nothing is known of. "
        f"{active} of {len(values)} units are above the dashed line ({threshold:.2f} nats: the "
        "free bits and a little more); those below have collapsed.",
    )


def _stability(found: Stability) -> Picture:
    figure = canvas(4.6, 3.4)
    axes = figure.add_subplot()
    low, high = found.clouds.min(0), found.clouds.max(0)
    axes.fill_between(found.counts, low, high, color=AMBER, alpha=0.25, linewidth=0)
    axes.plot(found.counts, found.clouds.mean(0), color=AMBER, linewidth=1.4)
    axes.plot(found.counts, found.values, "o-", color=ACCENT, markersize=4)
    axes.set_xlabel("Groups")
    axes.set_ylabel("Mean ARI between halves")
    axes.set_ylim(0, 1.02)
    axes.locator_params(axis="x", integer=True)
    labels = [("patients", ACCENT), ("clouds without groups", BROWN)]
    write_labels(axes, labels, at=(0.98, 0.84))
    return picture(
        figure,
        "stability",
        title="How many groups?",
        alt=f"Stability by number of groups; {found.best} groups are farthest above clouds "
        f"without groups, {p_value(found.p)}.",
        caption="Groupings of random halves of the training patients, held against each "
        f"other; band: {len(found.clouds)} clouds without groups, of the same mean and "
        f"covariance. Farthest above them: {found.best} groups, {p_value(found.p)} over all "
        "numbers.",
    )


def _survival(found: GroupSurvival, names: tuple[str, ...]) -> Picture:
    figure = canvas(6.4, 3.8)
    axes = figure.add_subplot()
    last = max(float(curve.time[-1]) for curve in found.curves.values())
    labels = []
    for group, curve in found.curves.items():
        colour = COLOURS[group % len(COLOURS)]
        axes.step(curve.time, curve.survival, color=colour, where="post")
        n, events = int(curve.at_risk[0]), int(curve.events.sum())
        labels.append((f"{names[group]}: {n} patients, {events} deaths", colour))
    axes.set(xlim=(0, last), ylim=(0, 1.02))
    axes.set_xlabel("Days")
    axes.set_ylabel("Share alive")
    test = f"log-rank {p_value(found.log_rank.p)}"
    write_labels(axes, [*labels, (test, INK)], at=(0.015, 0.03), right=False)
    return picture(
        figure,
        "survival",
        title="Survival by group",
        alt=f"Kaplan-Meier curves of {len(found.curves)} groups, {test}.",
        caption="Kaplan-Meier curves; the test is of all groups together.",
    )


def _genes(found: Groups) -> Picture:
    groups = sorted({gene.group for gene in found.genes})
    figure = canvas(min(2.4 * len(groups) + 0.6, 12.0), 3.2)
    for axes, group in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        _bars(axes, [gene for gene in found.genes if gene.group == group])
        axes.set_title(found.names[group], fontsize=9, color=COLOURS[group % len(COLOURS)])
    figure.supxlabel("Difference from all others, standard deviations", fontsize=9)
    return picture(
        figure,
        "genes",
        title="What differs most in each group",
        alt="; ".join(
            f"{found.names[group]}: "
            + ", ".join(gene.name for gene in found.genes if gene.group == group)
            for group in groups
        ),
        caption="Means of a group less those of everybody else. The darker, the more often it is "
        "among the group's first ten again when patients are drawn anew. The groups were made of "
        "these numbers, so that they differ is no finding.",
    )


def _bars(axes: Axes, genes: list[Gene]) -> None:
    places = np.arange(len(genes))[::-1]
    for place, gene in zip(places, genes, strict=True):
        colour = ACCENT if gene.difference > 0 else BROWN
        axes.barh(place, gene.difference, color=colour, alpha=0.15 + 0.85 * gene.found)
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.set_yticks(places, [shown(gene.name, 14) for gene in genes], fontsize=7.5)
    axes.tick_params(axis="x", labelsize=7.5)
    axes.grid(visible=False, axis="y")
