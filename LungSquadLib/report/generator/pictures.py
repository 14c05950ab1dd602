"""The pictures of an audit: grids of slices with their masks outlined, and histograms."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.generator.image_set import Material
from ...evaluation.generator.results import Gallery
from ...imaging.contours import outlines
from ...imaging.features import SLICE_FEATURES
from ...imaging.files.write import png_bytes
from ...imaging.pictures import windowed
from ..figure_style import ACCENT, AMBER, BROWN, Picture, canvas, picture, style, write_labels
from ..page import Markup, element

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 2  # pixels between slices
_BINS = 24
_SHOWN = ("area_mm2", "largest_diameter_mm", "hu_mean", "hu_rim")


def grid(slices: Material, caption: str, *, window: str, columns: int) -> Markup:
    """Slices side by side, their masks outlined, in one picture."""
    grey = _tiled(windowed(slices.hu, window), columns)
    path = "".join(
        "M" + "L".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in polygon) + "Z"
        for polygon in outlines(_tiled(slices.mask, columns))
    )
    height, width = grey.shape
    image = base64.b64encode(png_bytes(grey)).decode("ascii")
    svg = element(
        "svg",
        element("image", href=f"data:image/png;base64,{image}", width=width, height=height),
        element("path", d=path, class_="outline"),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=caption,
    )
    return element("figure", svg, element("figcaption", caption))


def pairs(first: Material, second: Material) -> Material:
    """Slices that take turns: one of each."""
    both = (
        np.stack(one, 1).reshape(-1, *one[0].shape[1:])
        for one in zip(
            (first.hu, first.mask, first.patient),
            (second.hu, second.mask, second.patient),
            strict=True,
        )
    )
    return Material(*both)


def histograms(gallery: Gallery) -> list[Picture]:
    """How features of tumours are distributed in generated and in real slices.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with style():
        drawn = (
            _histogram(name, gallery.fake_features[name], gallery.real_features[name])
            for name in _SHOWN
        )
        return [one for one in drawn if one is not None]


def _histogram(name: str, fakes: np.ndarray, reals: np.ndarray) -> Picture | None:
    fakes, reals = fakes[np.isfinite(fakes)], reals[np.isfinite(reals)]
    if not fakes.size or not reals.size:
        return None
    figure = canvas(4.6, 3.0)
    axes: Axes = figure.add_subplot()
    both = np.concatenate([fakes, reals])
    bins = np.linspace(both.min(), max(both.max(), both.min() + 1e-6), _BINS + 1).tolist()
    shares = [np.full(len(one), 100 / len(one)) for one in (reals, fakes)]
    axes.hist(reals, bins, weights=shares[0], color=AMBER, alpha=0.55, linewidth=0)
    axes.hist(fakes, bins, weights=shares[1], color=ACCENT, histtype="step", linewidth=1.8)
    axes.set_xlabel(SLICE_FEATURES[name])
    axes.set_ylabel("Slices, %")
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])  # room for the labels
    right = float((both < (bins[0] + bins[-1]) / 2).mean()) > 0.5
    labels = [("generated", ACCENT), ("real", BROWN)]
    write_labels(axes, labels, at=(0.985 if right else 0.015, 0.84), right=right)
    median = f"median {np.median(fakes):.3g} in generated slices, {np.median(reals):.3g} in real"
    title = SLICE_FEATURES[name][0].upper() + SLICE_FEATURES[name][1:]
    return picture(
        figure,
        name,
        title=title,
        alt=f"Histograms of {SLICE_FEATURES[name]}: {median} ones.",
        caption=f"{median[0].upper()}{median[1:]} ones.",
    )


def _tiled(slices: np.ndarray, columns: int) -> np.ndarray:
    """Slices (n, y, x) as one picture, row by row; what is left over stays black."""
    rows = -(-len(slices) // columns)
    padded = np.pad(slices, ((0, rows * columns - len(slices)), (_GAP, 0), (_GAP, 0)))
    height, width = padded.shape[1:]
    tiles = padded.reshape(rows, columns, height, width).swapaxes(1, 2)
    return tiles.reshape(rows * height, columns * width)
