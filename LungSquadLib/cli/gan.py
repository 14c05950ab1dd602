"""`lungsquad gan data | sample | interpolate | audit`."""

from __future__ import annotations

import argparse

from ..pipeline.arguments import add_device, add_threads
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
    """The arguments of `gan`."""
    verbs = parser.add_subparsers(dest="gan_verb", required=True, metavar="VERB")
    _add_data(verbs.add_parser("data", help="the slices with tumour of a cohort, to train on"))
    _add_sample(verbs.add_parser("sample", help="images out of a generator, with their masks"))
    _add_interpolate(
        verbs.add_parser("interpolate", help="images on a path through the latent space")
    )
    _add_audit(verbs.add_parser("audit", help="how good a generator is, and whether it copies"))
    for verb in verbs.choices.values():
        verb.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> None:
    """Hand over to the wanted verb."""
    {"data": _data, "sample": _sample, "interpolate": _interpolate, "audit": _audit}[
        options.gan_verb
    ](options)


def _add_data(data: argparse.ArgumentParser) -> None:
    data.add_argument(
        "source",
        metavar="STORE_OR_MANIFEST",
        help="a manifest as `lungsquad cohort build` takes; or a store, for 64 pixels round the "
        "tumour",
    )
    data.add_argument("-o", "--out", required=True, metavar="SLICES", help="where to write")
    data.add_argument(
        "--resolution", type=int, choices=(64, 128, 256), default=64, help="pixels a side (64)"
    )
    data.add_argument(
        "--window",
        choices=("lung", "mediastinum", "full"),
        default="lung",
        help="the HU that networks tell apart (lung)",
    )
    data.add_argument(
        "--context",
        choices=("tumour", "slice"),
        default="tumour",
        help="64 mm round the tumour, 1 mm apart; or 400 mm, the chest, as far apart as in the CT "
        "(tumour)",
    )
    data.add_argument("--jobs", type=int, default=1, metavar="N", help="processes (1)")
    add_keep_column_argument(data)


def _add_sample(sample: argparse.ArgumentParser) -> None:
    _add_generator(sample, "DIR")
    sample.add_argument("-n", type=int, default=16, metavar="N", help="how many images (16)")
    sample.add_argument(
        "--truncation",
        type=float,
        default=1.0,
        metavar="FRACTION",
        help="variety that is kept, above 0 to 1 (1.0: no truncation)",
    )
    sample.add_argument(
        "--like", type=int, metavar="NUMBER", help="neighbours of this image of the same seed"
    )


def _add_interpolate(interpolate: argparse.ArgumentParser) -> None:
    _add_generator(interpolate, "DIR")
    interpolate.add_argument("--frames", type=int, default=48, metavar="N", help="images (48)")
    interpolate.add_argument(
        "--keys", type=int, default=6, metavar="N", help="images of `sample` on the path (6)"
    )


def _add_audit(audit: argparse.ArgumentParser) -> None:
    _add_model(audit)
    audit.add_argument(
        "slices",
        metavar="SLICES",
        help="of `lungsquad gan data`, with patients that the model has not seen",
    )
    audit.add_argument("-o", "--out", required=True, metavar="DIR", help="where to write")
    add_threads(audit)
    audit.add_argument("--images", type=int, default=512, metavar="N", help="of each seed (512)")
    audit.add_argument("--seeds", type=int, default=3, metavar="N", help="for intervals (3)")
    add_json_argument(audit)


def _add_generator(verb: argparse.ArgumentParser, out: str) -> None:
    _add_model(verb)
    verb.add_argument("-o", "--out", required=True, metavar=out, help="where to write")
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="of the images (0)")
    verb.add_argument("--label", metavar="CODE", help="a condition of the model (any)")
    add_device(verb)


def _add_model(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "model",
        metavar="MODEL",
        help="a generator of `lungsquad models list`, or a .safetensors file",
    )


def _data(options: argparse.Namespace) -> None:
    """Cut, draw, count."""
    from ..data.overview import write_slice_overview
    from ..data.slice_set import Slicing, counts, open_slices
    from ..data.slicing import make_slices

    slicing = Slicing(options.resolution, options.context, options.window)
    with bar() as progress:
        summary = make_slices(
            options.source,
            options.out,
            slicing,
            jobs=options.jobs,
            keep_columns=options.keep_column,
            progress=progress,
        )
    slices = open_slices(options.out)
    found = counts(slices.cases)
    each = [case.count for case in slices.cases]
    print(f"{summary}: {slicing}")
    print_table(
        [
            ("cases", found["cases"]),
            ("patients", found["patients"]),
            ("slices", found["slices"]),
            ("slices a case", f"{min(each)} to {max(each)}, mean {sum(each) / len(each):.1f}"),
            ("left out, with too little tumour", found["left_out"]),
        ]
    )
    print(write_slice_overview(slices, slices.folder))
    print_failures(summary, f"see {options.out}/errors.csv for what failed.")


def _sample(options: argparse.Namespace) -> None:
    """Draw images and write them."""
    from ..errors import InputError
    from ..inference.generator import MOST_WRITTEN, sample, write_samples
    from ..models.catalogue import read_model
    from ..networks.devices import chosen_device

    if not 1 <= options.n <= MOST_WRITTEN:
        raise InputError(f"-n must be 1 to {MOST_WRITTEN}, not {options.n}.")
    device, model = chosen_device(options.device), read_model(options.model, kind="generator")
    parameters = {name: getattr(options, name) for name in ("seed", "truncation", "label", "like")}
    images = sample(model, options.n, device=device, **parameters)
    print(write_samples(options.out, images, model, **parameters))


def _interpolate(options: argparse.Namespace) -> None:
    """Draw images on a closed path through the latent space and write them as `sample` does."""
    from ..inference.generator import interpolate, write_samples
    from ..models.catalogue import read_model
    from ..networks.devices import chosen_device

    device, model = chosen_device(options.device), read_model(options.model, kind="generator")
    parameters = {name: getattr(options, name) for name in ("frames", "keys", "seed", "label")}
    images = interpolate(model, device=device, **parameters)
    print(write_samples(options.out, images, model, **parameters))


def _audit(options: argparse.Namespace) -> None:
    """Measure, write, tell."""
    from ..data.slice_set import open_slices
    from ..evaluation.generator.audit import audit
    from ..models.catalogue import read_model
    from ..report.generator.page import check_folder, write_audit

    model = read_model(options.model, kind="generator")
    slices = open_slices(options.slices)
    check_folder(options.out, model)
    with bar() as progress:
        found = audit(model, slices, images=options.images, seeds=options.seeds, progress=progress)
        page = write_audit(found, model, options.out)
    if options.json:
        print_json(found.to_dict())
        return
    for sentence in found.sentences:
        print(printable(sentence))
    for caution in found.cautions:
        print(printable(f"note: {caution}"))
    print(page)
