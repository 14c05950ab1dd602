"""Table 3: how long LungSquad takes to start, and that it pulls neither torch nor numpy."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .children import ROOT, say
from .results import row

_IMPORT = """
import json, sys, time
start = time.perf_counter()
import LungSquadLib
seconds = time.perf_counter() - start
print(json.dumps([seconds, [name for name in ("torch", "numpy") if name in sys.modules]]))
"""


def run(*, quick: bool) -> dict[str, Any]:
    """Wall seconds of fresh processes, the commands in turn; see `results` for the form."""
    rounds = 5 if quick else 20
    command = str(Path(sys.executable).with_name("lungsquad"))
    commands = {
        "lungsquad --help": [command, "--help"],
        "lungsquad --version": [command, "--version"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in (*commands, "import LungSquadLib")}
    pulled: set[str] = set()
    say(f"start: {rounds} rounds")
    for _ in range(rounds):
        for name, arguments in commands.items():
            start = time.perf_counter()
            _output(arguments)
            seconds[name].append(time.perf_counter() - start)
        took, modules = json.loads(_output([sys.executable, "-c", _IMPORT]))
        seconds["import LungSquadLib"].append(took)
        pulled |= set(modules)
    rows = {name: row(seconds=samples) for name, samples in seconds.items()}
    return {"rows": rows, "pulled": sorted(pulled)}


def _output(arguments: list[str]) -> str:
    return subprocess.run(arguments, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
