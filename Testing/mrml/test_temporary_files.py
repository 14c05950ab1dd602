"""A worker gets and returns exactly what is in the scene, and no temporary file stays."""

import subprocess
import sys
import tempfile

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="Slicer's scene: slicer-core is not installed")

import slicer

import LungSquadLib.mrml as lsm
from LungSquadLib.errors import CancelledError, ModelError
from LungSquadLib.imaging.ct import as_ct, content_hash, open_ct
from LungSquadLib.imaging.files.transfer import ct_writer, write_ct, write_mask
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.imaging.masks import as_mask
from LungSquadLib.mrml.console import WorkerPredictor
from LungSquadLib.mrml.segments import mask_on_ct
from LungSquadLib.mrml.temporary_files import CaseFiles
from LungSquadLib.progress import Silent
from LungSquadLib.worker.client import WorkerClient
from LungSquadLib.worker.launch import environment

from ..dicom_maker import write_series
from ..samples import ball_images
from ..unit.test_worker import is_gone
from . import nodes
from .test_volumes import oblique


@pytest.fixture(scope="module")
def predictor():
    with WorkerClient() as worker:
        yield WorkerPredictor(worker)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder in which temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_slicer_reads_a_ct_that_was_written_for_a_worker(scene, tmp_path, dtype):
    volume = lsm.add_volume(scene, oblique(dtype), name="CT")
    list(ct_writer(lsm.ct_of_volume(volume), tmp_path / "ct.mha"))
    back = nodes.read_volume(scene, tmp_path / "ct.mha")
    before, after = (lsm.image_of_volume(node) for node in (volume, back))
    assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after))
    for of in ("Spacing", "Origin", "Direction"):
        assert getattr(before, f"Get{of}")() == pytest.approx(
            getattr(after, f"Get{of}")(), abs=1e-9
        )
    there = open_ct(tmp_path / "ct.mha")
    assert content_hash(there.read()) == content_hash(as_ct(before).read())


def test_slicer_reads_a_mask_that_was_written_for_a_worker(scene, drawn, tmp_path):
    volume, segmentation, segment_id = drawn
    ct = lsm.ct_of_volume(volume)
    write_mask(mask_on_ct(segmentation, segment_id, volume, ct), tmp_path / "mask.seg.nrrd")
    back = nodes.read_segmentation(scene, tmp_path / "mask.seg.nrrd")
    (there,) = nodes.segment_ids(back)
    assert back.GetSegmentation().GetSegment(there).GetName() == "tumour"
    before = lsm.mask_of_segment(segmentation, segment_id, volume)
    after = lsm.mask_of_segment(back, there, volume)
    assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after))
    assert after.GetOrigin() == pytest.approx(before.GetOrigin(), abs=1e-6)


def test_the_folder_is_private_and_goes(temporary):
    with CaseFiles() as files:
        files.ct.write_text("voxels")
        (folder,) = temporary.iterdir()
        assert files.ct.parent == folder
        if sys.platform != "win32":
            assert folder.stat().st_mode & 0o077 == 0
    assert list(temporary.iterdir()) == []
    files.close()


@pytest.mark.slow
def test_a_worker_answers_as_this_process_does(scene, predictor, drawn, model_file, temporary):
    volume, segmentation, segment_id = drawn
    turn = np.eye(4)
    turn[:2, :2], turn[:3, 3] = [[0.8, -0.6], [0.6, 0.8]], (1.1, 2.3, 5.7)
    nodes.under_transform(scene, volume, turn)
    nodes.under_transform(scene, segmentation, turn + 0.3 * np.eye(4, k=3))  # off the CT's voxels
    options = {"model": model_file, "device": "cpu", "seed": 5, "centre_lps": (-22.3, 33.4, 160.5)}
    there = lsm.predict(volume, segmentation, segment_id, **options, predictor=predictor)
    here = lsm.predict(volume, segmentation, segment_id, **options)
    assert {flag.code for flag in here.flags} >= {"mask_resampled", "centre_chosen"}
    assert there.to_dict() == here.to_dict()
    assert np.array_equal(
        sitk.GetArrayFromImage(there.saliency), sitk.GetArrayFromImage(here.saliency)
    )
    assert list(temporary.iterdir()) == []


