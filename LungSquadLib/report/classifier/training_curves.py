"""How the trainings of a run went, epoch by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...files import whole_file
from ...training.classifier.fitting import LOG, read_rows
from ...training.classifier.run import FITS
from ..figure_style import ACCENT, AMBER, BROWN, SOFT, Picture, canvas, picture, style, write_labels

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
    """Whether it is the log of a training whose answers count, and not of a control."""
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
    for one in axes:
        one.set_xlabel("Epoch")
        one.locator_params(axis="x", integer=True)
        one.set_xlim(left=0)
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
