"""Arrays of LIDC-IDRI become manifests: HU, orientation, masks, ratings and folds."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cohorts.lidc import write_lidc
from LungSquadLib.cohorts.ratings import malignancy_class
from LungSquadLib.errors import CancelledError, InputError
from Testing.lidc_samples import corner_mask, write_arrays, write_table


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    return folder, write_arrays(folder)


@pytest.fixture(scope="module")
def manifests(arrays, tmp_path_factory):
    recipe = write_lidc(arrays[0], tmp_path_factory.mktemp("out") / "lidc")
    assert recipe.messages == ()
    return {name: (path.parent, rows(path)) for name, path in recipe.manifests.items()}


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def voxels(folder, name):
    image = sitk.ReadImage(str(folder / name))
    return sitk.GetArrayFromImage(image), image.GetSpacing()


def test_cubes_have_the_hu_of_the_formula(arrays, manifests):
    folder, (row,) = manifests["cubes51"]
    hu, spacing = voxels(folder, row["ct"])
    expected = arrays[1]["cubes51"]["u8"][0].astype(float) * 1600 / 255 - 1200
    # -1024 stands for what is not known, so the lowest are raised.
    assert np.abs(hu - np.maximum(expected, -1023)).max() <= 0.5
    assert spacing == (1, 1, 1)
    mask, _ = voxels(folder, row["mask"])
    assert np.array_equal(mask, corner_mask((51, 51, 51)))
    assert (row["malignancy"], row["malignancy_class"], row["texture_class"]) == (
        "1.0",
        "low",
        "solid",
    )


def test_stacks_have_the_hu_of_the_formula_and_what_half_of_the_readers_drew(arrays, manifests):
    folder, (first, second) = manifests["stacks72"]  # the third has no known HU
    hu, spacing = voxels(folder, first["ct"])
    expected = arrays[1]["stacks72"]["u8"][:2].astype(float) * 1600 / 255 - 1100
    assert np.abs(hu - np.maximum(expected, -1023)).max() <= 0.5
    assert spacing == (0.8, 0.8, 1.25)
    mask, _ = voxels(folder, first["mask"])
    # Columns 10-13, 12-15 and 13-19 of one row: two of three drew 12 to 15.
    assert np.argwhere(mask).tolist() == [[0, 10, x] for x in (12, 13, 14, 15)]
    mask, _ = voxels(folder, second["mask"])
    # Two readers: one of them is half.
    assert np.argwhere(mask).tolist() == [[z, 5, x] for z in (0, 1) for x in (5, 6, 7, 8)]
    # Pixels of 0.8 x 0.8 x 1.25 mm.
    assert float(first["nodule_ml"]) == pytest.approx(4 * 0.8 / 1000)


def test_volumes_in_ras_order_are_turned_to_lps(arrays, manifests):
    folder, (lps, ras) = manifests["voi3d"]
    data = arrays[1]["voi3d"]
    hu, spacing = voxels(folder, ras["ct"])
    stored = data["hu"][data["offset"][1] :].reshape(2, 7, 5)
    for z, y, x in np.ndindex(2, 7, 5):
        assert hu[z, y, x] == max(stored[z, 6 - y, 4 - x], -1023)
    mask, _ = voxels(folder, ras["mask"])
    assert np.array_equal(mask, np.rot90(corner_mask((2, 7, 5)), 2, axes=(1, 2)))
    mask, _ = voxels(folder, lps["mask"])
    assert np.array_equal(mask, corner_mask((3, 5, 6)))
    assert spacing == pytest.approx((0.6, 0.7, 2.5))


def test_ratings_are_those_of_the_readers(manifests):
    (first, second) = manifests["stacks72"][1]
    assert first["malignancy_readers"] == "4 5"  # the readers with 0 did not rate
    assert (first["malignancy"], first["readers"]) == ("4.5", "2")
    assert first["malignancy_class"] == "high"
    # Its outlines are 9.5 pixels off: the rating may be a neighbour's.
    assert (second["malignancy"], second["readers"], second["malignancy_class"]) == ("", "0", "")
    lps, ras = manifests["voi3d"][1]
    assert lps["malignancy_readers"] == "4 5"
    assert ras["malignancy_readers"] == "2"  # the majority, where the readers are not known


def test_each_nodule_is_listed_once_with_fold_and_diagnosis(manifests):
    nodules = manifests["nodules"][1]
    # The first stack is the first volume.
    assert [row["case"] for row in nodules] == ["voi-0000", "voi-0001", "stack-0001"]
    assert [row["fold"] for row in nodules] == ["0", "3", "3"]
    # It is the largest nodule's: of the second patient the stack is larger, and the cube largest.
    assert [row["diagnosis"] for row in nodules] == ["cancer", "", "benign"]
    sizes = [float(row["nodule_ml"]) for row in nodules]
    assert sizes[2] > sizes[1]
    volumes = [row["case"] for row in manifests["volumes"][1]]
    assert volumes == ["cube-0000", "voi-0000", "voi-0001", "stack-0001"]
    diagnoses = [row["diagnosis"] for row in manifests["volumes"][1]]
    assert diagnoses == ["benign", "cancer", "", ""]


@pytest.mark.parametrize(
    ("mean", "expected"), [(1.0, "low"), (2.0, "low"), (2.25, ""), (3.75, ""), (4.0, "high")]
)
def test_classes_of_malignancy(mean, expected):
    assert malignancy_class(mean) == expected
    assert malignancy_class("") == ""


def test_a_stopped_run_goes_on(arrays, tmp_path):
    class Stops:
        steps = 0

        @property
        def cancelled(self):
            return self.steps == 4

        def report(self, fraction, message):
            self.steps += 1

    with pytest.raises(CancelledError):
        write_lidc(arrays[0], tmp_path / "out", progress=Stops())
    assert not list((tmp_path / "out").glob("*.csv"))  # a manifest comes last
    (tmp_path / "out" / "cubes51" / "cube-0000.mha").unlink()  # as a kill between two files does
    recipe = write_lidc(arrays[0], tmp_path / "out")
    whole = write_lidc(arrays[0], tmp_path / "whole")
    for name, path in recipe.manifests.items():
        assert path.read_bytes() == whole.manifests[name].read_bytes()
        for row in rows(path):
            for file in ("ct", "mask"):
                other = whole.manifests[name].parent / row[file]
                assert (path.parent / row[file]).read_bytes() == other.read_bytes()


def test_other_data_do_not_go_into_the_same_folder(arrays, tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    write_arrays(source)
    write_lidc(source, out)
    write_table(source / "cubes51" / "labels.csv", [{"index": 0, "patient_id": "LIDC-IDRI-0001"}])
    with pytest.raises(InputError, match=r"nodules of other data.*choose another folder"):
        write_lidc(source, out)


def test_a_folder_with_other_files_is_refused(arrays, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty; choose another folder"):
        write_lidc(arrays[0], tmp_path)
    with pytest.raises(InputError, match="is in the folder of the data"):
        write_lidc(arrays[0], arrays[0] / "out")


def test_a_wrong_folder_is_said(tmp_path):
    with pytest.raises(InputError, match="There is no folder"):
        write_lidc(tmp_path / "absent", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"neither the arrays of LIDC-IDRI.*nor XML"):
        write_lidc(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "spoil", "sentence"),
    [
        ("cubes51", lambda f, d: d.pop("mask"), "has no array 'mask'"),
        (
            "cubes51",
            lambda f, d: d.update(u8=d["u8"][:, :50]),
            "the array 'u8' is uint8 1 x 50 x 51 x 51, and must be uint8 N x 51 x 51 x 51",
        ),
        ("slices71", lambda f, d: d.update(hu=d["hu"].astype(float)), "must be int16 N x 71 x 71"),
        ("slices71", lambda f, d: d.update(hu=d["hu"][:1]), "row 2, does not fit the arrays"),
        ("voi3d", lambda f, d: d.update(hu=d["hu"][:-1]), "row 2, does not fit the arrays"),
        ("voi3d", lambda f, d: d.update(mask_packed=d["mask_packed"][:-2]), "row 2, does not fit"),
        (
            "voi3d",
            lambda f, d: d.update(spacing_zyx=-d["spacing_zyx"]),
            "row 1, does not fit.*spacing of -0.6 x -0.7 x -2.5 mm",
        ),
        ("stacks72", lambda f, d: d.update(u8=d["u8"][:3]), "row 2, does not fit the arrays"),
    ],
)
def test_arrays_that_do_not_fit_are_said(tmp_path, name, spoil, sentence):
    data = write_arrays(tmp_path / "in")[name]
    spoil(tmp_path / "in", data)
    np.savez(tmp_path / "in" / name / "data.npz", **data)
    with pytest.raises(InputError, match=sentence):
        write_lidc(tmp_path / "in", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.csv"))


def test_damaged_files_are_said(tmp_path):
    source = tmp_path / "in"
    write_arrays(source)
    path = source / "voi3d" / "data.npz"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="is damaged or is not an archive of arrays"):
        write_lidc(source, tmp_path / "out")
    path.unlink()
    with pytest.raises(InputError, match=r"There is no file .*data.npz"):
        write_lidc(source, tmp_path / "out")
    (source / "patients.csv").write_text("patient\nLIDC-IDRI-0001\n")
    with pytest.raises(InputError, match="lacks the column 'patient_id'"):
        write_lidc(source, tmp_path / "out")


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    source = tmp_path / "in"
    data = write_arrays(source)["cubes51"]
    data["u8"] = np.array([{"a": 1}], object)
    np.savez(source / "cubes51" / "data.npz", **data)
    with pytest.raises(InputError, match="is damaged or is not an archive of arrays"):
        write_lidc(source, tmp_path / "out")
