"""Figures of training runs: learning curves by epoch, and the comparison of runs."""

from __future__ import annotations

import os
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.classifier.compare import Comparison
from ...evaluation.classifier.table import format_name
from ...files import whole_file, whole_folder, write_json
from ...training.experiment import FITS, LOG, read_rows
from ..figure_style import (
    ACCENT,
    AMBER,
    BROWN,
    INK,
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

FILE = "curves.png"


def write_training_curves(folder: Path) -> Path:
    """Draw the losses and AUCs of a finished run's trainings into `curves.png`.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    logs = [read_rows(path) for path in sorted((folder / FITS).glob(f"*/{LOG}")) if _main(path)]
    with style(), whole_file(folder / FILE) as temporary:
        temporary.write_bytes(_picture(logs).png)
    return folder / FILE


def _main(log: Path) -> bool:
    """Whether it is the log of a main training, not of a control."""
    return log.parent.name == "final" or log.parent.name.count("-") == 1


def _picture(logs: list[list[dict[str, str]]]) -> Picture:
    scored = all("validation AUC" in log[0] for log in logs)
    figure = canvas(8.6 if scored else 4.6, 3.6)
    axes = figure.subplots(1, 2 if scored else 1, squeeze=False)[0]
    for log in logs:
        losses = _column(log, "validation loss")
        best = losses.index(min(losses))
        _draw(axes[0], _column(log, "loss"), AMBER, among=len(logs))
        _draw(axes[0], losses, ACCENT, among=len(logs), kept=best)
        if scored:
            _draw(axes[1], _column(log, "validation AUC"), ACCENT, among=len(logs), kept=best)
    axes[0].set_ylabel("Cross-entropy, classes weighted")
    axes[0].set_ylim(bottom=0)
    labels = [("training", BROWN), ("validation", ACCENT), ("points: the epochs kept", SOFT)]
    write_labels(axes[0], labels, at=(0.025, 0.02), right=False)  # losses begin far above
    if scored:
        axes[1].set_ylabel("AUC on validation")
        axes[1].axhline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        axes[1].set_ylim(top=1.02)
    for axis in axes:
        axis.set_xlabel("Epoch")
        axis.locator_params(axis="x", integer=True)
        axis.set_xlim(left=0)
    return picture(figure, "curves", title="Training", alt="", caption="")


def _column(log: list[dict[str, str]], name: str) -> list[float]:
    return [float(row[name]) for row in log]


def _draw(
    axes: Axes, values: list[float], colour: str, *, among: int, kept: int | None = None
) -> None:
    """A training's values by epoch, faint among many, and a point at the epoch that was kept."""
    epochs = range(1, len(values) + 1)
    axes.plot(epochs, values, color=colour, linewidth=1.2, alpha=0.9 if among == 1 else 0.35)
    if kept is not None:
        axes.plot(kept + 1, values[kept], "o", color=colour, markersize=4, markeredgecolor="white")


_COLOURS = ((ACCENT, ACCENT), (AMBER, BROWN), (SOFT, SOFT), (INK, INK))  # of line and label


def write_comparison(comparison: Comparison, folder: str | os.PathLike[str]) -> None:
    """Write `comparison.json` and `comparison.png` and `.svg` into a folder.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with style():
        drawn = _picture_of_comparison(comparison)
    with whole_folder(folder, last="comparison.json") as temporary:
        (temporary / "comparison.png").write_bytes(drawn.png)
        (temporary / "comparison.svg").write_bytes(drawn.svg)
        write_json(temporary / "comparison.json", comparison.to_dict())


def _picture_of_comparison(comparison: Comparison) -> Picture:
    """Draw the AUC of each run by number of training patients, with intervals."""
    figure, axes = plot(
        5.4, 3.8, x="Training patients", y="AUC on held-out patients (95 % interval)"
    )
    ticks = [str(point.patients or "all") for point in comparison.points]
    middle = (len(comparison.names) - 1) / 2
    labels = []
    for number, (name, colours) in enumerate(zip(comparison.names, cycle(_COLOURS), strict=False)):
        estimates = [point.aucs[number] for point in comparison.points]
        positions = np.arange(len(estimates)) + 0.08 * (number - middle)
        axes.vlines(
            positions,
            [estimate.low for estimate in estimates],
            [estimate.high for estimate in estimates],
            colours[0],
            lw=1.4,
        )
        axes.plot(
            positions,
            [estimate.value for estimate in estimates],
            "o-",
            color=colours[0],
            markersize=4.5,
        )
        labels.append((format_name(name, 40), colours[1]))
    axes.axhline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.07 * len(labels) * (high - low), high)  # room for the labels
    axes.set_xlim(-0.5, len(ticks) - 0.5)
    axes.set_xticks(range(len(ticks)), ticks)
    write_labels(axes, labels, at=(0.985, 0.02))
    text = "; ".join(comparison.sentences())
    return picture(figure, "comparison", title="Comparison", alt=text, caption="")
