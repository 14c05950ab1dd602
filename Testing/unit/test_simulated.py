"""The simulated cohort is what it says: each source follows what it should, and nothing else."""

import csv
import json

import numpy as np
import pytest

from LungSquadLib.cli import main
from LungSquadLib.data.tables.join import open_joined
from LungSquadLib.errors import InputError
from LungSquadLib.phantom.tables import Simulation, write_simulated


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers(texts):
    return np.array([float(text) if text else np.nan for text in texts])


def parts(folder):
    """Clinical rows by patient; genes by name and patient; features; the truth."""
    clinical = {row["patient"]: row for row in table(folder / "clinical.csv")}
    genes = {row.pop("gene"): row for row in table(folder / "expression.csv")}
    return clinical, genes, json.loads((folder / "simulated.json").read_text())


def correlation(genes, clinical, names, level):
    """Mean absolute correlation of some genes with a fact."""
    found = []
    for name in names:
        known = [patient for patient, text in genes[name].items() if text]
        x = numbers(genes[name][patient] for patient in known)
        found.append(abs(np.corrcoef(x, [level(clinical[patient]) for patient in known])[0, 1]))
    return np.mean(found)


def stage(row):
    return int(row["t_stage"][1])


def lusc(row):
    return row["histology"] == "LUSC"


@pytest.mark.parametrize(("effect", "low", "high"), [(0.0, 0.0, 0.1), (1.0, 0.3, 1.0)])
def test_a_module_follows_what_it_should_and_nothing_else(tmp_path, effect, low, high):
    folder = write_simulated(tmp_path / "it", Simulation(genes=200, effect=effect))
    clinical, genes, truth = parts(folder)
    of = truth["modules"]
    for name, level in (("t_stage", stage), ("histology", lusc)):
        assert low <= correlation(genes, clinical, of[name], level) <= high
        rest = set(genes) - set(of[name])
        assert correlation(genes, clinical, rest, level) < 0.1


def test_features_know_survival_and_no_gene_does(tmp_path):
    folder = write_simulated(tmp_path / "it", Simulation(patients=600, genes=160))
    clinical, _, _ = parts(folder)
    features = table(folder / "features.csv")
    trait = np.nanmean(
        [numbers(row[f"feature_{n}"] for row in features) for n in range(1, 7)], axis=0
    )
    days = np.array([float(clinical[row["patient"]]["time"]) for row in features])
    assert np.corrcoef(trait, np.log(days))[0, 1] < -0.3
    other = numbers(row["feature_12"] for row in features)
    known = ~np.isnan(other)
    assert abs(np.corrcoef(other[known], np.log(days[known]))[0, 1]) < 0.15


def test_sources_lack_patients_and_numbers_as_asked(tmp_path):
    folder = write_simulated(tmp_path / "it", Simulation(patients=100, genes=160, missing=0.2))
    clinical, genes, _ = parts(folder)
    assert len(clinical) == 100
    assert {len(row) for row in genes.values()} == {80}
    assert len(table(folder / "features.csv")) == 80
    empty = np.mean([text == "" for row in genes.values() for text in row.values()])
    assert 0.08 < empty < 0.12


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    one, two = (
        write_simulated(tmp_path / name, Simulation(patients=20, genes=160)) for name in "ab"
    )
    other = write_simulated(tmp_path / "c", Simulation(patients=20, genes=160, seed=1))
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()
        assert path.read_bytes() != (other / path.name).read_bytes()


def test_phantom_patients_get_the_expression_that_belongs_to_them(tmp_path):
    manifest = tmp_path / "manifest.csv"  # as `write_phantoms` writes it
    rows = ["patient_id,ct,mask,site,histology,histology_true,alive2y,diameter_mm"]
    for n, mm in enumerate((12.5, 30.0, 30.1, 49, 50.5, 69, 71, 120) * 3):
        rows.append(f"PH0-{n:05d},a,b,site-A,LUAD,{'LUAD' if n % 3 else 'LUSC'},1,{mm}")
    manifest.write_text("\n".join(rows) + "\n")
    folder = write_simulated(tmp_path / "it", Simulation(genes=160, missing=0, manifest=manifest))
    clinical, genes, truth = parts(folder)
    assert (
        set(clinical)
        == set(next(iter(genes.values())))
        == {row["patient_id"] for row in table(manifest)}
    )
    assert not (folder / "features.csv").exists()
    for row in table(manifest):
        mine = clinical[row["patient_id"]]
        assert mine["histology"] == row["histology_true"]
        assert stage(mine) == sum(float(row["diameter_mm"]) > mm for mm in (0, 30, 50, 70))
    assert correlation(genes, clinical, truth["modules"]["histology"], lusc) > 0.3


def test_another_cohort_of_the_same_seed_has_the_same_genes(tmp_path):
    found = []
    for name in "ab":
        manifest = tmp_path / f"{name}.csv"
        rows = ["patient_id,ct,mask,site,histology_true,alive2y,diameter_mm"]
        rows += [f"{name}-{n:03d},a,b,site-A,LUAD,1,{20 + n}" for n in range(60)]
        manifest.write_text("\n".join(rows) + "\n")
        found.append(
            parts(write_simulated(tmp_path / name, Simulation(missing=0, manifest=manifest)))
        )
    (_, ours, truth), (_, theirs, other) = found
    assert truth["modules"] == other["modules"]
    means = [
        [np.nanmean(numbers(row.values())) for row in genes.values()] for genes in (ours, theirs)
    ]
    assert np.corrcoef(means)[0, 1] > 0.99
    noise = [numbers(next(iter(genes.values())).values()) for genes in (ours, theirs)]
    assert abs(np.corrcoef(noise[0][:50], noise[1][:50])[0, 1]) < 0.4  # of other patients


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"patients": 9}, "patients must be 10"),
        ({"genes": 159}, "genes must be 160"),
        ({"effect": -1.0}, "effect must be 0"),
        ({"effect": float("nan")}, "effect must be"),
        ({"missing": 0.95}, "--missing must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(tmp_path, change, says):
    with pytest.raises(InputError, match=says):
        write_simulated(tmp_path / "it", Simulation(**change))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_and_a_wrong_manifest_are_refused(tmp_path):
    with pytest.raises(InputError, match="exists"):
        write_simulated(tmp_path, Simulation())
    manifest = tmp_path / "m.csv"
    manifest.write_text("patient_id,ct,mask\na,a,a\n")
    with pytest.raises(InputError, match="no manifest of `lungsquad cohort phantoms`"):
        write_simulated(tmp_path / "it", Simulation(manifest=manifest))


def test_the_command_line_writes_it_and_what_it_wrote_is_read(tmp_path, capsys):
    folder = tmp_path / "it"
    main(["tables", "simulate", "-o", str(folder), "--patients", "40", "--genes", "160"])
    assert capsys.readouterr().out.strip() == str(folder)
    sources = [f"{name}={folder / name}.csv" for name in ("expression", "clinical")]
    main(
        ["tables", "join", *sources, f"image={folder / 'features.csv'}", "-o", str(tmp_path / "j")]
    )
    joined = open_joined(tmp_path / "j")
    assert [len(one.columns) for one in joined.sources] == [160, 12]
    assert set(joined.facts["t_stage"]) <= {"T1", "T2", "T3", "T4"}
