"""The results of a run of autoencoders: the page, the numbers, and where each patient lies."""

from __future__ import annotations

from ...evaluation.clusters.analyse import analyse
from ...evaluation.clusters.results import Groups
from ...files import whole_file, write_csv, write_json
from ...progress import Part, Progress, Silent, step
from ...training.autoencoder.run import AutoencoderRun
from .page import groups_page
from .plots import pictures

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
        row |= {f"z{n}": float(f"{z:.5g}") for n, z in enumerate(trained.places[number])}
        rows.append(row)
    return rows
