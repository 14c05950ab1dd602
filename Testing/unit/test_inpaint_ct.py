"""An inpainted tumour: as requested in its mask, and not one voxel changed outside the blend."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.errors import InputError, ModelError
from LungSquadLib.imaging.blending import FAR_MM, blend_weights, distance_mm, noise_like
from LungSquadLib.inference.inpaint_ct import NOTICE, SYNTHETIC_FIELD, inpaint
from LungSquadLib.inference.inpainting import blended, synthetic_cube, weights_of
from LungSquadLib.models.file import read_model_file
from Testing.inpainters import write_inpainter
from Testing.samples import ball_images, write_model

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("inpainters")


@pytest.fixture(scope="module")
def inpainter(folder):
    """Gives the requested mean, and lung round it."""
    return write_inpainter(folder / "inpainter.safetensors", classes=("LUAD", "LUSC"))


@pytest.fixture(scope="module")
def wild(folder):
    """Gives random HU."""
    return write_inpainter(folder / "wild.safetensors", random=True)


@pytest.fixture
def images():
    return ball_images()


def array(image):
    return sitk.GetArrayFromImage(image)


def weights_on(made):
    """The blend weights on all of the CT's voxels."""
    whole = np.zeros(array(made.ct).shape, np.float32)
    whole[made.box.slices] = array(made.weights)
    return whole


def moved(image, spacing, origin, direction):
    image = sitk.Image(image)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image


TURNED = tuple(np.round(np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2 + 1)[0], 12).ravel())
GEOMETRIES = {
    "odd steps": ((0.61, 0.97, 3.3), (-311.7, 1.25, 1e4), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
    "flipped": ((0.8, 0.7, 2.5), (5, -7, 0), (-1, 0, 0, 0, 1, 0, 0, 0, -1)),
    "axes changed": ((1.5, 1.0, 0.9), (0, 0, 0), (0, 0, 1, 1, 0, 0, 0, 1, 0)),
    "oblique": ((1.0, 1.2, 1.1), (33.3, -4, 8), TURNED),
}


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_outside_the_blend_nothing_is_changed_to_the_bit(name, kind, wild, images):
    ct, mask = (moved(image, *GEOMETRIES[name]) for image in images)
    values = array(ct).astype(kind) + (kind(0.37) if kind is np.float32 else 0)
    values[0, 0, 0], values[-1, -1, -1] = -2048, 3071
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(ct)
    made = inpaint(wild, image, mask)
    weights, new = weights_on(made), array(made.ct)
    assert new.dtype == kind
    assert np.array_equal(new[weights == 0], values[weights == 0])
    assert (new[weights == 1] != values[weights == 1]).mean() > 0.8
    assert np.array_equal(weights == 1, array(mask) > 0)
    assert np.array_equal(array(made.mask), array(mask))
    for result in (made.ct, made.mask):
        assert result.GetSpacing() == ct.GetSpacing()
        assert result.GetOrigin() == ct.GetOrigin()
        assert result.GetDirection() == ct.GetDirection()
    far = distance_mm(array(mask), ct.GetSpacing()) > 6
    assert not weights[far].any()


@pytest.mark.parametrize("hu", [-300.0, 40.0])
def test_the_requested_tumour_is_measured(hu, inpainter, images):
    ct, mask = images
    made = inpaint(inpainter, ct, mask, hu=hu, label="LUSC")
    inside = array(mask) > 0
    assert array(made.ct)[inside].mean() == pytest.approx(hu, abs=3)
    assert made.measured["hu"] == pytest.approx(hu, abs=3)
    assert made.measured["diameter_mm"] == pytest.approx(made.requested["diameter_mm"], abs=1.5)
    assert made.requested["class"] == "LUSC"
    assert inpaint(inpainter, ct, mask).requested["hu"] == -20.0


def test_the_noise_is_as_strong_as_round_it_and_follows_from_the_seed(inpainter, images):
    ct, mask = images
    first, again, other = (array(inpaint(inpainter, ct, mask, seed=n).ct) for n in (1, 1, 2))
    assert np.array_equal(first, again)
    inside = array(mask) > 0
    assert (first != other)[inside].mean() > 0.8
    core = distance_mm(~inside, ct.GetSpacing()) > 3
    assert first[core].std() == pytest.approx(12, rel=0.15)


@pytest.mark.parametrize("blur", [0.0, 0.2, 0.4])
def test_grain_is_as_strong_and_as_fine_as_the_noise(blur):
    noise = np.random.default_rng(0).normal(0, 20, (20, 80, 80))
    for axis in (1, 2):
        noise += blur * (np.roll(noise, 1, axis) + np.roll(noise, -1, axis))
    hu = (noise - 850).astype(np.int16)
    hu[:, 40:44] += 900  # a vessel
    known = np.ones(hu.shape, bool)
    made = noise_like(hu, known, random=np.random.default_rng(1))
    assert made.std() == pytest.approx(noise.std(), rel=0.05)
    assert abs(across_slices(made) - across_slices(noise)) < 0.1
    slices = np.repeat(noise, 2, 0)
    thick = (slices[1:] + slices[:-1]) / 2  # 2 mm slices at 1 mm: alike by 0.8 on average
    drawn = noise_like(
        thick - 850, known[:1].repeat(len(thick), 0), random=np.random.default_rng(1)
    )
    assert across_slices(drawn) > 0.55
    assert drawn.std() == pytest.approx(thick.std(), rel=0.1)
    alike = [
        np.corrcoef(one[..., 1:].ravel(), one[..., :-1].ravel())[0, 1] for one in (noise, made)
    ]
    assert alike[1] == pytest.approx(alike[0], abs=0.06)
    assert not noise_like(hu, ~known, random=np.random.default_rng(1)).any()


def across_slices(noise):
    """The correlation of neighbouring slices."""
    return np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]


