"""`lungsquad stage CT MASK`, and `lungsquad stage MANIFEST.csv -o DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..options import listed
from ..pipeline.options import add_jobs, refuse_ignored
from .output import add_common, bar, print_failures, print_flags, print_json, print_table, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `stage`."""
    from ..imaging.stage import EDITION, EDITIONS, RULES

    parser.add_argument(
        "ct",
        metavar="CT",
        help="CT, as of `crop`; or, without MASK, the manifest of a cohort, whose columns t_stage "
        "and edition are the reported stage",
    )
    parser.add_argument("mask", nargs="?", metavar="MASK", help="mask of the CT, as of `crop`")
    add_common(parser, "--roi", "--label", "--series")
    parser.add_argument(
        "--edition",
        choices=EDITIONS,
        default=EDITION,
        help=f"edition of the TNM classification (default: {EDITION})",
    )
    parser.add_argument(
        "--diameter",
        choices=RULES,
        default=RULES[0],
        help="diameter that decides: the largest in any direction, as AJCC and UICC define it, or "
        f"the largest in an axial plane (default: {RULES[0]})",
    )
    add_common(parser, "--json")
    patient = parser.add_argument_group("one patient")
    patient.add_argument("--profile", metavar="CSV", help="gene expression of the patient")
    patient.add_argument(
        "--models",
        metavar="NAME,...",
        help="models of integration, autoencoders or both, of the task t_stage: names or files",
    )
    patient.add_argument("--reported", metavar="STAGE", help="reported stage, such as pT2a")
    patient.add_argument(
        "--reported-edition", choices=EDITIONS, help="edition of the reported stage"
    )
    cohort = parser.add_argument_group("a cohort")
    cohort.add_argument("-o", "--out", metavar="DIR", help="output folder")
    add_jobs(cohort)
    cohort.add_argument(
        "--predictions", metavar="FILE", help="predictions.csv of `lungsquad train integration`"
    )
    cohort.add_argument(
        "--groups", metavar="FILE", help="groups.csv of `lungsquad train autoencoder`"
    )
    cohort.add_argument("--clinical", metavar="FILE", help="clinical table with T stages")
    add_common(cohort, "--mapping")
    cohort.add_argument(
        "--keep-identity", action="store_true", help="write patient IDs instead of pseudonyms"
    )


def run(arguments: argparse.Namespace) -> int | None:
    """Stage one patient, or a cohort."""
    if arguments.mask is None:
        return _cohort(arguments)
    _patient(arguments)
    return None


def _patient(arguments: argparse.Namespace) -> None:
    """Print the stage of one patient by each method."""
    from ..errors import InputError
    from ..evaluation.staging.methods import stage_patient
    from ..imaging.crop import flags_of_case
    from ..imaging.ct import open_ct
    from ..imaging.mask_files import read_mask
    from ..imaging.stage import LIMITS, size_stage
    from ..models.catalogue import read_model

    refuse_ignored(
        arguments,
        "they are about a cohort (a manifest), and CT and MASK are one patient.",
        out=None,
        jobs=1,
        predictions=None,
        groups=None,
        clinical=None,
        mapping=None,
        keep_identity=False,
    )
    if arguments.reported is None:
        refuse_ignored(arguments, "there is no --reported.", reported_edition=None)
    if (arguments.profile is None) == bool(arguments.models):
        raise InputError("--profile and --models belong together: each needs the other.")
    models = [read_model(name) for name in listed(arguments.models)]
    with bar() as progress:
        ct = open_ct(arguments.ct, series=arguments.series, progress=progress)
        mask = read_mask(arguments.mask, ct, roi=arguments.roi, label=arguments.label)
    size = size_stage(mask.image, edition=arguments.edition, rule=arguments.diameter)
    staged = stage_patient(
        size,
        flags=flags_of_case(ct, mask, *size.flags),
        profile=arguments.profile,
        models=models,
        reported=arguments.reported,
        reported_edition=arguments.reported_edition,
    )
    if arguments.json:
        print_json(staged.to_dict())
        return
    print_table(staged.rows())
    for sentence in [*staged.notes, LIMITS, *(model.card.notice for model in models)]:
        print(printable(sentence)) if sentence else None
    print_flags(flag.to_dict() for flag in staged.all_flags)


def _cohort(arguments: argparse.Namespace) -> int:
    """Stage every case of a manifest; return 1 if not one could be measured."""
    from ..errors import InputError
    from ..pipeline.stage_cohort import PAGE, Comparators, stage_cohort

    if arguments.out is None or Path(arguments.ct).is_dir():
        raise InputError(
            f"There is no MASK for '{arguments.ct}'. Give the mask; or the manifest of a "
            "cohort, and an output folder with -o."
        )
    refuse_ignored(
        arguments,
        "they are about one patient (CT and MASK); a manifest has columns for them.",
        roi=None,
        label=None,
        series=None,
        profile=None,
        models=None,
        reported=None,
        reported_edition=None,
    )
    if arguments.clinical is None:
        refuse_ignored(arguments, "it is about the columns of --clinical.", mapping=None)
    tables = (arguments.predictions, arguments.groups, arguments.clinical, arguments.mapping)
    with bar() as progress:
        staged = stage_cohort(
            arguments.ct,
            arguments.out,
            comparators=Comparators(*(None if table is None else Path(table) for table in tables)),
            edition=arguments.edition,
            rule=arguments.diameter,
            jobs=arguments.jobs,
            keep_identity=arguments.keep_identity,
            progress=progress,
        )
    if arguments.json:
        print_json(staged.to_dict())
        return staged.summary.exit_code
    print(staged.summary)
    for sentence in [*staged.notes, *(agreement.sentence for agreement in staged.agreements)]:
        print(printable(sentence))
    print(f"{arguments.out}/{PAGE}")
    print_failures(staged.summary, "the table lists the cases that failed.")
    return staged.summary.exit_code
