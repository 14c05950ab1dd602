"""SEG and SR of a case made on a copy are those of its DICOM series, or are refused."""

import json
from types import SimpleNamespace

import pydicom
import pytest
import SimpleITK as sitk

from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.identity import pseudonym
from LungSquadLib.imaging.ct import as_ct, open_ct
from LungSquadLib.imaging.files.transfer import write_ct, write_mask
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.models.catalogue import read_model
from LungSquadLib.pipeline.case import run_case
from LungSquadLib.pipeline.case_input import CaseInput
from LungSquadLib.pipeline.options import PredictionOptions
from LungSquadLib.progress import Silent
from LungSquadLib.report.dicom_results import export_dicom

from ..dicom_maker import write_series
from ..samples import ball_images, write_model

# When a file was written, and a UID that highdicom draws anew each time.
NEW = {"ContentDate", "ContentTime", "InstanceCreationDate", "InstanceCreationTime"}
NEW |= {"ContributionDateTime", "DimensionOrganizationUID"}
# What kind of file the mask was read from.
SOURCE = {"SegmentAlgorithmName", "AlgorithmName"}


def copied(source, mask, here, models):
    """A case on a copy of a series, as Slicer's process makes it."""
    series = open_ct(source)
    write_ct(series, here / "ct.mha", Silent())
    write_mask(read_mask(mask, series), here / "mask.seg.nrrd")
    ct = open_ct(here / "ct.mha")
    files = CaseInput(here / "ct.mha", here / "mask.seg.nrrd")
    run_case(files, models, here / "results", options=PredictionOptions("cpu"))
    return SimpleNamespace(
        results=here / "results", ct=ct, mask=read_mask(here / "mask.seg.nrrd", ct), series=series
    )


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    here = tmp_path_factory.mktemp("case")
    ct, mask = ball_images()
    write_series(
        here / "DICOM", sitk.GetArrayFromImage(ct), spacing=ct.GetSpacing(), origin=ct.GetOrigin()
    )
    sitk.WriteImage(mask, str(here / "drawn.nrrd"))
    models = [write_model(here / "sample.safetensors")]
    return copied(here / "DICOM", here / "drawn.nrrd", here, models)


def elements(dataset):
    """All values of a data set and of those in it, but those that are new each time."""
    for element in dataset:
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                for place, value in elements(item):
                    yield (element.keyword, number, *place), value
        elif element.keyword not in NEW:
            yield (element.keyword,), element.value


@pytest.mark.slow
def test_a_real_cases_seg_and_sr_are_those_of_its_series(case_data, tmp_path):
    here = case_data / "open/4dlung_113"
    models = [read_model("demo-histology")]
    mask = here / "mask_Tumor_c40_full.nrrd"
    run_case(
        CaseInput(here / "CT", mask), models, tmp_path / "direct", options=PredictionOptions("cpu")
    )
    made = copied(here / "CT", mask, tmp_path, models)
    assert not (made.results / "seg.dcm").exists()
    written = export_dicom(made.results, made.ct, made.mask, made.series, tmp_path / "out")
    assert [path.name for path in written] == ["seg.dcm", "sr.dcm"]
    for path in written:
        direct = dict(elements(pydicom.dcmread(tmp_path / "direct" / path.name)))
        exported = dict(elements(pydicom.dcmread(path)))
        different = {place for place in direct if direct[place] != exported.get(place)}
        assert {place[-1] for place in different} <= SOURCE
        assert direct.keys() == exported.keys()
        assert len(direct) > 100


def test_identity_is_hidden_unless_it_is_to_be_kept(case, tmp_path):
    for keep, name, patient in (
        (False, f"{pseudonym('MRN-4711')}^", pseudonym("MRN-4711")),
        (True, "Doe^Jane", "MRN-4711"),
    ):
        files = export_dicom(
            case.results, case.ct, case.mask, case.series, tmp_path / name, keep_identity=keep
        )
        for path in files:
            dataset = pydicom.dcmread(path)
            assert (str(dataset.PatientName), dataset.PatientID) == (name, patient)
            assert keep or b"MRN-4711" not in path.read_bytes()


def changed(case, index=None, origin=0.0):
    """The case's CT with a voxel changed, or its grid moved along x."""
    array = sitk.GetArrayFromImage(case.ct.read())
    if index is not None:
        array[index] += 1
    image = case.ct.grid.image(array)
    x, y, z = image.GetOrigin()
    image.SetOrigin((x + origin, y, z))
    return as_ct(image)


def test_what_is_no_copy_is_refused_and_nothing_written(case, tmp_path):
    def refused(said, results=case.results, ct=case.ct, mask=case.mask, series=case.series):
        with pytest.raises(InputError, match=said):
            export_dicom(results, ct, mask, series, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    refused("is no copy of the DICOM series: it has .* mm from", ct=changed(case, origin=0.3))
    cut = case.ct.read()[:, :, 1:]
    refused("100 x 129 x 39 voxels of .* the series has 100 x 129 x 40", ct=as_ct(cut))
    refused("made on another CT or mask", ct=changed(case, (20, 60, 50)))
    smaller = read_mask_of(ball_images(radius=8.0)[1], tmp_path, case.ct)
    refused("made on another CT or mask", mask=smaller)
    refused("the source given is none", series=case.ct)
    refused("holds no prediction.json", results=tmp_path)


def read_mask_of(image, folder, ct):
    sitk.WriteImage(image, str(folder / "smaller.nrrd"))
    return read_mask(folder / "smaller.nrrd", ct)


def test_a_copy_that_was_changed_before_the_prediction_is_refused(case, tmp_path):
    ct = changed(case, (20, 60, 50))
    write_ct(ct, tmp_path / "ct.mha", Silent())
    write_mask(case.mask, tmp_path / "mask.seg.nrrd")
    run_case(
        CaseInput(tmp_path / "ct.mha", tmp_path / "mask.seg.nrrd"),
        [read_model(case.results.parent / "sample.safetensors")],
        tmp_path / "results",
        options=PredictionOptions("cpu"),
    )
    with pytest.raises(InputError, match="voxels of slice 21 differ"):
        export_dicom(tmp_path / "results", ct, case.mask, case.series, tmp_path / "out")


def test_it_can_be_cancelled(case, tmp_path):
    class Stopped:
        cancelled = False

        def report(self, fraction, message):
            self.cancelled = fraction >= 0.7

    with pytest.raises(CancelledError):
        export_dicom(
            case.results, case.ct, case.mask, case.series, tmp_path / "out", progress=Stopped()
        )
    assert list(tmp_path.iterdir()) == []


def test_flags_of_the_series_are_in_the_sr(case, tmp_path):
    from dataclasses import replace

    from LungSquadLib.imaging.flags import Flag

    series = replace(case.series, flags=(Flag("lossy_compression", "warning", "Lossy."),))
    _, sr = export_dicom(case.results, case.ct, case.mask, series, tmp_path / "out")
    assert b"Lossy Compression" in sr.read_bytes()
    flags = json.loads((case.results / "prediction.json").read_text())["flags"]
    assert flags
    for flag in flags:
        assert flag["code"].encode() in sr.read_bytes()


def test_a_mask_keeps_its_place(case, tmp_path):
    seg, _ = export_dicom(case.results, case.ct, case.mask, case.series, tmp_path / "out")
    back = read_mask(seg, case.series)
    assert sitk.Hash(back.image) == sitk.Hash(case.mask.image)
    assert Grid.of(back.image).offset_in(Grid.of(case.mask.image)) == (0, 0, 0)
