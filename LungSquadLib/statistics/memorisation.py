"""Has a generator copied its training images?"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from .checks import patients
from .feature_similarity import squared_distances

LEVEL, MARGIN = 0.01, 0.1
_SIDE = 16


@dataclass(frozen=True)
class Memorisation:
    """What the test found.

    Attributes:
        nearer: how often a generated image lies nearer to the training images than a held-out
            real one does, of all pairs; ties count half.
        expected: the same, where other patients play the part of the training patients (median).
        z: of the Mann-Whitney test of Meehan et al.; large where `nearer` is, and too large where
            images of one patient are alike.
        p: one-sided, by permutation of patients.
        least_p: the smallest p that so many patients can give.
        copies: generated images nearer to a training image than every held-out image.
    """

    nearer: float
    expected: float
    z: float
    p: float
    least_p: float
    copies: int

    @property
    def flagged(self) -> bool:
        """Whether training images were copied: p below 0.01, and the excess at least 0.1."""
        return self.p < LEVEL and self.nearer - self.expected >= MARGIN


def outlook(images: np.ndarray) -> np.ndarray:
    """Images (N, C, S, S) as points (N, D) of the space in which copies are looked for.

    Means of blocks, 16 a side, of all channels: noise on single pixels is averaged out, so that a
    copy stays a copy; who is who, and where the tumour lies, is kept.
    """
    n, channels, side, _ = images.shape
    block = side // _SIDE
    blocks = images.reshape(n, channels, _SIDE, block, _SIDE, block)
    return np.asarray(blocks.mean((3, 5)), np.float64).reshape(n, -1)


def memorisation(
    training: np.ndarray,
    held_out: np.ndarray,
    fakes: np.ndarray,
    *,
    training_patients: np.ndarray,
    held_out_patients: np.ndarray,
    n: int = 1000,
    seed: int = 0,
) -> Memorisation:
    """Are generated images nearer to the training images than held-out real ones are?

    The statistic is that of Meehan, Chaudhuri and Dasgupta (arXiv:2004.05675, section 3), over the
    whole space. Its null distribution is not theirs, for slices of a patient are not independent,
    and images without detail lie near to everything: instead the patients change places. A
    generator that has learnt what patients have in common fits the training patients no better
    than any others, so that they might as well have been held out. The test is exact where the
    training patients were drawn at random; where they come from another hospital than the
    held-out ones, it finds that, too.

    Args:
        training: (T, D) points of `outlook`.
        held_out: (H, D).
        fakes: (F, D).
        training_patients: (T,) whose image each is.
        held_out_patients: (H,) likewise.
        n: permutations.
        seed: of the permutations.

    Raises:
        ValueError: a patient is on both sides, or there is nothing on one.
    """
    reals = np.concatenate([training, held_out])
    named = np.concatenate([training_patients, held_out_patients])
    patient = patients(named, len(reals))
    seen = np.zeros(patient.max(initial=-1) + 1, bool)
    seen[patient[: len(training)]] = True
    if not len(fakes) or seen.all() or not seen.any() or seen[patient[len(training) :]].any():
        raise ValueError("training, held-out and generated images are needed, no patient twice")
    of_fakes = _by_patient(squared_distances(fakes, reals), patient)
    of_reals = _by_patient(squared_distances(reals, reals), patient)

    def statistic(chosen: np.ndarray) -> float:
        held = of_reals[~chosen[patient]][:, chosen].min(1)
        return _nearer(of_fakes[:, chosen].min(1), held)

    nearer, random = statistic(seen), np.random.default_rng(seed)
    null = np.array([statistic(random.permutation(seen)) for _ in range(n)])
    spread = np.sqrt((len(fakes) + len(held_out) + 1) / (12 * len(fakes) * len(held_out)))
    closest = of_reals[len(training) :][:, seen].min()
    return Memorisation(
        nearer=nearer,
        expected=float(np.median(null)),
        z=float((nearer - 0.5) / spread),
        p=float((1 + (null >= nearer - 1e-12).sum()) / (1 + n)),
        least_p=max(1 / (1 + n), 1 / comb(len(seen), int(seen.sum()))),
        copies=int((of_fakes[:, seen].min(1) < closest).sum()),
    )


def nearest(images: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The one of others (M, D) that is nearest to each of images (N, D), and how far (N,) it is."""
    distances = squared_distances(images, others)
    return distances.argmin(1), np.sqrt(distances.min(1))


def _by_patient(distances: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """The smallest distance (N, P) to any image of each patient, of distances (N, M)."""
    order = np.argsort(patient, kind="stable")
    starts = np.searchsorted(patient[order], np.arange(patient.max() + 1))
    return np.minimum.reduceat(distances[:, order], starts, axis=1)


def _nearer(fakes: np.ndarray, held: np.ndarray) -> float:
    """Share of pairs in which the fake's distance is the smaller one; ties count half."""
    held = np.sort(held)
    above = len(held) - np.searchsorted(held, fakes, "right")
    equal = np.searchsorted(held, fakes, "right") - np.searchsorted(held, fakes, "left")
    return float((above + equal / 2).mean() / len(held))
