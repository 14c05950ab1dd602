"""Prediction from images: one case with interval, OOD score and saliency, or many crops at once."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch

from .. import __version__
from ..errors import InputError
from ..imaging.crop import central_cube, crop
from ..imaging.ct import CT, as_ct
from ..imaging.flags import Flag, merged
from ..imaging.geometry import Grid, Point
from ..imaging.jitter import Variants, variants
from ..imaging.masks import Mask, as_mask
from ..models.card import Card
from ..models.catalogue import check_kind
from ..models.file import Model
from ..models.inputs import InputSpec
from ..networks.devices import chosen_device, device_of, float64_of, on_device
from ..networks.folding import stem_and_rest
from ..networks.trunk_and_head import TrunkAndHead
from ..progress import Part, Progress, Silent, step
from ..statistics.calibration import log_odds
from .attribution import grad_cam, on_ct_grid
from .out_of_distribution import ood_flags, ood_score
from .prediction import (
    LEVEL,
    NO_PROOF,
    Interval,
    ModelUsed,
    OODScore,
    PointPrediction,
    Prediction,
    Robustness,
    calibrated_probabilities,
    interval_of,
)

DROPOUT_PASSES = 50


def predict(
    ct: CT | sitk.Image,
    mask: Mask | sitk.Image,
    model: Model,
    *,
    device: str = "auto",
    seed: int = 0,
    centre_lps: Point | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Predict the classes of a tumour, with interval, OOD score and saliency.

    The same inputs, seed, device and number of threads give the same numbers.

    Args:
        ct: the CT.
        mask: the tumour, on any grid that overlaps the CT.
        model: a classifier of images, as `read_model_file` returns it.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of the Monte Carlo dropout behind the interval.
        centre_lps: of the crop, LPS mm; the mask's centre of mass by default.
        progress: receives progress; may cancel.

    Raises:
        InputError: as `crop`; or the device does not exist, or the seed is out of range.
        CancelledError: `progress` cancelled.
    """
    progress = progress or Silent()
    started = start(
        ct,
        mask,
        model,
        device=device,
        seed=seed,
        centre_lps=centre_lps,
        progress=Part(progress, 0.0, 0.3),
    )
    return started.finish(Part(progress, 0.3, 1.0))


def start(
    ct: CT | sitk.Image,
    mask: Mask | sitk.Image,
    model: Model,
    *,
    device: str = "auto",
    seed: int = 0,
    centre_lps: Point | None = None,
    progress: Progress | None = None,
) -> StartedPrediction:
    """Run the model on the crop itself; `finish` then measures interval and robustness.

    Arguments and errors as of `predict`.
    """
    check_kind(model.card, "classifier")
    check_seed(seed)
    torch_device = chosen_device(device)
    ct, card = as_ct(ct), model.card
    mask = as_mask(mask, ct)
    side = card.image.size
    jittered = variants(
        ct,
        mask,
        size=(side, side, side),
        spacing=card.image.spacing,
        centre_lps=centre_lps,
        visible=card.image.visible,
        progress=progress,
    )
    cut = crop(ct, mask, size=side, spacing=card.image.spacing, centre_lps=centre_lps)
    network = model.network.to(torch_device)
    run = _run(network, _trunk(network, card.image.scaled(jittered.hu(jittered.variants[0]))), seed)
    cam = grad_cam(network, run.activations, int(run.logits.argmax()))
    ood = None if model.reference is None else ood_score(run.features, model.reference)
    point = PointPrediction(
        ModelUsed(card, model.sha256),
        cut,
        tuple(float(p) for p in calibrated_probabilities(run.logits, card)),
        ood,
        None if card.baseline is None else card.baseline.probability(cut.mask_volume_ml),
        ct.as_stored(on_ct_grid(cam, network, Grid.of(cut.ct), ct.grid)),
        merged((*cut.flags, *_flags(ood, cam))),
    )
    return StartedPrediction(point, network, jittered, run, seed)


