"""Arguments that the command line and the batch script for Slicer have in common."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .errors import InputError

MOST_THREADS = 1024
DEVICES = ("auto", "cpu", "cuda", "mps")


def add_batch_arguments(parser: argparse.ArgumentParser, *, threads: bool = True) -> None:
    """The arguments of `batch`; without `--threads` where a worker process runs the models."""
    parser.add_argument(
        "manifest",
        metavar="MANIFEST.csv",
        help="columns ct, mask; optional case, patient_id, roi, label, series, profile",
    )
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write")
    add_model_arguments(parser, threads=threads)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (1)")


def check_batch_arguments(options: argparse.Namespace) -> None:
    """Raise `InputError` for what argparse lets pass."""
    if options.jobs < 1:
        raise InputError(f"--jobs must be 1 or more, not {options.jobs}.")


def add_model_arguments(parser: argparse.ArgumentParser, *, threads: bool = True) -> None:
    """`--model`, and what concerns running one."""
    parser.add_argument(
        "--model",
        required=True,
        action="append",
        metavar="NAME_OR_FILE",
        help="a model of `lungsquad models list`, or a .safetensors file; may be repeated",
    )
    if threads:
        add_device(parser)
    else:
        parser.add_argument("--device", default="auto", choices=DEVICES)
    parser.add_argument("--seed", type=int, default=0, help="of the interval's dropout (0)")
    parser.add_argument(
        "--keep-identity",
        action="store_true",
        help="write the patient's ID instead of a hash of it",
    )


def add_device(
    parser: argparse.ArgumentParser, *, default: str = "auto", devices: Sequence[str] = DEVICES
) -> None:
    """Where networks run: `--device`, and `--threads` of the processor."""
    parser.add_argument("--device", default=default, choices=devices)
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser, *, default: str = "what PyTorch takes") -> None:
    """`--threads`, which `threads_of` reads; `cli.main` sets them for the verb's whole run."""
    parser.add_argument(
        "--threads", type=int, metavar="N", help=f"of the processor, for networks ({default})"
    )


def threads_of(options: argparse.Namespace) -> int | None:
    """The number of threads that was asked for; `InputError` where there can be no such."""
    threads: int | None = getattr(options, "threads", None)
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InputError(f"--threads must be 1 to {MOST_THREADS}, not {threads}.")
    return threads


def refuse_empty(given: Sequence[str]) -> None:
    """Raise `InputError` for an empty argument: as a path it would be the current folder."""
    if "" in given:
        raise InputError("An argument is empty; is a variable of the shell not set?")
