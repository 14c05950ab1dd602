"""`python -m Testing.same_results OLD NEW [--quick] [--shared DIR] [-o DIR] [--reuse] [--only JOB]`

Runs the same jobs by the command line of two checkouts, side by side, and compares what comes out:
arrays and weights value by value, JSON and tables number by number. Prints a row for each job and
writes DIR/report.json with every name. Exit code 1 where something differs, is gone or has failed
without a reason in `renames.py`, else 0.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from Testing.structure import command_line

from .figures import PRINTED, Comparison, compare, figures_in
from .inputs import PLACES, make_inputs
from .jobs import Job, all_jobs
from .renames import REASONS, translate


@dataclass
class Side:
    """A checkout, the folder of its results, and what its command line is called."""

    checkout: Path
    folder: Path
    known: Mapping[str, Sequence[str]]
    record: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, checkout: Path, folder: Path) -> Side:
        """Return the side of a checkout; what was recorded in the folder is read."""
        known = command_line(checkout)
        if known is None:
            raise SystemExit(
                f"The command line of {checkout} does not run. Name a checkout's root."
            )
        path = folder / "record.json"
        record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return cls(checkout.resolve(), folder, known, record)

    def run(self, words: Sequence[str], out: Path) -> dict[str, Any]:
        """Run a command of the checkout on one thread and return how it ended and what it took.

        What it prints goes to files in `out`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(self.checkout), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "LungSquadLib"]
        command += translate(words, self.known, self.checkout)
        printed, errors = out / PRINTED, out / "errors.txt"
        start = time.monotonic()
        with printed.open("wb") as stdout, errors.open("wb") as stderr:
            child = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        lines = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return {
            "code": child.returncode,
            "seconds": round(time.monotonic() - start, 1),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
            "error": lines[-1] if lines else "",
        }

    def do(self, job: Job, words: list[str], *, reuse: bool) -> None:
        """Run a job anew and record how it ended, unless its results can be used again."""
        recorded = self.record.get(job.name)
        if reuse and recorded and recorded["words"] == words:
            return
        out = self.folder / job.name
        shutil.rmtree(out, ignore_errors=True)
        self.record[job.name] = {"words": words, **self.run(words, out)}
        seconds = self.record[job.name]["seconds"]
        print(f"{self.folder.name} {job.name}: {seconds} s", file=sys.stderr, flush=True)
        text = json.dumps(self.record, indent=1)
        (self.folder / "record.json").write_text(text, encoding="utf-8")


def verdict_of(job: Job, old: Side, new: Side) -> tuple[str, bool, Comparison]:
    """Compare a job's results: the verdict, whether it is good, and what was compared."""
    ends = [side.record[job.name] for side in (old, new)]
    if {end["code"] for end in ends} not in ({0}, {1}):  # 1: done, and the answer is no
        who = ", ".join(f"{end['code']}: {end['error']}" for end in ends)
        reason = reason_for(job.name, "exit code")
        return reason or f"FAILED, exit codes {who}", bool(reason), Comparison()
    comparison = compare(*(figures_in(side.folder / job.name) for side in (old, new)))
    return (*verdict(job.name, comparison), comparison)


def verdict(name: str, comparison: Comparison) -> tuple[str, bool]:
    """Return the verdict of a comparison, and whether it is good."""
    wrong = [*comparison.differing, *comparison.only_old]
    reasons = {figure: reason_for(name, figure) for figure in wrong}
    unknown = [figure for figure in wrong if not reasons[figure]]
    if not comparison.compared:
        return "NOTHING TO COMPARE", False
    if not wrong:
        return "identical", True
    if not unknown:
        return f"reason known: {'; '.join(sorted(set(filter(None, reasons.values()))))}", True
    parts = []
    if differing := [figure for figure in unknown if figure in comparison.differing]:
        apart = {figure: comparison.differing[figure] for figure in differing}
        worst = max(apart, key=lambda figure: -1 if math.isinf(apart[figure]) else apart[figure])
        size = "" if math.isinf(apart[worst]) else f" by {apart[worst]:.3g}"
        parts.append(f"{len(differing)} DIFFER, such as {worst}{size}")
    if gone := [figure for figure in unknown if figure not in comparison.differing]:
        parts.append(f"{len(gone)} GONE, such as {gone[0]}")
    return "; ".join(parts), False


def reason_for(job: str, figure: str) -> str | None:
    """Return why a job's figure may differ, if that is known."""
    return next(
        (why for jobs, names, why in REASONS if fnmatch(job, jobs) and fnmatch(figure, names)), None
    )


def bundled(old: Side, new: Side) -> Comparison:
    """Compare the model files that both checkouts carry."""
    folders = [
        {path.parent for path in side.checkout.glob("LungSquadLib/**/demo-*.safetensors")}
        for side in (old, new)
    ]
    figures = [{} for _ in folders]
    for side, there in zip(folders, figures, strict=True):
        for folder in side:
            there.update(figures_in(folder))
    return compare(*figures)


