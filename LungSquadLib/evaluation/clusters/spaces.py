"""What an autoencoder has to be better than: PCA and NMF with as many dimensions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ...training.autoencoder.run import AutoencoderRun
from .results import AUTOENCODER, NMF, PCA, Error

_ROUNDS = 200  # of NMF


@dataclass(frozen=True, eq=False)
class Space:
    """Places (N, D) of all patients, and their columns (N, columns), standardised, rebuilt."""

    name: str
    places: np.ndarray
    rebuilt: np.ndarray


def spaces_of(run: AutoencoderRun) -> tuple[Space, ...]:
    """Autoencoder, PCA and NMF, all learnt from the training patients; missing is the mean.

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    x, train = run.standardised, run.table.train
    dimensions = min(run.options.latent, len(train) - 1, x.shape[1])
    return (
        Space(AUTOENCODER, run.trained.space, run.rebuilt),
        _pca(x, train, dimensions),
        _nmf(x, train, dimensions),
    )


def errors_of(run: AutoencoderRun, spaces: tuple[Space, ...]) -> tuple[Error, ...]:
    """Squared errors of the numbers that are known, and those of the training patients' mean."""
    rebuilt = {space.name: space.rebuilt for space in spaces}
    rebuilt["mean"] = np.zeros_like(spaces[0].rebuilt)
    found = []
    for name, values in rebuilt.items():
        each = run.squared_errors(values)
        train, test = (float(each[run.table.rows(part)].mean()) for part in ("train", "test"))
        found.append(Error(name, train, test))
    return tuple(found)


def _pca(x: np.ndarray, train: np.ndarray, dimensions: int) -> Space:
    mean = x[train].mean(axis=0)  # not 0 where numbers are missing
    axes = np.linalg.svd(x[train] - mean, full_matrices=False)[2][:dimensions]
    places = (x - mean) @ axes.T
    return Space(PCA, places.astype(np.float64), places @ axes + mean)


def _nmf(x: np.ndarray, train: np.ndarray, dimensions: int) -> Space:
    """Of columns from which their least number in training is taken, so that none is below 0."""
    from sklearn.decomposition import NMF as Factors  # noqa: N811

    least = x[train].min(axis=0)
    shifted = np.maximum(x - least, 0)
    model = Factors(dimensions, init="nndsvda", max_iter=_ROUNDS, random_state=0)
    with warnings.catch_warnings():  # one that has not settled is good enough to compare with
        warnings.simplefilter("ignore")
        places = model.fit(shifted[train]).transform(shifted)
    rebuilt = (places @ model.components_ + least).astype(np.float32)
    return Space(NMF, places.astype(np.float64), rebuilt)
