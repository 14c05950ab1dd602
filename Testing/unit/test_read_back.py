"""What a worker wrote comes back as the objects that it had, or not at all."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import SimpleITK as sitk

from LungSquadLib.errors import InputError, ModelError
from LungSquadLib.imaging.ct import as_ct, open_ct
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.imaging.masks import as_mask
from LungSquadLib.models.catalogue import read_model
from LungSquadLib.pipeline.case import run_case
from LungSquadLib.pipeline.case_input import CaseInput
from LungSquadLib.pipeline.options import PredictionOptions
from LungSquadLib.report.read_back import read_predictions

from ..samples import ball_images, write_model

DEMOS = ["demo-histology", "demo-survival2y"]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A finished case of the ball: its folder, CT, mask and model file."""
    here = tmp_path_factory.mktemp("case")
    for image, name in zip(ball_images(), ("ct", "mask"), strict=True):
        sitk.WriteImage(image, str(here / f"{name}.nrrd"))
    model = write_model(here / "sample.safetensors")
    files = CaseInput(here / "ct.nrrd", here / "mask.nrrd", centre_lps=(10.1, 50.3, 148.7))
    run_case(files, [model], here / "result", options=PredictionOptions("cpu"))
    ct = open_ct(here / "ct.nrrd")
    return here / "result", ct, read_mask(here / "mask.nrrd", ct), model.path


def entries(folder):
    return json.loads((folder / "prediction.json").read_text())["predictions"]


def test_what_is_read_back_is_what_was_written(case):
    folder, ct, mask, model = case
    (prediction,) = read_predictions(folder, ct, mask, [model])
    assert [prediction.to_dict()] == entries(folder)
    assert prediction.crop.chosen_centre_lps == (10.1, 50.3, 148.7)
    assert prediction.model.card.name == "sample"
    saliency = sitk.ReadImage(str(folder / "saliency-sample.nrrd"))
    assert sitk.Hash(prediction.saliency) == sitk.Hash(saliency)
    assert Grid.of(prediction.saliency) == Grid.of(saliency)


@pytest.mark.slow
def test_a_real_case_is_read_back_for_both_demo_models(case_data, tmp_path):
    here = case_data / "open/4dlung_113"
    files = CaseInput(here / "CT", here / "RTSTRUCT/rs.dcm", "Tumor_c40")
    run_case(
        files,
        [read_model(name) for name in DEMOS],
        tmp_path / "out",
        options=PredictionOptions("cpu"),
    )
    ct = open_ct(here / "CT")
    mask = read_mask(here / "RTSTRUCT/rs.dcm", ct, roi="Tumor_c40")
    back = read_predictions(tmp_path / "out", ct, mask, DEMOS)
    assert [prediction.to_dict() for prediction in back] == entries(tmp_path / "out")


def test_another_ct_mask_or_model_is_refused(case, tmp_path):
    folder, ct, mask, model = case
    image = sitk.GetArrayFromImage(ct.read())
    image[20, 57, 48] += 1
    with pytest.raises(InputError, match="predicted from another CT or mask"):
        read_predictions(folder, as_ct(ct.grid.image(image)), mask, [model])
    smaller = as_mask(ball_images(radius=8.0)[1], ct)
    with pytest.raises(InputError, match="predicted from another CT or mask"):
        read_predictions(folder, ct, smaller, [model])
    other = write_model(tmp_path / "sample.safetensors", seed=1).path
    with pytest.raises(ModelError, match="is not the model that predicted this"):
        read_predictions(folder, ct, mask, [other])
    with pytest.raises(InputError, match="holds 1 predictions, not 2"):
        read_predictions(folder, ct, mask, [model, model])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda entry: entry.pop("interval"),
        lambda entry: entry["interval"].update(more=1),
        lambda entry: entry.update(probabilities=[0.5, 0.5]),
        lambda entry: entry.update(answer="OTHER"),
        lambda entry: entry["crop"].update(chosen_centre_lps="here"),
    ],
)
def test_a_damaged_result_is_one_sentence(case, tmp_path, spoil):
    folder, ct, mask, model = case
    described = json.loads((folder / "prediction.json").read_text())
    spoil(described["predictions"][0])
    (tmp_path / "prediction.json").write_text(json.dumps(described))
    (tmp_path / "saliency-sample.nrrd").write_bytes((folder / "saliency-sample.nrrd").read_bytes())
    with pytest.raises(InputError):
        read_predictions(tmp_path, ct, mask, [model])


def test_probabilities_that_are_equal_when_rounded_have_one_answer(case):
    folder, ct, mask, model = case
    (prediction,) = read_predictions(folder, ct, mask, [model])
    close = replace(prediction, probabilities=(0.5 - 1e-9, 0.5 + 1e-9))
    rounded = replace(prediction, probabilities=tuple(close.to_dict()["probabilities"].values()))
    assert rounded.to_dict() == close.to_dict()
    assert replace(prediction, probabilities=(0.4, 0.6)).predicted_class == 1


def test_reading_back_never_pulls_torch():
    code = "import sys, LungSquadLib.report.read_back; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
