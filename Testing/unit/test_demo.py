"""`lungsquad demo` with a CT and a point: mask, report, and what cannot be done, in words."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.pipeline.propose import REGION_GROWING, SEGMENTER
from LungSquadLib.pipeline.real_case import models_of, shipped_model, write_point_mask
from Testing import model_samples
from Testing.segmenters import write_segmenter

CENTRE = (5.0, -3.0, 2.0)  # LPS mm
RADIUS = 9.0


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    """A CT of air with a ball of 18 mm."""
    z, y, x = np.mgrid[-40:41, -40:41, -40:41]
    distance = np.sqrt((x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (z - CENTRE[2]) ** 2)
    noise = np.random.default_rng(0).normal(0, 10, distance.shape)
    hu = np.where(distance < RADIUS, 40, -850) + noise
    image = sitk.GetImageFromArray(hu.astype(np.int16))
    image.SetOrigin((-40, -40, -40))
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder of models, and no others."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("LUNGSQUAD_MODELS", str(folder))
    monkeypatch.setattr("LungSquadLib.models.catalogue.BUNDLED", tmp_path / "none")
    return folder


def demo(ct, out):
    return main(["demo", "--ct", str(ct), "--at=" + ",".join(map(str, CENTRE)), "-o", str(out)])


def test_a_point_becomes_a_mask_and_a_report(ct, models, tmp_path, capsys):
    assert demo(ct, tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "mask: by region-growing" in printed
    assert "No classifier on this machine learnt from patients" in printed
    result = json.loads((tmp_path / "out" / "result" / "prediction.json").read_text())
    assert result["crop"]["mask_volume_ml"] == pytest.approx(
        4 / 3 * np.pi * RADIUS**3 / 1000, rel=0.1
    )
    assert result["predictions"] == []
    assert (tmp_path / "out" / "result" / "report.html").is_file()


def test_real_classifiers_predict_and_demo_models_do_not(ct, models, tmp_path, capsys):
    for name in ("demo-a", "real"):
        model_samples.model_file(models / f"{name}.safetensors", name=name)
    assert demo(ct, tmp_path / "out") == 0
    result = json.loads((tmp_path / "out" / "result" / "prediction.json").read_text())
    assert [each["model"]["name"] for each in result["predictions"]] == ["real"]
    assert [model.card.name for model in models_of("classifier", demo=True)] == ["real", "demo-a"]
    assert shipped_model("generator") is None


def test_the_segmenter_is_used_where_there_is_one(ct, models, tmp_path):
    assert write_point_mask(ct, CENTRE, tmp_path)[1] == REGION_GROWING
    write_segmenter(models / f"{SEGMENTER}.safetensors", name=SEGMENTER, threshold=False)
    assert write_point_mask(ct, CENTRE, tmp_path)[1] == SEGMENTER


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--at=1,2,3"], "Give --ct with --mask or --at"),
        (["--ct", "CT"], "Give --ct with --mask or --at"),
        (["--ct", "CT", "--mask", "M", "--at=1,2,3"], "Give --mask or --at, not both"),
        (["--ct", "CT", "--at=1,2,3", "--roi", "GTV"], "they are about --mask"),
        (["--ct", "CT", "--at=1,2,3", "--seed", "3"], "it is about the phantom"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(arguments, sentence, tmp_path, capsys):
    assert main(["demo", *arguments, "-o", str(tmp_path / "out")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
