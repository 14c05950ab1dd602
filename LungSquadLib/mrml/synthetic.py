"""What models made up, in a scene where nobody should take it for a patient's."""

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
from .results import mark_as_made
from .segments import add_segment, add_segmentation
from .volumes import add_volume

_FOLDER = "Made up, of no patient"


@dataclass(frozen=True)
class MadeUp:
    """Slices out of a generator, each of which has nothing to do with the others.

    Attributes:
        ct: HU, a stack of them, int16.
        mask: a stack, uint8.
        described: what `samples.json` says.
    """

    ct: sitk.Image
    mask: sitk.Image
    described: Mapping[str, Any]

    @property
    def slices(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """HU and mask (y, x) of each."""
        return zip(*map(sitk.GetArrayViewFromImage, (self.ct, self.mask)), strict=True)

    @property
    def window(self) -> tuple[float, float]:
        """The HU that are black and white."""
        low, high = self.described["window_hu"]
        return low, high


def read_made_up(folder: Path, described: Mapping[str, Any]) -> MadeUp:
    """What a worker's "generate" wrote and answered."""
    ct, mask = (sitk.ReadImage(str(folder / name)) for name in ("ct.nrrd", "mask.nrrd"))
    return MadeUp(ct, mask, described)


def add_made_up(scene: Any, made: MadeUp, number: int) -> tuple[Any, Any]:
    """Add one of the slices to a scene, apart from all patients.

    What the views show does not change.

    Returns:
        The volume node, of one slice, and the segmentation node, which is empty where the
        generator made no tumour.
    """
    described = made.described
    model = described["model"]
    name = f"Made up: {model['title']}, draw {described['drawn']['seed']}, image {number}"
    low, high = made.window
    window = ((low + high) / 2, high - low)
    one = slice(number, number + 1)
    volume = add_volume(scene, made.ct[:, :, one], name=name, window=window)
    segmentation = add_segmentation(scene, volume, name=f"{name}: tumour")
    mask = made.mask[:, :, one]
    if sitk.GetArrayViewFromImage(mask).any():
        add_segment(segmentation, mask, name="made-up tumour")
    nodes = (volume, segmentation)
    mark_as_made(nodes, model["name"])
    _say(nodes, described["notice"])
    file_apart(scene, nodes, folder=_FOLDER)
    return nodes


def painted_image(ct: CT, part: sitk.Image, described: Mapping[str, Any]) -> sitk.Image:
    """A CT with the part in its place that a worker's "synthesise" wrote; the CT stays as it is."""
    changed = described["changed"]
    hu = ct.stored_hu(ct.stored.box)
    hu[Box(tuple(changed["start"]), tuple(changed["stop"])).slices] = sitk.GetArrayViewFromImage(
        part
    )
    return ct.stored.image(hu)


def add_painted(volume: Any, image: sitk.Image, described: Mapping[str, Any]) -> Any:
    """Add a CT with a made-up tumour to the scene of the CT's node, filed beside it.

    What the views show does not change.

    Returns:
        The volume node.
    """
    display = volume.GetDisplayNode()
    window = None if display is None else (display.GetLevel(), display.GetWindow())
    name = f"Made up: a tumour in {volume.GetName()}"
    node = add_volume(volume.GetScene(), image, name=name, window=window)
    mark_as_made([node], described["model"]["name"])
    _say([node], described["notice"])
    file_beside(volume, [node], folder=_FOLDER)
    return node


def _say(nodes: Any, notice: str) -> None:
    """Where Slicer shows what a node is."""
    for node in nodes:
        node.SetDescription(notice)
