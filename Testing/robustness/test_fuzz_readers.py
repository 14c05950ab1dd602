"""Every reader against mutated files, in a process of its own: read or refused, nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from Testing.robustness.fuzz_targets import TARGETS

COUNT = 60  # of iterations a target; by hand, thousands
SLOW = {"report": 20}


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_mutated_files_are_read_or_refused(target):
    command = [sys.executable, "-m", "Testing.robustness.fuzzing", target]
    done = subprocess.run(
        [*command, "--count", str(SLOW.get(target, COUNT))],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
        check=False,
    )
    lines = done.stdout.splitlines()
    faults = [line for line in lines if line.startswith("FAULT")]
    assert done.returncode == 0, faults or f"it ended in {lines[-1]}: {done.stderr[-2000:]}"
    assert lines[-1].endswith("refused")
