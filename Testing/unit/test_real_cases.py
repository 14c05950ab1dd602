"""Every case goes through, a real one or its stand-in, and gives what is known of it."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.imaging.crop import crop, mask_box
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.mask_files import read_mask

from ..case_data import Facts, facts
from ..samples import write_model
from .test_crop import check

# CT, mask, ROI, and the label map beside them, by which SimpleITK says what is to be found.
CASES = {
    "4dlung rtstruct": (
        ("4dlung_113/CT", "4dlung_113/RTSTRUCT/rs.dcm", "Tumor_c40"),
        "4dlung_113/mask_Tumor_c40_full.nrrd",
    ),
    "4dlung nrrd": (
        ("4dlung_113/CT", "4dlung_113/mask_Tumor_c40_full.nrrd", None),
        "4dlung_113/mask_Tumor_c40_full.nrrd",
    ),
    "lidc 314 seg": (
        ("lidc_0314/CT", "lidc_0314/SEG/seg.dcm", None),
        "lidc_0314/mask_consensus.nrrd",
    ),
    "lidc 314 nrrd": (
        ("lidc_0314/CT", "lidc_0314/mask_consensus.nrrd", None),
        "lidc_0314/mask_consensus.nrrd",
    ),
    "lidc 1 rtstruct": (
        ("lidc_0001/CT", "lidc_0001/RTSTRUCT/rs.dcm", "GTV-1"),
        "lidc_0001/mask_consensus.nrrd",
    ),
    "lidc 1 seg": (
        ("lidc_0001/CT", "lidc_0001/SEG/seg.dcm", "Nodule 1"),
        "lidc_0001/mask_consensus.nrrd",
    ),
    "lidc 1 nrrd": (
        ("lidc_0001/CT", "lidc_0001/mask_consensus.nrrd", None),
        "lidc_0001/mask_consensus.nrrd",
    ),
    "r01": (
        ("r01_001/CT", "r01_001/mask_DERIVED_threshold.nrrd", None),
        "r01_001/mask_DERIVED_threshold.nrrd",
    ),
}
# Of the real ones: voxels and mL as the data's description has them.
DOCUMENTED = {
    "4dlung": (23_611, 67.6),
    "lidc 314": (4_367, 2.67),
    "lidc 1": (6_282, 7.76),
    "r01": (1_926, 0.93),
}


def known(case_data, name) -> Facts:
    """What is to be found in a case."""
    found = facts(case_data / "open" / CASES[name][1])
    if case_data.real:
        voxels, ml = next(own for start, own in DOCUMENTED.items() if name.startswith(start))
        assert found.voxels == voxels
        assert found.ml == pytest.approx(ml, abs=0.05)
    return found


def opened(folder, ct, mask, roi):
    volume = open_ct(folder / "open" / ct)
    return volume, read_mask(folder / "open" / mask, volume, roi=roi)


QUICK = ("lidc 1 rtstruct", "lidc 1 seg", "r01")  # one of each format, also in `make test-fast`


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES],
)
def test_crop_command_finds_the_known_voxels_volume_and_centre(case_data, tmp_path, capsys, name):
    (ct, mask, roi), expected = CASES[name][0], known(case_data, name)
    arguments = [str(case_data / "open" / ct), str(case_data / "open" / mask)]
    arguments += ["-o", str(tmp_path / "crop.nrrd"), "--mask-out", str(tmp_path / "m.nrrd")]
    assert main(["crop", *arguments, *(["--roi", roi] if roi else []), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["mask_voxels"] == expected.voxels
    assert said["mask_volume_ml"] == pytest.approx(expected.ml)
    assert said["mask_centre_of_mass_lps"] == pytest.approx(expected.centre, abs=0.01)
    assert said["centre_lps"] == pytest.approx(expected.centre, abs=0.51)
    written = sitk.ReadImage(str(tmp_path / "crop.nrrd"))
    assert written.GetSize() == (64, 64, 64)
    assert sitk.ReadImage(str(tmp_path / "m.nrrd")).GetOrigin() == written.GetOrigin()


@pytest.mark.parametrize("name", ["4dlung rtstruct", "lidc 314 seg", "lidc 1 rtstruct", "r01"])
@pytest.mark.slow
def test_crop_of_a_real_case_equals_whole_volume_resampling(case_data, name):
    ct, mask = opened(case_data, *CASES[name][0])
    whole = np.zeros(ct.grid.size[::-1], np.uint8)
    whole[mask_box(mask, ct.grid).slices] = sitk.GetArrayFromImage(mask.image)
    in_memory = check(ct.read(), ct.grid.image(whole), (64, 64, 64), 1.0)
    from_disk = crop(ct, mask)
    assert from_disk.to_dict()["ct_sha256"] == in_memory.to_dict()["ct_sha256"]
    assert from_disk.to_dict()["mask_sha256"] == in_memory.to_dict()["mask_sha256"]


def test_the_three_files_of_one_nodule_agree(case_data):
    crops = [
        crop(*opened(case_data, *case)).to_dict()
        for name, (case, _) in CASES.items()
        if name.startswith("lidc 1 ")
    ]
    assert len({described["mask_sha256"] for described in crops}) == 1
    assert len({described["ct_sha256"] for described in crops}) == 1


@pytest.mark.slow
def test_r01_lies_where_the_published_seed_is(case_data):
    line = (case_data / "open/r01_001/seed_LPS.txt").read_text().splitlines()[-1]
    ct, mask = opened(case_data, *CASES["r01"][0])
    found = crop(ct, mask).mask_centre_of_mass_lps
    assert np.linalg.norm(np.array(found) - [float(v) for v in line.split()]) < 0.5


def test_slicer_segmentations_and_dicom_seg_of_others_are_read(case_data):
    chest = case_data / "open/slicer_ctchest"
    ct = open_ct(chest / "CTChest4.nrrd")
    flat = read_mask(chest / "Segmentation.seg.nrrd", ct, roi="right lung")
    layered = read_mask(chest / "SegmentationOverlapping.seg.nrrd", ct, roi="right lung")
    assert sitk.Hash(flat.image) == sitk.Hash(layered.image)
    three = case_data / "open/dcmqi_ct3slice"
    ct = open_ct(three / "ct-3slice")
    assert np.array_equal(
        sitk.GetArrayFromImage(read_mask(three / "liver.dcm", ct).image),
        sitk.GetArrayFromImage(read_mask(three / "liver_seg.nrrd", ct).image),
    )
    assert read_mask(three / "spine_seg_label5.nrrd", ct, label=5).image.GetSize()[2] > 0


def test_slices_with_tumour_are_those_that_have_it(case_data, tmp_path, capsys):
    folder = case_data / "open/lidc_0314"
    arguments = [str(folder / "CT"), str(folder / "SEG/seg.dcm"), "-o", str(tmp_path / "s")]
    assert main(["slices", *arguments]) == 0
    written = json.loads((tmp_path / "s/slices.json").read_text())
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "mask_consensus.nrrd")))
    counts = mask.sum(axis=(1, 2))
    assert written["tumour_pixels"] == counts[counts > 0].tolist()
    arrays = np.load(tmp_path / "s/slices.npz")
    assert arrays["ct"].shape == (np.count_nonzero(counts), *mask.shape[1:])
    assert arrays["mask"].sum() == known(case_data, "lidc 314 seg").voxels
    assert f"{np.count_nonzero(counts)} slices" in capsys.readouterr().out


def test_inspect_tells_what_a_patient_folder_holds(case_data, capsys):
    assert main(["inspect", str(case_data / "open/4dlung_113"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    ct, structures = sorted(found["series"], key=lambda series: series["modality"])
    label_map = sitk.ReadImage(str(case_data / "open" / CASES["4dlung nrrd"][1]))
    assert (ct["modality"], ct["size"]) == ("CT", list(label_map.GetSize()))
    voxels = {roi["name"]: roi["voxels"] for roi in structures["rois"]}
    assert voxels["Tumor_c40"] == known(case_data, "4dlung rtstruct").voxels
    assert main(["inspect", str(case_data / "open/4dlung_113")]) == 0
    assert "Vertebra_c40" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["4dlung rtstruct", "lidc 314 seg", "lidc 1 rtstruct", "r01"])
@pytest.mark.slow
def test_every_real_case_is_predicted_and_reported(case_data, tmp_path, name):
    model = write_model(tmp_path / "sample.safetensors")
    ct, mask, roi = CASES[name][0]
    arguments = [str(case_data / "open" / ct), str(case_data / "open" / mask)]
    arguments += ["--model", str(model.path), "-o", str(tmp_path / "out"), "--device", "cpu"]
    assert main(["predict", *arguments, *(["--roi", roi] if roi else [])]) == 0
    described = json.loads((tmp_path / "out/prediction.json").read_text())
    assert described["crop"]["mask_voxels"] == known(case_data, name).voxels
    (prediction,) = described["predictions"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    back = read_mask(tmp_path / "out/seg.dcm", open_ct(case_data / "open" / ct))
    assert np.count_nonzero(sitk.GetArrayViewFromImage(back.image)) == known(case_data, name).voxels
