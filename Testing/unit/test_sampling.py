"""Generated images follow from seed and number, stay in reach of what is asked, and say so."""

import json
import time

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.errors import InputError, ModelError
from LungSquadLib.imaging.pictures import contact_sheet, tile
from LungSquadLib.inference.generator import NOTICE, between, interpolate, sample, write_samples

from ..slice_samples import write_generator

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_generator(tmp_path_factory.mktemp("model") / "plain.safetensors")


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return write_generator(folder / "c.safetensors", conditions=("LUAD", "LUSC"))


def same(one, other, count):
    return all(
        np.array_equal(a[:count], b[:count])
        for a, b in ((one.hu, other.hu), (one.mask, other.mask))
    )


def variety(images):
    """The pixels' variance over the images, which no two that differ leave at 0."""
    return images.hu.astype(float).var(axis=0).mean()


@pytest.mark.parametrize(
    "how", [{}, {"truncation": 0.5}, {"like": 2}, {"like": 2, "truncation": 0.5}]
)
def test_an_image_is_the_same_however_many_there_are(conditional, how):
    many = sample(conditional, 19, seed=3, **how)
    for count in (1, 6, 8, 9):
        few = sample(conditional, count, seed=3, **how)
        assert len(few.hu) == count
        assert same(few, many, count)
        assert np.array_equal(few.labels, many.labels[:count])
    assert len(np.unique(many.hu, axis=0)) == 19
    assert not same(sample(conditional, 19, seed=4, **how), many, 19)


def test_all_batches_are_of_one_size(model):
    """In another one the last bits of an image may be others."""
    sizes = []
    hook = model.network.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    for count in (1, 8, 13):
        sample(model, count)
    hook.remove()
    assert sizes == [8] * 4


def test_images_have_the_size_and_window_of_the_card(model):
    images = sample(model, 5)
    assert images.hu.shape == images.mask.shape == (5, 16, 16)
    assert (images.hu.dtype, images.mask.dtype) == (np.int16, np.uint8)
    assert images.hu.min() >= model.card.image.hu_low
    assert images.hu.max() <= model.card.image.hu_high
    assert images.spacing_mm == 4.0
    assert images.labels is None


def test_truncation_takes_variety_away(model):
    varieties = [variety(sample(model, 24, truncation=share)) for share in (1, 0.7, 0.4, 0.1, 1e-6)]
    assert varieties == sorted(varieties, reverse=True)
    assert varieties[2] < varieties[0] / 2
    assert varieties[-1] < 0.1


def test_neighbours_resemble_the_image_more_than_other_images(model):
    other_images = sample(model, 24, seed=1)
    wanted = other_images.hu[7].astype(float)
    near = np.abs(sample(model, 24, seed=1, like=7).hu - wanted).mean(axis=(1, 2))
    far = np.abs(np.delete(other_images.hu, 7, axis=0) - wanted).mean(axis=(1, 2))
    assert near.max() < np.median(far)
    assert near.min() > 0


def test_a_condition_is_followed(conditional):
    drawn = sample(conditional, 24)
    assert {0, 1} == set(drawn.labels.tolist())
    for number, code in enumerate(("LUAD", "LUSC")):
        requested = sample(conditional, 24, label=code)
        assert requested.labels.tolist() == [number] * 24
        equal = (requested.hu == drawn.hu).all(axis=(1, 2))
        assert np.array_equal(equal, drawn.labels == number)


def test_an_interpolation_passes_its_keys_and_comes_back(model):
    path = interpolate(model, 40, keys=4, seed=5)
    assert np.array_equal(path.hu[::10], sample(model, 4, seed=5).hu)
    steps = np.abs(np.diff(path.hu.astype(float), axis=0, append=path.hu[:1])).mean(axis=(1, 2))
    keys = path.hu[::10].astype(float)
    assert steps.max() < np.abs(np.diff(keys, axis=0)).mean(axis=(1, 2)).min() / 2


def test_great_circles_keep_to_the_sphere():
    start, end = np.random.default_rng(0).standard_normal((2, 6, 20))
    start, end = (z / np.sqrt((z * z).mean(axis=1, keepdims=True)) for z in (start, end))
    for share in (0.1, 0.3, 1):
        on = between(start, end, share)
        assert np.allclose((on * on).mean(axis=1), 1)
        angle = [np.arccos((start * z).mean(axis=1)) for z in (on, end)]
        assert np.allclose(angle[0], share * angle[1], atol=1e-6)
    assert np.array_equal(between(start, end, 0), start)
    assert np.array_equal(between(start, start, 0.3), start)


