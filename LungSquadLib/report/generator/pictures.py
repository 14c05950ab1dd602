"""The pictures of an audit: grids of slices with their masks outlined, and histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...evaluation.generator.image_set import ImageSet
from ...evaluation.generator.results import Gallery
from ...imaging.features import SLICE_FEATURES
from ...imaging.files.write import png_bytes
from ...imaging.pictures import windowed
from ..figure_style import ACCENT, AMBER, BROWN, Picture, canvas, picture, style, write_labels
from ..figures import outline_path
from ..page import Markup, data_uri, element

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 2  # pixels between slices
_BINS = 24
_FEATURES = ("area_mm2", "largest_diameter_mm", "hu_mean", "hu_rim")


def grid(slices: ImageSet, caption: str, *, window: str, columns: int) -> Markup:
    """Return slices side by side, their masks outlined, in one picture."""
    grey = _tiled(windowed(slices.hu, window), columns)
    height, width = grey.shape
    svg = element(
        "svg",
        element("image", href=data_uri(png_bytes(grey)), width=width, height=height),
        element("path", d=outline_path(_tiled(slices.mask, columns), 1, 1), class_="outline"),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=caption,
    )
    return element("figure", svg, element("figcaption", caption))


def pairs(first: ImageSet, second: ImageSet) -> ImageSet:
    """Alternate the slices of two sets."""
    alternating = (
        np.stack(arrays, 1).reshape(-1, *arrays[0].shape[1:])
        for arrays in zip(
            (first.hu, first.mask, first.patient),
            (second.hu, second.mask, second.patient),
            strict=True,
        )
    )
    return ImageSet(*alternating)


def histograms(gallery: Gallery) -> list[Picture]:
    """Draw histograms of tumour features in generated and in real slices.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with style():
        drawn = (
            _histogram(name, gallery.fake_features[name], gallery.real_features[name])
            for name in _FEATURES
        )
        return [each for each in drawn if each is not None]


def _histogram(name: str, fakes: np.ndarray, reals: np.ndarray) -> Picture | None:
    fakes, reals = fakes[np.isfinite(fakes)], reals[np.isfinite(reals)]
    if not fakes.size or not reals.size:
        return None
    figure = canvas(4.6, 3.0)
    axes: Axes = figure.add_subplot()
    both = np.concatenate([fakes, reals])
    bins = np.linspace(both.min(), max(both.max(), both.min() + 1e-6), _BINS + 1).tolist()
    weights = [np.full(len(values), 100 / len(values)) for values in (reals, fakes)]
    axes.hist(reals, bins, weights=weights[0], color=AMBER, alpha=0.55, linewidth=0)
    axes.hist(fakes, bins, weights=weights[1], color=ACCENT, histtype="step", linewidth=1.8)
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
