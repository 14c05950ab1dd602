"""Figures of a training run's controls: would more patients help, and is it more than luck."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...statistics.intervals import Measure
from ...statistics.text import decimal
from ..figure_style import ACCENT, PALE, SOFT, Picture, canvas, picture


def learning_curve(rows: Sequence[tuple[int, int, float]]) -> Picture:
    """AUC by number of training patients; a row (patients, seed, AUC) for each run."""
    sizes = sorted({n for n, _, _ in rows})
    runs = [np.array([auc for n, _, auc in rows if n == size]) for size in sizes]
    mean = [float(run.mean()) for run in runs]
    figure = canvas(4.6, 3.4)
    axes = figure.add_subplot()
    axes.axhline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.fill_between(sizes, [r.min() for r in runs], [r.max() for r in runs], color=PALE, lw=0)
    axes.plot(sizes, mean, color=ACCENT)
    axes.plot([n for n, _, _ in rows], [auc for _, _, auc in rows], "o", color=ACCENT, markersize=3)
    axes.set_xlabel("Training patients")
    axes.set_ylabel("AUC")
    seeds = len({seed for _, seed, _ in rows})
    return picture(
        figure,
        "learning-curve",
        title="Learning curve",
        alt=f"Mean AUC {decimal(mean[0])} with {sizes[0]} training patients, {decimal(mean[-1])} "
        f"with {sizes[-1]}.",
        caption=f"Points: runs of {seeds} seeds; line: their mean; band: lowest to highest; "
        "dotted: chance.",
    )


def shuffled_labels(shuffled: Sequence[float], observed: Measure) -> Picture:
    """AUCs of runs whose training labels were shuffled, beside the one that was observed."""
    figure = canvas(4.6, 2.4)
    axes = figure.add_subplot()
    interval = (observed.low, observed.high)
    axes.plot(interval, (0, 0), color=PALE, linewidth=9, solid_capstyle="butt")
    axes.plot(observed.value, 0, "o", color=ACCENT)
    axes.plot(shuffled, np.ones(len(shuffled)), "o", color=SOFT, markersize=5, alpha=0.6)
    axes.axvline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set_xlabel("AUC")
    axes.set_yticks((0, 1), ("true labels", "shuffled labels"))
    axes.set_ylim(-0.6, 1.6)
    axes.grid(visible=False, axis="y")
    return picture(
        figure,
        "shuffled-labels",
        title="Shuffled-label control",
        alt=f"AUC {decimal(observed.value)} with true labels; with shuffled ones "
        f"{decimal(min(shuffled))} to {decimal(max(shuffled))}.",
        caption="With shuffled labels there is nothing to learn: those runs must lie round 0.5 "
        "(dotted).",
    )
