"""`lungsquad cohort fetch | build | merge | check | show | phantoms | lidc | describe`."""

from __future__ import annotations

import argparse
import sys

from ..options import add_options, from_namespace
from ..pipeline.options import add_jobs, refuse_ignored
from .output import (
    Verb,
    add_common,
    add_out_argument,
    add_verbs,
    bar,
    print_failures,
    print_json,
    print_table,
    printable,
)

_MOST_PROBLEMS = 5  # that are printed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `cohort`."""
    verbs = (
        Verb("fetch", "fetch a public cohort: CT, outlines, labels", _add_fetch, _fetch),
        Verb("build", "crop every case of a manifest into a store", _add_build, _build),
        Verb("merge", "one store of all parts of a cohort", _add_merge, _merge),
        Verb("check", "damaged files, duplicates, contradicting labels", _add_check, _check),
        Verb("show", "contents of a store; with -o, an image of each case", _add_show, _show),
        Verb("phantoms", "write a cohort of phantom patients", _add_phantoms, _phantoms),
        Verb("lidc", "write the nodules of LIDC-IDRI, with manifests", _add_lidc, _lidc),
        Verb(
            "describe", "a page on the nodules and readers of LIDC-IDRI", _add_describe, _describe
        ),
        Verb("shapes", "write a library of nodule shapes of LIDC-IDRI", _add_shapes, _shapes),
    )
    add_verbs(parser, verbs)


def _add_fetch(fetch: argparse.ArgumentParser) -> None:
    from ..cohorts.fetch import FetchOptions
    from ..cohorts.series_list import names

    fetch.add_argument(
        "name", metavar="NAME", help=f"cohort: {', '.join(names())}; or a list of series (.csv.gz)"
    )
    add_out_argument(fetch)
    add_options(fetch, FetchOptions)
    fetch.add_argument(
        "--dry-run", action="store_true", help="print sizes and licence, and fetch nothing"
    )


def _add_build(build: argparse.ArgumentParser) -> None:
    from ..data.store import Preprocessing

    build.add_argument(
        "manifest",
        metavar="MANIFEST.csv",
        help="table of cases: columns patient_id, ct, mask; optional case, roi, label (of a label "
        "map), series, site; other columns, such as labels to learn, are kept",
    )
    add_out_argument(build, metavar="STORE")
    add_options(build, Preprocessing)
    add_jobs(build)
    build.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="dask scheduler (tcp://HOST:PORT, or the file that `dask scheduler --scheduler-file` "
        "wrote) whose workers do the work; they must see all paths as this machine does, and run "
        "one thread each. Name only one that you trust: whoever controls it can run any program "
        "here and on the workers",
    )
    build.add_argument(
        "--part",
        metavar="I/N",
        help="build only part I of N of the rows; `cohort merge` makes one store of all parts",
    )
    build.add_argument(
        "--keep-identity", action="store_true", help="store patient IDs instead of pseudonyms"
    )
    add_common(build, "--keep-column")


def _add_merge(merge: argparse.ArgumentParser) -> None:
    merge.add_argument(
        "parts", nargs="+", metavar="PART", help="stores of `cohort build --part`, all of them"
    )
    add_out_argument(merge, metavar="STORE")


def _add_check(check: argparse.ArgumentParser) -> None:
    _add_store(check)
    add_common(check, "--json")


def _add_show(show: argparse.ArgumentParser) -> None:
    _add_store(show)
    show.add_argument("-o", "--out", metavar="DIR", help="output folder for contact.png")
    add_common(show, "--json")


