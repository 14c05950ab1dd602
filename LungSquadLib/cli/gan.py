"""`lungsquad gan data | sample | interpolate | audit`."""

from __future__ import annotations

import argparse

from ..options import add_options, from_namespace
from ..pipeline.options import add_device, add_jobs, add_threads
from .output import (
    Verb,
    add_common,
    add_number,
    add_out_argument,
    add_verbs,
    bar,
    print_failures,
    print_json,
    print_table,
    printable,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `gan`."""
    verbs = (
        Verb("data", "slices with tumour of a cohort, for the training", _add_data, _data),
        Verb("sample", "synthetic images with their masks", _add_sample, _sample),
        Verb(
            "interpolate",
            "images on a path through the latent space",
            _add_interpolate,
            _interpolate,
        ),
        Verb("audit", "quality of a generator, and memorisation", _add_audit, _audit),
    )
    add_verbs(parser, verbs)


def _add_data(data: argparse.ArgumentParser) -> None:
    from ..data.slice_set import Slicing

    data.add_argument(
        "source",
        metavar="STORE_OR_MANIFEST",
        help="manifest as of `lungsquad cohort build`; or a store, for 64 pixels around the tumour",
    )
    add_out_argument(data, metavar="SLICES")
    add_options(data, Slicing)
    add_jobs(data)
    add_common(data, "--keep-column")


def _add_sample(sample: argparse.ArgumentParser) -> None:
    _add_generator(sample)
    add_number(sample, "-n", 16, "number of images")
    sample.add_argument(
        "--truncation",
        type=float,
        default=1.0,
        metavar="FRACTION",
        help="fraction of the variety that is kept, above 0 (default: 1, no truncation)",
    )
    sample.add_argument(
        "--like", type=int, metavar="NUMBER", help="neighbours of this image of the same seed"
    )


def _add_interpolate(interpolate: argparse.ArgumentParser) -> None:
    _add_generator(interpolate)
    add_number(interpolate, "--frames", 48, "number of images")
    add_number(interpolate, "--keys", 6, "number of images of `sample` on the path")


def _add_audit(audit: argparse.ArgumentParser) -> None:
    _add_model(audit)
    audit.add_argument(
        "slices",
        metavar="SLICES",
        help="slices of `lungsquad gan data`, with patients that the model has not seen",
    )
    add_out_argument(audit)
    add_threads(audit)
    add_number(audit, "--images", 512, "number of images of each seed")
    add_number(audit, "--seeds", 3, "number of seeds, for intervals")
    audit.add_argument(
        "--label",
        metavar="COL",
        help="column of the slices with the model's classes: each is generated as often as it is "
        "among the slices (default: evenly)",
    )
    add_common(audit, "--json")


def _add_generator(verb: argparse.ArgumentParser) -> None:
    _add_model(verb)
    add_out_argument(verb)
    add_number(verb, "--seed", 0, "random seed of the images")
    verb.add_argument(
        "--label", metavar="CODE", help="class of the images, one of the model's (default: any)"
    )
    add_device(verb)


def _add_model(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "model",
        metavar="MODEL",
        help="generator of `lungsquad models list`, or a .safetensors file",
    )


def _data(arguments: argparse.Namespace) -> None:
    """Cut the slices, and print how many there are."""
    from ..data.overview import write_slice_overview
    from ..data.slice_set import Slicing, counts, open_slices
    from ..data.slicing import make_slices

    slicing = from_namespace(Slicing, arguments)
    with bar() as progress:
        summary = make_slices(
            arguments.source,
            arguments.out,
            slicing,
            jobs=arguments.jobs,
            keep_columns=arguments.keep_column,
            progress=progress,
        )
    slices = open_slices(arguments.out)
    total = counts(slices.cases)
    each = [case.count for case in slices.cases]
    print(f"{summary}: {slicing}")
    print_table(
        [
            ("cases", total["cases"]),
            ("patients", total["patients"]),
            ("slices", total["slices"]),
            ("slices per case", f"{min(each)} to {max(each)}, mean {sum(each) / len(each):.1f}"),
            ("left out, with too little tumour", total["left_out"]),
            ("left out, with too much padding", total["padded"]),
        ]
    )
    print(write_slice_overview(slices, slices.folder))
    print_failures(summary, f"see {arguments.out}/errors.csv for what failed.")


def _sample(arguments: argparse.Namespace) -> None:
    """Draw images and write them."""
    from ..errors import InputError
    from ..inference.generator import MOST_WRITTEN, sample, write_samples
    from ..models.catalogue import read_model
    from ..networks.devices import chosen_device

    if not 1 <= arguments.n <= MOST_WRITTEN:
        raise InputError(f"-n must be 1 to {MOST_WRITTEN}, not {arguments.n}.")
    device, model = chosen_device(arguments.device), read_model(arguments.model, kind="generator")
    parameters = {
        name: getattr(arguments, name) for name in ("seed", "truncation", "label", "like")
    }
    images = sample(model, arguments.n, device=device, **parameters)
    print(write_samples(arguments.out, images, model, **parameters))


def _interpolate(arguments: argparse.Namespace) -> None:
    """Draw images on a closed path through the latent space and write them as `sample` does."""
    from ..inference.generator import interpolate, write_samples
    from ..models.catalogue import read_model
    from ..networks.devices import chosen_device

    device, model = chosen_device(arguments.device), read_model(arguments.model, kind="generator")
    parameters = {name: getattr(arguments, name) for name in ("frames", "keys", "seed", "label")}
    images = interpolate(model, device=device, **parameters)
    print(write_samples(arguments.out, images, model, **parameters))


def _audit(arguments: argparse.Namespace) -> None:
    """Measure quality and memorisation, write the report, and print the results."""
    from ..data.slice_set import open_slices
    from ..evaluation.generator.audit import audit
    from ..models.catalogue import read_model
    from ..report.generator import check_folder, write_audit

    model = read_model(arguments.model, kind="generator")
    slices = open_slices(arguments.slices)
    check_folder(arguments.out, model)
    with bar() as progress:
        results = audit(
            model,
            slices,
            images=arguments.images,
            seeds=arguments.seeds,
            label=arguments.label,
            progress=progress,
        )
        page = write_audit(results, model, arguments.out)
    if arguments.json:
        print_json(results.to_dict())
        return
    for sentence in results.findings:
        print(printable(sentence))
    for caution in results.cautions:
        print(printable(f"note: {caution}"))
    print(page)
