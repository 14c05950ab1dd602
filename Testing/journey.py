"""`python -m Testing.journey [CHECKOUT] [--json]`: how many files a store and a mask pass through.

Trains a classifier on a tiny store of phantoms, and predicts one phantom, by the command line of
the checkout, in one process, with `sys.setprofile`. Counted are the files of LungSquadLib a
function of which is entered

- with the Store (or the Mask) itself among its arguments, `self` included: `carry`;
- or with an argument from which it is reached in at most three steps, each an attribute or a
  member: `hold`, those that carry included;
- at all: `run`. Code that runs on import is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

STEPS, MEMBERS = 3, 100
PATIENTS = 12
MODEL = "demo-histology"
TRAIN = (
    *("--label", "histology", "--folds", "2", "--seeds", "1", "--epochs", "1", "--size", "32"),
    *("--hidden", "4", "--device", "cpu", "--threads", "1"),
)


class Journey:
    """Which files of the library have functions that are entered with an object of a type."""

    def __init__(self, library: Path, kind: type) -> None:
        self.library, self.kind = f"{library}{os.sep}", kind
        self.carry: set[str] = set()
        self.hold: set[str] = set()
        self.run: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Note the file of a function that is entered; the callback of `sys.setprofile`."""
        code = frame.f_code
        file = code.co_filename
        if event != "call" or code.co_name == "<module>" or not file.startswith(self.library):
            return
        self.run.add(file)
        if file in self.carry:
            return
        arguments = list(arguments_of(frame))
        if any(isinstance(value, self.kind) for value in arguments):
            self.carry.add(file)
        elif file not in self.hold and any(self.holds(value, STEPS) for value in arguments):
            self.hold.add(file)

    def holds(self, value: object, steps: int) -> bool:
        """Return whether the object is among a value's parts, or theirs, in so many steps."""
        if isinstance(value, self.kind):
            return True
        return steps > 0 and any(self.holds(part, steps - 1) for part in parts_of(value))

    def follow(self, work: Callable[[], int]) -> dict[str, list[str]]:
        """Run the work and return the files, relative to the library."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            code = work()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
        if code:
            raise SystemExit(f"The command ended with exit code {code}.")
        ways = {"carry": self.carry, "hold": self.carry | self.hold, "run": self.run}
        return {
            name: sorted(file.removeprefix(self.library).replace(os.sep, "/") for file in files)
            for name, files in ways.items()
        }


def arguments_of(frame: FrameType) -> Iterator[Any]:
    """Yield the values of a function's arguments as it is entered, *args and **kwargs unpacked."""
    code, values = frame.f_code, frame.f_locals
    plain = code.co_argcount + code.co_kwonlyargcount
    yield from (values[name] for name in code.co_varnames[:plain] if name in values)
    starred = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    for name in code.co_varnames[plain : plain + starred]:
        packed = values.get(name, ())
        yield from packed.values() if isinstance(packed, dict) else packed


def parts_of(value: object) -> Iterator[Any]:
    """Yield the members of a container, or the attributes of an object of the library."""
    if isinstance(value, dict):
        yield from list(value.values())[:MEMBERS]
    elif isinstance(value, (list, tuple)):
        yield from value[:MEMBERS]
    elif type(value).__module__.startswith("LungSquadLib"):
        yield from list(getattr(value, "__dict__", {}).values())
        names = getattr(type(value), "__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            yield getattr(value, name, None)


def travel(folder: Path) -> dict[str, dict[str, list[str]]]:
    """Return the files on the way of a store and of a mask; runs in the checkout's library."""
    import LungSquadLib
    from LungSquadLib.cli import main

    library = Path(LungSquadLib.__file__).parent
    phantoms, store = folder / "phantoms", folder / "store"
    settings = ("--label-noise", "0", "--sites", "2", "--seed", "5")
    steps = (
        ["cohort", "phantoms", "-o", str(phantoms), "--patients", str(PATIENTS), *settings],
        ["cohort", "build", str(phantoms / "manifest.csv"), "-o", str(store)],
    )
    for words in steps:
        if code := main(words):
            raise SystemExit(f"{' '.join(words)} ended with exit code {code}.")
    train = ["train", "classifier", str(store), "-o", str(folder / "run"), *TRAIN]
    patient = next(path.parent for path in sorted(phantoms.glob("*/ct.mha")))
    predict = ["predict", str(patient / "ct.mha"), str(patient / "mask.nrrd"), "--model", MODEL]
    predict += ["-o", str(folder / "case"), "--device", "cpu", "--threads", "1"]
    kind = type(LungSquadLib.open_store(store))
    return {
        "a store through train classifier": Journey(library, kind).follow(lambda: main(train)),
        "a mask through predict": Journey(library, LungSquadLib.Mask).follow(lambda: main(predict)),
    }


def main() -> int:
    """Send both through the checkout, in a process of its own, and print the counts."""
    parser = argparse.ArgumentParser(prog="python -m Testing.journey", description=__doc__)
    parser.add_argument("checkout", nargs="?", default=".", type=Path, help="its root (.)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        journeys = travel(options.here)
        (options.here / "journeys.json").write_text(json.dumps(journeys), encoding="utf-8")
        return 0
    with tempfile.TemporaryDirectory(prefix="journey-") as folder:
        environment = {**os.environ, "PYTHONPATH": str(options.checkout.resolve())}
        words = [sys.executable, str(Path(__file__).resolve()), "--here", folder]
        run = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if run.returncode:
            raise SystemExit(f"{run.stdout}{run.stderr}")
        journeys = json.loads(Path(folder, "journeys.json").read_text(encoding="utf-8"))
    if options.json:
        print(json.dumps(journeys, indent=1))
        return 0
    for name, files in journeys.items():
        print(f"{name}: {', '.join(f'{key} {len(value)}' for key, value in files.items())} files")
        for file in files["hold"]:
            print(f"  {'carry' if file in files['carry'] else 'hold '} {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
