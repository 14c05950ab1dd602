"""`lungsquad cohort build | check | show | phantoms`."""

from __future__ import annotations

import argparse
import sys

from ..pipeline.arguments import refuse_ignored
from .output import (
    add_json_argument,
    add_keep_column_argument,
    bar,
    print_failures,
    print_json,
    print_table,
    printable,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `cohort`."""
    verbs = parser.add_subparsers(dest="cohort_verb", required=True, metavar="VERB")
    _add_build(verbs.add_parser("build", help="crop every case of a manifest into a store"))
    _add_check(verbs.add_parser("check", help="damaged files, duplicates, labels that disagree"))
    _add_show(verbs.add_parser("show", help="what a store holds; with -o, a picture of each case"))
    _add_phantoms(verbs.add_parser("phantoms", help="write a cohort of phantoms to try it on"))
    for verb in verbs.choices.values():
        verb.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int | None:
    """Hand over to the wanted verb."""
    verbs = {"build": _build, "check": _check, "show": _show, "phantoms": _phantoms}
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
    add_keep_column_argument(build)


def _add_check(check: argparse.ArgumentParser) -> None:
    check.add_argument("store", metavar="STORE")
    _add_label(check)
    add_json_argument(check)


def _add_show(show: argparse.ArgumentParser) -> None:
    show.add_argument("store", metavar="STORE")
    _add_label(show)
    show.add_argument("-o", "--out", metavar="DIR", help="where to write contact.png")
    add_json_argument(show)


def _add_label(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--label", metavar="COLUMN", help="a column of the manifest to look at")


def _add_phantoms(phantoms: argparse.ArgumentParser) -> None:
    phantoms.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write")
    phantoms.add_argument("--patients", type=int, default=200, metavar="N", help="how many (200)")
    phantoms.add_argument(
        "--label-noise", type=float, default=0.1, metavar="SHARE", help="of wrong labels (0.1)"
    )
    phantoms.add_argument("--sites", type=int, default=3, metavar="N", help="hospitals (3)")
    phantoms.add_argument("--seed", type=int, default=0, metavar="N", help="of everything (0)")
    phantoms.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (1)")


def _build(options: argparse.Namespace) -> int:
    """Build, tell; 1 where not one case could be done."""
    from ..data.build import build_cohort
    from ..data.store import Preprocessing

    if options.scheduler is not None:
        refuse_ignored(options, "the scheduler has workers of its own.", jobs=1)
    with bar() as progress:
        summary = build_cohort(
            options.manifest,
            options.out,
            preprocessing=Preprocessing(options.size, options.margin, options.spacing),
            jobs=options.jobs,
            scheduler=options.scheduler,
            keep_identity=options.keep_identity,
            keep_columns=options.keep_column,
            progress=progress,
        )
    print(summary)
    print_failures(summary, f"see {options.out}/errors.csv for what failed.")
    return summary.exit_code


def _check(options: argparse.Namespace) -> int:
    """Check, tell; 1 where something is wrong."""
    from ..data.check import MOST_NAMED, check_store, flags_of_store, site_table
    from ..data.store import open_store

    store = open_store(options.store)
    with bar() as progress:
        findings = check_store(store, label=options.label, progress=progress)
    flagged = flags_of_store(store)
    table = site_table(store.cases, options.label) if options.label else {}
    if options.json:
        flags = [{**flag.to_dict(), "cases": list(names)} for flag, names in flagged]
        found = [one.to_dict() for one in findings]
        print_json({"findings": found, "flags": flags, "site_by_label": table})
        return int(bool(findings))
    for finding in findings:
        print(printable(f"{finding.sentence} [{finding.code}]"))
    for flag, names in flagged:
        if flag.severity != "severe":  # those are findings
            who = ", ".join(names[:MOST_NAMED]) + " and more" * (len(names) > MOST_NAMED)
            print(printable(f"{flag.severity}: {flag.sentence} [{flag.code}] {who}"))
    if table:
        values = list(next(iter(table.values())))
        print_table(
            [("PATIENTS", *values), *((site, *row.values()) for site, row in table.items())]
        )
    print(f"{len(store.cases)} cases, {len(findings) or 'no'} findings")
    return int(bool(findings))


def _show(options: argparse.Namespace) -> None:
    """Counts, and the contact sheet."""
    from ..data.overview import MOST_SHOWN, overview, write_contact_sheet
    from ..data.store import open_store

    store = open_store(options.store)
    described = overview(store, label=options.label)
    if options.json:
        print_json(described)
    else:
        print_table((name, _listed(value)) for name, value in described.items())
    if options.out is None:
        return
    with bar() as progress:
        path = write_contact_sheet(store, options.out, label=options.label, progress=progress)
    if not options.json:
        print(path)
    if len(store.cases) > MOST_SHOWN:
        print(f"lungsquad: the picture shows {MOST_SHOWN} of the cases.", file=sys.stderr)


def _listed(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name or '(none)'}: {count}" for name, count in value.items()) or "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _phantoms(options: argparse.Namespace) -> None:
    """Write them, tell where the manifest is."""
    from ..phantom.cohort import write_phantoms

    with bar() as progress:
        manifest = write_phantoms(
            options.out,
            patients=options.patients,
            label_noise=options.label_noise,
            sites=options.sites,
            seed=options.seed,
            jobs=options.jobs,
            progress=progress,
        )
    print(manifest)
