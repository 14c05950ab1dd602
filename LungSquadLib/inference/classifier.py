"""A crop and a model in, a Prediction out."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

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
from ..networks.trunk_and_head import TrunkAndHead
from ..progress import Part, Progress, Silent, step
from ..statistics.calibration import log_odds
from .out_of_distribution import novelty, novelty_flags
from .prediction import (
    LEVEL,
    NO_PROOF,
    Interval,
    ModelUsed,
    Novelty,
    Prediction,
    Robustness,
    interval_of,
    probabilities,
)
from .saliency import grad_cam, on_ct_grid

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
    """What a model says of the tumour in a mask, how sure that is, and where it looked.

    The same inputs, seed, device and number of threads give the same numbers.

    Args:
        ct: the CT.
        mask: the tumour, on any grid that overlaps the CT.
        model: as `read_model_file` gives it.
        device: "auto", "cpu", "cuda" or "mps".
        seed: of the dropout that the interval is drawn from.
        centre_lps: of the crop, LPS mm, where it is not the mask's centre of mass.
        progress: told how it goes; may cancel.

    Raises:
        InputError: as `crop`; or there is no such device, or the seed is none.
        CancelledError: `progress` said so.
    """
    progress = progress or Silent()
    check_kind(model.card, "classifier")
    check_seed(seed)
    place = chosen_device(device)
    ct, card = as_ct(ct), model.card
    mask = as_mask(mask, ct)
    side = card.image.size
    size, spacing = (side, side, side), card.image.spacing
    around = variants(
        ct,
        mask,
        size=size,
        spacing=spacing,
        centre_lps=centre_lps,
        progress=Part(progress, 0.0, 0.3),
    )
    cut = crop(ct, mask, size=side, spacing=spacing, centre_lps=centre_lps)
    network = model.network.to(place)
    positions = around.positions
    runs = list(_runs(network, card, around, seed, Part(progress, 0.3, 1.0)))
    drawn = runs[0]
    cam = grad_cam(network, drawn.activations, int(drawn.logits.argmax()))
    seen = None if model.reference is None else novelty(drawn.features, model.reference)
    return Prediction(
        ModelUsed(card, model.sha256),
        cut,
        tuple(float(p) for p in probabilities(drawn.logits, card)),
        _interval(runs, card),
        _robustness(runs, list(positions), card),
        seen,
        None if card.baseline is None else card.baseline.probability(cut.mask_volume_ml),
        ct.as_stored(on_ct_grid(cam, network, Grid.of(cut.ct), ct.grid)),
        merged((*cut.flags, *_flags(seen, cam))),
        {
            "device": str(place),
            "seed": seed,
            "dropout_passes": DROPOUT_PASSES,
            "positions": len(positions),
            "variants_skipped": list(around.skipped),
            "lungsquad": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    )


def check_seed(seed: int) -> None:
    """`InputError` for what is no seed."""
    if not 0 <= seed < 1 << 63:
        raise InputError(f"The seed must be a whole number from 0 to 2^63 - 1, not {seed}.")


@dataclass(frozen=True)
class _Run:
    """One variant through the network; `dropped` are logits with dropout at work."""

    activations: torch.Tensor
    features: np.ndarray
    logits: np.ndarray
    dropped: np.ndarray


def _runs(
    network: TrunkAndHead, card: Card, around: Variants, seed: int, progress: Progress
) -> Iterator[_Run]:
    """Every position of the crop through the network, each once."""
    positions = around.positions
    device = device_of(network)
    for number, (offset, variant) in enumerate(positions.items()):
        step(progress, number / len(positions), f"{card.title}: crop at {offset}")
        yield _run(network, card, around.hu(variant), seed, device)


@torch.no_grad()
def _run(
    network: TrunkAndHead, card: Card, hu: np.ndarray, seed: int, device: torch.device
) -> _Run:
    x = on_device(card.image.scaled(hu)[None, None], device)
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        activations = network.trunk(x)
        answer = network.head(activations)
        generator = torch.Generator().manual_seed(seed)
        dropped = network.head.sample(activations, n=DROPOUT_PASSES, generator=generator)
    return _Run(
        activations,
        answer.features[0].cpu().numpy(),
        float64_of(answer.logits[0]),
        float64_of(dropped[:, 0]),
    )


def _interval(runs: list[_Run], card: Card) -> Interval:
    samples = probabilities(np.concatenate([run.dropped for run in runs]), card)
    explanation = (
        f"{LEVEL:.0%} of {len(samples)} answers lie in it: the crop was put in {len(runs)} "
        "positions, and in each parts of the network's last layers were left out at random "
        f"({DROPOUT_PASSES} times). {NO_PROOF}"
    )
    answer = float(probabilities(runs[0].logits, card)[card.positive])
    return interval_of(samples[:, card.positive], answer, explanation)


def _robustness(runs: list[_Run], offsets: list[str], card: Card) -> Robustness:
    logits = np.array([log_odds(run.logits, card.positive) for run in runs])
    answers = {
        offset: float(probabilities(run.logits, card)[card.positive])
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
        "network does not see the mask: another outline changes the answer by the crop's position "
        "alone. The ICC compares how much the position changes the answer with how much the "
        "model's reference patients differ (1: not at all, 0.75 and more: good)."
    )
    return Robustness(answers, min(answers.values()), max(answers.values()), icc, explanation)


def _flags(seen: Novelty | None, cam: np.ndarray) -> Iterator[Flag]:
    yield from novelty_flags(seen, "tumour")
    if not cam.any():
        sentence = "No part of the crop speaks for the answer; the saliency map is empty."
        yield Flag("saliency_empty", "info", sentence)


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
