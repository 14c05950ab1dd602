"""Sources as a command line names them: tables, a store, a model on it, a joined folder."""

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from LungSquadLib.cli import main
from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.overlap import seen
from LungSquadLib.data.store import Preprocessing, open_store
from LungSquadLib.data.tables.image import mask_features
from LungSquadLib.data.tables.join import open_joined
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.features import TUMOUR_FEATURES
from LungSquadLib.models.file import read_model_file
from LungSquadLib.models.inputs import Cube
from LungSquadLib.pipeline.sources import network_features, read_sources
from Testing import model_samples
from Testing.ball_cohort import ball_volumes

pytestmark = pytest.mark.usefixtures("one_thread")
N = 5


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store with IDs kept, a model that fits it, expression and clinical data of its patients."""
    folder = tmp_path_factory.mktemp("sources")
    manifest = ball_volumes(folder / "volumes", N)
    build_cohort(manifest, folder / "store", preprocessing=Preprocessing(32, 4), keep_identity=True)
    model_samples.model_file(folder / "m.safetensors")
    (folder / "e.csv").write_text("gene,P0,P1,P2,Q9\nA,1,2,3,4\nB,5,,7,8\n")
    (folder / "c.csv").write_text("patient,t_stage,age\nP1,T2,61\nP3,T4,\nP0,T1,70\n")
    return folder


def sources(place, *, model=False):
    image = f"image={place / 'store'}" + (f":{place / 'm.safetensors'}" if model else "")
    return [f"expression={place / 'e.csv'}", image, f"clinical={place / 'c.csv'}"]


def test_masks_are_measured_as_they_lie_in_the_store(place):
    table = mask_features(open_store(place / "store"))
    assert table.columns == ("volume_ml", *TUMOUR_FEATURES)
    assert table.patients == tuple(f"P{n}" for n in range(N))
    volume, diameter = (table.columns.index(n) for n in ("volume_ml", "equivalent_diameter_mm"))
    balls = (6000 * table.values[:, volume] / np.pi) ** (1 / 3)
    assert table.values[:, diameter] == pytest.approx(balls, rel=0.03)
    assert table.facts["histology"] == ("LUAD", "LUSC", "LUAD", "LUSC", "LUAD")
    assert table.facts["site"] == ("A", "A", "B", "B", "A")


def test_a_network_sees_the_middle_of_every_crop(place):
    import torch

    from LungSquadLib.imaging.crop import central_cube

    store, model = open_store(place / "store"), read_model_file(place / "m.safetensors")
    table = network_features(store, model)
    assert table.extractor == model.sha256
    assert table.kind == "image"
    case, spec = store.cases[3], model.card.image
    x = torch.from_numpy(spec.scaled(central_cube(store.hu(case), spec.size)))[None, None]
    with torch.no_grad():
        expected = model.network.eval().features(x).numpy()[0]
    assert table.values[3] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_network_that_has_seen_the_patients_is_refused_unless_it_is_allowed(place, tmp_path):
    store, unsaid = (
        open_store(place / "store"),
        read_model_file(place / "m.safetensors").card.training,
    )
    known = replace(unsaid, seen=seen(store.cases[1:3]))
    model_samples.model_file(tmp_path / "m.safetensors", training=known)
    sources = [f"image={place / 'store'}:{tmp_path / 'm.safetensors'}", f"e={place / 'e.csv'}"]
    shared = r"shares 2 patients and 2 CTs with the training data of the model 'test-model'"
    with pytest.raises(InputError, match=rf"{shared}.*pass --allow-overlap"):
        read_sources(sources, keep_ids=True)
    join = ["tables", "join", *sources, "-o", str(tmp_path / "joined"), "--keep-ids"]
    assert main(join) == 2
    assert not (tmp_path / "joined").exists()
    assert main([*join, "--allow-overlap"]) == 0
    assert re.search(shared, " ".join(open_joined(tmp_path / "joined").notes))
    others = replace(unsaid, seen=seen([replace(store.cases[0], patient="X", pixels="Y")]))
    model_samples.model_file(tmp_path / "m.safetensors", training=others)
    assert "test-model" not in " ".join(read_sources(sources, keep_ids=True).notes)


def test_a_network_that_does_not_say_whom_it_has_seen_is_noted(place):
    joined = read_sources(sources(place, model=True), keep_ids=True)
    assert "'test-model' does not say which patients" in " ".join(joined.notes)


@pytest.mark.parametrize("model", [False, True])
def test_sources_of_all_kinds_are_joined(place, model):
    joined = read_sources(sources(place, model=model), keep_ids=True, clinical_columns=["age"])
    assert joined.patients == ("P0", "P1", "P2", "P3", "P4", "Q9")
    genes, image, clinical = joined.sources
    assert [one.kind for one in joined.sources] == ["expression", "image", "clinical"]
    nan = np.nan
    assert np.array_equal(
        genes.values, [[1, 5], [2, nan], [3, 7], [nan] * 2, [nan] * 2, [4, 8]], equal_nan=True
    )
    assert np.isfinite(image.values[:5, 0]).all()
    assert np.isnan(image.values[5]).all()
    assert (image.extractor is not None) == model
    assert clinical.columns == ("age",)
    assert joined.facts["t_stage"] == ("T1", "T2", "", "T4", "", "")
    assert joined.facts["histology"] == ("LUAD", "LUSC", "LUAD", "LUSC", "LUAD", "")


def test_a_joined_folder_is_a_source_by_itself(place, tmp_path, capsys):
    out = tmp_path / "joined"
    assert main(["tables", "join", *sources(place), "-o", str(out), "--keep-ids", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["patients"] == N + 1
    again = read_sources([str(out)], clinical_columns=["t_stage"])
    assert [one.name for one in again.sources] == ["expression", "image", "clinical"]
    assert again.sources[2].columns == ("t_stage=T1", "t_stage=T2", "t_stage=T4")
    assert again.patients == open_joined(out).patients
    assert again.sources[1].cube == Cube(40, 1.0)  # of the store's 32 voxels and a margin of 4
    inputs = json.loads((out / "join.json").read_text())["inputs"]
    assert inputs["expression"] == [hashlib.sha256((place / "e.csv").read_bytes()).hexdigest()]
    index = (place / "store" / "index.json").read_bytes()
    assert inputs["image"] == [hashlib.sha256(index).hexdigest()]


def test_tables_are_checked_before_anything_is_made_of_them(place, capsys):
    files = [str(place / "e.csv"), str(place / "c.csv")]
    assert main(["tables", "check", *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    genes, facts = found["tables"]
    assert (genes["kind"], genes["patients"], genes["columns"]) == ("expression", 4, 2)
    assert genes["missing"] == 0.125
    assert facts["facts"]["t_stage"] == {"T2": 1, "T4": 1, "T1": 1}
    assert found["common"] == [{"tables": [1, 2], "patients": 2}]
    assert main(["tables", "check", *files]) == 0
    assert "tables 1 and 2 share 2 patients" in capsys.readouterr().out


def test_patients_of_features_tell_which_way_round_genes_stand(tmp_path):
    (tmp_path / "e.csv").write_text(",a,b\nA,1,2\nB,3,4\nC,5,6\n")
    (tmp_path / "r.csv").write_text("patient,volume\na,7\nb,8\n")
    texts = [f"expression={tmp_path / 'e.csv'}", f"radiomics={tmp_path / 'r.csv'}"]
    joined = read_sources(texts, keep_ids=True)
    assert joined.patients == ("a", "b")
    assert [one.name for one in joined.sources] == ["expression", "radiomics"]


def test_tables_are_joined_without_torch(place, tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'safetensors', 'sklearn', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "from LungSquadLib.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["tables", "join", *sources(place), "-o", str(tmp_path / "j"), "--keep-ids"]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    assert len(open_joined(tmp_path / "j").patients) == N + 1


def test_what_is_no_source_is_refused(place):
    with pytest.raises(InputError, match="is no source: write NAME=FILE"):
        read_sources([str(place / "e.csv"), "clinical=c.csv"])
    with pytest.raises(InputError, match="holds no joined tables"):
        read_sources([str(place)])
