"""The page and the files of an autoencoder's clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...evaluation.classifier.table import format_name
from ...evaluation.clusters.analyse import analyse
from ...evaluation.clusters.findings import named
from ...evaluation.clusters.results import Grouping, Groups
from ...files import whole_file, write_csv, write_json
from ...progress import Part, Progress, Silent, step
from ...statistics.clustering import ClusterAgreement
from ...statistics.text import format_number, format_p
from ...training.autoencoder.experiment import AutoencoderRun
from ..figure_style import Picture
from ..page import Child, Markup, element, figure, page, table
from .figures import pictures

_METHODS = (
    "Variational autoencoder (Kingma and Welling 2013): a normal distribution of each standardised "
    "column; what is missing is neither rebuilt nor judged. Scale, groups, PCA and NMF are learnt "
    "from the training patients; validation patients choose the epoch, test patients nothing.",
    "Groups: a mixture of normal distributions of one shape in the units that say something, and "
    "k-means beside it. ARI: adjusted Rand index, 1 where two groupings are the same, round 0 by "
    "chance. NMI: normalised mutual information, 0 to 1, and above 0 by chance. p: how often a "
    "fact whose values are dealt out anew among the patients gives as much (2000 times).",
    "NMF: of columns less their least number in training, so that none is below 0.",
)


def groups_page(found: Groups, drawn: Mapping[str, Sequence[Picture]]) -> str:
    """The whole page; `drawn` are the figures of each section."""
    first, *more = found.sentences
    return page(
        f"Groups of patients by {found.run.table.matrix.name}",
        element("h2", "What was found"),
        element("p", first, class_="verdict"),
        [element("p", sentence) for sentence in more],
        [element("p", sentence, class_="flag warning") for sentence in found.cautions],
        _follows(found),
        _section("Groups", drawn),
        _section("Latent space", drawn),
        _section("Genes", drawn, class_=None),
        _section("Training", drawn, class_=None),
        _others(found),
        _errors(found),
        element("h2", "How it was measured"),
        _facts(found),
        [element("p", text, class_="soft") for text in _METHODS],
    )


def _section(
    title: str, drawn: Mapping[str, Sequence[Picture]], *, class_: str | None = "figures"
) -> list[Markup]:
    """Figures side by side, or one a line where there is no class."""
    there = [figure(one) for one in drawn.get(title, ())]
    return [element("h2", title), element("div", there, class_=class_)] if there else []


def _follows(found: Groups) -> list[Markup]:
    if not found.groupings or not found.groupings[0].follows:
        return []
    rows: list[tuple[Child, ...]] = [
        (
            format_name(named(one.fact), 60),
            str(one.everybody.n),
            *_alike(one.everybody),
            f"{format_number(one.test.ari)}, {format_p(one.test.ari_p)} ({one.test.n})"
            if one.test
            else "",
        )
        for one in found.groupings[0].follows
    ]
    header = ("", "Patients", "ARI", "NMI", "ARI on test patients")
    return [element("h2", "What the groups follow"), table(rows, header=header)]


def _alike(one: ClusterAgreement) -> tuple[str, str]:
    return (
        f"{format_number(one.ari)}, {format_p(one.ari_p)}",
        f"{format_number(one.nmi)}, {format_p(one.nmi_p)}",
    )


def _others(found: Groups) -> list[Markup]:
    """All groupings: spaces, methods and numbers of groups."""
    names = [one.fact for one in found.groupings[1].follows] if found.groupings else []
    if not names:
        return []
    header = ("", "Sizes", "Between seeds", *(f"ARI, {named(name)}" for name in names))
    return [
        element("h2", "Other ways to group the same patients"),
        table([_other(one, names) for one in found.groupings], header=header),
    ]


def _other(one: Grouping, names: Sequence[str]) -> tuple[Child, ...]:
    follows = {each.fact: each.everybody for each in one.follows}
    seeds = "" if not one.seeds else format_number(float(np.mean(one.seeds)))
    sizes = np.bincount(one.groups, minlength=one.count)
    return (
        f"{one.space}, {one.method}, {one.count}",
        ", ".join(map(str, sizes)),
        seeds,
        *(_alike(follows[name])[0] if name in follows else "" for name in names),
    )


def _errors(found: Groups) -> list[Markup]:
    rows: list[tuple[Child, ...]] = [
        (one.space, format_number(one.train), format_number(one.test)) for one in found.errors
    ]
    return [
        element("h2", "How well the numbers are rebuilt"),
        table(rows, header=("Squared error of a standardised column", "Training", "Test")),
    ]


def _facts(found: Groups) -> Markup:
    run = found.run
    parts = ", ".join(f"{part} {len(names)}" for part, names in run.table.fold.parts.items())
    options = run.options
    rows: list[tuple[Child, ...]] = [
        ("Table", f"{run.table.matrix.name}: {run.table.matrix.scale}"),
        ("Columns", str(len(run.table.matrix.columns))),
        ("Patients", parts),
        (
            "Network",
            f"{run.options.latent} units in the latent space, hidden layers of "
            f"{', '.join(map(str, run.options.hidden)) or 'nothing'}",
        ),
        (
            "Training",
            f"{len(run.seeds)} seeds from {options.seed} on; the divergence's weight rises over "
            f"{options.warm_up} epochs; {options.free_bits:g} nats of each unit are free",
        ),
    ]
    return table(rows)


PAGE, RESULT, PLACES = "index.html", "groups.json", "groups.csv"


def write_groups(run: AutoencoderRun, *, progress: Progress | None = None) -> Groups:
    """Analyse a finished run, and write `groups.json`, `groups.csv` and `index.html` into it.

    Raises:
        MissingPackageError: matplotlib or scikit-learn is not installed.
    """
    progress = progress or Silent()
    found = analyse(run, progress=Part(progress, 0.0, 0.9))
    step(progress, 0.9, "Drawing")
    page = groups_page(found, pictures(found))
    write_json(run.folder / RESULT, found.to_dict())
    rows = _rows(found)
    write_csv(run.folder / PLACES, list(rows[0]), rows)
    with whole_file(run.folder / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return found


def _rows(found: Groups) -> list[dict[str, object]]:
    """A patient a row: part, group, place."""
    table, trained = found.run.table, found.run.trained
    part_of = {name: part for part, names in table.fold.parts.items() for name in names}
    groups = found.groupings[0].groups if found.groupings else None
    rows = []
    for number, patient in enumerate(table.matrix.patients):
        row: dict[str, object] = {"patient": patient, "part": part_of[patient]}
        if groups is not None:
            row["group"] = found.names[groups[number]]
        row |= {f"z{n}": float(f"{z:.5g}") for n, z in enumerate(trained.codes[number])}
        rows.append(row)
    return rows
