"""Folders of patients as manifests: which CT and which outlines are taken, and what is left out."""

from __future__ import annotations

import csv
import shutil

import pytest
import SimpleITK as sitk

from LungSquadLib.cohorts.patient_folders import manifest_of, write_folder_manifest
from LungSquadLib.data.manifest import read_manifest
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.phantom.dicom import write_patient
from LungSquadLib.phantom.patient import Phantom
from LungSquadLib.pipeline import batch
from LungSquadLib.pipeline.batch import run_batch
from LungSquadLib.pipeline.options import PredictionOptions

from ..samples import ball_images, write_model


def write_volumes(folder, *names, radius=9.0):
    """A CT and masks as volume files."""
    folder.mkdir(parents=True)
    ct, mask = ball_images(radius=radius)
    sitk.WriteImage(ct, str(folder / "thorax.nrrd"))
    for name in names:
        sitk.WriteImage(mask, str(folder / name))


@pytest.fixture
def patients(tmp_path):
    """Five patients, of whom two cannot be used."""
    folder = tmp_path / "patients"
    write_volumes(folder / "a", "gtv_mask.nrrd", "lung_mask.nrrd")
    write_volumes(folder / "b c", "label.nii.gz")
    write_volumes(folder / "d")
    write_volumes(folder / "e", "left.seg.nrrd", "right_mask.nrrd")
    write_volumes(folder / ".hidden", "mask.nrrd")
    (folder / "notes.txt").write_text("no patient")
    phantom = Phantom(7)
    write_patient(phantom, folder / "f", grid=phantom.chest_grid(64, spacing=(5.6, 5.6, 5.6)))
    return folder


def test_each_patient_is_a_row_with_its_tumour(patients, tmp_path):
    problems = write_folder_manifest(patients, tmp_path / "m.csv")
    assert {name: why.partition(":")[0] for name, why in problems.items()} == {
        "d": "It holds no outline",
        "e": "It holds several outlines, and none is called a tumour",
    }
    rows = read_manifest(tmp_path / "m.csv")
    assert [row.case for row in rows] == ["a", "case-0002", "f"]
    assert [row.mask.name for row in rows] == ["gtv_mask.nrrd", "label.nii.gz", "SEG.dcm"]
    for row in rows:
        row.check()
        ct = open_ct(row.ct, series=row.series)
        mask = read_mask(row.mask, ct, roi=row.roi, label=row.label)
        assert sitk.GetArrayViewFromImage(mask.image).any()


def test_several_tumours_are_a_row_each(patients, tmp_path):
    sitk.WriteImage(ball_images()[1], str(patients / "a" / "tumour_2.nrrd"))
    write_folder_manifest(patients, tmp_path / "m.csv")
    rows = read_manifest(tmp_path / "m.csv")
    assert [row.case for row in rows][:2] == ["a-01", "a-02"]
    assert [row.mask.name for row in rows][:2] == ["gtv_mask.nrrd", "tumour_2.nrrd"]


def test_a_folder_with_the_patients_name_names_no_case(patients, tmp_path):
    """The phantom is called PHANTOM, as its files say."""
    (patients / "f").rename(patients / "Phantom_0815")
    write_folder_manifest(patients, tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(encoding="utf-8") as file:
        cases = [row["case"] for row in csv.DictReader(file)]
    assert cases == ["", "a", ""]


def test_a_second_series_is_not_taken_where_no_outline_refers_to_it(patients, tmp_path):
    phantom = Phantom(8)
    grid = phantom.chest_grid(64, spacing=(5.6, 5.6, 5.6))
    other = write_patient(phantom, tmp_path / "other", grid=grid)
    shutil.copytree(other.ct, patients / "f" / "CT2")
    assert "f" not in write_folder_manifest(patients, tmp_path / "m.csv")
    before = read_manifest(tmp_path / "m.csv")[-1]
    assert open_ct(before.ct, series=before.series).dicom is not None
    for name in ("SEG.dcm", "RTSTRUCT.dcm"):
        (patients / "f" / name).unlink()
    mask = ball_images()[1]
    sitk.WriteImage(mask, str(patients / "f" / "mask.nrrd"))
    problems = write_folder_manifest(patients, tmp_path / "m.csv")
    assert problems["f"].startswith("It holds 2 CT series")


def test_a_folder_without_patients_is_refused(tmp_path):
    with pytest.raises(InputError, match="Not one patient"):
        write_folder_manifest(tmp_path, tmp_path / "m.csv")
    with pytest.raises(InputError, match="no folder"):
        write_folder_manifest(tmp_path / "gone", tmp_path / "m.csv")
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_manifest_is_removed(patients):
    with manifest_of(patients) as (path, left_out):
        assert len(read_manifest(path)) == 3
        assert set(left_out) == {"d", "e"}
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("keep_identity", [False, True])
def test_folders_that_are_left_out_are_in_the_results(patients, tmp_path, keep_identity):
    """By name only where identity is kept: a folder may have a patient's."""
    (patients / "e").rename(patients / "DOE JANE")
    model = write_model(tmp_path / "model.safetensors")
    options = PredictionOptions(device="cpu", keep_identity=keep_identity)
    summary = run_batch(patients, [model], tmp_path / "out", options=options)
    assert (summary.done, summary.failed) == (3, 0)  # of cases; two folders have none
    assert {name for name in ("'DOE JANE'", "'d'") if name in " ".join(summary.messages)} != set()
    with (tmp_path / "out" / "errors.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == (["DOE JANE", "d"] if keep_identity else ["", ""])
    assert "It holds several outlines" in rows[0]["error"]
    assert rows[1]["error"].startswith("A folder is left out: It holds no outline: no SEG, no")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "3 of 5 cases, 2 failed" in page
    assert page.count("A folder is left out") == 2
    for text in (page, *(row["error"] for row in rows)):
        assert keep_identity or "DOE" not in text


def test_a_reason_does_not_name_the_folder():
    reason = "'/data/d/CT/1.dcm' of d is no DICOM: it is ended"
    unnamed = "'/data/.../CT/1.dcm' of ... is no DICOM: it is ended"
    for keep_identity, expected in ((True, reason), (False, unnamed)):
        row = batch._row_left_out("d", reason, PredictionOptions(keep_identity=keep_identity))
        assert row["error"] == f"A folder is left out: {expected}"


def test_results_do_not_go_among_the_patients(patients):
    with pytest.raises(InputError, match="cannot go into the folder of patients"):
        run_batch(patients, [], patients / "results")
