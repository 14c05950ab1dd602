"""The figure and the files of a comparison of training runs."""

from __future__ import annotations

import os
from itertools import cycle

import numpy as np

from ...evaluation.classifier.compare import Comparison
from ...evaluation.classifier.table import shown
from ...files import whole_folder, write_json
from ..figure_style import (
    ACCENT,
    AMBER,
    BROWN,
    INK,
    SOFT,
    Picture,
    canvas,
    picture,
    style,
    write_labels,
)

_COLOURS = ((ACCENT, ACCENT), (AMBER, BROWN), (SOFT, SOFT), (INK, INK))  # of line and label


def write_comparison(comparison: Comparison, folder: str | os.PathLike[str]) -> None:
    """Write `comparison.json` and `comparison.png` and `.svg` into a folder.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with style():
        drawn = _picture(comparison)
    with whole_folder(folder, last="comparison.json") as temporary:
        (temporary / "comparison.png").write_bytes(drawn.png)
        (temporary / "comparison.svg").write_bytes(drawn.svg)
        write_json(temporary / "comparison.json", comparison.to_dict())


def _picture(comparison: Comparison) -> Picture:
    """AUC of each run by number of training patients, with intervals."""
    figure = canvas(5.4, 3.8)
    axes = figure.add_subplot()
    ticks = [str(point.patients or "all") for point in comparison.points]
    middle = (len(comparison.names) - 1) / 2
    labels = []
    for number, (name, colours) in enumerate(zip(comparison.names, cycle(_COLOURS), strict=False)):
        found = [point.aucs[number] for point in comparison.points]
        places = np.arange(len(found)) + 0.08 * (number - middle)
        axes.vlines(
            places, [one.low for one in found], [one.high for one in found], colours[0], lw=1.4
        )
        axes.plot(places, [one.value for one in found], "o-", color=colours[0], markersize=4.5)
        labels.append((shown(name, 40), colours[1]))
    axes.axhline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (1, 2)))
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.07 * len(labels) * (high - low), high)  # room for the labels
    axes.set_xlim(-0.5, len(ticks) - 0.5)
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_xlabel("Training patients")
    axes.set_ylabel("AUC on held-out patients (95 % interval)")
    write_labels(axes, labels, at=(0.985, 0.02))
    told = "; ".join(comparison.sentences())
    return picture(figure, "comparison", title="Comparison", alt=told, caption="")
