"""Has a generator copied its training images?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .checks import patients
from .image_similarity import squared_distances

LEVEL, CLOSE = 0.01, 0.75
_SIDE = 16


@dataclass(frozen=True)
class Memorisation:
    """What the test found.

    Attributes:
        nearer: how often a generated image is more on the side of the training images than a
            held-out real one is, of all pairs, patients weighing alike; 0.5 of an honest generator.
        closeness: the distance of a typical (median) generated image to the training images, in
            relation to that to the held-out ones, by the same of a held-out image: about 1 of an
            honest generator, about 0 of copies.
        p: one-sided, with the held-out patients as what was drawn.
        least_p: the smallest p that so many patients can give.
        copies: generated images that are so more than every held-out one.
        z: of the Mann-Whitney test of Meehan et al., for comparison: on distances to the training
            images alone, every image taken for a patient.
    """

    nearer: float
    closeness: float
    p: float
    least_p: float
    copies: int
    z: float

    @property
    def flagged(self) -> bool:
        """Whether training images were copied: p below 0.01, and typically at most 0.75 as far."""
        return self.p < LEVEL and self.closeness <= CLOSE


def outlook(images: np.ndarray) -> np.ndarray:
    """Images (N, C, S, S) as points (N, D) of the space in which copies are looked for.

    Means of blocks, 16 a side, of all channels: noise on single pixels is averaged out, so that a
    copy stays a copy; who is who, and where the tumour lies, is kept. Scaled so that a distance is
    a root mean square difference.
    """
    n, channels, side, _ = images.shape
    block = side // _SIDE
    blocks = images.reshape(n, channels, _SIDE, block, _SIDE, block).mean((3, 5))
    return np.asarray(blocks, np.float64).reshape(n, -1) / np.sqrt(channels * _SIDE**2)


def nearest(images: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The one of others (M, D) that is nearest to each of images (N, D), and how far (N,) it is."""
    distances = squared_distances(images, others)
    return distances.argmin(1), np.sqrt(distances.min(1))


def memorisation(
    training: np.ndarray,
    held_out: np.ndarray,
    fakes: np.ndarray,
    *,
    held_out_patients: np.ndarray,
    n: int = 1999,
    seed: int = 0,
) -> Memorisation:
    """Are generated images nearer to the training images than held-out real ones are?

    After Meehan, Chaudhuri and Dasgupta (arXiv:2004.05675, section 3), over the whole space, and
    different in two ways. Images without detail lie near to everything: so the distance to the
    nearest training image is taken in relation to that to the nearest held-out one (of another
    patient, for a held-out image). And slices of a patient are not independent: each held-out
    patient's mean place among the generated images is one observation, 1/2 on average of an honest
    generator; p by random signs, with the error of that place added. Generated images are taken
    for independent of each other.

    Args:
        training: (T, D) points of `outlook`.
        held_out: (H, D).
        fakes: (F, D).
        held_out_patients: (H,) whose image each is.
        n: random signs.
        seed: of them.

    Raises:
        ValueError: there is nothing on one side, or one held-out patient only.
    """
    patient = patients(held_out_patients, len(held_out))
    count = len(set(patient.tolist()))
    if not len(training) or not len(fakes) or count < 2:
        raise ValueError("training and generated images and two held-out patients are needed")
    among = squared_distances(held_out, held_out)
    among[patient[:, None] == patient] = np.inf
    fakes_known, held_known = (squared_distances(one, training).min(1) for one in (fakes, held_out))
    fakes_side = _ratio(fakes_known, squared_distances(fakes, held_out).min(1))
    held_side = _ratio(held_known, among.min(1))
    place = _places(held_side, fakes_side)
    mean_place = np.bincount(patient, place) / np.bincount(patient)
    random = np.random.default_rng(seed)
    signs = random.choice([-1.0, 1.0], size=(n, count))
    null = signs @ (mean_place - 0.5) / count + random.normal(0, (12 * len(fakes)) ** -0.5, n)
    nearer = float(mean_place.mean())
    spread = np.sqrt((len(fakes) + len(held_out) + 1) / (12 * len(fakes) * len(held_out)))
    return Memorisation(
        nearer=nearer,
        closeness=float(np.median(fakes_side) / max(np.median(held_side), np.finfo(float).tiny)),
        p=float((1 + (null >= nearer - 0.5).sum()) / (1 + n)),
        least_p=max(1 / (1 + n), 0.5**count),
        copies=int((fakes_side < held_side.min()).sum()),
        z=float((_places(held_known, fakes_known).mean() - 0.5) / spread),
    )


def _ratio(training: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Of squared distances; below 1 where training images are nearer than held-out ones."""
    return np.asarray(np.sqrt(training / np.maximum(held_out, np.finfo(float).tiny)))


def _places(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """The share of others that lie below each value; equal ones count half."""
    among = np.sort(among)
    ends = np.searchsorted(among, values, "left") + np.searchsorted(among, values, "right")
    return np.asarray(ends / (2 * len(among)))
