"""The report's figures: CT planes with outlines, probabilities, and the crop to scroll through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..imaging.contours import outlines
from ..imaging.files.write import png_bytes
from ..imaging.geometry import Grid, in_lps, with_axes_of
from ..imaging.pictures import WINDOWS, PlaneView, windowed
from ..statistics.text import format_percent
from .page import Markup, data_uri, element

# Grad-CAM colours from nothing to most: transparent, violet, orange, yellow.
_HEAT = np.array([(80, 18, 123, 0), (183, 55, 121, 120), (252, 137, 97, 190), (252, 253, 191, 230)])
_TILES = 8  # slices in a row of a sprite
_SCALE_BAR_MM = 50
_PNG_START = b"\x89PNG\r\n\x1a\n"


def plane_figure(plane: PlaneView, window: str = "lung") -> Markup:
    """Return a CT plane with the outline and diameter of the tumour, and a scale bar."""
    rows, columns = plane.hu.shape
    across, down = plane.pixel_mm
    width, height = columns * across, rows * down
    image = element(
        "image",
        href=_png_uri(windowed(plane.hu, window)),
        width=_short(width),
        height=_short(height),
        preserveAspectRatio="none",
    )
    centre, range_ = WINDOWS[window]
    caption = f"{plane.view}, window {centre:g}/{range_:g} HU; bar {_SCALE_BAR_MM} mm"
    if len(plane.line):
        caption += "; line: the largest diameter, seen from here"
    svg = element(
        "svg",
        image,
        element("path", d=outline_path(plane.mask, across, down), class_="outline"),
        element("path", d=_along(plane.line.tolist()), class_="diameter"),
        element(
            "path",
            d=f"M{_short(width - 10 - _SCALE_BAR_MM)} {_short(height - 8)}h{_SCALE_BAR_MM}",
            class_="scale",
        ),
        viewBox=f"0 0 {_short(width)} {_short(height)}",
        role="img",
        aria_label=f"{plane.view} plane of the CT with the outline of the tumour",
    )
    return element("figure", svg, element("figcaption", caption))


def view_figure(png: bytes, caption: str) -> Markup:
    """Return a picture of a view of 3D Slicer.

    Raises:
        ValueError: `png` is no PNG.
    """
    if not png.startswith(_PNG_START):
        raise ValueError("it is no PNG")
    image = element("img", src=data_uri(png), alt=f"{caption} of the scene in 3D Slicer")
    return element("figure", image, element("figcaption", caption))


def probability_bars(rows: Sequence[tuple[str, float, bool]]) -> Markup:
    """Return a bar for each class: name, probability, whether it is the predicted class."""
    return element(
        "div",
        [
            element(
                "div",
                element("span", name, class_="bar-name"),
                element(
                    "span",
                    element("span", class_="bar-fill", style=f"width:{probability:.2%}"),
                    class_="bar-track",
                ),
                element("span", format_percent(probability), class_="bar-value"),
                class_="bar predicted" if predicted else "bar",
            )
            for name, probability, predicted in rows
        ],
        class_="bars",
    )


def interval_figure(prediction: dict[str, Any]) -> Markup:
    """Return the probability on a line, with interval, crop positions, volume-only baseline."""
    interval, baseline = prediction["interval"], prediction["volume_only_baseline"]
    probability = prediction["probabilities"][prediction["positive_class"]]
    marks = [element("line", x1=x, x2=x, y1=34, y2=40, class_="axis") for x in (0, 25, 50, 75, 100)]
    marks.append(element("line", x1=0, x2=100, y1=37, y2=37, class_="axis"))
    marks.append(
        element(
            "rect",
            x=_short(100 * interval["low"]),
            width=_short(max(100 * (interval["high"] - interval["low"]), 0.4)),
            y=12,
            height=16,
            class_="interval",
        )
    )
    marks += [
        element("circle", cx=_short(100 * value), cy=20, r=1.3, class_="variant")
        for value in prediction["robustness"]["probabilities"].values()
    ]
    marks.append(
        element(
            "line",
            x1=_short(100 * probability),
            x2=_short(100 * probability),
            y1=8,
            y2=32,
            class_="point",
        )
    )
    if baseline is not None:
        at = _short(100 * baseline)
        marks.append(element("path", d=f"M{at} 31l2.2 4h-4.4z", class_="baseline"))
    marks += [
        element("text", f"{tick} %", x=tick, y=46, text_anchor="middle", class_="tick")
        for tick in (0, 25, 50, 75, 100)
    ]
    return element(
        "svg",
        marks,
        viewBox="-7 6 114 42",
        class_="spread",
        role="img",
        aria_label=f"probability {format_percent(probability)}, interval "
        f"{format_percent(interval['low'])} to {format_percent(interval['high'])}",
    )


def crop_viewer(ct: sitk.Image, mask: sitk.Image, saliency: sitk.Image) -> Markup:
    """Return the crop to scroll through, feet to head, with the outline and the saliency."""
    ct, mask = in_lps(ct), in_lps(mask)
    hu, marked = (sitk.GetArrayViewFromImage(image) for image in (ct, mask))
    heat = sitk.GetArrayFromImage(_on_grid_of(with_axes_of(saliency, Grid.of(ct)), ct))
    middle = int(marked.sum(axis=(1, 2)).argmax())
    side = hu.shape[2]
    sheet = f"{100 * _TILES}% auto"
    layers = [
        element("div", class_="layer ct", style=_background(_sprite(windowed(hu)), sheet)),
        element("div", class_="layer heat", style=_background(_sprite(_heat(heat)), sheet)),
        element(
            "svg",
            element("path", class_="outline"),
            viewBox=f"0 0 {side} {hu.shape[1]}",
            class_="layer",
        ),
    ]
    paths = json.dumps([outline_path(plane, 1, 1) for plane in marked])
    return element(
        "div",
        element("div", layers, class_="stage"),
        element(
            "label",
            "slice",
            element("input", type="range", class_="slice", min=0, max=len(hu) - 1, value=middle),
        ),
        element(
            "label",
            "saliency",
            element("input", type="range", class_="opacity", min=0, max=100, value=60),
        ),
        class_="viewer",
        data_paths=paths,
        data_tiles=_TILES,
        data_rows=-(-len(hu) // _TILES),
    )


def _on_grid_of(image: sitk.Image, reference: sitk.Image) -> sitk.Image:
    return sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear, 0.0)


def _sprite(stack: np.ndarray) -> np.ndarray:
    """Slices (n, y, x, ...) side by side in one picture, `_TILES` in a row."""
    count, height, width = stack.shape[:3]
    rows = -(-count // _TILES)
    sheet = np.zeros((rows * height, _TILES * width, *stack.shape[3:]), np.uint8)
    for number, picture in enumerate(stack):
        y, x = divmod(number, _TILES)
        sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] = picture
    return sheet


def _heat(values: np.ndarray) -> np.ndarray:
    """Colours with transparency (..., 4) of values 0 to 1."""
    stops = np.linspace(0, 1, len(_HEAT))
    channels = [np.interp(values, stops, _HEAT[:, channel]) for channel in range(4)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def outline_path(mask: np.ndarray, across: float, down: float) -> str:
    """Return an SVG path round the pixels of a mask; the corner of the first pixel is at 0, 0."""
    return "".join(
        _along([((x + 0.5) * across, (y + 0.5) * down) for x, y in polygon]) + "Z"
        for polygon in outlines(mask)
    )


def _along(points: Sequence[Sequence[float]]) -> str:
    """An SVG path from point to point."""
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points) if points else ""


def _background(pixels: np.ndarray, size: str) -> str:
    return f"background-image:url({_png_uri(pixels)});background-size:{size}"


def _png_uri(pixels: np.ndarray) -> str:
    return data_uri(png_bytes(pixels))


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
