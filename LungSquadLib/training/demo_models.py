"""Trains the two demo models on phantoms (`lungsquad models train-demo`).

The models show that everything works; they know computer-made phantoms and nothing else, and their
cards say so. Patients are split once: training, validation (best epoch, temperature) and held-out
test (metrics, reference distances, agreement).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..errors import InputError, ModelError
from ..imaging.jitter import variants
from ..inference.classifier import logits_and_features
from ..models.card import (
    Baseline,
    Card,
    ClassLabel,
    Metric,
    NetworkSpec,
    ReferenceSpec,
    Training,
)
from ..models.file import Reference, read_model_file, write_model_file
from ..models.inputs import InputSpec
from ..networks import build
from ..networks.trunk_and_head import TrunkAndHead
from ..phantom.crops import MARGIN, PhantomCase, phantom_cases
from ..phantom.patient import Phantom
from ..phantom.scan import scanned
from ..progress import Part, Progress, Silent
from ..statistics.agreement import icc_estimate
from ..statistics.calibration import fit_logistic, fit_temperature, log_odds
from ..statistics.discrimination import auc, auc_interval
from ..statistics.distance import mahalanobis
from ..statistics.intervals import Estimate, wilson
from .allocator import keep_blocks
from .augment import Augmentation
from .classifier.samples import Crops
from .classifier.task import Classifier, Recipe, groups_of
from .distributed import World
from .loop import Plan, fit
from .reference import HeldOut, reference_of

NOTICE = (
    "Demo model: trained on computer-made phantoms only. What it says about a real patient means "
    "nothing."
)
RECIPE = Recipe(epochs=6, batch=6, learning_rate=2e-3, balanced=False)
AUGMENTATION = Augmentation(quarter_turns=False, shift_mm=float(MARGIN), resampled=0.0)
FIRST_SEED = 1_000_000  # far from the seeds that demos and tests use


@dataclass(frozen=True)
class Split:
    """How many phantoms for what; seeds follow one another."""

    training: int = 1200
    validation: int = 200
    test: int = 300
    agreement: int = 40  # of the test patients, whose masks are drawn again

    @property
    def seeds(self) -> range:
        """The phantoms, in order."""
        return range(FIRST_SEED, FIRST_SEED + self.training + self.validation + self.test)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Which of them are for training, validation and test."""
        end = self.training + self.validation
        return slice(0, self.training), slice(self.training, end), slice(end, end + self.test)


@dataclass(frozen=True)
class Demo:
    """One of the demo models."""

    name: str
    title: str
    task: str
    question: str
    classes: tuple[ClassLabel, ClassLabel]
    label: Callable[[PhantomCase], bool]
    network: NetworkSpec
    input: InputSpec
    recipe: Recipe


DEMOS = (
    Demo(
        "demo-histology",
        "Demo: adenocarcinoma or squamous cell carcinoma",
        "histology",
        "Is this tumour an adenocarcinoma or a squamous cell carcinoma?",
        (ClassLabel("LUAD", "adenocarcinoma"), ClassLabel("LUSC", "squamous cell carcinoma")),
        lambda case: case.tumour.histology == "LUSC",
        NetworkSpec(
            "transfer",
            {"width": 0.125, "classes": 2, "input_size": 64, "hidden": (32,), "dropout": 0.3},
        ),
        InputSpec(64, 1.0, -1000.0, 300.0, True),
        RECIPE,
    ),
    Demo(
        "demo-survival2y",
        "Demo: alive at two years",
        "survival2y",
        "Will this patient be alive in two years?",
        (ClassLabel("DECEASED", "deceased"), ClassLabel("ALIVE", "alive at two years")),
        lambda case: case.tumour.alive_at_two_years,
        NetworkSpec("prognosis", {"width": 0.1875, "classes": 2, "input_size": 50}),
        InputSpec(50, 1.0, -1000.0, 300.0, True),
        RECIPE,
    ),
)


