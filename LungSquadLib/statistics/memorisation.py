"""A test whether a generator has memorised its training images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .checks import patients
from .image_similarity import squared_distances

LEVEL, MAX_DISTANCE_RATIO = 0.01, 0.75
_SIDE = 16


@dataclass(frozen=True)
class Memorisation:
    """The result of the test for memorised training images.

    Attributes:
        closer_fraction: the fraction of pairs in which a generated image has a lower
            nearest-neighbour distance ratio (training to held-out) than a held-out real one,
            patients weighing alike; 0.5 for a generator that does not memorise.
        distance_ratio: the median nearest-neighbour distance ratio of generated images over that of
            held-out ones: about 1 for a generator that does not memorise, about 0 for copies.
        p: one-sided, over held-out patients.
        least_p: the smallest p that so many patients can give.
        memorised: the number of generated images with a lower ratio than every held-out one.
        z: of the Mann-Whitney test of Meehan et al., for comparison: on distances to the training
            images alone, every image taken for a patient.
    """

    closer_fraction: float
    distance_ratio: float
    p: float
    least_p: float
    memorised: int
    z: float

    @property
    def flagged(self) -> bool:
        """Whether training images were memorised: p below 0.01, and a ratio of at most 0.75."""
        return self.p < LEVEL and self.distance_ratio <= MAX_DISTANCE_RATIO


def embedding(images: np.ndarray) -> np.ndarray:
    """Embed images (N, C, S, S) as points (N, D) in which nearest neighbours are searched.

    Means of blocks, 16 a side, of all channels: noise on single pixels is averaged out, so that a
    copy stays a copy; the patient's anatomy and the tumour's position are kept. Scaled so that a
    distance is a root mean square difference.
    """
    n, channels, side, _ = images.shape
    block = side // _SIDE
    blocks = images.reshape(n, channels, _SIDE, block, _SIDE, block).mean((3, 5))
    return np.asarray(blocks, np.float64).reshape(n, -1) / np.sqrt(channels * _SIDE**2)


def nearest(images: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index (N,) of the reference (M, D) nearest to each image (N, D), and distances."""
    distances = squared_distances(images, references)
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
    """Test whether generated images are nearer to the training images than held-out real ones are.

    After Meehan, Chaudhuri and Dasgupta (arXiv:2004.05675, section 3), over the whole space, and
    different in two ways. Images without detail lie near to everything: so the distance to the
    nearest training image is divided by that to the nearest held-out one (of another patient, for a
    held-out image). And slices of a patient are not independent: the mean rank of a held-out
    patient's images among the generated ones is one observation, 1/2 on average without
    memorisation; p by random signs, with the error of that rank added. Generated images are taken
    to be independent of each other.

    Args:
        training: (T, D) points of `embedding`.
        held_out: (H, D).
        fakes: (F, D).
        held_out_patients: (H,) the patient of each held-out image.
        n: number of random signs.
        seed: seed of the signs.

    Raises:
        ValueError: a set is empty, or there is one held-out patient only.
    """
    patient = patients(held_out_patients, len(held_out))
    count = len(set(patient.tolist()))
    if not len(training) or not len(fakes) or count < 2:
        raise ValueError("training and generated images and two held-out patients are needed")
    among = squared_distances(held_out, held_out)
    among[patient[:, None] == patient] = np.inf
    fakes_to_training = squared_distances(fakes, training).min(1)
    held_to_training = squared_distances(held_out, training).min(1)
    fakes_ratio = _ratio(fakes_to_training, squared_distances(fakes, held_out).min(1))
    held_ratio = _ratio(held_to_training, among.min(1))
    rank = _ranks(held_ratio, fakes_ratio)
    mean_rank = np.bincount(patient, rank) / np.bincount(patient)
    random = np.random.default_rng(seed)
    signs = random.choice([-1.0, 1.0], size=(n, count))
    null = signs @ (mean_rank - 0.5) / count + random.normal(0, (12 * len(fakes)) ** -0.5, n)
    closer = float(mean_rank.mean())
    error = np.sqrt((len(fakes) + len(held_out) + 1) / (12 * len(fakes) * len(held_out)))
    tiny = np.finfo(float).tiny
    return Memorisation(
        closer_fraction=closer,
        distance_ratio=float(np.median(fakes_ratio) / max(np.median(held_ratio), tiny)),
        p=float((1 + (null >= closer - 0.5).sum()) / (1 + n)),
        least_p=max(1 / (1 + n), 0.5**count),
        memorised=int((fakes_ratio < held_ratio.min()).sum()),
        z=float((_ranks(held_to_training, fakes_to_training).mean() - 0.5) / error),
    )


def _ratio(training: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """The ratio of distances, from squared ones; below 1 where training images are nearer."""
    return np.asarray(np.sqrt(training / np.maximum(held_out, np.finfo(float).tiny)))


def _ranks(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """The fraction of `among` below each value; equal ones count half."""
    among = np.sort(among)
    ends = np.searchsorted(among, values, "left") + np.searchsorted(among, values, "right")
    return np.asarray(ends / (2 * len(among)))
