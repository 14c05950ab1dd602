"""The report of a training of the integration network."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from .. import __version__
from ..evaluation.classifier.evaluate import evaluate
from ..evaluation.classifier.results import StudyDescription, plain
from ..evaluation.classifier.rows import Columns
from ..evaluation.classifier.table import read_table
from ..evaluation.integration import (
    Ablation,
    Column,
    Importance,
    ablation,
    cautions,
    findings,
    importance,
)
from ..files import whole_folder, write_csv, write_json
from ..models.file import read_card
from ..report.classifier.page import write_evaluation
from ..report.integration import integration_page, pictures
from ..statistics.intervals import SAMPLES
from ..training.experiment import FITS, MODEL, read_rows
from ..training.integration.experiment import COLUMNS, PREDICTIONS, IntegrationRun, outer_fits

RESULT, PAGE, TABLE, FIGURES = "integration.json", "index.html", "columns.csv", "figures"


@dataclass(frozen=True)
class IntegrationReport:
    """The results of a training; the most important sentences come first."""

    ablation: Ablation
    importance: Importance
    sentences: tuple[str, ...]
    cautions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the results for JSON."""
        return plain(
            {
                "sentences": self.sentences,
                "cautions": self.cautions,
                "ablation": self.ablation,
                "shared_columns": self.importance.shared,
            }
        )


def report_integration(finished: IntegrationRun, *, samples: int = SAMPLES) -> IntegrationReport:
    """Write the page of a run, its numbers and figures, and the evaluation of the network.

    Args:
        finished: of `train_integration`.
        samples: of the bootstrap.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    setup, folder = finished.setup, finished.folder
    ablation_result = ablation(setup, read_rows(folder / PREDICTIONS), samples=samples)
    columns = importance(
        [read_rows(folder / FITS / fit.name / COLUMNS) for fit in outer_fits(setup)]
    )
    drawn = pictures(ablation_result, columns)
    result = IntegrationReport(
        ablation_result, columns, findings(setup, ablation_result), cautions(setup, ablation_result)
    )
    with whole_folder(folder, last=PAGE) as temporary:
        write_json(temporary / RESULT, result.to_dict())
        names = list(Column.__dataclass_fields__)
        write_csv(temporary / TABLE, names, [asdict(column) for column in columns.columns])
        (temporary / FIGURES).mkdir()
        for figure in drawn:
            (temporary / FIGURES / f"{figure.name}.png").write_bytes(figure.png)
            (temporary / FIGURES / f"{figure.name}.svg").write_bytes(figure.svg)
        text = integration_page(setup, ablation_result, columns, drawn)
        (temporary / PAGE).write_text(text, encoding="utf-8")
    _evaluate(finished, samples)
    return result


def _evaluate(finished: IntegrationRun, samples: int) -> None:
    """Write the evaluation of the network's predictions, as for classifiers."""
    setup, folder = finished.setup, finished.folder
    binary = len(setup.classes) == 2
    columns = Columns(
        label=setup.options.label,
        score="score" if binary else None,
        predicted=None if binary else "predicted",
        baselines=setup.compared_models if binary else (),
        group="patient",
        repeat="seed" if setup.options.seeds > 1 else None,
        fold="fold" if binary and not setup.external else None,
        part="part",
        time="time" if binary and setup.timed else None,
        event="event" if binary and setup.timed else None,
    )
    table = read_table(folder / PREDICTIONS, columns)
    positive = setup.classes[setup.positive] if binary else None
    card = read_card(folder / MODEL)
    study = StudyDescription(
        title=card.title,
        question=card.question,
        data=card.training.data,
        patients={part: len(names) for part, names in setup.splits[0, 0].parts.items()},
        excluded=tuple(setup.excluded.items()),
        network="integration, from scratch",
        split_hash=setup.split_hash,
        seeds=tuple(range(setup.options.seeds)),
        software={name: version(name) for name in ("torch", "numpy", "scikit-learn")}
        | {"LungSquad": __version__},
        card=card,
    )
    evaluation = evaluate(table, columns, positive=positive, samples=samples)
    write_evaluation(evaluation, folder / "evaluation", study=study)