def test_the_blend_is_whole_in_the_mask_and_fades_to_nothing():
    mask = np.zeros((1, 1, 30))
    mask[..., :5] = 1
    weight = blend_weights(distance_mm(mask, (2.0, 1.0, 1.0)), 10.0)[0, 0]
    assert (weight[:5] == 1).all()
    assert not weight[9:].any()
    assert weight[6] == pytest.approx((1 + np.cos(0.4 * np.pi)) / 2)
    assert (np.diff(weight) <= 0).all()
    assert (distance_mm(np.zeros((2, 2, 2)), (1, 1, 1)) == FAR_MM).all()


def blended_slabs(noise, *, air=None):
    """A band beside a tumour of 0 HU in lung of -850 HU, blended, and the weights."""
    mask = np.zeros(noise.shape)
    mask[:, :, :3] = 1
    distance = distance_mm(mask, (1.0, 1.0, 1.0))
    hu = (noise - 850).astype(np.float32)
    if air is not None:
        hu[..., air] = -1024
    inpainted = np.where(mask > 0, 0, -850).astype(np.float32)
    parts = {"band_mm": 20.0, "keeps_tissue": False}
    return (
        hu,
        blended(hu, inpainted, distance, seed=1, **parts),
        weights_of(hu, distance, **parts)[0, 0],
    )


def test_the_noise_is_not_averaged_away_where_both_are_mixed():
    """The CT's share of the variance is (1 - w)^2, and that of the noise that is added is w."""
    noise = np.random.default_rng(0).normal(0, 20, (40, 60, 40))
    _, mixed, weight = blended_slabs(noise)
    assert weight[2] == 1
    half = int(np.abs(weight - 0.5).argmin())
    for column in (half - 3, half, half + 3):
        w = weight[column]
        expected = 20 * np.sqrt((1 - w) ** 2 + w)
        assert mixed[..., column].std() == pytest.approx(expected, rel=0.05), w
    assert mixed[..., :3].mean() == pytest.approx(0, abs=0.01)


def test_what_is_not_known_stays_as_it_is():
    noise = np.random.default_rng(0).normal(0, 20, (8, 20, 40))
    hu, mixed, weight = blended_slabs(noise, air=slice(8, 12))
    assert not weight[8:12].any()
    assert weight[7] > 0.5 < weight[12] + 0.3
    assert np.array_equal(mixed[..., 8:12], hu[..., 8:12])


def test_a_tumour_is_replaced_by_another(inpainter, images):
    ct, old = images
    values = np.zeros(array(old).shape, np.uint8)
    values[12:16, 66:74, 30:38] = 1
    new = sitk.GetImageFromArray(values)
    new.CopyInformation(ct)
    made = array(inpaint(inpainter, ct, new, hu=30, remove=old).ct)
    assert made[values > 0].mean() == pytest.approx(30, abs=3)
    gone = (array(old) > 0) & (distance_mm(values, ct.GetSpacing()) > 2)
    assert made[gone].mean() == pytest.approx(-850, abs=25)


def test_vessels_and_walls_round_the_mask_are_kept(folder, inpainter, images):
    ct, mask = images
    values, inside = array(ct), array(mask) > 0
    distance = distance_mm(inside, ct.GetSpacing())
    tissue = np.zeros(values.shape, bool)
    tissue[:, int(np.argwhere(inside)[:, 1].max()) + 3 :] = True  # a wall, nearer than the band
    values[tissue] = 40
    chest = sitk.GetImageFromArray(values)
    chest.CopyInformation(ct)
    keeping = write_inpainter(folder / "keeping.safetensors", surroundings=True)
    kept, lost = (array(inpaint(model, chest, mask, hu=0).ct) for model in (keeping, inpainter))
    far = tissue & (distance > 2) & (distance < 5)
    assert far.sum() > 50
    assert np.array_equal(kept[far], values[far])
    assert lost[far].mean() < -100  # the dark rim
    assert kept[inside].mean() == pytest.approx(0, abs=1)


