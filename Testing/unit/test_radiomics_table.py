"""Tables of radiomics: the verb on a case, a manifest and a store, bad input, and robustness."""

from __future__ import annotations

import csv
import json
import math
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import distance_transform_edt
from scipy.stats import rankdata, spearmanr

import LungSquadLib as ls
from LungSquadLib.cli import main
from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.imaging.ct import as_ct
from LungSquadLib.imaging.jitter import perturbed_masks
from LungSquadLib.imaging.masks import as_mask
from LungSquadLib.pipeline.radiomics import extract_cohort, read_settings
from LungSquadLib.progress import Silent
from LungSquadLib.radiomics.settings import CONFIGURATIONS, RadiomicsSettings
from LungSquadLib.statistics.agreement import icc_2_1
from LungSquadLib.statistics.selection import mid_ranks, spearman
from Testing.ball_cohort import ball_store

QUICK = ("--families", "morph,stat,cm")
FEW = RadiomicsSettings(families=("morph", "stat"))


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ball_store(tmp_path_factory.mktemp("balls"), 5)


@pytest.fixture
def volumes(store, tmp_path):
    """The store's CTs and masks, and a manifest with a case more, whose mask is not there."""
    folder = shutil.copytree(store.folder.parent / "volumes", tmp_path / "volumes")
    with (folder / "manifest.csv").open("a", encoding="utf-8") as file:
        file.write("gone,P9,ct0.nrrd,nowhere.nrrd,A,LUAD,1,1,60\n")
    return folder