def _add_store(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("store", metavar="STORE", help="store of `lungsquad cohort build`")
    verb.add_argument("--label", metavar="COL", help="column of the manifest with the labels")


def _add_phantoms(phantoms: argparse.ArgumentParser) -> None:
    from ..phantom.cohort import PhantomOptions

    add_out_argument(phantoms)
    add_options(phantoms, PhantomOptions)
    add_jobs(phantoms)


def _add_lidc(lidc: argparse.ArgumentParser) -> None:
    lidc.add_argument(
        "source",
        metavar="FOLDER",
        help="LIDC-IDRI: DICOM series with the readers' XML files, or arrays: patients.csv and "
        "the folders cubes51, voi3d, stacks72, slices71",
    )
    add_out_argument(lidc)


def _add_describe(describe: argparse.ArgumentParser) -> None:
    describe.add_argument("folder", metavar="FOLDER", help="output of `lungsquad cohort lidc`")
    add_out_argument(describe)


def _add_shapes(shapes: argparse.ArgumentParser) -> None:
    shapes.add_argument(
        "source", metavar="FOLDER", help="arrays of LIDC-IDRI, with the folder shapes48"
    )
    add_out_argument(shapes, metavar="FILE", text="library: .npz")


def _fetch(arguments: argparse.Namespace) -> int:
    """Fetch the cohort and print its manifest; return 2 if series are left out."""
    from ..cohorts.fetch import FetchOptions, fetch_cohort, plan_fetch

    options = from_namespace(FetchOptions, arguments)
    if arguments.dry_run:
        print_table(plan_fetch(arguments.name, arguments.out, options).rows())
        return 0
    with bar() as progress:
        fetched = fetch_cohort(arguments.name, arguments.out, options, progress=progress)
    for patient, series in list(fetched.problems)[:_MOST_PROBLEMS]:
        sentence = fetched.problems[patient, series]
        print(printable(f"lungsquad: {patient}: {sentence}"), file=sys.stderr)
    if fetched.problems:
        print(
            f"lungsquad: {len(fetched.problems)} series are left out; see {arguments.out}/"
            "errors.csv. The same command tries them again.",
            file=sys.stderr,
        )
    print(f"{fetched.cases} cases")
    print(fetched.manifest)
    return 2 if fetched.problems else 0


def _build(arguments: argparse.Namespace) -> int:
    """Build the store; return 1 if not one case could be done."""
    from ..data.build import build_cohort
    from ..data.parts import parse_part
    from ..data.store import Preprocessing

    if arguments.scheduler is not None:
        refuse_ignored(arguments, "the scheduler has its own workers.", jobs=1)
    with bar() as progress:
        summary = build_cohort(
            arguments.manifest,
            arguments.out,
            preprocessing=from_namespace(Preprocessing, arguments),
            jobs=arguments.jobs,
            scheduler=arguments.scheduler,
            part=None if arguments.part is None else parse_part(arguments.part),
            keep_identity=arguments.keep_identity,
            keep_columns=arguments.keep_column,
            progress=progress,
        )
    print(summary)
    print_failures(summary, f"see {arguments.out}/errors.csv for what failed.")
    return summary.exit_code


def _merge(arguments: argparse.Namespace) -> int:
    """Merge the parts; return 1 if they have not one case."""
    from ..data.build import merge_parts

    with bar() as progress:
        summary = merge_parts(arguments.parts, arguments.out, progress=progress)
    print(summary)
    return summary.exit_code


def _check(arguments: argparse.Namespace) -> int:
    """Print the findings; return 1 if there are any."""
    from ..data.check import MOST_NAMED, check_store, flags_of_store, site_table
    from ..data.store import open_store

    store = open_store(arguments.store)
    with bar() as progress:
        findings = check_store(store, label=arguments.label, progress=progress)
    flagged = flags_of_store(store)
    table = site_table(store.cases, arguments.label) if arguments.label else {}
    if arguments.json:
        flags = [{**flag.to_dict(), "cases": list(names)} for flag, names in flagged]
        rows = [finding.to_dict() for finding in findings]
        print_json({"findings": rows, "flags": flags, "site_by_label": table})
        return int(bool(findings))
    for finding in findings:
        print(printable(f"{finding.sentence} [{finding.code}]"))
    for flag, names in flagged:
        if flag.severity != "severe":  # those are findings
            cases = ", ".join(names[:MOST_NAMED]) + " and more" * (len(names) > MOST_NAMED)
            print(printable(f"{flag.severity}: {flag.sentence} [{flag.code}] {cases}"))
    if table:
        values = list(next(iter(table.values())))
        print_table(
            [("PATIENTS", *values), *((site, *row.values()) for site, row in table.items())]
        )
    print(f"{len(store.cases)} cases, {len(findings) or 'no'} findings")
    return int(bool(findings))


def _show(arguments: argparse.Namespace) -> None:
    """Print the counts, and write the contact sheet."""
    from ..data.overview import MAX_CASES, overview, write_contact_sheet
    from ..data.store import open_store

    store = open_store(arguments.store)
    contents = overview(store, label=arguments.label)
    if arguments.json:
        print_json(contents)
    else:
        print_table((name, _listed(value)) for name, value in contents.items())
    if arguments.out is None:
        return
    with bar() as progress:
        path = write_contact_sheet(store, arguments.out, label=arguments.label, progress=progress)
    if not arguments.json:
        print(path)
    if len(store.cases) > MAX_CASES:
        print(f"lungsquad: the image shows {MAX_CASES} of the cases.", file=sys.stderr)


def _listed(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name or '(none)'}: {count}" for name, count in value.items()) or "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _phantoms(arguments: argparse.Namespace) -> None:
    """Write the cohort and print the path of the manifest."""
    from ..phantom.cohort import PhantomOptions, write_phantoms

    options = from_namespace(PhantomOptions, arguments)
    with bar() as progress:
        print(write_phantoms(arguments.out, options, jobs=arguments.jobs, progress=progress))


def _lidc(arguments: argparse.Namespace) -> None:
    """Write the nodules of LIDC-IDRI and print their manifests."""
    from ..cohorts.lidc import write_lidc

    with bar() as progress:
        recipe = write_lidc(arguments.source, arguments.out, progress=progress)
    for message in recipe.messages:
        print(f"lungsquad: {printable(message)}", file=sys.stderr)
    for path in recipe.manifests.values():
        print(path)


def _describe(arguments: argparse.Namespace) -> None:
    """Write the page of the cohort and print its path."""
    from ..cohorts.description import describe_cohort
    from ..report.cohort import write_cohort_page

    print(write_cohort_page(describe_cohort(arguments.folder), arguments.out))


def _shapes(arguments: argparse.Namespace) -> None:
    """Write a library of nodule shapes and print what it holds."""
    from ..cohorts.lidc_shapes import write_shapes

    counts = write_shapes(arguments.source, arguments.out)
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    print(arguments.out)