@dataclass(frozen=True)
class StartedPrediction:
    """A prediction whose interval and robustness are not measured yet.

    Attributes:
        point: the prediction of the crop itself.
    """

    point: PointPrediction
    _network: TrunkAndHead
    _jittered: Variants
    _unshifted: _Run
    _seed: int

    def finish(self, progress: Progress | None = None) -> Prediction:
        """Run the model on the other positions of the crop.

        Raises:
            CancelledError: `progress` cancelled.
        """
        card, network, jittered = self.point.model.card, self._network, self._jittered
        further = _other_runs(network, card, jittered, self._seed, progress or Silent())
        runs = [self._unshifted, *further]
        return Prediction(
            **vars(self.point),
            interval=_interval(runs, card),
            robustness=_robustness(runs, list(jittered.positions), card),
            parameters={
                "device": str(device_of(network)),
                "seed": self._seed,
                "dropout_passes": DROPOUT_PASSES,
                "positions": len(jittered.positions),
                "variants_skipped": list(jittered.skipped),
                "lungsquad": __version__,
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        )


@torch.no_grad()
def logits_and_features(
    network: TrunkAndHead,
    spec: InputSpec,
    crops: Iterable[np.ndarray],
    *,
    batch: int = 8,
    progress: Progress | None = None,
    count: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits (N, classes) and features (N, D) of crops, float64, in eval mode.

    Args:
        network: on any device.
        spec: its input.
        crops: HU, cubes at least as large as the input, which is cut out of their middle.
        batch: crops of a forward pass.
        progress: receives progress.
        count: number of crops, for `progress`.
    """
    network.eval()
    device = device_of(network)
    logits, features, done = [], [], 0
    for cubes in _batches(crops, batch):
        if progress is not None and count:
            step(progress, done / count, f"{done} of {count} cases")
        x = spec.scaled(np.stack([central_cube(hu, spec.size) for hu in cubes]))
        output = network.forward_with_features(on_device(x[:, None], device))
        logits.append(float64_of(output.logits))
        features.append(float64_of(output.features))
        done += len(cubes)
    return np.concatenate(logits), np.concatenate(features)


def check_seed(seed: int) -> None:
    """Raise `InputError` for a seed out of range."""
    if not 0 <= seed < 1 << 63:
        raise InputError(f"The seed must be a whole number from 0 to 2^63 - 1, not {seed}.")


@dataclass(frozen=True)
class _Run:
    """The network's output for one position; `sampled` are logits with dropout."""

    activations: torch.Tensor
    features: np.ndarray
    logits: np.ndarray
    sampled: np.ndarray


@torch.no_grad()
def _other_runs(
    network: TrunkAndHead, card: Card, jittered: Variants, seed: int, progress: Progress
) -> Iterator[_Run]:
    """Run the network on the crop at each position but the first; its stem once for all."""
    positions = list(jittered.positions.items())
    stem, rest = stem_and_rest(network.trunk)
    block = jittered.block.shape
    with _deterministic():
        shared = stem(_input(network, card.image.scaled(jittered.block)))
    less = block[0] - shared.shape[2]  # voxels that the stem's convolutions take off
    for number, (offset, variant) in enumerate(positions[1:], start=1):
        step(progress, number / len(positions), f"{card.title}: crop at {offset}")
        box = jittered.within_block(variant)
        z, y, x = (slice(cut.start, cut.stop - less) for cut in box.slices)
        with _deterministic():
            activations = rest(shared[:, :, z, y, x])
        yield _run(network, activations, seed)


@torch.no_grad()
def _trunk(network: TrunkAndHead, scaled: np.ndarray) -> torch.Tensor:
    with _deterministic():
        activations: torch.Tensor = network.trunk(_input(network, scaled))
    return activations


def _input(network: TrunkAndHead, scaled: np.ndarray) -> torch.Tensor:
    return on_device(scaled[None, None], device_of(network))


def _deterministic() -> Any:
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)


@torch.no_grad()
def _run(network: TrunkAndHead, activations: torch.Tensor, seed: int) -> _Run:
    """Run the network's head on the trunk's output, without and with dropout."""
    with _deterministic():
        output = network.head(activations)
        generator = torch.Generator().manual_seed(seed)
        sampled = network.head.sample(activations, n=DROPOUT_PASSES, generator=generator)
    return _Run(
        activations,
        output.features[0].cpu().numpy(),
        float64_of(output.logits[0]),
        float64_of(sampled[:, 0]),
    )


def _interval(runs: list[_Run], card: Card) -> Interval:
    samples = calibrated_probabilities(np.concatenate([run.sampled for run in runs]), card)
    explanation = (
        f"It holds {LEVEL:.0%} of {len(samples)} predictions: from {len(runs)} positions of the "
        "crop, and in each with parts of the network's last layers left out at random "
        f"(Monte Carlo dropout, {DROPOUT_PASSES} passes). {NO_PROOF}"
    )
    probability = float(calibrated_probabilities(runs[0].logits, card)[card.positive])
    return interval_of(samples[:, card.positive], probability, explanation)


def _robustness(runs: list[_Run], offsets: list[str], card: Card) -> Robustness:
    logits = np.array([log_odds(run.logits, card.positive) for run in runs])
    probabilities = {
        offset: float(calibrated_probabilities(run.logits, card)[card.positive])
        for offset, run in zip(offsets, runs, strict=True)
    }
    icc = None
    between_sd = None if card.reference is None else card.reference.between_sd
    if between_sd is not None and len(runs) > 1:
        between, within = between_sd**2, float(logits.var(ddof=1))
        icc = between / (between + within) if between + within > 0 else None
    explanation = (
        f"The same prediction from {len(runs)} different crops: where the mask moved by 2 mm, or "
        "grown or shrunk by 1 or 2 mm, would put the crop, and 3 mm along its diagonals. The "
        "network does not see the mask: another outline changes the prediction by the crop's "
        "position alone. The ICC compares how much the position changes the prediction with how "
        "much the model's reference patients differ (1: not at all, 0.75 and more: good)."
    )
    low, high = min(probabilities.values()), max(probabilities.values())
    return Robustness(probabilities, low, high, icc, explanation)


def _flags(ood: OODScore | None, cam: np.ndarray) -> Iterator[Flag]:
    yield from ood_flags(ood, "tumour")
    if not cam.any():
        sentence = "No part of the crop supports the predicted class; the saliency map is empty."
        yield Flag("saliency_empty", "info", sentence)


def _batches(crops: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    remaining = iter(crops)
    while batch := list(islice(remaining, size)):
        yield batch
