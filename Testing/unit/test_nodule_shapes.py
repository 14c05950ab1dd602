"""Masks of real nodules' shapes: of the requested size, in the lung, and of the requested kind."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.ct import as_ct
from LungSquadLib.imaging.diameter import axial_diameter
from LungSquadLib.imaging.nodule_shapes import (
    SIDE,
    SMOOTH,
    SPICULATED,
    ShapeLibrary,
    nodule_mask,
    read_library,
    write_library,
)
from Testing.inpainters import write_inpainter

pytestmark = pytest.mark.usefixtures("one_thread")
AT = (30.0, 25.0, 40.0)


def ball_or_star(star):
    """A ball of 9 mm, or a smaller one with six spikes."""
    z, y, x = np.indices((SIDE,) * 3) - SIDE // 2
    radius = np.sqrt(x**2 + y**2 + z**2)
    spikes = (np.sort(np.abs([x, y, z]), axis=0)[:2].max(axis=0) < 2) & (radius < 12)
    return ((radius < 6) | spikes if star else radius < 9).astype(np.uint8)


LIBRARY = ShapeLibrary(
    np.stack([ball_or_star(False), ball_or_star(True)]), np.array([SMOOTH, SPICULATED], np.uint8)
)


def chest(spacing=(0.7, 0.7, 1.5), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)):
    """Lung of -850 HU, and a wall of 40 HU from x = 36 mm on."""
    hu = np.full((60, 80, 90), -850, np.int16)
    hu[:, :, int(36 / spacing[0]) :] = 40
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(spacing)
    image.SetDirection(direction)
    return as_ct(image)


def centroid(mask):
    index = np.argwhere(sitk.GetArrayFromImage(mask.image))[:, ::-1].mean(axis=0)
    return np.array(mask.image.TransformContinuousIndexToPhysicalPoint(index.tolist()))


@pytest.mark.parametrize("shape", ["any", "smooth", "spiculated"])
@pytest.mark.parametrize("diameter", [8.0, 21.0])
def test_the_mask_has_the_requested_diameter_and_place(shape, diameter):
    at = (18.0, 25.0, 40.0)
    mask = nodule_mask(chest(), at, LIBRARY, shape=shape, diameter_mm=diameter, seed=4)
    assert axial_diameter(mask.image).mm == pytest.approx(diameter, abs=1.5)
    assert centroid(mask) == pytest.approx(at, abs=0.7)
    assert not mask.flags


def test_axes_in_another_order_do_not_move_it():
    turned = chest(direction=(-1, 0, 0, 0, 0, 1, 0, 1, 0))
    at = (-18.0, 40.0, 25.0)
    assert centroid(nodule_mask(turned, at, LIBRARY, diameter_mm=12)) == pytest.approx(at, abs=0.9)


def test_the_wall_is_left_out_and_reported():
    ct = chest()
    mask = nodule_mask(ct, AT, LIBRARY, shape="smooth", diameter_mm=20, seed=1)
    whole = nodule_mask(ct, (18.0, 25.0, 40.0), LIBRARY, shape="smooth", diameter_mm=20, seed=1)
    start = mask.image.GetOrigin()[0]
    reach = start + mask.image.GetSize()[0] * 0.7
    assert 34 < reach <= 36.4
    kept = np.count_nonzero(sitk.GetArrayFromImage(mask.image)) / np.count_nonzero(
        sitk.GetArrayFromImage(whole.image)
    )
    assert 0.5 < kept < 0.95
    (flag,) = mask.flags
    assert flag.code == "shape_cut"
    assert float(flag.sentence.split("%")[0]) == pytest.approx(100 * (1 - kept), abs=5)


def test_a_vessel_is_no_wall():
    ct = chest()
    hu = ct.hu(ct.grid.box)
    hu[:, 33:38, :] = 40  # a plate of 3.5 mm
    vessel = as_ct(ct.grid.image(hu))
    assert not nodule_mask(vessel, (18.0, 25.0, 40.0), LIBRARY, diameter_mm=12).flags


def test_the_kind_decides_the_shape():
    ct = chest()
    at = (18.0, 25.0, 40.0)
    smooth, spiculated = (
        np.count_nonzero(
            sitk.GetArrayFromImage(nodule_mask(ct, at, LIBRARY, shape=kind, diameter_mm=18).image)
        )
        for kind in ("smooth", "spiculated")
    )
    assert spiculated < 0.5 * smooth  # of one diameter, spikes are little


def test_the_seed_decides_the_shape():
    ct = chest()
    at = (18.0, 25.0, 40.0)
    first, again, other = (
        sitk.GetArrayFromImage(nodule_mask(ct, at, LIBRARY, diameter_mm=14, seed=n).image)
        for n in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


REFUSALS = {
    "outside": ({"at": (500.0, 0.0, 0.0)}, "outside the CT, which covers"),
    "wall": ({"at": (55.0, 25.0, 40.0)}, "lies in the chest wall"),
    "tiny": ({"diameter_mm": 1.0}, "must be 3 to 60 mm"),
    "no number": ({"diameter_mm": float("nan")}, "must be 3 to 60 mm"),
    "shape": ({"shape": "round"}, "choose any, smooth, spiculated"),
    "seed": ({"seed": -1}, "seed must be"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_is_refused(name):
    changes, phrase = REFUSALS[name]
    with pytest.raises(InputError, match=phrase):
        nodule_mask(chest(), library=LIBRARY, **{"at": AT, "diameter_mm": 10.0} | changes)


def test_the_command_inpaints_at_a_point(tmp_path, capsys):
    model = write_inpainter(tmp_path / "inpainter.safetensors", surroundings=True)
    sitk.WriteImage(chest().read(), str(tmp_path / "ct.nrrd"))
    words = ["inpaint", str(model.path), str(tmp_path / "ct.nrrd"), "-o", str(tmp_path / "out")]
    write_library(tmp_path / "shapes.npz", LIBRARY.masks, LIBRARY.kinds)
    shapes = ["--shapes", str(tmp_path / "shapes.npz")]
    place = ["--at=-18,-25,40", *shapes, "--ras", "--shape", "spiculated", "--diameter", "12"]
    assert main([*words, *place, "--hu", "-30"]) == 0
    capsys.readouterr()
    mask = sitk.ReadImage(str(tmp_path / "out" / "mask.nrrd"))
    assert axial_diameter(mask).mm == pytest.approx(12, abs=1.5)
    made = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out" / "ct.nrrd")))
    assert made[sitk.GetArrayFromImage(mask) > 0].mean() == pytest.approx(-30, abs=1)
    for wrong in (
        [],
        ["--shape", "smooth", str(tmp_path / "ct.nrrd")],
        [*place, "mask.nrrd"],
        ["--at=1,2,3"],
    ):
        assert main([*words[:3], *wrong, "-o", str(tmp_path / "none")]) == 2
        assert not (tmp_path / "none").exists()
    capsys.readouterr()


def table(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_the_recipe_takes_the_median_drawing_of_clear_shapes_and_leaves_the_test_fold(tmp_path):
    folder = tmp_path / "lidc" / "shapes48"
    folder.mkdir(parents=True)
    kinds = {  # nodule: fold, spiculation and lobulation of its readers, volumes
        "a": ("0", (1, 1, 1), (1, 1, 1), (300, 500, 400)),
        "b": ("1", (5, 2), (3, 3), (300, 600)),
        "c": ("2", (2, 2), (1, 1), (400, 400)),
        "d": ("3", (1,), (1,), (900,)),
        "e": ("0", (1,), (1,), (200,)),
    }
    rows = [
        {
            "patient_id": f"P{nodule}", "nodule": 0, "fold": fold, "cut": False,
            "spiculation": s, "lobulation": lobulation, "slice_spacing": 1.0, "volume_1mm": volume,
        }
        for nodule, (fold, *values) in kinds.items()
        for s, lobulation, volume in zip(*values, strict=True)
    ]  # fmt: skip
    table(folder / "labels.csv", rows)
    masks = np.zeros((len(rows), 48, 48, 48), np.uint8)
    for number, row in enumerate(rows):
        masks[number].ravel()[: row["volume_1mm"]] = 1
    np.savez(folder / "data.npz", mask=np.packbits(masks.reshape(len(rows), -1), axis=1))
    assert main(["cohort", "shapes", str(tmp_path / "lidc"), "-o", str(tmp_path / "s.npz")]) == 0
    made = read_library(tmp_path / "s.npz")
    assert made.kinds.tolist() == [SMOOTH, SPICULATED]
    assert made.masks.sum((1, 2, 3)).tolist() == [400, 600]
    (folder / "labels.csv").unlink()
    assert main(["cohort", "shapes", str(tmp_path / "lidc"), "-o", str(tmp_path / "t.npz")]) == 2
