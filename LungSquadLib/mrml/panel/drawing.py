"""Small pictures for the panel: planes of the crop, and a probability with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import qt
import slicer
from vtkmodules.vtkCommonDataModel import vtkImageData

from ...imaging.crop import Crop
from ...imaging.ct import as_ct
from ...imaging.masks import Mask
from ...imaging.pictures import VIEWS, PlaneView, View, plane_through_tumour, windowed
from ..volumes import set_colours

_OUTLINE = (255, 176, 46)
# Colours that are distinct in Slicer's light and dark style, and with any colour vision.
_GROUND, _BAR, _LINE, _TICK = (205, 208, 214), (92, 191, 242), (40, 48, 64), (255, 176, 46)


def plane_pictures(
    crop: Crop, *, colour: Sequence[float] = (), pixels: int = 128
) -> dict[View, np.ndarray]:
    """Return the crop's planes with most tumour in them, in the lung window, with the outline.

    Args:
        crop: the crop.
        colour: of the outline, 0 to 1; by default the report's.
        pixels: width and height.

    Returns:
        For each view (pixels, pixels, 3), uint8; turned as radiologists look at it.
    """
    ct, mask = as_ct(crop.ct), Mask(crop.mask, "crop", "crop")
    planes = (plane_through_tumour(ct, mask, view) for view in VIEWS)
    outline = tuple(round(255 * value) for value in colour) or _OUTLINE
    return {plane.view: _outlined(plane, outline, pixels) for plane in planes}


def _outlined(plane: PlaneView, colour: tuple[int, ...], pixels: int) -> np.ndarray:
    grey, inside = _enlarged(windowed(plane.hu), pixels), _enlarged(plane.mask > 0, pixels)
    picture = np.repeat(grey[..., None], 3, axis=2)
    picture[_border(inside)] = colour
    return picture


def probability_picture(
    prediction: Mapping[str, Any], *, width: int = 360, height: int = 22
) -> np.ndarray:
    """Draw a probability, 0 to 1, as a bar, its interval as a line, the baseline as a tick.

    Args:
        prediction: as `Prediction.to_dict` gives it; a preliminary one has no interval.
        width: pixels.
        height: pixels.

    Returns:
        (height, width, 3), uint8.
    """
    picture = np.full((height, width, 3), _GROUND, np.uint8)

    def column(probability: float) -> int:
        return round(probability * (width - 1))

    positive = prediction["positive_class"]
    picture[:, : column(prediction["probabilities"][positive]) + 1] = _BAR
    if "interval" in prediction:
        low, high = column(prediction["interval"]["low"]), column(prediction["interval"]["high"])
        middle = height // 2
        picture[middle - 1 : middle + 1, low : high + 1] = _LINE
        for end in (low, high):
            picture[middle - 5 : middle + 5, max(end - 1, 0) : end + 1] = _LINE
    baseline = prediction["volume_only_baseline"]
    if baseline is not None:
        at = column(baseline)
        picture[:, max(at - 1, 0) : at + 2] = _TICK
    return picture


def saliency_bar(threshold: float, *, width: int = 360, height: int = 14) -> np.ndarray:
    """Draw the saliency's colours from 0 to 1, which are shown from a threshold on.

    Returns:
        (height, width, 3), uint8.
    """
    values = np.linspace(0.0, 1.0, width)
    colours = np.where(values[:, None] < threshold, _GROUND, 255 * values[:, None] * (1, 0, 1))
    return np.repeat(np.rint(colours)[None].astype(np.uint8), height, axis=0)


def show_picture(label: Any, picture: np.ndarray) -> None:
    """Show pixels (rows, columns, 3) in a label, as sharp as its screen."""
    label.setPixmap(pixmap(picture, label.devicePixelRatioF()))


def scaled_pixmap(picture: np.ndarray, width: int, ratio: float) -> Any:
    """Return pixels (rows, columns, 3) as a Qt pixmap of another width; see `pixmap`."""
    times = math.ceil(ratio)
    scaled = pixmap(picture).scaledToWidth(width * times, qt.Qt.SmoothTransformation)
    scaled.setDevicePixelRatio(times)
    return scaled


def pixmap(picture: np.ndarray, ratio: float = 1.0) -> Any:
    """Return pixels (rows, columns, 3) as a Qt pixmap.

    Args:
        picture: the pixels, uint8.
        ratio: of the screen's pixels to those of the window. Qt would blur what it enlarges.
    """
    times = math.ceil(ratio)
    picture = picture.repeat(times, axis=0).repeat(times, axis=1)
    image = vtkImageData()
    image.SetDimensions(picture.shape[1], picture.shape[0], 1)
    set_colours(image, picture[::-1])  # VTK's first row is the lowest
    drawn = qt.QImage()
    slicer.qMRMLUtils().vtkImageDataToQImage(image, drawn)
    pixels = qt.QPixmap.fromImage(drawn)
    pixels.setDevicePixelRatio(times)
    return pixels


def _enlarged(plane: np.ndarray, pixels: int) -> np.ndarray:
    """Enlarge by nearest neighbours: the voxels that the network sees stay visible."""
    rows, columns = (np.arange(pixels) * side // pixels for side in plane.shape)
    return plane[rows[:, None], columns]


def _border(inside: np.ndarray) -> np.ndarray:
    """Return the pixels inside that have a neighbour outside."""
    framed = np.pad(inside, 1)
    all_in = framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    return inside & ~all_in
