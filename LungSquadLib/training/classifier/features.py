"""What a frozen trunk makes of every case, computed once and kept on disk.

Training a head on kept features needs no convolution: that is what makes it a matter of a minute.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ...data.store import Store, StoredCase
from ...errors import ModelError
from ...files import whole_file
from ...models.inputs import InputSpec
from ...networks.devices import device_of
from ...networks.folding import folded
from ...networks.prognosis import GlobalPools
from ...networks.trunk_and_head import Head, TrunkAndHead
from ...progress import Progress, step
from ..augment import Augmentation, Drawn, apply, draw

_START = (nn.MaxPool3d, GlobalPools, nn.Flatten, nn.Dropout)  # nothing in them is trained
_DIGEST = 32  # bytes of a SHA-256


def frozen_prefix(network: TrunkAndHead) -> tuple[nn.Sequential, Head]:
    """Cut a network into what stays as it is and what is trained.

    Args:
        network: its trunk is copied, its head is not.

    Returns:
        The prefix, (N, 1, z, y, x) -> (N, D): the trunk, folded, for inference only, with the pools
        that the head starts with, so that D is small. And the rest, a head on those features, which
        shares its layers with `network.head`: training the one trains the other.
    """
    layers = list(network.head.before)
    start = list(takewhile(lambda layer: isinstance(layer, _START), layers))
    # Of these heads, what comes behind such a dropout flattens, and to drop after that is the same.
    drops = [layer for layer in start if isinstance(layer, nn.Dropout)]
    pools = [layer for layer in start if layer not in drops]
    prefix = nn.Sequential(*folded(network).trunk, *pools)
    return prefix, Head(nn.Sequential(*drops, *layers[len(start) :]), network.head.after)


def cached_features(
    store: Store,
    cases: Sequence[StoredCase],
    prefix: nn.Sequential,
    spec: InputSpec,
    *,
    views: int,
    augmentation: Augmentation,
    seed: int,
    folder: str | os.PathLike[str],
    progress: Progress,
) -> np.ndarray:
    """The features of some views of every case; those that are on disk already are only read.

    A case's file is named by all that its numbers depend on, is whole or absent, and is computed
    again where it is damaged. Each view goes through the network by itself: in a larger batch its
    last bits would depend on its neighbours, and the memory on the number of views.

    Args:
        store: where the crops are.
        cases: of it, in the order of the result.
        prefix: of `frozen_prefix`, on any device.
        spec: of the network's input.
        views: of each case. The first is its middle as it is, the others are augmented.
        augmentation: how.
        seed: another one draws other views.
        folder: for the files; made if need be. Several processes may share it.
        progress: told how it goes; may cancel between two views.

    Returns:
        (N, views, D) float32.

    Raises:
        InputError: a case's file in the store is damaged.
        ModelError: the network gives numbers that are not finite.
        CancelledError: `progress` said so; what is done is kept.
    """
    # A single view is the same for every seed.
    drawn_from = [asdict(augmentation), seed] if views > 1 else []
    common = [_key_of(prefix), asdict(spec), store.preprocessing.hash, views, *drawn_from]
    result = []
    for number, case in enumerate(cases):
        said = f"Features of the frozen trunk ({number}/{len(cases)})"
        step(progress, number / len(cases), said)
        key = hashlib.sha256(json.dumps([*common, case.sha256]).encode()).hexdigest()
        path = Path(folder) / f"{key}.features"
        features = _read(path, views)
        if features is None:
            hu, answers = store.hu(case), []
            for view, drawn in enumerate(_draws(case.crop, spec, views, augmentation, seed=seed)):
                step(progress, (number + view / views) / len(cases), said)
                answers.append(_answer(prefix, spec.scaled(apply(hu, drawn, size=spec.size))))
            features = np.stack(answers)
            if not np.isfinite(features).all():
                raise ModelError(
                    f"The frozen trunk gives numbers that are not finite for the case "
                    f"'{case.case}': start from another model."
                )
            _write(path, features)
        result.append(features)
    return np.stack(result)


def _draws(
    case_key: str, spec: InputSpec, views: int, augmentation: Augmentation, *, seed: int
) -> list[Drawn]:
    return [
        draw(augmentation, seed=seed, epoch=view, case_key=case_key, spacing=spec.spacing)
        if view
        else Drawn()
        for view in range(views)
    ]


@torch.inference_mode()
def _answer(prefix: nn.Sequential, scaled: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(scaled)[None, None].to(_device(prefix))
    return prefix(x)[0].cpu().numpy()


def _device(prefix: nn.Sequential) -> torch.device:
    return device_of(prefix)


def _key_of(prefix: nn.Sequential) -> str:
    """What a prefix computes and where, for the last bits differ between kinds of devices."""
    digest = hashlib.sha256(f"{_device(prefix).type} {prefix}".encode())
    for name, value in prefix.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _write(path: Path, features: np.ndarray) -> None:
    body = features.astype("<f4").tobytes()
    with whole_file(path) as temporary:
        temporary.write_bytes(_checksum(path, body) + body)


def _read(path: Path, views: int) -> np.ndarray | None:
    """The features (views, D) in a file; None where there is none or it is damaged."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    checksum, body = content[:_DIGEST], content[_DIGEST:]
    if not body or len(body) % (4 * views) or checksum != _checksum(path, body):
        return None
    features = np.frombuffer(body, "<f4").reshape(views, -1).astype(np.float32)
    return features if np.isfinite(features).all() else None


def _checksum(path: Path, body: bytes) -> bytes:
    """Of the numbers and of the name that says what they are."""
    return hashlib.sha256(path.name.encode() + body).digest()
