"""One training of a run: its cases into the loop, its answers out."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...data.split_files import SYNTHETIC
from ...data.splits import Fold, subsample
from ...data.store import Store, StoredCase
from ...errors import InputError
from ...files import sha256_of_file, write_csv
from ...networks.trunk_and_head import TrunkAndHead
from ...progress import Progress
from ...statistics.calibration import fit_temperature, log_odds
from ..checkpoint import load_weights, read_checkpoint, write_checkpoint
from ..distributed import World
from ..loop import Plan, Row, Watcher, fit
from .baselines import clinical_alone, volume_alone
from .features import cached_features, frozen_prefix
from .samples import Crops, Features, Samples
from .setup import Setup
from .standardise import Scale
from .synthetic import Pair, painted, paired
from .task import Classifier, groups_of, head_groups, unbalance

MODEL, LOG, ANSWERS, CHECKPOINT = "weights.safetensors", "log.csv", "answers.csv", "checkpoint"
KEPT_IN_MEMORY = 2 << 30  # bytes of crops


@dataclass(frozen=True)
class Job:
    """One training: which fold, drawn from which seed, and what is different about it.

    Attributes:
        name: of its folder.
        seed, fold: where it stands in the cross-validation; fold -1 is the final model's.
        parts: its cases.
        kind: "main", "shuffled" (labels dealt out at random) or "curve" (`patients` of them).
    """

    name: str
    seed: int
    fold: int
    parts: Fold
    kind: str = "main"
    patients: int = 0


def jobs_of(setup: Setup) -> list[Job]:
    """All trainings of a run but the final one."""
    return list(_jobs(setup))


def _jobs(setup: Setup) -> Iterator[Job]:
    labels = [case.columns[setup.options.label] for case in setup.cases]
    for (seed, number), fold in setup.splits.items():
        name = f"seed{seed}-fold{number}"
        yield Job(name, seed, number, fold)
        if setup.options.shuffled:
            yield Job(f"{name}-shuffled", seed, number, fold, "shuffled")
        for patients in dict.fromkeys(setup.options.curve):
            smaller = subsample(fold, setup.cases, labels=labels, n=patients, seed=seed)
            yield Job(f"{name}-n{patients}", seed, number, smaller, "curve", patients)


def run_job(
    setup: Setup,
    job: Job,
    folder: Path,
    *,
    world: World,
    progress: Progress,
    message: str,
    watchers: tuple[Watcher, ...] = (),
) -> None:
    """Train, and leave `weights.safetensors`, `log.csv` and `answers.csv` in the job's folder.

    Going on from the checkpoint of a run that was killed, which is removed when all else is there.
    """
    place = folder / job.name
    trained = _prepared(setup, job, folder, world, progress)
    recipe = setup.options.recipe
    history = fit(
        trained.task,
        Plan(recipe.epochs, recipe.patience, max(g.from_epoch for g in trained.task.groups)),
        checkpoint=place / CHECKPOINT,
        world=world,
        progress=progress,
        message=message,
        watchers=watchers,
    )
    if recipe.balanced:
        unbalance(trained.task.network, trained.task.class_weights)
    validation = trained.task.answers(trained.numbers(job.parts.validation))[0]
    temperature = fit_temperature(validation, trained.labels(job.parts.validation))
    rows = _answers(setup, job, trained, temperature)
    if trained.finish is not None:
        trained.finish()
    if world.leads:
        _write_log(place / LOG, history)
        network = trained.network
        write_rows(place / ANSWERS, rows)
        facts = {"temperature": temperature, "answers": sha256_of_file(place / ANSWERS)}
        write_checkpoint(place / MODEL, network.state_dict(), facts)
        (place / CHECKPOINT).unlink(missing_ok=True)
    world.wait()


def is_done(folder: Path, job: Job) -> bool:
    """Whether a job's weights and answers are there and whole; where not, it is done again."""
    place = folder / job.name
    try:
        _, facts = read_checkpoint(place / MODEL)
        return bool(facts["answers"] == sha256_of_file(place / ANSWERS))
    except (InputError, FileNotFoundError):
        return False


