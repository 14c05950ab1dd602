"""The training of the two demo models on phantoms (`lungsquad models train-demo`).

The models show that everything works; they are trained on computer-made phantoms alone, and their
cards say so. Patients are split once: training, validation (best epoch, temperature) and held-out
test (metrics, reference distances, agreement).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.splits import Fold
from ..errors import InputError, ModelError
from ..files import sha256_of_file
from ..imaging.jitter import variants
from ..inference.classifier import logits_and_features
from ..inference.out_of_distribution import mahalanobis
from ..models.card import Baseline, Card, ClassLabel, Metric, NetworkSpec, ReferenceSpec, Training
from ..models.file import read_model_file, write_model_file
from ..models.inputs import InputSpec
from ..networks import build
from ..networks.trunk_and_head import TrunkAndHead
from ..phantom.patient import Phantom
from ..phantom.scan import MARGIN, PhantomCase, phantom_cases, scanned
from ..progress import Part, Progress, Silent
from ..statistics.agreement import icc_estimate
from ..statistics.calibration import fit_logistic, fit_temperature, log_odds
from ..statistics.discrimination import auc, auc_interval
from ..statistics.intervals import Estimate, wilson
from .augment import Augmentation
from .card import HeldOut, reference_of
from .checkpoint import load_weights
from .classifier.options import Recipe
from .classifier.task import Classifier, layer_groups
from .experiment import Experiment, Fit, Session, finish_fit, fit_task, read_fit, run
from .loop import Schedule
from .samples import Crops

NOTICE = (
    "Demo model: trained on computer-made phantoms only. What it says about a real patient means "
    "nothing."
)
RECIPE = Recipe(epochs=6, batch=6, learning_rate=2e-3, class_weights=False)
AUGMENTATION = Augmentation(quarter_turns=False, shift_mm=float(MARGIN), resampled=0.0)
FIRST_SEED = 1_000_000  # of the phantoms; demos and tests use smaller ones


@dataclass(frozen=True)
class Split:
    """Numbers of phantoms, whose seeds are consecutive."""

    training: int = 1200
    validation: int = 200
    test: int = 300
    agreement: int = 40  # test phantoms whose crops are moved

    @property
    def seeds(self) -> range:
        """Seeds of the phantoms, in order."""
        return range(FIRST_SEED, FIRST_SEED + self.training + self.validation + self.test)

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The phantoms of training, validation and test."""
        end = self.training + self.validation
        return slice(0, self.training), slice(self.training, end), slice(end, end + self.test)


