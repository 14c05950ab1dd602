"""How the trainings of a run went, epoch by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...files import whole_file
from ...training.fitting import LOG, read_rows
from ...training.run import FITS
from .pictures import ACCENT, AMBER, SOFT, Picture, canvas, picture, style

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
        epochs = [int(row["epoch"]) for row in log]
        losses = [float(row["validation loss"]) for row in log]
        best = losses.index(min(losses))
        _line(axes[0], epochs, [float(row["loss"]) for row in log], AMBER)
        _line(axes[0], epochs, losses, ACCENT)
        axes[0].plot(epochs[best], losses[best], "o", color=ACCENT, markersize=4)
        if scored:
            aucs = [float(row["validation AUC"]) for row in log]
            _line(axes[1], epochs, aucs, ACCENT)
            axes[1].plot(epochs[best], aucs[best], "o", color=ACCENT, markersize=4)
    axes[0].set_ylabel("Cross-entropy, classes weighted")
    axes[0].set_ylim(bottom=0)
    for text, colour, x in (("training", AMBER, 0.80), ("validation", ACCENT, 0.98)):
        axes[0].annotate(
            text, (x, 0.96), xycoords="axes fraction", color=colour, ha="right", va="top"
        )
    if scored:
        axes[1].set_ylabel("AUC on validation")
        axes[1].axhline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
        axes[1].set_ylim(top=1.02)
    for one in axes:
        one.set_xlabel("Epoch")
        one.locator_params(axis="x", integer=True)
    return picture(figure, "curves", title="Training", alt="", caption="")


def _line(axes: Axes, epochs: list[int], values: list[float], colour: str) -> None:
    axes.plot(epochs, values, color=colour, linewidth=1, alpha=0.55)
