"""Table 6: networks of tables, 20,000 genes of 1,000 patients on two cores."""

from __future__ import annotations

from typing import Any

import numpy as np

from .children import Timer, in_child, say
from .results import row

GENES, PATIENTS = 20_000, 1_000
THREADS = 2


def run(*, quick: bool) -> dict[str, Any]:
    """Seconds and memory of each work; see `results` for their form."""
    genes, rounds = (2_000, 2) if quick else (GENES, 5)
    rows = {}
    for title in WORK:
        say(f"molecules: {title}, {genes} genes, {rounds} rounds")
        job = {"work": title, "genes": genes, "rounds": rounds}
        one = in_child("molecules", job, threads=THREADS)
        rows[title] = row(cpu_s=one["cpu_s"], wall_s=one["wall_s"], peak_mb=[one["peak_mb"]])
    return {"genes": genes, "patients": PATIENTS, "rows": rows}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Rounds of one work, after one that warms up."""
    round_of = WORK[job["work"]](job["genes"])
    timers = []
    for number in range(job["rounds"] + 1):
        with Timer() as timer:
            round_of(number)
        timers.append(timer)
    return {
        "cpu_s": [timer.cpu for timer in timers[1:]],
        "wall_s": [timer.wall for timer in timers[1:]],
    }


def _expression(genes: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((PATIENTS, genes), np.float32)


def _autoencoder(genes: int) -> Any:
    """An epoch of training, with its validation."""
    import torch

    from LungSquadLib.networks import build
    from LungSquadLib.training.allocator import keep_blocks
    from LungSquadLib.training.autoencoder import Autoencoding, Parts, Recipe

    keep_blocks()
    torch.manual_seed(0)
    network = build("autoencoder", {"widths": [genes], "latent": 8, "hidden": [128]})
    x = torch.from_numpy(_expression(genes))
    task = Autoencoding(network, Parts(x[300:], x[:100], x[100:300]), recipe=Recipe())

    def epoch(number: int) -> None:
        for step in range(task.steps(number)):
            task.step(number, step)
        task.validate()

    return epoch


WORK = {"autoencoder, an epoch": _autoencoder}