def train_demo_models(
    folder: str | os.PathLike[str],
    *,
    only: str | None = None,
    jobs: int | None = None,
    split: Split | None = None,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Make the phantoms, train the demo models, and write them into a folder.

    Args:
        folder: where the `.safetensors` files go.
        only: the name of one model to train.
        jobs: processes and threads; all cores if left out.
        split: how many phantoms for what.
        progress: told how it goes; may cancel.

    Returns:
        SHA-256 of each file written, by the model's name.
    """
    demos, jobs = _checked(folder, only, jobs)
    split, progress = split or Split(), progress or Silent()
    torch.set_num_threads(jobs)
    keep_blocks()
    cases = phantom_cases(
        split.seeds, jobs=jobs, progress=Part(progress, 0.0, 0.1), message="Making phantoms"
    )
    share, written = 0.9 / len(demos), {}
    for number, demo in enumerate(demos):
        part = Part(progress, 0.1 + number * share, 0.1 + (number + 1) * share)
        network, card, reference = _trained(demo, cases, split, part)
        path = Path(folder) / f"{demo.name}.safetensors"
        written[demo.name] = write_model_file(path, network, card=card, reference=reference)
    return written


def renew_references(
    folder: str | os.PathLike[str],
    *,
    only: str | None = None,
    jobs: int | None = None,
    split: Split | None = None,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Measure the held-out phantoms anew by the demo models in a folder; their weights stay.

    Mean and precision are the weights' own and stay as well. Arguments, result and errors as
    `train_demo_models`.

    Raises:
        ModelError: a model is not there, or is damaged.
    """
    demos, jobs = _checked(folder, only, jobs)
    split, progress = split or Split(), progress or Silent()
    torch.set_num_threads(jobs)
    models = [read_model_file(Path(folder) / f"{demo.name}.safetensors") for demo in demos]
    cases = phantom_cases(
        split.seeds[split.slices[2]], jobs=jobs, progress=progress, message="Making phantoms"
    )
    written = {}
    for demo, model in zip(demos, models, strict=True):
        if model.reference is None:
            raise ModelError(f"The model '{demo.name}' has no reference: train it anew.")
        network = model.trainable()
        logits, features = logits_and_features(network, demo.input, [case.hu for case in cases])
        mean, precision = model.reference.mean, model.reference.precision
        reference = replace(
            model.reference, distances=np.sort(mahalanobis(features, mean, precision))
        )
        spec = _reference_spec(network, demo.input, split, log_odds(logits, 1))
        card = replace(model.card, reference=spec)
        written[demo.name] = write_model_file(model.path, network, card=card, reference=reference)
    return written


def _checked(
    folder: str | os.PathLike[str], only: str | None, jobs: int | None
) -> tuple[list[Demo], int]:
    """Which demo models are meant, and by how many processes."""
    if jobs is not None and jobs < 1:
        raise InputError(f"The number of processes must be 1 or more, not {jobs}.")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InputError(f"'{folder}' is a file, so nothing can be written into it.")
    demos = [demo for demo in DEMOS if only in (None, demo.name)]
    if not demos:
        known = ", ".join(demo.name for demo in DEMOS)
        raise InputError(f"There is no demo model '{only}'; there are {known}.")
    return demos, jobs or os.cpu_count() or 1


def _trained(
    demo: Demo, cases: Sequence[PhantomCase], split: Split, progress: Progress
) -> tuple[TrunkAndHead, Card, Reference]:
    """Train one demo model and measure it on the held-out patients."""
    hu = np.stack([case.hu for case in cases])
    labels = np.array([demo.label(case) for case in cases], np.int64)
    volumes = np.log([case.volume_ml for case in cases])
    training, validation, test = split.slices
    torch.manual_seed(demo.recipe.seed)
    network = build(demo.network.name, demo.network.arguments)
    task = Classifier(
        network,
        network.forward_with_features,
        groups_of(network, demo.recipe, freeze="none", taken=()),
        samples=Crops(list(map(str, split.seeds)), hu.__getitem__, demo.input, AUGMENTATION, 0),
        labels=labels,
        training=np.arange(len(hu))[training],
        validation=np.arange(len(hu))[validation],
        classes=2,
        recipe=demo.recipe,
        world=World(),
    )
    fit(task, Plan(demo.recipe.epochs), checkpoint=None, world=World(), progress=progress)
    _, known = logits_and_features(network, demo.input, hu[training])
    reached, _ = logits_and_features(network, demo.input, hu[validation])
    logits, features = logits_and_features(network, demo.input, hu[test])
    reference = reference_of(known, [HeldOut(known, features)])
    scores, where = log_odds(logits, 1), f"{split.test} held-out phantoms"
    intercept, slope = fit_logistic(volumes[training], labels[training])
    by_volume = {"AUC": _auc(labels[test], slope * volumes[test], where)}
    card = replace(
        _card(demo, split),
        temperature=fit_temperature(reached, labels[validation]),
        metrics={
            "AUC": _auc(labels[test], scores, where),
            "accuracy": _accuracy(labels[test], scores > 0, where),
        },
        baseline=Baseline("log_volume_logistic", intercept, slope, by_volume),
        reference=_reference_spec(network, demo.input, split, scores),
    )
    seen = replace(card.training, fingerprint=hashlib.sha256(hu[training].tobytes()).hexdigest())
    return network, replace(card, training=seen), reference


def _card(demo: Demo, split: Split) -> Card:
    return Card(
        name=demo.name,
        title=demo.title,
        task=demo.task,
        question=demo.question,
        classes=demo.classes,
        network=demo.network,
        input=demo.input,
        positive=1,
        training=Training(
            f"{split.training} computer-made phantoms, no patient; {split.validation} more to "
            "choose the epoch and the temperature.",
            patients=0,
            split_hash=hashlib.sha256(repr(split).encode()).hexdigest(),
            seed=demo.recipe.seed,
            command=f"lungsquad models train-demo --only {demo.name}",
        ),
        licence="MIT, as LungSquad.",
        intended_use="To try LungSquad out, and to test it.",
        must_not=(
            "Must not be used for anything about a real patient.",
            "Must not be used to judge how well such networks do on real CT.",
        ),
        notice=NOTICE,
    )


def _reference_spec(
    network: TrunkAndHead, spec: InputSpec, split: Split, scores: np.ndarray
) -> ReferenceSpec:
    """What the card says of the reference; `scores` are the log odds of the held-out patients."""
    agreement = _agreement(network, spec, split)
    return ReferenceSpec(split.training, float(scores.std(ddof=1)), agreement)


def _agreement(network: TrunkAndHead, spec: InputSpec, split: Split) -> Estimate:
    """ICC(2,1) of the logit over positions of each patient's crop; bootstrap over patients.

    The positions are the same, and all different, for every patient: a grown or shrunk mask often
    leaves the crop where it is, so that the same answer would count as another one.
    """
    ratings = []
    side = (spec.size,) * 3
    for seed in split.seeds[split.slices[2]][: split.agreement]:
        ct, mask = scanned(Phantom(seed))
        around = variants(ct, mask, size=side, spacing=spec.spacing)
        moved = [one for one in around.variants if one.kind != "margin"]
        logits, _ = logits_and_features(network, spec, np.stack([around.hu(one) for one in moved]))
        ratings.append(log_odds(logits, 1))
    return icc_estimate(np.array(ratings))


def _auc(labels: np.ndarray, scores: np.ndarray, where: str) -> Metric:
    return Metric(auc(labels, scores), *auc_interval(labels, scores), len(labels), where)


def _accuracy(labels: np.ndarray, answers_: np.ndarray, where: str) -> Metric:
    n, right = len(labels), int(np.sum(labels == answers_))
    return Metric(right / n, *wilson(right, n), n, where)
