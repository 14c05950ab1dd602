"""What a cohort holds: counts, and pictures of its cases and slices."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, MissingPackageError
from ..files import whole_file
from ..imaging.files.write import write_png
from ..imaging.pictures import contact_sheet, tile, windowed
from ..progress import Progress, Silent, step
from .check import check_label
from .slice_set import SliceSet
from .store import Store, StoredCase

MAX_CASES = 200
MAX_SLICES = 64
_COLUMNS = 16
_CELL_INCHES, _DOTS = 1.0, 120
_BELOW = 0.28  # of a cell: for its caption
_ORANGE = "#ffb02e"
_QUANTILES = (0, 0.25, 0.5, 0.75, 1)


def overview(store: Store, *, label: str | None = None) -> dict[str, Any]:
    """Counts of a store, for JSON.

    Args:
        store: as `open_store` gives it.
        label: the column whose values are counted, too.

    Raises:
        InputError: no case has such a column.
    """
    cases = store.cases
    volumes = [case.volume_ml for case in cases]
    described: dict[str, Any] = {
        "cases": len(cases),
        "rows": store.rows,
        "patients": len({case.patient for case in cases}),
        "preprocessing": str(store.preprocessing),
        "preprocessing_hash": store.preprocessing.hash,
        "sites": _counted(case.site for case in cases),
        "columns": sorted({name for case in cases for name in case.columns}),
        "volume_ml": [round(float(q), 3) for q in np.quantile(volumes, _QUANTILES)]
        if volumes
        else [],
        "flags": _counted(flag.code for case in cases for flag in case.flags),
    }
    if label is not None:
        check_label(store, label)
        values = [case.columns.get(label, "") for case in cases]
        described["label"] = label
        described["values"] = _counted(value for value in values if value)
        described["without_value"] = values.count("")
    return described


def write_contact_sheet(
    store: Store,
    folder: str | os.PathLike[str],
    *,
    label: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write `contact.png`: the middle axial slice of each case, its mask outlined.

    Lung window; of more than `MAX_CASES` cases, so many evenly spaced ones. Grouped by label.

    Raises:
        InputError: there is no case, or none with such a column, or a file is damaged.
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingPackageError("matplotlib", "A contact sheet", "plots") from error
    if not store.cases:
        raise InputError(f"The store '{store.folder}' has no cases, so there is nothing to draw.")
    if label is not None:
        check_label(store, label)
    selected, progress = _selected(store, label), progress or Silent()
    rows = math.ceil(len(selected) / _COLUMNS)
    figure = Figure((_COLUMNS * _CELL_INCHES, rows * (1 + _BELOW) * _CELL_INCHES), dpi=_DOTS)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for number, (case, axis) in enumerate(zip(selected, axes, strict=False)):
        step(progress, number / len(selected), f"{number} of {len(selected)} pictures")
        _draw(store, case, axis)
        caption = {"color": "white", "fontsize": 6, "ha": "center", "va": "top"}
        axis.text(0.5, -0.04, _caption(case, label), caption, transform=axis.transAxes)
    for axis in axes:
        axis.axis("off")
    bottom = _BELOW / (1 + _BELOW) / rows
    figure.subplots_adjust(0, bottom, 1, 1, wspace=0.03, hspace=_BELOW)
    path = Path(folder) / "contact.png"
    with whole_file(path) as temporary:
        figure.savefig(temporary, facecolor="black")
    return path


def write_slice_overview(slices: SliceSet, folder: Path) -> Path:
    """Write `overview.png`: the slice with most tumour of evenly chosen cases, masks outlined.

    Raises:
        InputError: a file of the set is damaged.
    """
    spec, cases = slices.slicing, slices.cases
    count = min(len(cases), MAX_SLICES)
    tiles = []
    for number in range(count):
        hu, mask = slices.content(cases[number * len(cases) // count])
        largest = int(np.count_nonzero(mask, axis=(1, 2)).argmax())
        tiles.append(tile(hu[largest], mask[largest], low=spec.hu_low, high=spec.hu_high))
    path = folder / "overview.png"
    write_png(path, contact_sheet(tiles), description="Slices of a LungSquad slice set.")
    return path


def _selected(store: Store, label: str | None) -> list[StoredCase]:
    cases = sorted(store.cases, key=lambda case: case.columns.get(label or "", ""))
    if len(cases) <= MAX_CASES:
        return cases
    return [cases[n * len(cases) // MAX_CASES] for n in range(MAX_CASES)]


def _draw(store: Store, case: StoredCase, axis: Any) -> None:
    """What networks see at most, of the slice in the middle."""
    content, size = store.content(case), store.preprocessing.size
    start = store.preprocessing.margin
    window = (start + size // 2, slice(start, start + size), slice(start, start + size))
    axis.imshow(windowed(content.hu[window]), cmap="gray", vmin=0, vmax=255)
    mask = content.mask[window]
    if mask.any():
        axis.contour(mask, levels=[0.5], colors=_ORANGE, linewidths=0.8)


def _caption(case: StoredCase, label: str | None) -> str:
    value = case.columns.get(label, "") if label else ""
    return "\n".join(text if len(text) <= 18 else text[:17] + "…" for text in (case.case, value))


def _counted(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
