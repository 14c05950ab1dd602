"""`lungsquad stage CT MASK`, and `lungsquad stage MANIFEST.csv -o DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..pipeline.arguments import refuse_ignored
from .output import (
    add_choice_arguments,
    add_json_argument,
    bar,
    listed,
    print_failures,
    print_flags,
    print_json,
    print_table,
    printable,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stage`."""
    from ..imaging.stage import EDITION, EDITIONS, RULES

    parser.add_argument(
        "ct",
        metavar="CT",
        help="as of `crop`; or, without a MASK, the manifest of a cohort, whose columns t_stage "
        "and edition are what was reported",
    )
    parser.add_argument("mask", nargs="?", metavar="MASK", help="of the same CT, as of `crop`")
    add_choice_arguments(parser)
    parser.add_argument(
        "--edition", choices=EDITIONS, default=EDITION, help=f"of the staging rules ({EDITION})"
    )
    parser.add_argument(
        "--diameter",
        choices=RULES,
        default=RULES[0],
        help="which one is staged: the largest in any direction, as AJCC and UICC have it, or the "
        f"largest in an axial plane ({RULES[0]})",
    )
    patient = parser.add_argument_group("one patient")
    patient.add_argument("--profile", metavar="CSV", help="the patient's expression")
    patient.add_argument(
        "--models",
        metavar="NAME,...",
        help="an integrator, an autoencoder or both, of the task t_stage; names or files",
    )
    patient.add_argument("--reported", metavar="STAGE", help="as it was reported: pT2a, say")
    patient.add_argument("--reported-edition", choices=EDITIONS, help="by which it was staged")
    add_json_argument(parser)
    cohort = parser.add_argument_group("a cohort")
    cohort.add_argument("-o", "--out", metavar="DIR", help="where to write")
    cohort.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (1)")
    cohort.add_argument("--mlp", metavar="FILE", help="predictions.csv of `train integration`")
    cohort.add_argument("--groups", metavar="FILE", help="groups.csv of `train autoencoder`")
    cohort.add_argument("--clinical", metavar="FILE", help="a clinical table with T stages")
    cohort.add_argument("--mapping", metavar="FILE.json", help="of its columns, as of `tables`")
    cohort.add_argument(
        "--keep-identity", action="store_true", help="write the patients' IDs, not pseudonyms"
    )


def run(options: argparse.Namespace) -> int | None:
    """One patient, or a cohort."""
    if options.mask is None:
        return _cohort(options)
    _patient(options)
    return None


def _patient(options: argparse.Namespace) -> None:
    """Measure, ask, tell."""
    from ..errors import InputError
    from ..evaluation.staging.methods import stage_ways
    from ..imaging.crop import flags_of_case
    from ..imaging.ct import open_ct
    from ..imaging.masks import read_mask
    from ..imaging.stage import LIMITS, size_stage
    from ..models.catalogue import read_model

    refuse_ignored(
        options,
        "with CT and MASK one patient is staged, and shown; they are about a cohort (a manifest).",
        out=None,
        jobs=1,
        mlp=None,
        groups=None,
        clinical=None,
        mapping=None,
        keep_identity=False,
    )
    if options.reported is None:
        refuse_ignored(options, "there is no --reported.", reported_edition=None)
    if (options.profile is None) == bool(options.models):
        raise InputError("--profile and --models belong together: each needs the other.")
    models = [read_model(name) for name in listed(options.models)]
    with bar() as progress:
        ct = open_ct(options.ct, series=options.series, progress=progress)
        mask = read_mask(options.mask, ct, roi=options.roi, label=options.label)
    ruler = size_stage(mask.image, edition=options.edition, rule=options.diameter)
    found = stage_ways(
        ruler,
        flags=flags_of_case(ct, mask, *ruler.flags),
        profile=options.profile,
        models=models,
        reported=options.reported,
        reported_edition=options.reported_edition,
    )
    if options.json:
        print_json(found.to_dict())
        return
    print_table(found.rows())
    for sentence in [*found.notes, LIMITS, *(model.card.notice for model in models)]:
        print(printable(sentence)) if sentence else None
    print_flags(flag.to_dict() for flag in found.all_flags)


def _cohort(options: argparse.Namespace) -> int:
    """Stage all, tell; 1 where not one case could be measured."""
    from ..errors import InputError
    from ..pipeline.stage_cohort import PAGE, Others, stage_cohort

    if options.out is None:
        raise InputError(
            f"There is no MASK beside '{options.ct}'; if it is the manifest of a cohort, say with "
            "-o where to write."
        )
    refuse_ignored(
        options,
        "they are about one patient (CT and MASK); a manifest has columns of its own for them.",
        roi=None,
        label=None,
        series=None,
        profile=None,
        models=None,
        reported=None,
        reported_edition=None,
    )
    if options.clinical is None:
        refuse_ignored(options, "it is about the columns of --clinical.", mapping=None)
    tables = (options.mlp, options.groups, options.clinical, options.mapping)
    with bar() as progress:
        found = stage_cohort(
            options.ct,
            options.out,
            others=Others(*(None if table is None else Path(table) for table in tables)),
            edition=options.edition,
            rule=options.diameter,
            jobs=options.jobs,
            keep_identity=options.keep_identity,
            progress=progress,
        )
    if options.json:
        print_json(found.to_dict())
        return found.summary.exit_code
    print(found.summary)
    for sentence in [*found.notes, *(one.sentence for one in found.agreements)]:
        print(printable(sentence))
    print(f"{options.out}/{PAGE}")
    print_failures(found.summary, "the table says what failed.")
    return found.summary.exit_code
