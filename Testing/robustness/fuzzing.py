"""Mutation fuzzing of every reader, in a process of its own: a crash there is seen here.

Run by hand for longer than the tests do:

    python -m Testing.robustness.fuzzing --count 20000 --first 1000 [TARGET ...]

Each iteration is named by its target and number and can be repeated alone with `--first N --count
1`. The process ends with 0 if nothing but an InputError, or an OSError of the system, came out.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import random
import re
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

from LungSquadLib.errors import InputError
from Testing.robustness import fuzz_targets

SECONDS = 20  # no tiny file may keep a reader busy for longer
MEMORY = 1 << 30  # nor make it take more

_NUMBERS = [
    *(b"0", b"-1", b"1", b"2", b"nan", b"inf", b"-inf", b"1e308", b"-1e308", b"1e-308", b"1e30"),
    *(b"4294967296", b"9" * 40, b"99999999", b"16385", b"0.5", b"", b"x", b"\0", b"1_0", b"\xff"),
]
_WORDS = [
    *(b"..", b"../../etc/passwd", b"/dev/zero", b"<script>", b"\x1b[2J", b"\n", b"\r\n", b"\\"),
    *(b'"', b"null", b"NaN", b"true", b"[]", b"{}", b"[" * 3000, b"A" * 5000, b"\xe2\x80\xae"),
    *(b"ISO 2022 IR 87", b"ISO_IR 192", b"\x1b$B", b"1.2.840.10008.1.2.2", b"SQ", b"UN"),
]
_BYTES = [bytes(n) for n in ((0,), (255,), (127,), (128,), (1,), (0,) * 4, (255,) * 4, (255, 127))]
_NUMBER = re.compile(rb"-?\d+(\.\d+)?")


def mutated(data: bytes, draw: random.Random) -> bytes:
    """Seeded damage: bytes, numbers and pieces changed, cut out, doubled or moved; ends cut off."""
    result = bytearray(data)
    for _ in range(draw.choice([1, 1, 1, 2, 3, 8])):
        # Headers are where readers branch: half of the damage goes there.
        end = min(len(result), 2000) if draw.random() < 0.5 else len(result)
        at = draw.randrange(max(end, 1))
        size = draw.choice([1, 1, 2, 4, 8, 40])
        kind = draw.randrange(10)
        if kind == 0:
            result[at : at + size] = draw.randbytes(size)
        elif kind == 1:
            del result[at : at + size]
        elif kind == 2:
            result[at:at] = result[at : at + size] * draw.choice([1, 3, 50])
        elif kind in (3, 4):
            value = draw.choice(_BYTES)
            result[at : at + len(value)] = value
        elif kind in (5, 6):
            _replace_number(result, at, draw)
        elif kind == 7:
            word = draw.choice(_WORDS)
            result[at : at + (len(word) if draw.random() < 0.5 else 0)] = word
        elif kind == 8 and draw.random() < 0.3:
            del result[draw.randrange(len(result) + 1) :]
        elif result:
            result[at % len(result)] ^= 1 << draw.randrange(8)
    return bytes(result)


def _replace_number(result: bytearray, at: int, draw: random.Random) -> None:
    """Put a hostile number in the place of the next one, in half of the cases of its length."""
    found = _NUMBER.search(result, at)
    if found is None:
        return
    number = draw.choice(_NUMBERS)
    if draw.random() < 0.5:
        length = found.end() - found.start()
        number = number[:length].ljust(length)
    result[found.start() : found.end()] = number


def run(targets: list[str], first: int, count: int) -> list[str]:
    """Fuzz; return what came out that must not."""
    _limit_memory()
    faults = []
    with tempfile.TemporaryDirectory(prefix="lungsquad-fuzz-") as folder:
        for name in targets:
            target = fuzz_targets.make(name, Path(folder) / name)
            refused = 0
            for number in range(first, first + count):
                print(f"{name} {number}", flush=True)
                fault = _once(target, random.Random(f"{name} {number}"))
                refused += fault is not None
                if fault:
                    faults.append(f"{name} {number}: {fault}")
            print(f"{name}: {refused} of {count} refused", flush=True)
            # Damage inside a checksummed stream is always seen; elsewhere some of it is harmless.
            if not refused and count >= 50:
                faults.append(f"{name}: nothing was refused, so it tests nothing")
    return faults


def _once(target: fuzz_targets.Target, draw: random.Random) -> str | None:
    """One iteration: None if the file was read, "" if it was refused, else what went wrong."""
    path, data = draw.choice(target.files)
    path.write_bytes(target.pack(mutated(target.unpack(data), draw)))
    before = _peak()
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        target.read()
        fault = None
    except InputError as error:
        cause = repr(error.__cause__)
        fault = f"memory: {error}" if re.search("MemoryError|bad_alloc", cause) else ""
        if not str(error).strip():
            fault = "an empty sentence"
    except OSError as error:
        fault = "" if error.errno is not None else f"OSError without a number: {error}"
    except Exception:
        fault = traceback.format_exc()
    finally:
        faulthandler.cancel_dump_traceback_later()
        path.write_bytes(data)
    if _peak() - before > MEMORY:
        return f"it took {(_peak() - before) >> 20} MB"
    return fault


def _peak() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def _limit_memory() -> None:
    if sys.platform != "linux":
        return
    import resource

    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = own + 8 * MEMORY  # address space is not memory: libraries map much and touch little
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> int:
    """Fuzz the targets of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*", default=list(fuzz_targets.TARGETS))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=50)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    faults = run(options.targets, options.first, options.count)
    for fault in itertools.islice(faults, 40):
        print(f"FAULT {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
