"""`lungsquad radiomics CT MASK -o features.csv`, and of a manifest or a store."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ..options import add_options, options_of
from ..pipeline.options import add_jobs, refuse_ignored
from ..radiomics.settings import CONFIGURATIONS, RadiomicsSettings
from .output import add_common, add_out_argument, bar, print_failures, print_flags, print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `radiomics`."""
    parser.add_argument(
        "ct",
        metavar="CT",
        help="CT, as of `crop`; or, without MASK, the manifest of a cohort, or a store of "
        "`lungsquad cohort build`",
    )
    parser.add_argument("mask", nargs="?", metavar="MASK", help="mask of the CT, as of `crop`")
    add_common(parser, "--roi", "--label", "--series")
    add_out_argument(parser, metavar="FILE.csv", text="table to write, a row for each case")
    parser.add_argument(
        "--settings",
        metavar="FILE.json",
        help="settings, as FILE.json beside an earlier table has them, or the name of a "
        f"configuration of the IBSI standard, {', '.join(CONFIGURATIONS)}",
    )
    add_options(parser, RadiomicsSettings)
    parser.add_argument(
        "--keep-identity", action="store_true", help="write patient IDs instead of pseudonyms"
    )
    cohort = parser.add_argument_group("a cohort")
    cohort.add_argument(
        "--robustness",
        action="store_true",
        help="also compute the features of perturbed masks, and their intraclass correlation",
    )
    add_jobs(cohort)
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> int | None:
    """Compute the features of one case, or of a cohort."""
    settings = _settings(arguments)
    if arguments.mask is None:
        return _cohort(arguments, settings)
    _case(arguments, settings)
    return None


def _settings(arguments: argparse.Namespace) -> RadiomicsSettings:
    """Return the settings of the file or configuration, changed by the options that are given."""
    from ..pipeline.radiomics import read_settings

    settings = RadiomicsSettings()
    if arguments.settings is not None:
        settings = read_settings(arguments.settings)
    given = {
        option.name: getattr(arguments, option.name)
        for option in options_of(RadiomicsSettings)
        if hasattr(arguments, option.name)
    }
    given = {n: tuple(value) if isinstance(value, list) else value for n, value in given.items()}
    for pair in (("bin_size", "bin_number"), ("ivh_bin_size", "ivh_bin_number")):
        for name, other in (pair, pair[::-1]):
            if name in given:  # it replaces the other, unless both are given
                given.setdefault(other, None)
    return replace(settings, **given)


def _case(arguments: argparse.Namespace, settings: RadiomicsSettings) -> None:
    from ..pipeline.case_input import CaseInput
    from ..pipeline.radiomics import extract_case

    refuse_ignored(
        arguments,
        "they are about a cohort (a manifest or a store), and CT and MASK are one patient.",
        robustness=False,
        jobs=1,
    )
    case = CaseInput(arguments.ct, arguments.mask, arguments.roi, arguments.label, arguments.series)
    with bar() as progress:
        result = extract_case(
            case,
            arguments.out,
            settings,
            keep_identity=arguments.keep_identity,
            progress=progress,
        )
    if arguments.json:
        print_json(result)
        return
    print_flags(result["flags"])
    print(f"{len(result['features'])} features")
    print(arguments.out)


def _cohort(arguments: argparse.Namespace, settings: RadiomicsSettings) -> int:
    """Compute the features of each case of a manifest or store; return 1 if there are none."""
    from ..pipeline.radiomics import extract_cohort

    refuse_ignored(
        arguments,
        "they are about one patient (CT and MASK).",
        roi=None,
        label=None,
        series=None,
    )
    with bar() as progress:
        summary = extract_cohort(
            arguments.ct,
            arguments.out,
            settings,
            perturb=arguments.robustness,
            jobs=arguments.jobs,
            keep_identity=arguments.keep_identity,
            progress=progress,
        )
    described = Path(arguments.out).with_suffix(".json")
    if arguments.json:
        print_json({"done": summary.done, "kept": summary.skipped, "failed": summary.failed})
    else:
        print(summary)
        print(arguments.out)
    print_failures(summary, f"{described} lists the cases that failed.")
    return summary.exit_code
