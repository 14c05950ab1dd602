"""Synthetic images of models in a scene, marked so that nobody takes them for a patient's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..imaging.ct import CT
from ..imaging.geometry import Box
from .hierarchy import file_apart, file_beside
from .results import mark_as_result
from .segments import add_segment, add_segmentation
from .volumes import add_volume

_FOLDER = "Synthetic, not from a patient"


@dataclass(frozen=True)
class SyntheticImages:
    """Independent slices from a generator.

    Attributes:
        ct: HU, a stack of the slices, int16.
        mask: the same stack, uint8.
        described: the content of `samples.json`.
    """

    ct: sitk.Image
    mask: sitk.Image
    described: Mapping[str, Any]

    @property
    def slices(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """HU and mask (y, x) of each slice."""
        return zip(*map(sitk.GetArrayViewFromImage, (self.ct, self.mask)), strict=True)

    @property
    def window(self) -> tuple[float, float]:
        """The HU that are black and white."""
        low, high = self.described["window_hu"]
        return low, high


def read_synthetic_images(folder: Path, described: Mapping[str, Any]) -> SyntheticImages:
    """Read the images that a worker's "generate" wrote; `described` is its result."""
    ct, mask = (sitk.ReadImage(str(folder / name)) for name in ("ct.nrrd", "mask.nrrd"))
    return SyntheticImages(ct, mask, described)


def add_synthetic_image(scene: Any, images: SyntheticImages, number: int) -> tuple[Any, Any]:
    """Add one of the slices to a scene, outside all patients; the views stay as they are.

    Returns:
        The volume node, of one slice, and the segmentation node, which is empty where the
        generator made no tumour.
    """
    described = images.described
    model = described["model"]
    name = f"Synthetic: {model['title']}, seed {described['parameters']['seed']}, image {number}"
    low, high = images.window
    window = ((low + high) / 2, high - low)
    plane = slice(number, number + 1)
    volume = add_volume(scene, images.ct[:, :, plane], name=name, window=window)
    segmentation = add_segmentation(scene, volume, name=f"{name}: tumour")
    mask = images.mask[:, :, plane]
    if sitk.GetArrayViewFromImage(mask).any():
        add_segment(segmentation, mask, name="synthetic tumour")
    nodes = (volume, segmentation)
    _mark(nodes, described)
    file_apart(scene, nodes, folder=_FOLDER)
    return nodes


def inpainted_image(ct: CT, part: sitk.Image, described: Mapping[str, Any]) -> sitk.Image:
    """Return a copy of a CT with the changed part that a worker's "inpaint" wrote."""
    changed = described["changed"]
    box = Box(tuple(changed["start"]), tuple(changed["stop"]))
    hu = ct.stored_hu(ct.stored.box)
    hu[box.slices] = sitk.GetArrayViewFromImage(part)
    return ct.stored.image(hu)


def add_inpainted(volume: Any, image: sitk.Image, described: Mapping[str, Any]) -> Any:
    """Add a CT with a synthetic tumour to a scene; the views stay as they are.

    Args:
        volume: the node of the CT, beside which the new one is filed.
        image: of `inpainted_image`.
        described: the worker's result.

    Returns:
        The new volume node.
    """
    display = volume.GetDisplayNode()
    window = None if display is None else (display.GetLevel(), display.GetWindow())
    name = f"Synthetic tumour in {volume.GetName()}"
    node = add_volume(volume.GetScene(), image, name=name, window=window)
    _mark([node], described)
    file_beside(volume, [node], folder=_FOLDER)
    return node


def _mark(nodes: Any, described: Mapping[str, Any]) -> None:
    """Mark nodes as a model's results, with the notice where Slicer shows a node's description."""
    mark_as_result(nodes, described["model"]["name"])
    for node in nodes:
        node.SetDescription(described["notice"])