def test_what_fails_or_is_cancelled_leaves_no_file(predictor, drawn, model_file, temporary):
    class Stopped:
        cancelled = False

        def report(self, fraction, message):
            self.cancelled = fraction >= self.at

    for at in (0.05, 0.3):
        progress = Stopped()
        progress.at = at
        with pytest.raises(CancelledError):
            lsm.predict(
                *drawn, model=model_file, device="cpu", progress=progress, predictor=predictor
            )
        assert list(temporary.iterdir()) == []
    with pytest.raises(ModelError, match="no model named"):
        lsm.predict(*drawn, model="nobody", predictor=predictor)
    assert list(temporary.iterdir()) == []


@pytest.fixture
def series(tmp_path):
    """A DICOM series of the ball."""
    ct, _ = ball_images()
    folder = tmp_path / "DICOM"
    where = {"spacing": ct.GetSpacing(), "origin": ct.GetOrigin()}
    return write_series(folder, sitk.GetArrayFromImage(ct), **where)


def test_results_of_a_volume_that_slicer_read_go_back_to_its_series(
    scene, predictor, model_file, series, tmp_path
):
    volume = nodes.read_volume(scene, *sorted(series.iterdir()))
    ct = lsm.ct_of_volume(volume)
    mask = as_mask(ball_images()[1], ct)
    with CaseFiles() as files:
        write_ct(ct, files.ct, Silent())
        write_mask(mask, files.mask)
        inputs = {"ct": files.ct, "mask": files.mask}
        send = predictor._worker.request
        send("predict", **inputs, models=[model_file], folder=files.results, device="cpu")
        request = {"results": files.results, "source": series, "folder": tmp_path / "out"}
        result = send("dicom", **inputs, **request)
    back = read_mask(result["seg"], open_ct(series))
    assert sitk.Hash(back.image) == sitk.Hash(mask.image)
    assert pydicom.dcmread(result["sr"]).PatientID.startswith("LS-")


@pytest.mark.slow
def test_the_series_of_a_volume_is_known_where_slicers_database_knows_it(
    scene, series, monkeypatch
):
    files = {str(pydicom.dcmread(path).SOPInstanceUID): path for path in series.iterdir()}
    uid = str(pydicom.dcmread(next(series.iterdir())).SeriesInstanceUID)

    class Database:
        def fileForInstance(self, instance):
            return str(files.get(instance, ""))

    volume = lsm.add_volume(scene, ball_images()[0], name="CT")
    assert lsm.dicom_source(volume) is None
    volume.SetAttribute("DICOM.instanceUIDs", " ".join(files))
    assert lsm.dicom_source(volume) is None
    monkeypatch.setattr(slicer, "dicomDatabase", Database(), raising=False)
    assert lsm.dicom_source(volume) == (series, uid)
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.3")
    assert lsm.dicom_source(volume) is None


@pytest.mark.slow
def test_inside_slicer_one_worker_predicts_and_torch_stays_out(model_file):
    code = f"""
import sys
import slicer
slicer.app = object()  # as in Slicer
import LungSquadLib.mrml as lsm
from LungSquadLib.mrml.console import default_predictor
scene = lsm.start()
from Testing.samples import ball_images
ct, mask = ball_images()
volume = lsm.add_volume(scene, ct, name="CT")
segmentation = lsm.add_segmentation(scene, volume, name="Outlines")
segment = lsm.add_segment(segmentation, mask)
pids = []
for _ in range(2):
    prediction = lsm.predict(volume, segmentation, segment, model={str(model_file)!r})
    pids.append(default_predictor()._worker.pid)
print(len(set(pids)), pids[0], prediction.model.card.name, "torch" in sys.modules)
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    count, pid, name, torch = run.stdout.split()
    assert (count, name, torch) == ("1", "sample", "False")
    assert is_gone(int(pid))