def trained_network(setup: Setup, job: Job, folder: Path) -> tuple[TrunkAndHead, float]:
    """The network of a finished job, and its temperature."""
    weights, facts = read_checkpoint(folder / job.name / MODEL)
    network = setup.fresh_network(job.seed)
    load_weights(network, weights)
    return network.eval(), float(facts["temperature"])


@dataclass(frozen=True)
class _Trained:
    """A task and the cases behind its numbers."""

    setup: Setup
    task: Classifier
    network: TrunkAndHead
    names: dict[str, int]
    finish: Callable[[], None] | None  # makes of what was trained what predicts

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        return np.array([self.names[name] for name in names], np.int64)

    def labels(self, names: Sequence[str]) -> np.ndarray:
        return np.array([self.setup.label(self.setup.by_name[name]) for name in names], np.int64)


def _prepared(setup: Setup, job: Job, folder: Path, world: World, progress: Progress) -> _Trained:
    options, cases = setup.options, setup.cases
    recipe = replace(options.recipe, seed=_seed(options.recipe.seed, job))
    shuffled = job.kind == "shuffled"
    taken = setup.taken(shuffled=shuffled)
    network = setup.fresh_network(recipe.seed, shuffled=shuffled)
    network.to(torch.device(options.device))
    labels = np.array([setup.label(case) for case in cases], np.int64)
    names = {case.case: number for number, case in enumerate(cases)}
    training, validation = (
        np.array([names[name] for name in part], np.int64)
        for part in (job.parts.train, job.parts.validation)
    )
    if shuffled:
        labels = _dealt(setup, job, labels, np.concatenate([training, validation]))
    pairs = pairs_of(setup, job)
    stores = (replace(setup.store, cases=cases), painted_of(setup, pairs, folder, progress))
    labels = np.concatenate([labels, labels[[names[pair.tumour] for pair in pairs]]])
    training = np.concatenate([training, len(cases) + np.arange(len(pairs))])
    samples: Samples
    trained: nn.Module = network
    forward: Any = network.forward_with_features
    finish: Callable[[], None] | None = None
    if options.freeze == "trunk":
        _, rest = frozen_prefix(network)
        features = np.concatenate(
            [features_of(setup, one, folder, progress) for one in stores if one.cases]
        )
        scale = Scale.of(features[training])
        if ("head.before" if setup.network.arguments["hidden"] else "head.after") in taken:
            scale.put_on(rest)
        samples = Features(scale.standardised(features), recipe.seed)
        trained, forward, groups = rest, rest, head_groups(recipe, taken=taken)
        finish = partial(scale.take_off, rest)
    else:
        samples = _crops(setup, stores, recipe.seed)
        groups = groups_of(network, recipe, freeze=options.freeze, taken=taken)
        network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    task = Classifier(
        trained,
        forward,
        groups,
        samples=samples,
        labels=labels,
        training=training,
        validation=validation,
        classes=len(setup.classes),
        recipe=recipe,
        world=world,
    )
    return _Trained(setup, task, network, names, finish)


def pairs_of(setup: Setup, job: Job) -> tuple[Pair, ...]:
    """The cases that a job's synthetic samples are made of; see `paired`."""
    if setup.painter is None:
        return ()
    return paired(
        [setup.by_name[name] for name in job.parts.train],
        setup.options.label,
        fraction=setup.painter.fraction,
        seed=(setup.options.recipe.seed, job.seed),
    )


def painted_of(setup: Setup, pairs: Sequence[Pair], folder: Path, progress: Progress) -> Store:
    """The run's synthetic samples of some pairs, from the cache or painted."""
    place = folder.parent / SYNTHETIC
    if setup.painter is None:
        return Store(place, setup.store.preprocessing, (), 0)
    return painted(
        setup.store,
        pairs,
        setup.painter,
        label=setup.options.label,
        folder=place,
        device=torch.device(setup.options.device),
        progress=progress,
    )


def features_of(setup: Setup, store: Store, folder: Path, progress: Progress) -> np.ndarray:
    """The frozen trunk's features (N, views, D) of a store's cases, from the cache or made."""
    prefix, _ = frozen_prefix(setup.fresh_network(0).to(torch.device(setup.options.device)))
    return cached_features(
        store,
        store.cases,
        prefix,
        setup.spec,
        views=setup.options.views,
        augmentation=setup.options.augmentation,
        seed=setup.options.recipe.seed,
        folder=_shared_folder(store, folder) / "features",
        progress=progress,
    )


