"""Features of a frozen trunk, computed once and cached on disk.

Training a head on cached features needs no convolution, and so takes a minute or less.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...data.store import Store, StoredCase
from ...errors import ModelError
from ...files import whole_file
from ...models.inputs import InputSpec
from ...networks.devices import device_of
from ...networks.encoders import GlobalAverage
from ...networks.folding import folded
from ...networks.trunk_and_head import GlobalPools, Head, TrunkAndHead
from ...progress import Progress, step
from ..augment import Augmentation, Drawn, apply, draw

_START = (
    nn.MaxPool3d,
    GlobalPools,
    GlobalAverage,
    nn.Flatten,
    nn.Dropout,
)  # layers without weights
_DIGEST = 32  # bytes of a SHA-256


def frozen_prefix(network: TrunkAndHead) -> tuple[nn.Sequential, Head]:
    """Split a network into a frozen prefix and a head that is trained.

    Args:
        network: its trunk is copied, its head is not.

    Returns:
        The prefix, (N, 1, z, y, x) -> (N, D): the trunk, folded, for inference only, with the pools
        that the head starts with, so that D is small. And a head on these features, which shares
        its layers with `network.head`: training the one trains the other.
    """
    layers = list(network.head.before)
    start = list(takewhile(lambda layer: isinstance(layer, _START), layers))
    # After this dropout these heads only flatten, so dropout afterwards is the same.
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
    """Return features of some views of each case; those in the cache are only read.

    A case's file is named by the hash of all that its numbers depend on, is complete or absent, and
    is computed again if it is damaged. Each view goes through the network by itself: in a larger
    batch its last bits would depend on its neighbours, and the memory on the number of views.

    Args:
        store: where the crops are.
        cases: of it, in the order of the result.
        prefix: of `frozen_prefix`, on any device.
        spec: of the network's input.
        views: of each case. The first is its middle as it is, the others are augmented.
        augmentation: how.
        seed: another one draws other views.
        folder: for the files; made if need be. Several processes may share it.
        progress: gets the number of cases done; may cancel between two views.

    Returns:
        (N, views, D) float32.

    Raises:
        InputError: a case's file in the store is damaged.
        ModelError: the network gives numbers that are not finite.
        CancelledError: `progress` was cancelled; what is done is kept.
    """
    # A single view is the same for every seed.
    drawn_from = [asdict(augmentation), seed] if views > 1 else []
    common = [_key_of(prefix), asdict(spec), store.preprocessing.hash, views, *drawn_from]
    result = []
    for number, case in enumerate(cases):
        message = f"Features of the frozen trunk ({number}/{len(cases)})"
        step(progress, number / len(cases), message)
        key = hashlib.sha256(json.dumps([*common, case.sha256]).encode()).hexdigest()
        path = Path(folder) / f"{key}.features"
        features = _read(path, views)
        if features is None:
            hu, rows = store.visible(case, spec), []
            for view, drawn in enumerate(_draws(case.crop, spec, views, augmentation, seed=seed)):
                step(progress, (number + view / views) / len(cases), message)
                rows.append(_features(prefix, spec.scaled(apply(hu, drawn, size=spec.size))))
            features = np.stack(rows)
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
def _features(prefix: nn.Sequential, scaled: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(scaled)[None, None].to(device_of(prefix))
    return prefix(x)[0].cpu().numpy()


def _key_of(prefix: nn.Sequential) -> str:
    """Return a hash of a prefix, its weights and its kind of device (for the last bits)."""
    digest = hashlib.sha256(f"{device_of(prefix).type} {prefix}".encode())
    for name, value in prefix.state_dict().items():
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _write(path: Path, features: np.ndarray) -> None:
    body = features.astype("<f4").tobytes()
    with whole_file(path) as temporary:
        temporary.write_bytes(_checksum(path, body) + body)


def _read(path: Path, views: int) -> np.ndarray | None:
    """Return the features (views, D) in a file; None if it is absent or damaged."""
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
    """Return the SHA-256 of the numbers and of the file's name, which identifies them."""
    return hashlib.sha256(path.name.encode() + body).digest()


@dataclass(frozen=True)
class FeatureScale:
    """Mean and standard deviation (D,) of features, float32.

    Some features of a trunk are hundreds of times larger than others, too large for any one
    learning rate, so a head is trained on standardised features. Standardising is affine: after
    the training, its first dense layer takes it over.
    """

    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> FeatureScale:
        """Return the scale of features (N, views, D); constant features are not scaled."""
        rows = features.reshape(-1, features.shape[-1]).astype(np.float64)
        sd = rows.std(axis=0)
        sd[sd < 1e-6] = 1
        return cls(rows.mean(axis=0).astype(np.float32), sd.astype(np.float32))

    def standardised(self, features: np.ndarray) -> np.ndarray:
        """Return features (..., D) with mean 0 and standard deviation 1."""
        return (features - self.mean) / self.sd

    @torch.no_grad()
    def apply_to(self, head: Head) -> None:
        """Make a head for raw features give the same logits for standardised features."""
        layer, mean, sd = self._parts(head)
        layer.bias.add_(layer.weight @ mean)
        layer.weight.mul_(sd)

    @torch.no_grad()
    def remove_from(self, head: Head) -> None:
        """Make a head for standardised features give the same logits for raw features."""
        layer, mean, sd = self._parts(head)
        layer.weight.div_(sd)
        layer.bias.sub_(layer.weight @ mean)

    def _parts(self, head: Head) -> tuple[nn.Linear, torch.Tensor, torch.Tensor]:
        """Return the head's first dense layer, and mean and deviation on its device."""
        layers = (*head.before, *head.after)
        layer = next(layer for layer in layers if isinstance(layer, nn.Linear))
        device = layer.weight.device
        return layer, torch.from_numpy(self.mean).to(device), torch.from_numpy(self.sd).to(device)


@dataclass(frozen=True)
class Features:
    """Features (N, views, D) of a frozen trunk, as `Samples`; view 0 is the crop as it is."""

    values: np.ndarray
    seed: int

    def plain(self, chosen: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.values[chosen, 0]))

    def augmented(self, chosen: np.ndarray, epoch: int) -> Tensor:
        views = np.random.default_rng((self.seed, 1, epoch)).integers(
            self.values.shape[1], size=len(self.values)
        )
        return torch.from_numpy(self.values[chosen, views[chosen]])
