"""One patient staged three ways: what stands beside the ruler, and what is said of it."""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.errors import InputError
from LungSquadLib.evaluation.staging.methods import stage_patient
from LungSquadLib.imaging.stage import size_stage


@pytest.fixture
def ruler():
    """A rod of 25 mm: T1c."""
    mask = np.zeros((3, 3, 27), np.uint8)
    mask[1, 1, 1:26] = 1
    return size_stage(sitk.GetImageFromArray(mask))


def model(kind="integrator", task="t_stage", name="sample", answer="T2"):
    return SimpleNamespace(card=SimpleNamespace(kind=kind, task=task, name=name), answer=answer)


@pytest.fixture
def answering(monkeypatch):
    """Models that answer what they were made to; the profile is the file's name."""
    stand_in = ModuleType("profile")

    def predict_profile(model, profile, **_options):
        return SimpleNamespace(
            to_dict=lambda: {
                "predicted_class": model.answer,
                "probabilities": {"T1": 0.4, "T2": 0.6},
                "model": {"title": "A model", "name": model.card.name},
                "flags": [],
                "profile": profile,
            }
        )

    stand_in.predict_profile = predict_profile
    monkeypatch.setattr("LungSquadLib.data.tables.profile.read_profile", str)
    monkeypatch.setitem(sys.modules, "LungSquadLib.inference.profile", stand_in)


def test_three_rows_and_a_sentence_that_flags_disagreement(ruler, answering):
    models = [model("autoencoder", name="groups", answer="T1"), model(answer="T2")]
    found = stage_patient(ruler, profile="p.csv", models=models, reported="pT1b")
    assert [row[:2] for row in found.rows()] == [
        ("size", "T1c"),
        ("MLP", "T2"),
        ("cluster", "T1"),
        ("reported", "T1b"),
    ]
    assert found.rows()[1][2] == "T1 40%, T2 60%; model sample."
    assert found.notes == [
        "The methods disagree: size T1c, MLP T2, cluster T1, reported T1b.",
    ]
    described = json.loads(json.dumps(found.to_dict()))
    assert (described["agree"], described["models"]["mlp"]["profile"]) == (False, "p.csv")


def test_ways_agree_by_their_number_whatever_their_letter(ruler, answering):
    found = stage_patient(ruler, profile="p.csv", models=[model(answer="T1")], reported="T1b")
    assert found.notes == ["The methods agree on T1 to T4."]
    assert found.to_dict()["agree"]


def test_a_report_of_another_edition_is_said(ruler):
    notes = stage_patient(ruler, reported="T1b", reported_edition="7").notes
    assert any("Reported by the 7th edition, measured by the 8th" in note for note in notes)
    notes = stage_patient(ruler, reported="T1b", reported_edition="8").notes
    assert notes == ["The methods agree on T1 to T4."]


def test_the_ruler_alone_has_nothing_to_agree_with(ruler):
    found = stage_patient(ruler)
    assert [row[1] for row in found.rows()] == ["T1c", "-", "-"]
    assert (found.notes, found.to_dict()["agree"]) == ([], False)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"models": [model()]}, "belong together"),
        ({"profile": "p.csv"}, "belong together"),
        ({"profile": "p.csv", "models": [model(), model()]}, "Two models are of one kind, the MLP"),
        ({"profile": "p.csv", "models": [model("classifier")]}, "does not predict T1 to T4"),
        ({"profile": "p.csv", "models": [model(task="histology")]}, "does not predict T1 to T4"),
        ({"reported": "Tis"}, "no T stage"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(ruler, asked, sentence):
    with pytest.raises(InputError, match=sentence):
        stage_patient(ruler, **asked)


def test_a_real_tumour_beside_its_report(case_data, capsys):
    """R01-001 was pT1a, by the 7th edition."""
    folder = case_data / "open" / "r01_001"
    case = ["stage", str(folder), str(folder / "mask_DERIVED_threshold.nrrd"), "--edition", "7"]
    reported = ["--reported", "pT1a", "--reported-edition", "7"]
    assert main([*case, *reported]) == 0
    said = capsys.readouterr().out
    assert "T1a by size (7th edition" in said
    assert "invasion" in said
    assert "The methods agree" in said
    assert main([*case, *reported, "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    staged = described["t_stage"]
    assert described["stages"] == {"size": "T1a", "reported": "T1a"}
    assert staged["editions"] == {"7": "T1a", "8": "T1b", "9": "T1b"}
    if case_data.real:
        assert (staged["size_mm"], staged["axial_diameter"]["mm"]) == (18.1, 14.28)