@dataclass(frozen=True)
class Demo:
    """A demo model."""

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
        folder: of the `.safetensors` files, and of a run's folder for each model; a run that was
            stopped is resumed.
        only: name of the one model to train; None: all.
        jobs: processes and threads; None: all cores.
        split: numbers of phantoms.
        progress: gets the state; may cancel.

    Returns:
        SHA-256 of each file written, by the model's name.
    """
    demos, jobs = _checked(folder, only, jobs)
    split, progress = split or Split(), progress or Silent()
    cases = phantom_cases(split.seeds, jobs=jobs, progress=Part(progress, 0.0, 0.1))
    share, written = 0.9 / len(demos), {}
    for number, demo in enumerate(demos):
        part = Part(progress, 0.1 + number * share, 0.1 + (number + 1) * share)
        path = Path(folder) / f"{demo.name}.safetensors"
        experiment = DemoExperiment(demo, cases, split, path)
        run(experiment, Path(folder) / demo.name, threads=jobs, progress=part)
        written[demo.name] = sha256_of_file(path)
    return written


def renew_references(
    folder: str | os.PathLike[str],
    *,
    only: str | None = None,
    jobs: int | None = None,
    split: Split | None = None,
    progress: Progress | None = None,
) -> dict[str, str]:
    """Measure the held-out phantoms anew with the demo models in a folder; weights do not change.

    Mean and precision of the reference do not change either. Arguments, result and errors as in
    `train_demo_models`.

    Raises:
        ModelError: a model is not there, or is damaged.
    """
    demos, jobs = _checked(folder, only, jobs)
    split, progress = split or Split(), progress or Silent()
    torch.set_num_threads(jobs)
    models = [read_model_file(Path(folder) / f"{demo.name}.safetensors") for demo in demos]
    cases = phantom_cases(split.seeds[split.slices[2]], jobs=jobs, progress=progress)
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
    """Return the chosen demo models, and the number of processes."""
    if jobs is not None and jobs < 1:
        raise InputError(f"The number of processes must be 1 or more, not {jobs}.")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InputError(f"'{folder}' is a file, so nothing can be written into it.")
    demos = [demo for demo in DEMOS if only in (None, demo.name)]
    if not demos:
        known = ", ".join(demo.name for demo in DEMOS)
        raise InputError(f"There is no demo model '{only}'; there are {known}.")
    return demos, jobs or os.cpu_count() or 1


class DemoExperiment(Experiment[Recipe]):
    """One fit of a demo model on phantoms; the model is written beside the run's folder."""

    distributable = False

    def __init__(self, demo: Demo, cases: Sequence[PhantomCase], split: Split, path: Path) -> None:
        self.demo, self.cases, self.split, self.path = demo, cases, split, path
        self.options = demo.recipe

    def described(self) -> dict[str, Any]:
        return {
            "training": self.demo.name,
            "network": dict(self.demo.network.arguments),
            "options": asdict(self.options),
            "split": asdict(self.split),
        }

    def fits(self) -> list[Fit]:
        names = [str(seed) for seed in self.split.seeds]
        return [Fit("final", 0, 0, Fold(*(tuple(names[part]) for part in self.split.slices)))]

    @cached_property
    def hu(self) -> np.ndarray:
        """Crops (N, z, y, x) of all phantoms."""
        return np.stack([case.hu for case in self.cases])

    @cached_property
    def labels(self) -> np.ndarray:
        """Classes (N,) of all phantoms, 0 or 1."""
        return np.array([self.demo.label(case) for case in self.cases], np.int64)

    def fit(self, fit: Fit, session: Session) -> None:
        network, folder = self._network(), session.of_fit(fit)
        keys = [str(seed) for seed in self.split.seeds]
        training, validation, _ = self.split.slices
        indices = np.arange(len(self.hu))
        task = Classifier(
            network,
            network.forward_with_features,
            layer_groups(network, self.options, freeze="none", pretrained=()),
            samples=Crops(keys, self.hu.__getitem__, self.demo.input, AUGMENTATION, 0),
            labels=self.labels,
            training=indices[training],
            validation=indices[validation],
            classes=2,
            recipe=self.options,
            context=session.context,
        )
        fit_task(task, Schedule(self.options.epochs), folder, session)
        finish_fit(folder, network.state_dict())

    def export(self, session: Session) -> None:
        """Measure the network on the held-out phantoms, and write the model."""
        (fit,), demo, split = self.fits(), self.demo, self.split
        network = self._network()
        load_weights(network, read_fit(session.of_fit(fit))[0])
        network.eval()
        hu, labels = self.hu, self.labels
        volumes = np.log([case.volume_ml for case in self.cases])
        training, validation, test = split.slices
        _, training_features = logits_and_features(network, demo.input, hu[training])
        validation_logits, _ = logits_and_features(network, demo.input, hu[validation])
        logits, features = logits_and_features(network, demo.input, hu[test])
        reference = reference_of(training_features, [HeldOut(training_features, features)])
        scores, where = log_odds(logits, 1), f"{split.test} held-out phantoms"
        intercept, slope = fit_logistic(volumes[training], labels[training])
        by_volume = {"AUC": _auc(labels[test], slope * volumes[test], where)}
        card = replace(
            _card(demo, split),
            temperature=fit_temperature(validation_logits, labels[validation]),
            metrics={
                "AUC": _auc(labels[test], scores, where),
                "accuracy": _accuracy(labels[test], scores > 0, where),
            },
            baseline=Baseline("log_volume_logistic", intercept, slope, by_volume),
            reference=_reference_spec(network, demo.input, split, scores),
        )
        fingerprint = hashlib.sha256(hu[training].tobytes()).hexdigest()
        card = replace(card, training=replace(card.training, fingerprint=fingerprint))
        write_model_file(self.path, network, card=card, reference=reference)

    def _network(self) -> TrunkAndHead:
        torch.manual_seed(self.options.seed)
        network: TrunkAndHead = build(self.demo.network.name, self.demo.network.arguments)
        return network


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
    """Return the card's reference; `scores` are the log odds of the held-out phantoms."""
    agreement = _agreement(network, spec, split)
    return ReferenceSpec(split.training, float(scores.std(ddof=1)), agreement)


def _agreement(network: TrunkAndHead, spec: InputSpec, split: Split) -> Estimate:
    """Return ICC(2,1) of the logit over positions of each phantom's crop; bootstrap over phantoms.

    The positions are different, and the same for each phantom: a grown or shrunk mask often leaves
    the crop where it is, so that one logit would count twice.
    """
    ratings = []
    side = (spec.size,) * 3
    for seed in split.seeds[split.slices[2]][: split.agreement]:
        ct, mask = scanned(Phantom(seed))
        around = variants(ct, mask, size=side, spacing=spec.spacing)
        moved = [variant for variant in around.variants if variant.kind != "margin"]
        logits, _ = logits_and_features(
            network, spec, np.stack([around.hu(variant) for variant in moved])
        )
        ratings.append(log_odds(logits, 1))
    return icc_estimate(np.array(ratings))


def _auc(labels: np.ndarray, scores: np.ndarray, where: str) -> Metric:
    return Metric(auc(labels, scores), *auc_interval(labels, scores), len(labels), where)


def _accuracy(labels: np.ndarray, predicted: np.ndarray, where: str) -> Metric:
    n, right = len(labels), int(np.sum(labels == predicted))
    return Metric(right / n, *wilson(right, n), n, where)
