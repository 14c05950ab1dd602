"""`lungsquad reproduce`."""

from __future__ import annotations

import argparse

from ..download import gigabytes
from ..options import add_options, from_namespace, refuse_ignored
from .output import add_common, add_out_argument, bar, print_json, print_table, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `reproduce`."""
    from ..pipeline.reproduce.recipe import RecipeOptions
    from ..pipeline.reproduce.recipes import RECIPES

    names = "; ".join(f"{name}: {recipe.title}" for name, recipe in RECIPES.items())
    parser.add_argument("recipe", choices=tuple(RECIPES), metavar="RECIPE", help=names)
    add_out_argument(parser)
    add_options(parser, RecipeOptions)
    parser.add_argument(
        "--dry-run", action="store_true", help="print the steps, with disk and time, and do none"
    )
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> int:
    """Print the plan, do the steps, and print what was found; return 1 if a step failed."""
    from ..pipeline.reproduce.recipe import RecipeOptions
    from ..pipeline.reproduce.recipes import RECIPES, plan_reproduction, reproduce

    options = from_namespace(RecipeOptions, arguments)
    recipe = RECIPES[arguments.recipe]
    refuse_ignored(options, recipe.ignored, f"{arguments.recipe} has no use for it.")
    steps = plan_reproduction(arguments.recipe, arguments.out, options)
    if not arguments.json:
        rows = [(s.name, gigabytes(s.size), _duration(s.seconds), s.how) for s in steps]
        total = gigabytes(sum(s.size for s in steps)), _duration(sum(s.seconds for s in steps))
        print_table([("STEP", "DISK", "ABOUT", ""), *rows, ("all", *total, "")])
    if arguments.dry_run:
        if arguments.json:
            print_json([vars(s) for s in steps])
        return 0
    with bar() as progress:
        report, page = reproduce(arguments.recipe, arguments.out, options, progress=progress)
    if arguments.json:
        print_json(report.numbers)
        return int(report.failed)
    for sentence in (*(f"caution: {each}" for each in report.cautions), *report.sentences):
        print(printable(sentence))
    print(page)
    return int(report.failed)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