def _shared_folder(store: Store, folder: Path) -> Path:
    """The store, where it may be written into, so that other runs find what this one made."""
    return store.folder if os.access(store.folder, os.W_OK) else folder.parent


def _crops(setup: Setup, stores: Sequence[Store], seed: int) -> Crops:
    """Crops of all cases, read from their stores; as many as memory should hold are kept."""
    rows = [(store, case) for store in stores for case in store.cases]
    side = setup.store.preprocessing.side
    read = lru_cache(KEPT_IN_MEMORY // (2 * side**3))(
        lambda number: rows[number][0].hu(rows[number][1])
    )
    keys = [case.crop for _, case in rows]
    return Crops(keys, read, setup.spec, setup.options.augmentation, seed)


def _seed(seed: int, job: Job) -> int:
    """A seed of its own for each training, that of the final model apart."""
    return seed * 1_000_003 + job.seed * 1009 + job.fold + 1


def _dealt(setup: Setup, job: Job, labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Labels dealt out anew among the chosen cases' patients: all cases of one stay alike."""
    patients = sorted({setup.cases[n].patient for n in chosen.tolist()})
    first = {setup.cases[n].patient: int(labels[n]) for n in reversed(chosen.tolist())}
    order = np.random.default_rng((job.seed, job.fold, 2)).permutation(len(patients))
    dealt = dict(zip(patients, (first[patients[i]] for i in order), strict=True))
    result = labels.copy()
    for n in chosen.tolist():
        result[n] = dealt[setup.cases[n].patient]
    return result


def _answers(setup: Setup, job: Job, trained: _Trained, temperature: float) -> list[dict[str, Any]]:
    """A row for each case of validation and test."""
    cases = {
        part: [setup.by_name[name] for name in getattr(job.parts, part)]
        for part in ("train", "validation", "test")
    }
    y = (trained.labels(job.parts.train) == setup.positive).astype(int)
    rows = []
    for part in ("validation", "test"):
        if not cases[part]:
            continue
        logits, _ = trained.task.answers(trained.numbers(getattr(job.parts, part)))
        alone = {"volume": volume_alone(cases["train"], y, cases[part])}
        if clinical := setup.options.clinical:
            alone["clinical"] = clinical_alone(cases["train"], y, cases[part], clinical)
        for n, case in enumerate(cases[part]):
            rows.append(
                {
                    "seed": job.seed,
                    "fold": job.fold,
                    "part": part,
                    **answer_row(case, logits[n] / temperature, setup.classes, setup.positive),
                    setup.options.label: case.columns[setup.options.label],
                    **_survival(case, setup),
                    **{name: values[n] for name, values in alone.items()},
                }
            )
    return rows


def _survival(case: StoredCase, setup: Setup) -> dict[str, str]:
    if case.case not in setup.follow_up:
        return {}
    time, event = setup.follow_up[case.case]
    return {"time": time, "event": event}


def answer_row(
    case: StoredCase, logits: np.ndarray, classes: Sequence[str], positive: int
) -> dict[str, Any]:
    """What a network says of a case: its calibrated probabilities, and what belongs to them."""
    powers = np.exp(logits - logits.max())
    probabilities = powers / powers.sum()
    return {
        "case": case.case,
        "patient": case.patient,
        "site": case.site,
        "volume_ml": case.volume_ml,
        "predicted": classes[int(np.argmax(logits))],
        "score": float(probabilities[positive]),
        "log_odds": float(log_odds(logits, positive)),
        **{
            f"p_{name}": float(p)
            for name, p in zip(classes, probabilities, strict=True)
            if len(classes) > 2
        },
    }


def _write_log(path: Path, history: list[Row]) -> None:
    write_rows(path, [{"epoch": n, **row} for n, row in enumerate(history, 1)])


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of one kind as CSV, whole or not at all; numbers give back the same numbers."""
    write_csv(path, list(rows[0]) if rows else [], rows, exact=True)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of one of our own tables."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
