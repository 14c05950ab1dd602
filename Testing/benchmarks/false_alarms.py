"""How often groups follow a fact that no gene knows.

Expression that knows sex and hospital alone, T stages at random: a permutation test at 0.05 should
give an alarm in a twentieth of the runs.
`python -m Testing.benchmarks.false_alarms 200` counts them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from LungSquadLib.progress import Part, Progress, TerminalBar, step
from LungSquadLib.statistics.clustering import cluster_agreement
from LungSquadLib.statistics.intervals import wilson
from LungSquadLib.training.autoencoder.experiment import train_autoencoder
from LungSquadLib.training.autoencoder.options import AutoencoderOptions
from Testing.table_cohort import simulated

LEVEL = 0.05
OPTIONS = AutoencoderOptions(
    groups=4,
    latent=2,
    hidden=(16,),
    seeds=1,
    epochs=20,
    warm_up=5,
    learning_rate=0.01,
    free_bits=0.5,
)


def count_false_alarms(folder: Path, *, runs: int, progress: Progress) -> int:
    """Runs whose groups follow T stages at random, by the test's p."""
    alarms = 0
    for number in range(runs):
        step(progress, number / runs, f"{alarms} alarms in {number} runs")
        joined, _ = simulated(patients=80, genes=160, effect=0, seed=number)
        part = Part(progress, number / runs, number / runs)
        run = train_autoencoder(joined, folder / str(number), OPTIONS, progress=part)
        if run.mixture is not None:
            groups = run.mixture(run.trained.space)
            alarms += cluster_agreement(run.table.facts["t_stage"], groups, n=499).ari_p < LEVEL
    return alarms


def main(runs: int) -> None:
    """Count, and print the share with its interval."""
    with tempfile.TemporaryDirectory() as folder:
        bar = TerminalBar()
        alarms = count_false_alarms(Path(folder), runs=runs, progress=bar)
        bar.close()
    low, high = wilson(alarms, runs)
    print(
        f"{alarms} of {runs} runs with p < {LEVEL}: {alarms / runs:.3f} ({low:.3f} to {high:.3f})"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