def test_other_models_are_refused(model, tmp_path):
    colour = write_generator(tmp_path / "colour.safetensors", channels=3)
    with pytest.raises(ModelError, match="3 channels"):
        sample(colour, 1)
    with pytest.raises(InputError, match="its conditions: none"):
        sample(model, 1, label="LUAD")


def test_sixteen_images_of_64_pixels_take_less_than_one_and_a_half_seconds(tmp_path):
    large = write_generator(tmp_path / "m.safetensors", resolution=64)
    sample(large, 1)
    start = time.process_time()
    sample(large, 16)
    assert time.process_time() - start < 1.5


def test_the_folder_describes_its_images(conditional, tmp_path):
    images = sample(conditional, 10, seed=2)
    folder = write_samples(tmp_path / "s", images, conditional, seed=2)
    for name, array in (("ct", images.hu), ("mask", images.mask)):
        stack = sitk.ReadImage(str(folder / f"{name}.nrrd"))
        assert np.array_equal(sitk.GetArrayFromImage(stack), array)
        assert stack.GetSpacing() == (4.0, 4.0, 1.0)
        assert stack.GetMetaData("synthetic") == NOTICE
    spec = conditional.card.image
    grey = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "ct-0007.png")))
    assert np.array_equal(grey, np.rint(255 * spec.scaled(images.hu[7])))
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "mask-0007.png")))
    assert np.array_equal(mask, 255 * images.mask[7])
    assert all(NOTICE.encode() in path.read_bytes() for path in folder.iterdir())
    for path in folder.glob("*.png"):  # read by another program, which checks checksums
        picture = pytest.importorskip("PIL.Image").open(path)
        picture.verify()
        assert picture.info["Description"] == NOTICE
    described = json.loads((folder / "samples.json").read_text(encoding="utf-8"))
    assert (described["model"]["sha256"], described["parameters"]) == (
        conditional.sha256,
        {"seed": 2},
    )
    seventh, inside = described["images"][7], images.mask[7] != 0
    assert seventh["label"] == ("LUAD", "LUSC")[images.labels[7]]
    assert seventh["tumour_mm2"] == inside.sum() * 16
    assert seventh["hu_inside"] == pytest.approx(images.hu[7][inside].mean(), abs=0.06)
    assert seventh["hu_outside"] == pytest.approx(images.hu[7][~inside].mean(), abs=0.06)


def test_a_tile_outlines_the_mask_and_no_more(tmp_path):
    hu = np.full((64, 64), -600, np.int16)
    mask = np.zeros(hu.shape, np.uint8)
    mask[20:40, 30:50] = 1
    picture = tile(hu, mask, low=-1350, high=150)
    coloured = (picture != picture[0, 0]).any(axis=2)
    rows, columns = (np.flatnonzero(coloured.any(axis=axis)) for axis in (1, 0))
    assert picture.shape == (192, 192, 3)
    assert [rows[0], rows[-1], columns[0], columns[-1]] == [60, 119, 90, 149]
    assert not coloured[65:115, 95:145].any()
    assert not (tile(hu, mask * 0, low=-1350, high=150) != picture[0, 0]).any()


def test_every_picture_of_a_grid_has_its_number():
    sheet = contact_sheet([np.zeros((192, 192, 3), np.uint8)] * 12, numbered=True)
    rows, columns = (range(6, sheet.shape[axis] - 192, 198) for axis in (0, 1))
    tiles = [sheet[y : y + 192, x : x + 192] for y in rows for x in columns]
    assert (len(rows), len(columns)) == (3, 4)
    assert len(np.unique(tiles, axis=0)) == 12


def test_the_commands_write_the_images_of_the_functions(model, tmp_path, capsys):
    common = [str(model.path), "--device", "cpu", "-o"]
    out = str(tmp_path / "out")
    assert main(["gan", "sample", *common, out, "-n", "3", "--like", "1"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    described = json.loads((tmp_path / "out" / "samples.json").read_text(encoding="utf-8"))
    assert described["parameters"] == {"seed": 0, "truncation": 1.0, "label": None, "like": 1}
    path = str(tmp_path / "path")
    assert main(["gan", "interpolate", *common, path, "--frames", "6", "--keys", "3"]) == 0
    stack = sitk.GetArrayFromImage(sitk.ReadImage(f"{path}/ct.nrrd"))
    assert np.array_equal(stack, interpolate(model, 6, keys=3).hu)
