"""A scratch copy of the project in which tests are run with a fault, and without."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .faults import ROOT, Fault

PASSED, FAILED = 0, 1  # pytest's exit codes; others say that nothing was tested
DATA = Path(os.environ.get("LUNGSQUAD_DATA", ROOT.parent / "shared" / "data"))


@dataclass(frozen=True)
class Outcome:
    """`verdict`: killed, survived, timeout, or error with what was wrong."""

    verdict: str
    seconds: float
    output: str = ""


class Tree:
    """A copy of the files that git knows or would take, in `folder`."""

    def __init__(self, folder: Path, *, timeout: float) -> None:
        self.root = folder / "project"
        self.temporary = folder / "tmp"
        self.timeout = timeout
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listing.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, self.root / name)

    def run(self, tests: str) -> tuple[int | None, float, str]:
        """Pytest's exit code (None: it took too long), seconds, and what it printed."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        command += [f"--basetemp={self.temporary}", *tests.split()]
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(self.root),  # before an editable installation
        }
        if DATA.is_dir():
            environment["LUNGSQUAD_DATA"] = str(DATA)
        start = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=self.timeout)
            except subprocess.TimeoutExpired:
                end(process)
                output, _ = process.communicate()
                return None, time.monotonic() - start, output
        return process.returncode, time.monotonic() - start, output

    def try_out(self, fault: Fault) -> Outcome:
        """Whether the tests of a fault fail with it."""
        try:
            with fault.applied(self.root):
                code, seconds, output = self.run(fault.tests)
        except ValueError as error:
            return Outcome("error", 0, str(error))
        if code is None:
            return Outcome("timeout", seconds, output)
        if code == FAILED:
            return Outcome("killed", seconds, output)
        if code == PASSED:
            return Outcome("survived", seconds, output)
        return Outcome("error", seconds, output)

    def sound(self, tests: str) -> Outcome | None:
        """None where the tests pass without any fault, or else what is wrong with them."""
        code, seconds, output = self.run(tests)
        if code == PASSED:
            return None
        return Outcome("error", seconds, "WITHOUT A FAULT:\n" + output)


def end(process: subprocess.Popen) -> None:
    """And with it what it has started, where the system knows such a thing."""
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
