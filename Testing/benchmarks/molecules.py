"""Table 6: networks of tables, 20,000 genes of 1,000 patients."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .children import Timer, in_child, say
from .results import row

GENES, PATIENTS = 20_000, 1_000


def run(*, quick: bool) -> dict[str, Any]:
    """Seconds and memory of each work; see `results` for their form."""
    genes, patients = (GENES // 100, PATIENTS // 10) if quick else (GENES, PATIENTS)
    rows = {}
    for title, work in WORK.items():
        rounds = 1 if quick else work.rounds
        say(f"molecules: {title}, {genes} genes of {patients} patients, {rounds} rounds")
        job = {"work": title, "shape": [patients, genes], "rounds": rounds}
        one = in_child("molecules", job, threads=work.threads)
        rows[title] = row(cpu_s=one["cpu_s"], wall_s=one["wall_s"], peak_mb=[one["peak_mb"]])
    return {"genes": genes, "patients": patients, "rows": rows}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Rounds of one work, after one that warms up."""
    round_of = WORK[job["work"]].prepared(*job["shape"])
    timers = []
    for number in range(job["rounds"] + 1):
        with Timer() as timer:
            round_of(number)
        timers.append(timer)
    return {
        "cpu_s": [timer.cpu for timer in timers[1:]],
        "wall_s": [timer.wall for timer in timers[1:]],
    }


def _expression(patients: int, genes: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((patients, genes), np.float32)


def _autoencoder(patients: int, genes: int) -> Callable[[int], None]:
    """An epoch of training, with its validation."""
    import torch

    from LungSquadLib.networks import build
    from LungSquadLib.training.allocator import keep_freed_memory
    from LungSquadLib.training.autoencoder.options import AutoencoderOptions
    from LungSquadLib.training.autoencoder.task import AutoencoderTask, Parts

    keep_freed_memory()
    torch.manual_seed(0)
    network = build("autoencoder", {"widths": [genes], "latent": 8, "hidden": [128]})
    x = torch.from_numpy(_expression(patients, genes))
    first, second = patients // 10, 3 * patients // 10
    parts = Parts(x[second:], x[:first], x[first:second])
    task = AutoencoderTask(network, parts, options=AutoencoderOptions())

    def epoch(number: int) -> None:
        for step in range(task.steps(number)):
            task.step(number, step)
        task.validate()

    return epoch


def _integration(patients: int, genes: int) -> Callable[[int], None]:
    """A fold of a training: twelve inner trainings, the network, logistic regression."""
    import torch

    from LungSquadLib.data.tables.matrix import Joined, Matrix
    from LungSquadLib.progress import Silent
    from LungSquadLib.training.card import CardText
    from LungSquadLib.training.distributed import DistributedContext
    from LungSquadLib.training.experiment import Session
    from LungSquadLib.training.integration.data import set_up
    from LungSquadLib.training.integration.experiment import IntegrationExperiment
    from LungSquadLib.training.integration.options import IntegrationOptions

    torch.set_num_threads(1)
    x, y = _expression(patients, genes), np.arange(patients) % 2
    x[:, :20] += 0.5 * y[:, None]
    names = tuple(f"P{number}" for number in range(patients))
    columns = tuple(f"G{number}" for number in range(genes))
    source = Matrix("expression", "expression", names, columns, x, "z-scores")
    facts = {"histology": tuple(("LUAD", "LUSC")[one] for one in y)}
    joined = Joined(names, (source,), facts, ())
    setup = set_up(joined, IntegrationOptions("histology", seeds=1))
    experiment = IntegrationExperiment(setup, CardText())

    def fold(number: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            experiment.fit(
                experiment.fits()[number], Session(Path(folder), DistributedContext(), Silent())
            )

    return fold


@dataclass(frozen=True)
class Work:
    """What is measured: prepared for so many patients and genes it does a round; on how many
    threads.
    """

    prepared: Callable[[int, int], Callable[[int], None]]
    rounds: int
    threads: int


WORK = {
    "autoencoder, an epoch": Work(_autoencoder, 5, 2),
    "integration, a fold": Work(_integration, 1, 1),
}
