"""`python -m Testing.benchmarks -o bench`: measure, write results.json and results.md."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

from . import cohort, crop, molecules, network, start, tables
from .children import say
from .goals import disagreements
from .machine import describe
from .results import write

TABLES = {
    "crop": crop.run,
    "network": network.run,
    "start": start.run,
    "cohort": cohort.run,
    "tables": tables.run,
    "molecules": molecules.run,
}


def main() -> int:
    """Measure what is asked for; 1 if contenders gave different answers."""
    parser = argparse.ArgumentParser(prog="python -m Testing.benchmarks", description=__doc__)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--quick", action="store_true", help="few samples: does it all run?")
    parser.add_argument("--only", choices=tuple(TABLES), action="append", help="of the tables")
    options = parser.parse_args()
    results = {
        "started": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "quick": options.quick,
        "machine": describe(),
    }
    for name in options.only or TABLES:
        results[name] = TABLES[name](quick=options.quick)
    for goal in write(results, options.out):
        verdict = "reached" if goal.reached else "NOT REACHED"
        say(f"{goal.subject}: {goal.measured}, asked {goal.asked}: {verdict}")
    say(f"written: {options.out / 'results.md'}, {options.out / 'results.json'}")
    if found := disagreements(results):
        say("THE CONTENDERS DO NOT AGREE, so their times cannot be compared:")
        for sentence in found:
            say(f"  {sentence}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