def main() -> int:
    """Run and compare; see the module's text."""
    parser = argparse.ArgumentParser(prog="python -m Testing.same_results", description=__doc__)
    parser.add_argument("old", type=Path, help="a checkout whose results are right")
    parser.add_argument("new", type=Path, help="the checkout to compare with it")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="holds data/")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("build/same-results"), help="folder of all results"
    )
    parser.add_argument("--quick", action="store_true", help="the jobs of three minutes only")
    parser.add_argument("--reuse", action="store_true", help="keep the old side's results in DIR")
    parser.add_argument("--only", action="append", help="jobs, by patterns; earlier results stay")
    options = parser.parse_args()
    start, out = time.monotonic(), options.out.resolve()
    old, new = (
        Side.of(checkout, out / name)
        for checkout, name in ((options.old, "old"), (options.new, "new"))
    )
    data = (options.shared / "data").resolve() if (options.shared / "data").is_dir() else None
    places = inputs(out, data, old, reuse=options.reuse or bool(options.only))
    jobs = [job for job in all_jobs() if (job.quick or not options.quick)]
    if options.only:
        jobs = [job for job in jobs if any(fnmatch(job.name, name) for name in options.only)]
    left_out = [job.name for job in jobs if job.needs_data and not data]
    jobs = [job for job in jobs if job.name not in left_out]

    def all_of(side: Side) -> None:
        for job in jobs:
            side.do(job, job.filled(places), reuse=options.reuse and side is old)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(all_of, (old, new)))
    good = report(jobs, old, new, out)
    if left_out:
        print(f"Left out, without {options.shared / 'data'}: {', '.join(left_out)}")
    print(f"{time.monotonic() - start:.0f} s")
    return 0 if good else 1


def inputs(out: Path, data: Path | None, old: Side, *, reuse: bool) -> dict[str, str]:
    """Make what both sides read, unless it is there and may stay; return what {names} stand for."""
    folder = out / "inputs"

    def run(words: Sequence[str]) -> None:
        ended = old.run(words, out / "making-inputs")
        if ended["code"]:
            raise SystemExit(f"{' '.join(words)} failed: {ended['error']}")

    kept = (folder / PLACES).is_file() and (not data or (folder / "real-cases.csv").is_file())
    if not (reuse and kept):
        shutil.rmtree(folder, ignore_errors=True)
        make_inputs(folder, data, run)
    places = json.loads((folder / PLACES).read_text(encoding="utf-8"))
    return {**places, "inputs": str(folder), "data": str(data)}


def report(jobs: Sequence[Job], old: Side, new: Side, out: Path) -> bool:
    """Print the table, write report.json, and return whether all is good."""
    rows, renames, all_good = {}, Counter(), True
    comparison = bundled(old, new)
    table = [("bundled-models", *verdict("bundled-models", comparison), comparison)]
    table += [(job.name, *verdict_of(job, old, new)) for job in jobs]
    print(f"{'job':26}{'figures':>10}{'largest':>10}{'CPU s':>7}{'new':>7}  verdict")
    for name, text, good, comparison in table:
        seconds = [side.record.get(name, {}).get("cpu_seconds", 0.0) for side in (old, new)]
        largest = "-" if math.isinf(comparison.largest) else f"{comparison.largest:.3g}"
        times = "".join(f"{value:7.1f}" for value in seconds)
        extra = f" ({len(comparison.only_new)} only in new)" if comparison.only_new else ""
        print(f"{name:26}{comparison.compared:10}{largest:>10}{times}  {text}{extra}")
        differing = {figure: str(apart) for figure, apart in comparison.differing.items()}
        rows[name] = {"verdict": text, "good": good, "compared": comparison.compared}
        rows[name] |= {"differing": differing, "cpu_seconds": seconds}
        rows[name] |= {"only in old": comparison.only_old, "only in new": comparison.only_new}
        renames += comparison.renames
        all_good &= good
    for (before, after), count in renames.most_common(20):
        print(f"perhaps renamed: {before} -> {after} ({count} figures)")
    total = sum(comparison.compared for *_, comparison in table)
    bad = sum(not good for _, _, good, _ in table)
    print(f"{len(table)} jobs, {total} figures, {bad} jobs to look at; names in {out}/report.json")
    spent = (
        sum(side.record[job.name].get("cpu_seconds", 0) for job in jobs) for side in (old, new)
    )
    print(
        "CPU seconds of the old and the new side: " + ", ".join(f"{value:.0f}" for value in spent)
    )
    (out / "report.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return all_good


if __name__ == "__main__":
    sys.exit(main())
