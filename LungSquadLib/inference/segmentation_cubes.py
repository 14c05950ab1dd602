"""The segmentation network on cubes and slices: channels with clicks, logits and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import SimpleITK as sitk
import torch

from ..errors import ModelError
from ..imaging.ct import CT
from ..imaging.geometry import Box, Index
from ..imaging.resample import AIR, axes_of, linear
from ..models.catalogue import check_kind
from ..models.file import Model
from ..models.inputs import InputSpec
from ..networks.devices import device_of

UNKNOWN_LOGIT = -10.0
CLICK_SD = 2.0  # voxels: standard deviation of the Gaussian at a click

Clicks: TypeAlias = Sequence[
    Sequence[float] | np.ndarray
]  # indices z, y, x (or y, x), may be between voxels


def known_voxels(hu: np.ndarray) -> np.ndarray:
    """Return where a CT is known: beyond a cut-out a crop has exactly `AIR`."""
    return hu > AIR


def cube_of(ct: CT, start: Index, size: int, *, spacing: float, factor: int = 1) -> np.ndarray:
    """Return HU (z, y, x) of a cube, float32: means of `factor` voxels of `spacing` mm a side.

    Args:
        ct: the CT.
        start: number x, y, z of the first voxel, on a grid of `factor * spacing` mm at the CT's
            first voxel; where the factor is even, half a fine voxel before it.
        size: voxels a side.
        spacing: of the finer voxels, in mm.
        factor: 1 for no averaging.
    """
    x, y, z = (number * factor - factor // 2 for number in start)
    box = Box((x, y, z), (x + size * factor, y + size * factor, z + size * factor))
    hu = linear(axes_of(box, ct.grid, spacing), ct.grid.size, ct.hu).astype(np.float32)
    if factor == 1:
        return hu
    known = known_voxels(hu)
    blocks = (size, factor) * 3
    count = known.reshape(blocks).sum(axis=(1, 3, 5))
    total = np.where(known, hu, 0).reshape(blocks).sum(axis=(1, 3, 5))
    mean = total / np.maximum(count, 1)
    return np.where(2 * count > factor**3, mean, AIR).astype(np.float32)


def click_map(shape: Sequence[int], clicks: Clicks) -> np.ndarray:
    """Return a Gaussian of height 1 at each click, their maximum; float32 of the shape."""
    result = np.zeros(tuple(shape), np.float32)
    for click in clicks:
        lines = [
            np.exp(-0.5 * ((np.arange(size, dtype=np.float32) - at) / CLICK_SD) ** 2)
            for size, at in zip(shape, click, strict=True)
        ]
        bump: Any = lines[0]
        for line in lines[1:]:
            bump = bump[..., None] * line
        np.maximum(result, bump, out=result)
    return result


def network_input(
    spec: InputSpec, hu: np.ndarray, inside: Clicks = (), outside: Clicks = ()
) -> np.ndarray:
    """Return the channels (4, ...) of a cube or slice: CT, known, clicks inside and outside."""
    known = known_voxels(hu)
    scaled = np.where(known, spec.scaled(hu), np.float32(0))
    clicks = [click_map(hu.shape, clicks) for clicks in (inside, outside)]
    return np.stack([scaled, known.astype(np.float32), *clicks])


@torch.no_grad()
def logits_of(network: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    """Return logits (n, ...) of the channels (n, 4, ...) of cubes or slices of any size.

    Where nothing is known they are `UNKNOWN_LOGIT`: the network has learnt nothing of such voxels.
    """
    multiple: int = network.step  # type: ignore[assignment]
    shape = x.shape[2:]
    padding = [(0, 0), (0, 0), *((0, -size % multiple) for size in shape)]
    tensor = torch.from_numpy(np.pad(x, padding)).to(device_of(network))
    if tensor.ndim == 5:
        tensor = tensor.contiguous(memory_format=torch.channels_last_3d)
    logits = network.eval()(tensor)[:, 0].float().cpu().numpy()
    kept = tuple(slice(size) for size in (len(x), *shape))
    result: np.ndarray = np.where(x[:, 1] > 0, logits[kept], np.float32(UNKNOWN_LOGIT))
    return result


def averaged_logits(network: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    """Return the mean logits (n, ...) of x (n, 4, ...) as it is and mirrored along each axis."""
    total = logits_of(network, x)
    for axis in range(2, x.ndim):
        mirrored = logits_of(network, np.ascontiguousarray(np.flip(x, axis)))
        total = total + np.flip(mirrored, axis - 1)
    return total / (x.ndim - 1)


def segment_array(
    model: Model, hu: np.ndarray, inside: Clicks = (), outside: Clicks = ()
) -> np.ndarray:
    """Segment the tumours in a cube of a store or a slice of a set, real or synthetic.

    Args:
        model: a segmenter of cubes or of slices.
        hu: (z, y, x) or (y, x) at the spacing of the model's card; `AIR` where it is not known.
        inside: clicks in the tumour, as indices; none: the network finds it.
        outside: clicks that the mask must leave out.

    Returns:
        Bool, of the shape of `hu`; with clicks, only what is connected with one of them.

    Raises:
        ModelError: the model is no segmenter, or one of another dimension.
    """
    check_dimensions(model, hu.ndim)
    x = network_input(model.card.image, hu, inside, outside)
    mask: np.ndarray = averaged_logits(model.network, x[None])[0] > 0
    return connected(mask, inside) if len(inside) else mask


def connected(mask: np.ndarray, clicks: Clicks, *, near: int = 3) -> np.ndarray:
    """Return the connected components of a mask that clicks lie in, or within `near` voxels of."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(image, True))
    kept = {_component_at(labels, click, near) for click in clicks} - {0}
    result: np.ndarray = np.isin(labels, list(kept))
    return result


def _component_at(labels: np.ndarray, click: Sequence[float] | np.ndarray, near: int) -> int:
    """Return the label nearest to a click, 0 if there is none within `near` voxels."""
    at = np.rint(click).astype(int)
    start = np.maximum(at - near, 0)
    nearby = labels[tuple(slice(a, b + near + 1) for a, b in zip(start, at, strict=True))]
    marked = np.argwhere(nearby)
    if not len(marked):
        return 0
    distance = ((marked + start - np.asarray(click)) ** 2).sum(axis=1)
    return int(nearby[tuple(marked[distance.argmin()])])


def expected_dice(probability: np.ndarray, mask: np.ndarray) -> float:
    """Return the Dice coefficient that a network expects of its own mask."""
    both = float(probability.sum() + mask.sum())
    return 2 * float(probability[mask].sum()) / both if both else 0.0


def check_dimensions(model: Model, dimensions: int) -> None:
    """Raise `ModelError` unless a model is a segmenter of cubes (3) or slices (2)."""
    check_kind(model.card, "segmenter")
    if model.card.network.arguments["dimensions"] != dimensions:
        takes, needed = ("slices", "cubes") if dimensions == 3 else ("cubes", "slices")
        raise ModelError(
            f"The model '{model.card.name}' segments {takes}, and a model of {needed} is needed "
            "here."
        )
