"""What a network says of many crops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch

from ..imaging.crop import central_cube
from ..models.inputs import InputSpec
from ..networks.devices import device_of, float64_of, on_device
from ..networks.parts import TrunkAndHead
from ..progress import Progress, step


@torch.no_grad()
def answers(
    network: TrunkAndHead,
    spec: InputSpec,
    crops: Iterable[np.ndarray],
    *,
    batch: int = 8,
    progress: Progress | None = None,
    count: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, classes) and features (N, D), float64, in eval mode.

    Args:
        network: on any device.
        spec: its input.
        crops: HU, cubes at least as large as the input, which is cut out of their middle.
        batch: how many at once.
        progress: told how it goes.
        count: of the crops, for `progress`.
    """
    network.eval()
    device = device_of(network)
    logits, features, done = [], [], 0
    for some in _batches(crops, batch):
        if progress is not None and count:
            step(progress, done / count, f"{done} of {count} cases")
        x = spec.scaled(np.stack([central_cube(hu, spec.size) for hu in some]))
        answer = network.answer(on_device(x[:, None], device))
        logits.append(float64_of(answer.logits))
        features.append(float64_of(answer.features))
        done += len(some)
    return np.concatenate(logits), np.concatenate(features)


def _batches(crops: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    every = iter(crops)
    while some := list(islice(every, size)):
        yield some
