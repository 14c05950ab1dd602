"""Options of a prediction, and arguments that the command line and Slicer's batch script share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..options import SEEDS, add_options, check, option, seed_option

MOST_THREADS = 1024
DEVICES = ("auto", "cpu", "cuda", "mps")
SEG_TYPES = ("binary", "labelmap")
SEG_HELP = "type of the DICOM SEG; labelmap (DICOM 2024c) is not read by older software"
DEVICE_HELP = "device that runs the networks"


@dataclass(frozen=True)
class PredictionOptions:
    """Options of a prediction, of one case or of many."""

    device: str = option("auto", choices=DEVICES, help=DEVICE_HELP)
    seed: int = seed_option("random seed of the dropout samples that give the interval")
    keep_identity: bool = option(False, help="write patient IDs instead of pseudonyms")
    radiomics: bool = option(
        False, help="also compute the radiomic features of the IBSI standard, with its defaults"
    )
    seg_type: str = option("binary", choices=SEG_TYPES, help=SEG_HELP)

    def __post_init__(self) -> None:
        check(self)


def add_batch_arguments(parser: argparse.ArgumentParser, *, threads: bool = True) -> None:
    """Add the arguments of `batch`; without `--threads` where a worker process runs the models."""
    parser.add_argument(
        "manifest",
        metavar="MANIFEST.csv",
        help="table of cases: columns ct, mask; optional case, patient_id, roi, label, series, "
        "profile; or a folder of patients, a folder each with CT and outline",
    )
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="output folder")
    add_model_arguments(parser, threads=threads)
    add_jobs(parser)


def add_model_arguments(parser: argparse.ArgumentParser, *, threads: bool = True) -> None:
    """Add `--model` and the options of a prediction."""
    parser.add_argument(
        "--model",
        required=True,
        action="append",
        metavar="NAME_OR_FILE",
        help="model of `lungsquad models list`, or a .safetensors file; may be repeated",
    )
    add_options(parser, PredictionOptions)
    if threads:
        add_threads(parser)


def add_device(
    parser: argparse.ArgumentParser, *, default: str = "auto", devices: Sequence[str] = DEVICES
) -> None:
    """Add `--device` and `--threads`."""
    text = f"{DEVICE_HELP} (default: {default})"
    parser.add_argument("--device", default=default, choices=devices, help=text)
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser, *, default: str = "PyTorch's choice") -> None:
    """Add `--threads`, which `threads_of` reads; `cli.main` sets them for the verb's whole run."""
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help=f"processor threads of the networks (default: {default})",
    )


def add_jobs(parser: argparse._ActionsContainer, *, what: str = "parallel processes") -> None:
    """Add `--jobs`."""
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help=f"number of {what} (default: 1)"
    )


def threads_of(options: argparse.Namespace) -> int | None:
    """Return the number of threads, None where it is not given; `InputError` out of range."""
    threads: int | None = getattr(options, "threads", None)
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InputError(f"--threads must be 1 to {MOST_THREADS}, not {threads}.")
    return threads


def refuse_ignored(options: argparse.Namespace, because: str, **defaults: object) -> None:
    """Raise `InputError` where an option was given that would be ignored.

    Args:
        options: what argparse has read.
        because: the end of a sentence that begins with the options.
        defaults: of each option that would be ignored, by its attribute, what it is if not given.
    """
    given = [
        name for name, default in defaults.items() if getattr(options, name, default) != default
    ]
    if given:
        names = ["-o" if name == "out" else "--" + name.replace("_", "-") for name in given]
        raise InputError(f"{', '.join(names)} would be ignored: {because}")


def check_common(options: argparse.Namespace, *, out_is_file: bool) -> None:
    """Raise `InputError` for values that no verb can use, before any work.

    Args:
        options: what argparse has read.
        out_is_file: whether -o names a file; else it names a folder.
    """
    seed = getattr(options, "seed", 0)
    if not 0 <= seed < SEEDS:
        raise InputError(f"--seed must be 0 to {SEEDS - 1}, not {seed}.")
    jobs = getattr(options, "jobs", 1)
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs must be 1 or more, not {jobs}.")
    for name, is_file in (("out", out_is_file), ("mask_out", True)):
        if getattr(options, name, None):
            _check_writable(Path(getattr(options, name)), is_file=is_file)


def _check_writable(path: Path, *, is_file: bool) -> None:
    """Raise `InputError` where nothing can be written to a path."""
    if is_file and path.exists() and not path.is_file():
        raise InputError(f"'{path}' exists and is no file, so it cannot be replaced.")
    folders = path.absolute().parents if is_file else (path.absolute(), *path.absolute().parents)
    existing = next((folder for folder in folders if folder.exists()), None)
    if existing is None:
        return
    if not existing.is_dir():
        name = path if existing == path.absolute() else existing
        raise InputError(f"'{name}' is a file, so nothing can be written into it.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"'{path}' cannot be created: '{existing}' must not be written to.")


def refuse_empty(given: Sequence[str]) -> None:
    """Raise `InputError` for an empty argument: as a path it would be the current folder."""
    if "" in given:
        raise InputError("An argument is empty; is a variable of the shell not set?")
