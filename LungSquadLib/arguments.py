"""Arguments that the command line and the batch script for Slicer have in common."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .errors import InputError


def add_batch_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `batch`."""
    parser.add_argument(
        "manifest",
        metavar="MANIFEST.csv",
        help="columns ct, mask; optional case, patient_id, roi, label, series, profile",
    )
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write")
    add_model_arguments(parser)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (1)")


def check_batch_arguments(options: argparse.Namespace) -> None:
    """Raise `InputError` for what argparse lets pass."""
    if options.jobs < 1:
        raise InputError(f"--jobs must be 1 or more, not {options.jobs}.")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """`--model`, and what concerns running one."""
    parser.add_argument(
        "--model",
        required=True,
        action="append",
        metavar="NAME_OR_FILE",
        help="a model of `lungsquad models list`, or a .safetensors file; may be repeated",
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--seed", type=int, default=0, help="of the interval's dropout (0)")
    parser.add_argument(
        "--keep-identity",
        action="store_true",
        help="write the patient's ID instead of a hash of it",
    )


def refuse_empty(given: Sequence[str]) -> None:
    """Raise `InputError` for an empty argument: as a path it would be the current folder."""
    if "" in given:
        raise InputError("An argument is empty; is a variable of the shell not set?")
