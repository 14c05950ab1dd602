"""`train autoencoder` and `autoencoder assign` with bad input: one sentence, exit code 2."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from LungSquadLib.phantom.tables import Simulation, write_simulated
from LungSquadLib.pipeline.sources import read_sources
from LungSquadLib.training.autoencoder.experiment import train_autoencoder
from LungSquadLib.training.autoencoder.options import AutoencoderOptions
from Testing.hostile import table

pytestmark = pytest.mark.usefixtures("one_thread")
OPTIONS = AutoencoderOptions(
    groups=2, latent=2, hidden=(8,), seeds=1, epochs=10, warm_up=5, learning_rate=0.01
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Tables of a cohort, and a run on them."""
    place = tmp_path_factory.mktemp("groups") / "it"
    write_simulated(place, Simulation(patients=40, genes=160, effect=4.0))
    sources = [f"{name}={place / name}.csv" for name in ("expression", "clinical")]
    train_autoencoder(read_sources(sources, keep_ids=True), place / "run", OPTIONS)
    return place


@pytest.fixture
def inputs(here, files):
    """The same where a command may spoil it."""
    shutil.copytree(files, here / "it")
    return here / "it"


def changed(old, new):
    """The expression with other text in it."""

    def make(inputs):
        text = (inputs / "expression.csv").read_text()
        assert old in text
        (inputs / "e.csv").write_text(text.replace(old, new))
        return inputs / "e.csv"

    return make


def lines(*texts):
    def make(inputs):
        (inputs / "e.csv").write_text("\n".join(texts) + "\n")
        return inputs / "e.csv"

    return make


def counts(inputs):
    """What the logarithms may have been of."""
    rows = [row.split(",") for row in (inputs / "expression.csv").read_text().splitlines()]
    cells = [[one and str(round(2 ** (float(one) + 6))) for one in row[1:]] for row in rows[1:]]
    texts = [",".join([row[0], *cell]) for row, cell in zip(rows[1:], cells, strict=True)]
    return lines(",".join(rows[0]), *texts)(inputs)


GENES = [f"G{number:05d},{number % 7},{number % 5}" for number in range(160)]
TABLES = {
    "no such file": (lambda inputs: inputs / "none.csv", "No such file"),
    "a folder": (lambda inputs: inputs, "is not a file"),
    "empty": (lines(""), "is empty"),
    "wrong delimiter": (changed(",", "|"), "separated by commas, tabs or semicolons"),
    "transposed": (changed("gene,", "patient,"), "has 0 of the 160 columns"),
    "other genes": (changed("G00", "ENSG00"), "has 0 of the 160 columns"),
    "counts": (counts, "The table cannot be on the scale of the model 'autoencoder'"),
    "one patient twice": (lines("gene,P1,P1", *GENES), "no patient whose numbers can be used"),
    "nothing known": (lines("gene,P1", "G00000,"), "no patient whose numbers can be used"),
}


@table(TABLES)
def test_a_table_that_has_no_groups_is_refused(row, inputs, refused):
    make, phrase = row
    path = make(inputs)
    refused(
        [
            "autoencoder",
            "assign",
            inputs / "run/model.safetensors",
            path,
            "-o",
            "o.csv",
            "--keep-ids",
        ],
        phrase,
    )


@pytest.mark.parametrize(
    ("model", "out", "phrase"),
    [
        ("demo-histology", "o.csv", "autoencoder is needed here"),
        ("it/none.safetensors", "o.csv", "no such file"),
        ("it/expression.csv", "o.csv", "expression.csv"),
        ("it/run/model.safetensors", "it/expression.csv", "is an input"),
        ("it/run/model.safetensors", "it/run/model.safetensors", "is an input"),
        ("it/run/model.safetensors", "it", "it"),
    ],
)
def test_a_wrong_model_or_output_is_refused(model, out, phrase, inputs, refused):
    refused(
        ["autoencoder", "assign", model, inputs / "expression.csv", "-o", out, "--keep-ids"], phrase
    )


E = "expression=it/expression.csv"
OPTIONS_OF_TRAINING = {
    "no name": (["it/expression.csv"], "", "holds no joined tables"),
    "two tables": ([E, "expression2=it/expression.csv"], "", "learns from one table"),
    "no table of numbers": (["clinical=it/clinical.csv"], "", "the sources have none"),
    "one group": ([E], "--groups 1", "--groups must be 2 to 32"),
    "more groups than patients": ([E], "--groups 20", "20 groups cannot be found among"),
    "no dimensions": ([E], "--latent 0", "--latent must be 1 or more"),
    "no units": ([E], "--hidden 0", "--hidden must be 1 or more"),
    "no epoch": ([E], "--epochs 0", "--epochs must be 1 or more"),
    "everybody for the test": ([E], "--test-fraction 1", "--test-fraction must be above 0"),
    "bits of nothing": ([E], "--free-bits nan", "--free-bits must be 0 or more"),
    "a rate without end": ([E], "--learning-rate inf", "--learning-rate must be above 0"),
    "a seed below 0": ([E], "--seed -1", "--seed must be 0 to"),
    "another run's folder": ([E], "-o it/run", "holds a training with"),
    "a file in the way": ([E], "-o it/expression.csv", "it/expression.csv"),
}


@table(OPTIONS_OF_TRAINING)
@pytest.mark.usefixtures("inputs")
def test_a_training_that_cannot_be_is_refused(row, refused):
    sources, more, phrase = row
    out = [] if "-o" in more else ["-o", "run"]
    words = [
        "train",
        "autoencoder",
        "--sources",
        *sources,
        "--keep-ids",
        "--device",
        "cpu",
        *more.split(),
    ]
    refused([*words, *out], phrase)


def test_a_damaged_checkpoint_is_not_gone_on_with(inputs):
    from LungSquadLib.errors import CancelledError, LungSquadError
    from Testing.unit.test_training_run import StopAt

    sources = [f"{name}={inputs / name}.csv" for name in ("expression", "clinical")]
    joined = read_sources(sources, keep_ids=True)
    with pytest.raises(CancelledError):
        train_autoencoder(joined, inputs / "stopped", OPTIONS, progress=StopAt(5))
    path = inputs / "stopped/fits/seed0/checkpoint"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LungSquadError, match=r"checkpoint.* is damaged"):
        train_autoencoder(joined, inputs / "stopped", OPTIONS)
