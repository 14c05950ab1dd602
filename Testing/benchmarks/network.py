"""Table 2: the networks, as fractions of the machine's own peak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .children import in_child, say
from .results import row

FOLDED = "torch, folded by LungSquad"
CHANNELS_LAST = "torch, channels last"
LOOP = "LungSquad's training loop"
INFERENCE = "torch, LungSquad's for inference"


@dataclass(frozen=True)
class Task:
    """One table: a paper's network at work, and what is asked of LungSquad's way.

    `work` is "inference", "training" or "generation".
    """

    title: str
    network: str
    ours: str
    goal: float
    rounds: int
    work: str = "inference"
    note: str = ""


TASKS = {
    "prognosis": Task("prognosis network, 50x50x50, batch 1", "prognosis", FOLDED, 0.88, 15),
    "transfer": Task("transfer network, 64x64x64, batch 1", "transfer", FOLDED, 0.88, 7),
    "training": Task(
        "prognosis network, a step of training at batch 4",
        "prognosis",
        LOOP,
        0.58,
        5,
        "training",
        "Nominal is three times the forward pass. The loop's step makes and augments its crops.",
    ),
    "generator": Task(
        "progressive GAN's generator, 256x256, two channels, batch 1",
        "progressive",
        INFERENCE,
        0.88,
        15,
        "generation",
        "Doubling and convolution in one take less than half of the nominal operations.",
    ),
}


def run(*, quick: bool) -> dict[str, Any]:
    """All samples of the table; see `results` for their form."""
    return {name: _measured(task, 2 if quick else task.rounds) for name, task in TASKS.items()}


def _measured(task: Task, rounds: int) -> dict[str, Any]:
    say(f"network: {task.title}, {rounds} rounds")
    job = {"network": task.network, "work": task.work, "rounds": rounds}
    answer = in_child("network_contenders", job, threads=1)
    rows, peaks = answer["rows"], answer["peak_gflops"]
    nominal = answer["nominal_gflop"]
    return {
        "title": task.title,
        "ours": task.ours,
        "goal": task.goal,
        "note": task.note,
        "nominal_gflop": nominal,
        "peak": row(gflops=peaks),
        "rows": {
            name: {
                "executed_gflop": one["executed_gflop"],
                "apart": one["apart"],
                **row(
                    cpu_s=one["cpu_s"],
                    wall_s=one["wall_s"],
                    # Against the peak of the same round: neighbours come and go.
                    nominal=[
                        nominal / seconds / peak
                        for seconds, peak in zip(one["cpu_s"], peaks, strict=True)
                    ],
                ),
            }
            for name, one in rows.items()
        },
    }
