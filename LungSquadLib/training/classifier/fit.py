"""One fit of a classifier: its samples, its task, and the network that comes out of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...data.split_files import SYNTHETIC
from ...data.store import Store
from ...networks.trunk_and_head import NetworkOutput, TrunkAndHead
from ...progress import Progress
from ..checkpoint import load_weights
from ..experiment import FITS, Fit, Session, read_fit
from ..samples import Crops, Samples
from ..synthetic import SourcePair, source_pairs, synthetic_store
from .data import Setup
from .features import Features, FeatureScale, cached_features, frozen_prefix
from .task import Classifier, head_groups, layer_groups

KEPT_IN_MEMORY = 2 << 30  # bytes of crops
PERMUTED, LEARNING_CURVE = "permuted labels", "learning curve"  # kinds of control fits


@dataclass(frozen=True)
class FitData:
    """The samples of a fit: the run's cases, and after them synthetic ones.

    Attributes:
        stores: of the cases and of the synthetic samples.
        labels: (N,) class numbers of all samples.
        training, validation: indices of samples.
    """

    stores: tuple[Store, Store]
    labels: np.ndarray
    training: np.ndarray
    validation: np.ndarray


def fit_data(setup: Setup, fit: Fit, session: Session) -> FitData:
    """Return the samples of a fit."""
    labels = setup.labels(setup.cases)
    training, validation = setup.indices(fit.parts.train), setup.indices(fit.parts.validation)
    if fit.kind == PERMUTED:
        labels = _permuted(setup, fit, labels, np.concatenate([training, validation]))
    pairs = pairs_of(setup, fit)
    synthetic = synthetic_samples(setup, pairs, session.folder, session.progress)
    tumours = setup.indices([pair.tumour for pair in pairs])
    return FitData(
        (replace(setup.store, cases=setup.cases), synthetic),
        np.concatenate([labels, labels[tumours]]),
        np.concatenate([training, len(setup.cases) + np.arange(len(pairs))]),
        validation,
    )


@dataclass(frozen=True)
class FitModel:
    """The network of a fit, and the task that trains it or its head.

    Attributes:
        network: the whole network.
        task: of the whole network, or of its head on features.
        scale: of the features; the head takes them unscaled after `finish`.
    """

    network: TrunkAndHead
    task: Classifier
    scale: FeatureScale | None

    def finish(self) -> TrunkAndHead:
        """Return the trained network, whose head takes features as they are."""
        if self.scale is not None and isinstance(self.task.network, nn.Module):
            self.scale.remove_from(self.task.network)  # type: ignore[arg-type]
        return self.network


def fit_model(setup: Setup, fit: Fit, data: FitData, session: Session) -> FitModel:
    """Return the network of a fit before it is trained."""
    options = setup.options
    options = replace(options, seed=seed_of(options.seed, fit))
    permuted = fit.kind == PERMUTED
    pretrained = setup.pretrained(permuted=permuted)
    network = setup.initial_network(options.seed, permuted=permuted)
    network.to(torch.device(options.device))
    samples: Samples
    scale: FeatureScale | None = None
    trained: nn.Module = network
    predict: Callable[[Tensor], NetworkOutput] = network.forward_with_features
    if options.freeze == "trunk":
        _, head = frozen_prefix(network)
        values = np.concatenate(
            [
                trunk_features(setup, store, session.folder, session.progress)
                for store in data.stores
                if store.cases
            ]
        )
        scale = FeatureScale.of(values[data.training])
        first = "head.before" if setup.network.arguments["hidden"] else "head.after"
        if first in pretrained:
            scale.apply_to(head)
        samples = Features(scale.standardised(values), options.seed)
        trained, predict, groups = head, head, head_groups(options, pretrained=pretrained)
    else:
        samples = _crops(setup, data.stores, options.seed)
        groups = layer_groups(network, options, freeze=options.freeze, pretrained=pretrained)
        network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    task = Classifier(
        trained,
        predict,
        groups,
        samples=samples,
        labels=data.labels,
        training=data.training,
        validation=data.validation,
        classes=len(setup.classes),
        recipe=options,
        context=session.context,
    )
    return FitModel(network, task, scale)


def trained_network(setup: Setup, fit: Fit, folder: Path) -> tuple[TrunkAndHead, float]:
    """Return the network of a finished fit in eval mode, and its temperature.

    Args:
        setup: the run.
        fit: one of it.
        folder: of the run.
    """
    weights, facts = read_fit(folder / FITS / fit.name)
    network = setup.initial_network(fit.seed)
    load_weights(network, weights)
    return network.eval(), float(facts["temperature"])


def pairs_of(setup: Setup, fit: Fit) -> tuple[SourcePair, ...]:
    """Return the pairs of cases that a fit's synthetic samples are made of."""
    if setup.synthesis is None:
        return ()
    return source_pairs(
        [setup.by_name[name] for name in fit.parts.train],
        setup.options.label,
        fraction=setup.synthesis.fraction,
        seed=(setup.options.seed, fit.seed),
    )


def synthetic_samples(
    setup: Setup, pairs: Sequence[SourcePair], folder: Path, progress: Progress
) -> Store:
    """Return the synthetic samples of some pairs, from the run's folder or newly made."""
    if setup.synthesis is None:
        return Store(folder / SYNTHETIC, setup.store.preprocessing, (), 0)
    return synthetic_store(
        setup.store,
        pairs,
        setup.synthesis,
        label=setup.options.label,
        folder=folder / SYNTHETIC,
        device=torch.device(setup.options.device),
        progress=progress,
    )


def trunk_features(setup: Setup, store: Store, folder: Path, progress: Progress) -> np.ndarray:
    """Return the frozen trunk's features (N, views, D) of a store's cases, cached.

    The cache is in the store, if that is writable, so that other runs find it; else in the folder.
    """
    prefix, _ = frozen_prefix(setup.initial_network(0).to(torch.device(setup.options.device)))
    return cached_features(
        store,
        store.cases,
        prefix,
        setup.spec,
        views=setup.options.views,
        augmentation=setup.options.augmentation,
        seed=setup.options.seed,
        folder=(store.folder if os.access(store.folder, os.W_OK) else folder) / "features",
        progress=progress,
    )


def _crops(setup: Setup, stores: Sequence[Store], seed: int) -> Crops:
    """Return the crops of all cases, read when they are needed and kept as memory allows."""
    rows = [(store, case) for store in stores for case in store.cases]
    side = setup.store.preprocessing.side
    read = lru_cache(KEPT_IN_MEMORY // (2 * side**3))(
        lambda number: rows[number][0].visible(rows[number][1], setup.spec)
    )
    keys = [case.crop for _, case in rows]
    return Crops(keys, read, setup.spec, setup.options.augmentation, seed)


def seed_of(seed: int, fit: Fit) -> int:
    """Return the seed of a fit; that of the final fit differs from those of the folds."""
    return seed * 1_000_003 + fit.seed * 1009 + fit.fold + 1


def _permuted(setup: Setup, fit: Fit, labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Permute labels among the patients of the chosen cases; all cases of a patient get one."""
    patients = sorted({setup.cases[n].patient for n in chosen.tolist()})
    first = {setup.cases[n].patient: int(labels[n]) for n in reversed(chosen.tolist())}
    order = np.random.default_rng((fit.seed, fit.fold, 2)).permutation(len(patients))
    permuted = dict(zip(patients, (first[patients[i]] for i in order), strict=True))
    result = labels.copy()
    for n in chosen.tolist():
        result[n] = permuted[setup.cases[n].patient]
    return result
