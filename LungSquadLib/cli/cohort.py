"""`lungsquad cohort build`."""

from __future__ import annotations

import argparse
import sys

from .output import bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `cohort`."""
    verbs = parser.add_subparsers(dest="cohort_verb", required=True, metavar="VERB")
    _add_build(verbs.add_parser("build", help="crop every case of a manifest into a store"))
    for verb in verbs.choices.values():
        verb.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int | None:
    """Hand over to the wanted verb."""
    verbs = {"build": _build}
    return verbs[options.cohort_verb](options)


def _add_build(build: argparse.ArgumentParser) -> None:
    build.add_argument(
        "manifest",
        metavar="MANIFEST.csv",
        help="columns patient_id, ct, mask; optional case, roi, label (of a label map), series, "
        "site; any other, such as the labels to learn, is kept",
    )
    build.add_argument("-o", "--out", required=True, metavar="STORE", help="where to write")
    build.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (1)")
    build.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a dask scheduler (tcp://HOST:PORT) whose workers do the work; they must see all "
        "paths as this machine does, and run one thread each. Name only one that you trust: who "
        "controls it can run anything here and on the workers",
    )
    build.add_argument(
        "--size", type=int, default=64, metavar="N", help="voxels a side that networks see (64)"
    )
    build.add_argument(
        "--margin", type=int, default=12, metavar="N", help="voxels kept beyond, on each side (12)"
    )
    build.add_argument(
        "--spacing", type=float, default=1.0, metavar="MM", help="between voxels (1.0)"
    )
    build.add_argument(
        "--keep-identity",
        action="store_true",
        help="store the patients' IDs instead of pseudonyms",
    )


def _build(options: argparse.Namespace) -> int:
    """Build, tell; 1 where not one case could be done."""
    from ..arguments import check_batch_arguments
    from ..cohort.build import build_cohort
    from ..cohort.store import Preprocessing

    check_batch_arguments(options)
    with bar() as progress:
        summary = build_cohort(
            options.manifest,
            options.out,
            preprocessing=Preprocessing(options.size, options.margin, options.spacing),
            jobs=options.jobs,
            scheduler=options.scheduler,
            keep_identity=options.keep_identity,
            progress=progress,
        )
    print(summary)
    if summary.failed:
        print(f"lungsquad: see {options.out}/errors.csv for what failed.", file=sys.stderr)
    return summary.exit_code