def test_a_case_has_the_features_of_the_library(volumes, tmp_path, capsys):
    ct, mask = volumes / "ct1.nrrd", volumes / "mask1.nrrd"
    out = tmp_path / "features.csv"
    assert main(["radiomics", str(ct), str(mask), "-o", str(out), *QUICK, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    settings = RadiomicsSettings(families=("morph", "stat", "cm"))
    values = ls.radiomic_features(ls.open_ct(ct), ls.read_mask(mask, ls.open_ct(ct)), settings)
    assert printed["features"] == values
    (row,) = table(out)
    assert row["patient"].startswith("LS-")
    assert {name: float(row[name]) for name in values} == values
    about = json.loads(out.with_suffix(".json").read_text())
    assert about["features"]["cm_contrast_3D_avg"] == {
        "code": "ACUI",
        "aggregation": "ITBB",
        "label": "contrast",
    }
    assert read_settings(str(out.with_suffix(".json"))) == settings


def test_settings_come_from_a_configuration_or_a_file_and_options_change_them(volumes, tmp_path):
    case = [str(volumes / "ct0.nrrd"), str(volumes / "mask0.nrrd")]
    out = tmp_path / "features.csv"
    options = ("--settings", "B", "--families", "ih", "--spacing-mm", "1.5")
    assert main(["radiomics", *case, "-o", str(out), *options]) == 0
    first = json.loads(out.with_suffix(".json").read_text())["settings"]
    assert (first["spacing_mm"], first["bin_number"], first["by_slice"]) == (1.5, 32, True)
    again = tmp_path / "again.csv"
    options = ("--settings", str(out.with_suffix(".json")), "--bin-size", "10")
    assert main(["radiomics", *case, "-o", str(again), *options]) == 0
    second = json.loads(again.with_suffix(".json").read_text())["settings"]
    assert second == {**first, "bin_size": 10.0, "bin_number": None}
    assert read_settings("E") == CONFIGURATIONS["E"]


def test_a_store_has_the_features_of_its_cubes_for_each_patient(store, tmp_path):
    out = tmp_path / "features.csv"
    assert main(["radiomics", str(store.folder), "-o", str(out), *QUICK]) == 0
    rows = table(out)
    assert [row["patient"] for row in rows] == [case.patient for case in store.cases]
    for row, case in zip(rows, store.cases, strict=True):
        content = store.content(case)
        assert float(row["stat_mean"]) == pytest.approx(content.hu[content.mask > 0].mean())
        assert float(row["morph_vol_approx"]) == content.mask.sum()


def test_a_failed_case_is_described_and_finished_cases_are_kept(volumes, tmp_path, capsys):
    out = tmp_path / "features.csv"
    words = ["radiomics", str(volumes / "manifest.csv"), "-o", str(out), *QUICK]
    assert main(words) == 0
    assert "5 done, 0 finished before, 1 failed" in capsys.readouterr().out
    about = json.loads(out.with_suffix(".json").read_text())
    (error,) = about["errors"]
    assert (error["row"], error["case"]) == (6, "gone")
    assert error["error"] == "There is no file or folder 'MASK'."
    before = out.read_bytes()
    assert "P1" not in before.decode()
    (volumes / "mask2.nrrd").touch()
    assert main(words) == 0
    assert "1 done, 4 finished before, 1 failed" in capsys.readouterr().out
    assert out.read_bytes() == before
    assert main([*words, "--bin-size", "50"]) == 0
    assert "5 done, 0 finished before" in capsys.readouterr().out
    assert out.read_bytes() != before


class CancelAfter(Silent):
    """Cancels once so much is done."""

    def __init__(self, share):
        self.share, self.cancelled = share, False

    def report(self, fraction, message):
        self.cancelled = fraction >= self.share


def test_a_cancelled_run_keeps_what_is_done(store, tmp_path):
    out = tmp_path / "features.csv"
    with pytest.raises(CancelledError):
        extract_cohort(store.folder, out, FEW, progress=CancelAfter(0.35))
    done = len(table(out))
    assert 2 <= done < 5
    summary = extract_cohort(store.folder, out, FEW)
    assert (summary.done, summary.skipped) == (5 - done, done)
    assert len(table(out)) == 5


def image(array, spacing=1.0):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing((spacing,) * 3)
    return made


def test_one_voxel_a_flat_tumour_and_two_pieces_have_the_values_of_the_standard():
    hu = np.random.default_rng(0).integers(-100, 100, (12, 12, 12)).astype(np.int16)
    one = np.zeros(hu.shape, np.uint8)
    one[5, 5, 5] = 1
    values = ls.radiomic_features(image(hu), image(one))
    assert values["stat_mean"] == hu[5, 5, 5]
    assert values["stat_var"] == 0
    assert values["morph_vol_approx"] == 1
    assert math.isnan(values["cm_contrast_3D_comb"])
    flat = np.zeros(hu.shape, np.uint8)
    flat[5, 3:9, 3:9] = 1
    values = ls.radiomic_features(image(np.full(hu.shape, 40, np.int16)), image(flat))
    assert (values["stat_range"], values["ih_entropy"], values["cm_joint_entr_3D_comb"]) == (0,) * 3
    assert values["morph_pca_flatness"] == 0
    two = np.zeros(hu.shape, np.uint8)
    two[1:3, 1:3, 1:3] = two[8:10, 8:10, 8:10] = 1
    values = ls.radiomic_features(image(hu), image(two))
    assert values["stat_mean"] == pytest.approx(hu[two > 0].mean())
    assert values["morph_vol_approx"] == 16
    assert values["morph_diam"] == pytest.approx(math.sqrt(64 + 64 + 81))  # between faces


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--bin-size", "0.001"), "grey levels; at most 4096"),
        (("--ivh-bin-size", "0.001"), "bins of the intensity-volume histogram"),
        (("--bin-size", "5", "--bin-number", "8"), "either a width"),
        (("--hu-range", "3000", "4000"), "No voxel of the tumour lies between 3000 and 4000 HU"),
        (("--settings", "F"), "F"),
        (("--robustness",), "would be ignored"),
    ],
)
def test_what_cannot_be_computed_is_a_sentence(volumes, tmp_path, capsys, options, sentence):
    case = [str(volumes / "ct0.nrrd"), str(volumes / "mask0.nrrd")]
    out = tmp_path / "out" / "features.csv"
    assert main(["radiomics", *case, "-o", str(out), *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not out.parent.exists()


def test_not_a_number_in_the_ct_and_other_tables_are_refused(volumes, tmp_path, capsys):
    hu = np.zeros((9, 9, 9), np.float32)
    hu[4, 4, 4] = np.nan
    mask = np.zeros(hu.shape, np.uint8)
    mask[3:6, 3:6, 3:6] = 1
    with pytest.raises(InputError, match="not numbers"):
        ls.radiomic_features(image(hu), image(mask))
    case = [str(volumes / "ct0.nrrd"), str(volumes / "mask0.nrrd")]
    assert main(["radiomics", *case, "-o", str(tmp_path / "features.json")]) == 2
    assert "features.csv" in capsys.readouterr().err
    bad = tmp_path / "bad.json"
    for text in ("[1]", "{", '{"bins": 3}'):
        bad.write_text(text)
        with pytest.raises(InputError):
            read_settings(str(bad))


def test_masks_are_perturbed_by_the_distances_of_the_networks_crops():
    ct = as_ct(image(np.zeros((40, 40, 40), np.int16)))
    z, y, x = np.indices((40, 40, 40)) - 20
    drawn = as_mask(image((x * x + y * y + z * z <= 64).astype(np.uint8)), ct)
    masks = dict(perturbed_masks(drawn, ct))
    assert len(masks) == 10
    array = sitk.GetArrayFromImage(drawn.image)
    padded = np.pad(array, 6)
    outwards, inwards = distance_transform_edt(padded == 0), distance_transform_edt(padded)
    for name, perturbed in masks.items():
        voxels = sitk.GetArrayFromImage(perturbed)
        if "moved" in name:
            shift = np.array(perturbed.GetOrigin()) - drawn.image.GetOrigin()
            assert sorted(np.abs(shift)) == pytest.approx([0, 0, 2])
            assert (voxels == array).all()
        else:
            margin = int(name.split()[3])
            ball = outwards <= margin if "grown" in name else inwards > margin
            assert voxels.sum() == ball.sum(), name


def test_robustness_is_the_icc_over_perturbed_masks(store, tmp_path):
    out = tmp_path / "features.csv"
    summary = extract_cohort(store.folder, out, FEW, perturb=True)
    assert summary.done == 5
    perturbed = table(tmp_path / "features.perturbed.csv")
    assert len(perturbed) == 5 * 11
    rows = {row["feature"]: row for row in table(tmp_path / "features.robustness.csv")}
    for name in ("morph_volume", "stat_mean", "morph_sphericity"):
        values = np.array([float(row[name]) for row in perturbed]).reshape(5, 11)
        assert float(rows[name]["icc"]) == pytest.approx(icc_2_1(values))
        assert rows[name]["robust"] == str(int(icc_2_1(values) >= 0.75))
        rho = spearmanr(values[:, 0], [float(row["morph_volume"]) for row in table(out)])[0]
        assert float(rows[name]["volume_correlation"]) == pytest.approx(rho)
    assert rows["morph_volume"]["volume"] == "1"
    assert extract_cohort(store.folder, out, FEW, perturb=True).skipped == 5


def test_ranks_and_their_correlation_are_those_of_scipy():
    random = np.random.default_rng(0)
    values = random.integers(0, 5, (40, 3)).astype(float)
    for column, ranks in zip(values.T, mid_ranks(values).T, strict=True):
        assert ranks == pytest.approx(rankdata(column))
    assert spearman(values[:, 0], values[:, 1]) == pytest.approx(
        spearmanr(values[:, 0], values[:, 1])[0]
    )
    assert math.isnan(spearman(values[:, 0], np.ones(40)))
