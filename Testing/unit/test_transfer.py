"""CT and mask files for another process are read back exactly, or are absent."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from LungSquadLib.errors import InputError
from LungSquadLib.imaging.ct import as_ct, content_hash, open_ct
from LungSquadLib.imaging.files import transfer
from LungSquadLib.imaging.files.transfer import ct_writer, write_mask
from LungSquadLib.imaging.flags import Flag
from LungSquadLib.imaging.geometry import Grid
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.imaging.masks import as_mask

from ..samples import ball_images


def turned(angles, mirror=1.0, spacing=(0.7, 1.1, 3.3), dtype=np.int16):
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(*angles)
    directions = np.array(rotation.GetMatrix()).reshape(3, 3) * (1, 1, mirror)
    random = np.random.default_rng(2)
    image = sitk.GetImageFromArray(random.normal(0, 900, (9, 6, 7)).astype(dtype))
    image.SetSpacing(spacing)
    image.SetOrigin((-12.1, 40.3, 1033.7))
    image.SetDirection(directions.ravel().tolist())
    return image


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("mirror", [1.0, -1.0])
def test_a_ct_is_read_by_others_and_by_us(tmp_path, monkeypatch, dtype, mirror):
    monkeypatch.setattr(transfer, "_VOXELS_A_STEP", 100)  # two slices
    image = turned((0.3, -0.5, 1.1), mirror, dtype=dtype)
    fractions = list(ct_writer(as_ct(image), tmp_path / "ct.mha"))
    assert fractions == [2 / 9, 4 / 9, 6 / 9, 8 / 9, 1.0]
    assert [path.name for path in tmp_path.iterdir()] == ["ct.mha"]
    back = sitk.ReadImage(str(tmp_path / "ct.mha"))
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
    assert back.GetPixelID() == image.GetPixelID()
    for of in ("Spacing", "Origin", "Direction"):
        assert getattr(back, f"Get{of}")() == pytest.approx(getattr(image, f"Get{of}")(), abs=1e-12)
    opened = open_ct(tmp_path / "ct.mha")
    assert opened.stored == Grid.of(image)
    assert content_hash(opened.read()) == content_hash(as_ct(image).read())


def test_a_hash_is_of_voxels_and_grid_but_not_of_its_last_digits():
    def hashed(origin=(1.5, -0.25, 0.0), value=0):
        image = sitk.GetImageFromArray(np.full((2, 3, 4), value, np.int16))
        image.SetOrigin(origin)
        return content_hash(image)

    assert hashed((1.5 + 1e-9, -0.25, -1e-12)) == hashed()
    assert len({hashed(), hashed((1.501, -0.25, 0.0)), hashed(value=1)}) == 3


angles = st.tuples(*(st.floats(-3.2, 3.2),) * 3)
spacings = st.tuples(*(st.floats(0.1, 10),) * 3)


@given(angles, st.sampled_from((1.0, -1.0)), spacings)
def test_any_grid_comes_back_to_the_bit(tmp_path_factory, angles, mirror, spacing):
    path = tmp_path_factory.getbasetemp() / "any.mha"
    image = turned(angles, mirror, spacing)
    list(ct_writer(as_ct(image), path))
    assert open_ct(path).stored == Grid.of(image)


def test_writing_that_is_left_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_VOXELS_A_STEP", 100)
    (tmp_path / "ct.mha").write_text("old")
    writing = ct_writer(as_ct(turned((0, 0, 0))), tmp_path / "ct.mha")
    next(writing)
    assert len(list(tmp_path.iterdir())) == 2
    writing.close()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_voxels_that_are_no_numbers_end_the_writing_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_VOXELS_A_STEP", 100)
    image = turned((0, 0, 0), dtype=np.float32)
    image[3, 3, 8] = float("nan")
    with pytest.raises(InputError, match="not numbers"):
        list(ct_writer(as_ct(image), tmp_path / "ct.mha"))
    assert list(tmp_path.iterdir()) == []


def test_a_mask_keeps_its_name_its_flags_and_its_voxels(tmp_path):
    ct, drawn = ball_images()
    moved = sitk.Image(drawn)
    moved.SetOrigin(np.add(drawn.GetOrigin(), (0.3, 0.0, 0.0)).tolist())
    mask = as_mask(moved, ct, name="Tumeur n° 1\n左\\肺")
    assert [flag.code for flag in mask.flags] == ["mask_geometry", "mask_resampled"]
    mask = replace(mask, flags=(*mask.flags, Flag("odd", "severe", 'A "quoted" \\n 肺.')))
    write_mask(mask, tmp_path / "mask.seg.nrrd")
    back = read_mask(tmp_path / "mask.seg.nrrd", ct)
    assert back.flags == mask.flags
    assert back.name == "Tumeur n° 1\N{REPLACEMENT CHARACTER}左\\肺"
    whole = [np.zeros(as_ct(ct).grid.size[::-1], np.uint8) for _ in range(2)]
    for array, each in zip(whole, (mask, back), strict=True):
        offset = Grid.of(each.image).offset_in(Grid.of(ct))
        array[Grid.of(each.image).box.shifted(offset).slices] = sitk.GetArrayFromImage(each.image)
    assert whole[0].any()
    assert np.array_equal(*whole)


@pytest.mark.parametrize(
    "flags",
    [
        "[",
        "{}x",
        "7",
        '[{"code": "x"}]',
        '[{"code": "x", "severity": "dire", "sentence": "x"}]',
        '[{"code": "x", "severity": "info", "sentence": "a\\nb"}]',
        '[{"code": "x", "severity": "info", "sentence": "a", "more": "b"}]',
    ],
)
def test_flags_that_are_none_are_refused(tmp_path, flags):
    ct, drawn = ball_images()
    for name, value in {
        "Segment0_ID": "a",
        "Segment0_LabelValue": "1",
        "LungSquad_flags": flags,
    }.items():
        drawn.SetMetaData(name, value)
    sitk.WriteImage(drawn, str(tmp_path / "mask.seg.nrrd"))
    with pytest.raises(InputError, match="damaged or is not a mask that LungSquad wrote"):
        read_mask(tmp_path / "mask.seg.nrrd", ct)


def test_a_flag_comes_back_from_its_description():
    flag = Flag("code", "severe", "A sentence.")
    assert Flag.of(flag.to_dict()) == flag