def test_a_mask_at_the_border_of_the_ct_is_inpainted(inpainter, images):
    ct, mask = images
    made = inpaint(inpainter, ct[:, :, 18:24], mask[:, :, 18:24])
    assert made.ct.GetSize()[2] == 6
    assert made.measured["hu"] == pytest.approx(-20, abs=3)


def test_what_is_odd_is_flagged(inpainter, images):
    ct, mask = images
    codes = {flag.code for flag in inpaint(inpainter, ct, mask).flags}
    assert codes == {"synthetic"}
    assert "unusual_hu" in {flag.code for flag in inpaint(inpainter, ct, mask, hu=300).flags}
    wall = np.zeros(array(mask).shape, np.uint8)
    wall[15:20, -6:, 30:40] = 1
    image = sitk.GetImageFromArray(wall)
    image.CopyInformation(ct)
    thick = array(ct)
    thick[:, -25:] = 60
    chest = sitk.GetImageFromArray(thick)
    chest.CopyInformation(ct)
    assert "outside_lung" in {flag.code for flag in inpaint(inpainter, chest, image).flags}


def empty(mask):
    return mask * 0


def large(mask):
    return mask * 0 + 1


REFUSALS = {
    "empty": ({}, empty, "empty"),
    "too large": ({"blend_mm": 20.0}, large, "Choose a smaller mask"),
    "too hot": ({"hu": 1e9}, None, "must be -1000 to 500"),
    "no number": ({"hu": float("nan")}, None, "must be -1000 to 500"),
    "unknown class": ({"label": "SCLC"}, None, "its classes: LUAD, LUSC"),
    "seed below 0": ({"seed": -1}, None, "seed must be"),
    "no band": ({"blend_mm": 0.0}, None, "band must be 2 to 20"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_inpainted_is_refused(name, inpainter, images):
    how, change, phrase = REFUSALS[name]
    ct, mask = images
    with pytest.raises(InputError, match=phrase):
        inpaint(inpainter, ct, change(mask) if change else mask, **how)


def test_models_that_do_not_inpaint_are_refused(folder, wild, images):
    with pytest.raises(InputError, match="has no class 'LUAD'; its classes: none"):
        inpaint(wild, *images, label="LUAD")
    with pytest.raises(ModelError, match="is a classifier"):
        inpaint(write_model(folder / "other.safetensors"), *images)
    flat = write_inpainter(folder / "flat.safetensors", dimensions=2)
    with pytest.raises(ModelError, match="inpaints slices"):
        inpaint(flat, *images)


def test_a_cube_gets_another_tumour(inpainter, wild):
    random = np.random.default_rng(0)
    hu = random.normal(-850, 20, (32,) * 3).astype(np.int16)
    mask, old = np.zeros((2, *hu.shape), np.uint8)
    mask[12:18, 12:18, 12:18], old[18:24, 14:20, 14:20] = 1, 1
    hu[old > 0] = 30
    made = synthetic_cube(inpainter, hu, old, new_mask=mask, mean_hu=-100, label=1)
    assert made.dtype == np.int16
    assert made[mask > 0].mean() == pytest.approx(-100, abs=5)
    gone = (old > 0) & (distance_mm(mask, (1, 1, 1)) > 2)
    assert made[gone].mean() == pytest.approx(-850, abs=10)
    far = distance_mm(np.maximum(mask, old), (1, 1, 1)) >= 6
    made = synthetic_cube(wild, hu, old, new_mask=mask, mean_hu=-100)
    assert np.array_equal(made[far], hu[far])


def test_the_commands_files_are_marked_as_synthetic(tmp_path, inpainter, images, capsys):
    for name, image in zip(("ct", "mask"), images, strict=True):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
    words = f"inpaint {inpainter.path} {tmp_path}/ct.nrrd {tmp_path}/mask.nrrd --hu -50"
    assert main([*words.split(), "--class", "LUAD", "-o", str(tmp_path / "out")]) == 0
    assert NOTICE in capsys.readouterr().out
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "ct.nrrd", "mask.nrrd", "comparison.png", "inpainting.json",
    }  # fmt: skip
    for name in ("ct.nrrd", "mask.nrrd"):
        image = sitk.ReadImage(str(out / name))
        assert image.GetMetaData(SYNTHETIC_FIELD) == NOTICE
        assert image.GetSpacing() == images[0].GetSpacing()
    described = json.loads((out / "inpainting.json").read_text())
    assert described["notice"] == NOTICE
    assert described["requested"]["hu"] == -50
    assert described["model"]["sha256"] == read_model_file(inpainter.path).sha256
    assert str(tmp_path) not in (out / "inpainting.json").read_text()
    assert sitk.ReadImage(str(out / "comparison.png")).GetSize() == (3 * 96 * 4, 3 * 96 * 4)
