"""`python -m Testing.mutants`: every fault of the lists, one at a time; none may survive."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from .faults import Fault, read
from .trial import Outcome, Tree


def chosen(faults: list[Fault], only: list[str]) -> list[Fault]:
    """Of areas, files or lines (`imaging.tsv:3`); all where nothing is asked for."""

    def of(fault: Fault, name: str) -> bool:
        return name in (fault.area, fault.where) or fault.file.endswith(name)

    for name in only:
        if not any(of(fault, name) for fault in faults):
            raise SystemExit(f"no fault is of the area or line, or in the file, {name!r}")
    return [fault for fault in faults if not only or any(of(fault, name) for name in only)]


def tried(faults: list[Fault], *, jobs: int, timeout: float):
    """Each fault with its outcome, as they come; faults with the same tests stay together."""
    groups = defaultdict(list)
    for fault in faults:
        groups[fault.tests].append(fault)
    done: SimpleQueue = SimpleQueue()
    trees: SimpleQueue = SimpleQueue()

    def run(tests: str) -> None:
        tree = trees.get()
        try:
            wrong = tree.sound(tests)
            for fault in groups[tests]:
                done.put((fault, wrong or tree.try_out(fault)))
        finally:
            trees.put(tree)

    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(jobs) as pool:
        for number in range(jobs):
            trees.put(Tree(Path(folder) / str(number), timeout=timeout))
        runs = [pool.submit(run, tests) for tests in groups]
        while not all(one.done() for one in runs) or not done.empty():
            if done.empty():
                time.sleep(0.1)
            else:
                yield done.get()
        for one in runs:
            one.result()


def show(fault: Fault, outcome: Outcome) -> None:
    print(f"{outcome.verdict:9}{outcome.seconds:6.1f} s  {fault.where}  {fault}", flush=True)
    if outcome.verdict in ("error", "timeout"):
        print("\n".join(f"    {line}" for line in outcome.output.splitlines()[-12:]), flush=True)


def main() -> int:
    """0 where every fault was noticed."""
    parser = argparse.ArgumentParser(prog="python -m Testing.mutants", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        help="an area (list), a file, or a line as area.tsv:3",
    )
    parser.add_argument("--jobs", type=int, default=1, help="copies that are tried side by side")
    parser.add_argument("--timeout", type=float, default=120, help="seconds for one fault's tests")
    parser.add_argument("--list", action="store_true", help="print the faults, try none")
    options = parser.parse_args()
    faults = chosen(read(), options.only)
    if options.list:
        for fault in faults:
            print(f"{fault.where}  {fault}  [{fault.tests}]")
        print(f"{len(faults)} faults")
        return 0
    start, verdicts, left = time.monotonic(), Counter(), []
    for fault, outcome in tried(faults, jobs=max(1, options.jobs), timeout=options.timeout):
        show(fault, outcome)
        verdicts[outcome.verdict] += 1
        if outcome.verdict == "survived":
            left.append(fault)
    print(
        f"{len(faults)} faults: "
        + ", ".join(
            f"{verdicts[name]} {name}" for name in ("killed", "survived", "timeout", "error")
        )
        + f"; {time.monotonic() - start:.0f} s"
    )
    for fault in left:
        print(f"SURVIVED {fault.where}  {fault}  [{fault.tests}]")
    return 0 if verdicts["killed"] == len(faults) else 1


if __name__ == "__main__":
    sys.exit(main())
