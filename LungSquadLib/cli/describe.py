"""`lungsquad describe`."""

from __future__ import annotations

import argparse

from ..pipeline.options import add_device
from .output import (
    add_case_arguments,
    add_common,
    bar,
    print_flags,
    print_json,
    print_table,
    printable,
)

MODEL = "nodule-description"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `describe`."""
    add_case_arguments(parser)
    parser.add_argument(
        "--model", default=MODEL, metavar="NAME_OR_FILE", help=f"descriptor (default: {MODEL})"
    )
    add_device(parser)
    add_common(parser, "--json")


def run(arguments: argparse.Namespace) -> None:
    """Describe a nodule, and print the sentence and the ratings."""
    from ..imaging.ct import open_ct
    from ..imaging.mask_files import read_mask
    from ..inference.description import IMPRESSION, MALIGNANCY, describe
    from ..models.catalogue import read_model

    model = read_model(arguments.model, kind="descriptor")
    with bar() as progress:
        ct = open_ct(arguments.ct, series=arguments.series, progress=progress)
        mask = read_mask(arguments.mask, ct, roi=arguments.roi, label=arguments.label)
        description = describe(model, ct, mask, device=arguments.device)
    if arguments.json:
        print_json(description.to_dict())
        return
    print(printable(description.sentence))
    print(IMPRESSION)
    rows = [("CHARACTERISTIC", "RATING", "", "8 OF 10 READERS", "READERS' SPREAD", "BY VOLUME")]
    for name, rating in description.ratings.items():
        value = f"{rating.value:.1f} of {rating.scale.values[-1]}"
        word = "not rated: readers would disagree" if rating.abstains else rating.word
        if rating.abstains and description.ood and description.ood.out_of_distribution:
            word = "not rated: out of distribution"
        by_volume = f"{rating.by_volume:.1f}" if name == MALIGNANCY else ""
        rows.append(
            (name, value, word, f"{rating.low} to {rating.high}", f"{rating.sd:.1f}", by_volume)
        )
    print_table(rows)
    print_flags(flag.to_dict() for flag in description.flags)
