"""`python -m Testing.benchmarks -o bench`: measure, write results.json and results.md.

Each table is written when it is done. One that fails is a row with the reason; the rest goes on.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

from .children import say
from .goals import disagreements
from .machine import describe
from .results import write

TABLES = ("crop", "network", "start", "cohort", "tables", "molecules", "features")


def main() -> int:
    """Measure what is asked for; 1 if contenders gave different answers or a table failed."""
    parser = argparse.ArgumentParser(prog="python -m Testing.benchmarks", description=__doc__)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="few samples: does it all run?")
    parser.add_argument("--only", choices=TABLES, action="append", help="of the tables")
    options = parser.parse_args()
    failed: dict[str, str] = {}
    results: dict[str, Any] = {
        "started": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "quick": options.quick,
        "machine": describe(),
        "failed": failed,
    }
    goals = write(results, options.out)  # at once: whether it can be written
    for name in options.only or TABLES:
        try:
            results[name] = import_module(f".{name}", __package__).run(quick=options.quick)
        except Exception as error:
            failed[name] = _reason(error)
            say(f"{name}: FAILED: {failed[name]}")
        goals = write(results, options.out)
    for goal in goals:
        verdict = "reached" if goal.reached else "NOT REACHED"
        say(f"{goal.subject}: {goal.measured}, asked {goal.asked}: {verdict}")
    say(f"written: {options.out / 'results.md'}, {options.out / 'results.json'}")
    if found := disagreements(results):
        say("THE CONTENDERS DO NOT AGREE, so their times cannot be compared:")
        for sentence in found:
            say(f"  {sentence}")
    return 1 if found or failed else 0


def _reason(error: Exception) -> str:
    """The last line of what a child said, or of the error."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1].strip() if lines else 'no reason given'}"


if __name__ == "__main__":
    sys.exit(main())
