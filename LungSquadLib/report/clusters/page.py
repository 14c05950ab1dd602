"""The page and the files of an autoencoder's clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...evaluation.classifier.table import format_name
from ...evaluation.clusters.analyse import analyse
from ...evaluation.clusters.findings import named
from ...evaluation.clusters.results import ClusterAnalysis, Clustering
from ...files import whole_file, write_csv, write_json
from ...progress import Part, Progress, Silent, step
from ...statistics.clustering import ClusterAgreement
from ...statistics.text import format_number, format_p
from ...training.autoencoder.experiment import AutoencoderRun
from ..figure_style import Picture
from ..page import Child, Markup, figure, figures, findings, page, section, small_print, table
from .figures import pictures

_METHODS = (
    "Variational autoencoder (Kingma and Welling 2013): a normal distribution of each standardised "
    "column; missing values do not count. Scale, groups, PCA and NMF are learnt from the "
    "training patients; validation patients choose the epoch, test patients nothing.",
    "Groups: a mixture of normal distributions of one shape in the informative units, and "
    "k-means for comparison. ARI: adjusted Rand index, 1 for equal clusterings, around 0 by "
    "chance. NMI: normalised mutual information, 0 to 1, and above 0 by chance. p: how often an "
    "annotation permuted among the patients gives as much (2000 permutations).",
    "NMF: of columns less their least number in training, so that none is below 0.",
)


def groups_page(analysis: ClusterAnalysis, pictures: Mapping[str, Sequence[Picture]]) -> str:
    """Return the whole page; `pictures` are the figures of each section."""

    def stacked(title: str) -> list[Markup]:
        return section(title, list(map(figure, pictures.get(title, ()))))

    return page(
        f"Groups of patients by {analysis.run.table.matrix.name}",
        findings(analysis.findings, analysis.cautions),
        _agreements(analysis),
        section("Groups", figures(pictures.get("Groups", ()))),
        section("Latent space", figures(pictures.get("Latent space", ()))),
        stacked("Columns"),
        stacked("Training"),
        _clusterings(analysis),
        _errors(analysis),
        section("Methods", _run(analysis), small_print(_METHODS)),
    )


def _agreements(analysis: ClusterAnalysis) -> list[Markup]:
    if not analysis.clusterings or not analysis.clusterings[0].agreements:
        return []
    rows: list[tuple[Child, ...]] = [
        (
            format_name(named(each.annotation), 60),
            str(each.all_patients.n),
            *_ari_and_nmi(each.all_patients),
            f"{format_number(each.test.ari)}, {format_p(each.test.ari_p)} ({each.test.n})"
            if each.test
            else "",
        )
        for each in analysis.clusterings[0].agreements
    ]
    header = ("", "Patients", "ARI", "NMI", "ARI on test patients")
    return section("Agreement with annotations", table(rows, header=header))


def _ari_and_nmi(agreement: ClusterAgreement) -> tuple[str, str]:
    return (
        f"{format_number(agreement.ari)}, {format_p(agreement.ari_p)}",
        f"{format_number(agreement.nmi)}, {format_p(agreement.nmi_p)}",
    )


def _clusterings(analysis: ClusterAnalysis) -> list[Markup]:
    """All clusterings: spaces, methods and numbers of clusters."""
    names = (
        [each.annotation for each in analysis.clusterings[1].agreements]
        if analysis.clusterings
        else []
    )
    if not names:
        return []
    header = ("", "Sizes", "Between seeds", *(f"ARI, {named(name)}" for name in names))
    rows = [_clustering_row(each, names) for each in analysis.clusterings]
    return section("Other clusterings of the same patients", table(rows, header=header))


def _clustering_row(clustering: Clustering, names: Sequence[str]) -> tuple[Child, ...]:
    agreements = {each.annotation: each.all_patients for each in clustering.agreements}
    seeds = "" if not clustering.seeds else format_number(float(np.mean(clustering.seeds)))
    sizes = np.bincount(clustering.groups, minlength=clustering.count)
    return (
        f"{clustering.space}, {clustering.method}, {clustering.count}",
        ", ".join(map(str, sizes)),
        seeds,
        *(_ari_and_nmi(agreements[name])[0] if name in agreements else "" for name in names),
    )


def _errors(analysis: ClusterAnalysis) -> list[Markup]:
    rows: list[tuple[Child, ...]] = [
        (error.space, format_number(error.train), format_number(error.test))
        for error in analysis.errors
    ]
    header = ("Squared error of a standardised column", "Training", "Test")
    return section("Reconstruction", table(rows, header=header))


def _run(analysis: ClusterAnalysis) -> Markup:
    run = analysis.run
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


PAGE, RESULT, POSITIONS = "index.html", "groups.json", "groups.csv"


def write_groups(run: AutoencoderRun, *, progress: Progress | None = None) -> ClusterAnalysis:
    """Analyse a finished run, and write `groups.json`, `groups.csv` and `index.html` into it.

    Raises:
        MissingPackageError: matplotlib or scikit-learn is not installed.
    """
    progress = progress or Silent()
    analysis = analyse(run, progress=Part(progress, 0.0, 0.9))
    step(progress, 0.9, "Drawing")
    page = groups_page(analysis, pictures(analysis))
    write_json(run.folder / RESULT, analysis.to_dict())
    rows = _rows(analysis)
    write_csv(run.folder / POSITIONS, list(rows[0]), rows)
    with whole_file(run.folder / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return analysis


def _rows(analysis: ClusterAnalysis) -> list[dict[str, object]]:
    """A row for each patient: part, group, position."""
    table, trained = analysis.run.table, analysis.run.trained
    part_of = {name: part for part, names in table.fold.parts.items() for name in names}
    groups = analysis.clusterings[0].groups if analysis.clusterings else None
    rows = []
    for number, patient in enumerate(table.matrix.patients):
        row: dict[str, object] = {"patient": patient, "part": part_of[patient]}
        if groups is not None:
            row["group"] = analysis.names[groups[number]]
        row |= {f"z{n}": float(f"{z:.5g}") for n, z in enumerate(trained.codes[number])}
        rows.append(row)
    return rows
