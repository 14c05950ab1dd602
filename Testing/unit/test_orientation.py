"""In whatever order the axes of a CT and its mask are stored, everything comes out the same."""

import hashlib
import json
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.data.build import build_cohort
from LungSquadLib.data.store import Preprocessing, open_store
from LungSquadLib.errors import InputError, ModelError
from LungSquadLib.imaging import AXES
from LungSquadLib.imaging.crop import crop
from LungSquadLib.imaging.ct import as_ct, content_hash, open_ct
from LungSquadLib.imaging.geometry import Grid, Reorientation, in_lps, reorientation
from LungSquadLib.imaging.jitter import variants
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.imaging.masks import Mask, as_mask
from LungSquadLib.imaging.pictures import VIEWS, plane_through_tumour
from LungSquadLib.imaging.region import propose_mask
from LungSquadLib.imaging.slices import axial_slices, tumour_slices
from LungSquadLib.imaging.stage import size_stage
from LungSquadLib.inference.classifier import predict
from LungSquadLib.inference.inpaint_ct import inpaint, write_inpainting
from LungSquadLib.models.card import Card
from LungSquadLib.models.catalogue import available
from LungSquadLib.models.file import read_model_file

from .. import model_samples
from ..dicom_maker import write_rtstruct, write_seg, write_series
from ..inpainters import write_inpainter
from .test_cohort_build import in_this_process

ORDERS = [
    "".join(letters) for pairs in permutations(("LR", "PA", "SI")) for letters in product(*pairs)
]
assert len(ORDERS) == len(set(ORDERS)) == 48
FEW = ("LPS", "RAS", "LAS", "LPI", "SAL", "PIR", "ASR")
# IOP of series that are acquired sagittal, coronal, feet first, prone, on the side, and oblique.
ACQUIRED = {
    "axial": (1, 0, 0, 0, 1, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
    "feet first": (-1, 0, 0, 0, 1, 0),
    "prone": (-1, 0, 0, 0, -1, 0),
    "on the side": (0, -1, 0, 1, 0, 0),
    "oblique": (0.9396926, 0, 0.3420201, 0, 1, 0),
}


def phantom() -> tuple[sitk.Image, sitk.Image]:
    """Noisy lung with chest wall on one side, and a tumour without any symmetry."""
    spacing, size = (0.8, 0.7, 2.5), (62, 71, 22)
    x, y, z = np.meshgrid(*map(np.arange, size), indexing="ij")
    x, y, z = (axis.T * step for axis, step in zip((x, y, z), spacing, strict=True))
    ball = ((x - 22) / 7) ** 2 + ((y - 25) / 5) ** 2 + ((z - 30) / 9) ** 2 < 1
    mask = ball | ((x - 28) ** 2 + (y - 29) ** 2 + (z - 34) ** 2 < 16)
    random = np.random.default_rng(3)
    hu = np.where(mask, 40, -800) + random.normal(0, 12, mask.shape)
    hu[:, -8:] = 60
    images = [sitk.GetImageFromArray(np.rint(hu).astype(np.int16))]
    images.append(sitk.GetImageFromArray(mask.astype(np.uint8)))
    for image in images:
        image.SetSpacing(spacing)
        image.SetOrigin((-31.3, 12.1, -204.31))
    return images[0], images[1]


CT, MASK = phantom()
POINT = (-31.3 + 22, 12.1 + 25, -204.31 + 30)  # in the tumour


def stored(order: str) -> tuple[sitk.Image, sitk.Image]:
    """The phantom with its axes in an order, its mask in another one."""
    other = ORDERS[(ORDERS.index(order) * 7 + 5) % len(ORDERS)]
    return sitk.DICOMOrient(CT, order), sitk.DICOMOrient(MASK, other)


def same_images(ours: sitk.Image, theirs: sitk.Image) -> bool:
    return (
        np.array_equal(sitk.GetArrayViewFromImage(ours), sitk.GetArrayViewFromImage(theirs))
        and ours.GetSize() == theirs.GetSize()
        and all(
            np.allclose(getattr(ours, f"Get{of}")(), getattr(theirs, f"Get{of}")(), atol=1e-9)
            for of in ("Spacing", "Origin", "Direction")
        )
    )


def rotation(random: np.random.Generator, most: float) -> np.ndarray:
    """A rotation by at most so many radians about each axis."""
    turned = sitk.Euler3DTransform()
    turned.SetRotation(*random.uniform(-most, most, 3))
    return np.array(turned.GetMatrix()).reshape(3, 3)


def axis_codes(grid: Grid) -> str:
    """Return the three letters of the axes' directions, as in "LPS" or "RAS"."""
    back = reorientation(grid).inverse
    letters = zip(back.order, back.flipped, strict=True)
    return "".join("RAI"[axis] if flipped else AXES[axis] for axis, flipped in letters)


def test_every_order_is_brought_to_lps_as_simpleitk_does():
    first = as_ct(CT).grid
    for order in ORDERS:
        image = sitk.DICOMOrient(CT, order)
        ct = as_ct(image)
        assert axis_codes(ct.stored) == order
        assert ct.grid == first, order  # to the bit: what is hashed and compared follows
        assert same_images(ct.read(), sitk.DICOMOrient(image, AXES)), order
        assert same_images(in_lps(image), sitk.DICOMOrient(image, AXES)), order
        assert same_images(ct.as_stored(ct.read()), image), order


def test_oblique_axes_take_the_nearest_ones_each_its_own():
    random = np.random.default_rng(1)
    turns = [rotation(random, 3.2) for _ in range(60)]
    turns += [np.array(((1, -1, 0), (1, 1, 0), (0, 0, 2**0.5))) / 2**0.5]  # as near as can be
    for turn in turns:
        grids = []
        for axes in list(permutations(range(3)))[:: random.integers(1, 4)]:
            for signs in product((1, -1), repeat=3):
                size, spacing = np.array((4, 3, 2)), np.array((0.7, 1.1, 3.0))
                direction = turn[:, axes] * signs
                flipped = np.array(signs) < 0
                origin = (10.5, -3, 7) + turn[:, axes] @ (
                    (size - 1)[list(axes)] * spacing[list(axes)] * flipped
                )
                grid = Grid(
                    tuple(size[list(axes)].tolist()),
                    tuple(spacing[list(axes)].tolist()),
                    tuple(origin.tolist()),
                    tuple(direction.ravel().tolist()),
                )
                change = reorientation(grid)
                assert sorted(change.order) == [0, 1, 2]
                grids.append(change.grid(grid))
                # Brute force: no permutation has axes that are nearer, and all point the right way.
                cosines = np.reshape(grids[-1].direction, (3, 3))
                assert (np.diag(cosines) > 0).all()
                best = max(np.abs(cosines)[range(3), p].sum() for p in permutations(range(3)))
                assert np.trace(cosines) == pytest.approx(best, abs=1e-5)
                # Every voxel stays where it is in the patient.
                index = np.argwhere(np.ones(grid.size))
                places = grid.to_lps(index).reshape(*grid.size, 3)
                back = [change.array(places[..., i].T).T for i in range(3)]
                there = grids[-1].to_lps(np.argwhere(np.ones(grids[-1].size)))
                assert np.abs(np.stack(back, -1).reshape(-1, 3) - there).max() < 1e-8
        assert len({(grid.size, grid.spacing, grid.direction) for grid in grids}) == 1
        assert np.ptp([grid.origin for grid in grids], axis=0).max() < 1.1e-9
    for _ in range(200):  # where nobody doubts, SimpleITK has the same axes
        grid = Grid((1, 1, 1), (1.0,) * 3, (0.0,) * 3, tuple(rotation(random, 0.4).ravel()))
        assert axis_codes(grid) == "LPS"


def test_boxes_and_arrays_go_together():
    array = np.arange(4 * 5 * 6).reshape(4, 5, 6)  # z, y, x
    grid = Grid((6, 5, 4), (0.7, 1.1, 3.0), (-10.0, 4.5, 7.25), (0, -1, 0, 0, 0, 1, -1, 0, 0))
    ct = as_ct(grid.image(array.astype(np.int16)))
    whole = sitk.GetArrayFromImage(sitk.DICOMOrient(grid.image(array), AXES))
    assert ct.grid.size == whole.shape[::-1]
    for start in product((0, 1, 2), repeat=3):
        box = type(grid.box)(start, ct.grid.size)
        assert np.array_equal(ct.hu(box), whole[box.slices])
        part = ct.as_stored(ct.grid.part(box).image(whole[box.slices]))
        assert np.array_equal(
            sitk.GetArrayFromImage(part), array[ct.stored_box(box).slices].astype(part_type(part))
        )
        assert Grid.of(part) == ct.stored.part(ct.stored_box(box))
    with pytest.raises(InputError, match="not on the voxels of this CT"):
        ct.as_stored(sitk.Image(3, 3, 3, sitk.sitkUInt8))
    change = Reorientation((2, 0, 1), (True, False, True))
    for one in (change, change.inverse):
        assert np.array_equal(one.inverse.array(one.array(array)), array)
        assert one.inverse.box(one.box(grid.box, grid.size), one.grid(grid).size) == grid.box


def part_type(image):
    return sitk.GetArrayViewFromImage(image).dtype


def everything(ct_image, mask_image):
    """What is found of a case without a network, as one text."""
    ct = as_ct(ct_image)
    mask = as_mask(mask_image, ct)
    found = [crop(ct, mask).to_dict(), crop(ct, mask, size=(9, 8, 7), spacing=1.3).to_dict()]
    found += [crop(ct, mask, size=20, centre_lps=(-9.0, 30.0, -170.0)).to_dict()]
    found += [size_stage(mask.image).to_dict(), size_stage(mask_image, rule="axial").to_dict()]
    slices = tumour_slices(ct, mask)
    found += [slices.positions_mm, slices.spacing_mm, hashed(slices.ct), hashed(slices.mask)]
    for context, pixel in (("tumour", 1.0), ("slice", 3.125)):
        cut = axial_slices(ct, mask, context=context, pixels=64, pixel_mm=pixel)
        found += [hashed(cut.hu), hashed(cut.mask), cut.left_out]
    for view in VIEWS:
        plane = plane_through_tumour(ct, mask, view, line_lps=((-9.0, 30.0, -170.0),) * 2)
        found += [plane.pixel_mm, hashed(plane.hu), hashed(plane.mask), plane.line.tolist()]
    around = variants(ct, mask, size=(16, 16, 16), spacing=1.0)
    found += [(one.name, hashed(around.hu(one))) for one in around.variants]
    found += [content_hash(mask.image), [flag.to_dict() for flag in mask.flags]]
    return json.dumps(found)


def hashed(array):
    return hashlib.sha256(repr((array.shape, array.dtype)).encode() + array.tobytes()).hexdigest()


@pytest.mark.slow
def test_crop_slices_stage_and_planes_are_the_same_to_the_bit_in_all_orders():
    first = everything(CT, MASK)
    assert "mask_resampled" not in first
    for order in ORDERS:
        assert everything(*stored(order)) == first, order


def test_files_of_all_orders_and_kinds_give_the_same_crop(tmp_path):
    first = crop(CT, MASK, size=32).to_dict()
    kinds = (".nrrd", ".mha", ".nii", ".seg.nrrd")
    for number, order in enumerate(ORDERS):
        ct_file = tmp_path / f"ct{(*kinds[:3], '.nii.gz')[number % 4]}"
        mask_file = tmp_path / f"mask{kinds[(number // 4 + number) % 4]}"
        images = stored(order)
        if mask_file.name.endswith(".seg.nrrd"):
            for key, value in {"ID": "a", "Name": "GTV", "LabelValue": "1", "Layer": "0"}.items():
                images[1].SetMetaData(f"Segment0_{key}", value)
        for image, file in zip(images, (ct_file, mask_file), strict=True):
            sitk.WriteImage(image, str(file))
        ct = open_ct(ct_file)
        assert axis_codes(ct.stored) == order
        cut = crop(ct, read_mask(mask_file, ct), size=32).to_dict()
        nifti = ".nii" in ct_file.name + mask_file.name  # whose numbers are single precision
        for name in first:
            same = cut[name] == first[name]
            if nifti and name.endswith(("lps", "sha256")):
                same = name.endswith("sha256") or np.allclose(cut[name], first[name], atol=1e-4)
            elif name == "mask_volume_ml":
                same = cut[name] == pytest.approx(first[name], rel=1e-6)
            assert same, (order, ct_file.name, mask_file.name, name)


def test_stored_cases_are_the_same_in_all_orders(tmp_path):
    lines = ["patient_id,ct,mask,case"]
    for number, order in enumerate(ORDERS):
        for image, name in zip(stored(order), ("ct", "mask"), strict=True):
            sitk.WriteImage(image, str(tmp_path / f"{name}{number}.nrrd"))
        lines.append(f"p,ct{number}.nrrd,mask{number}.nrrd,c{number}")
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    with in_this_process():
        build_cohort(tmp_path / "m.csv", tmp_path / "s", preprocessing=Preprocessing(24, 4))
    store = open_store(tmp_path / "s")
    assert len(store.cases) == 48
    assert len({(one.crop, one.pixels, one.volume_ml, one.flags) for one in store.cases}) == 1
    contents = [store.content(case) for case in store.cases]
    assert len({hashed(one.hu) + hashed(one.mask) for one in contents}) == 1
    first = {key: contents[0].about[key] for key in ("origin_lps", "direction")}
    assert all(first.items() <= one.about.items() for one in contents)
    described = json.loads((tmp_path / "s/store.json").read_text())
    assert described["axes"] == AXES


def test_a_store_of_an_older_version_is_refused(tmp_path):
    (tmp_path / "store.json").write_text('{"format_version": 1, "lungsquad": "0.1"}')
    (tmp_path / "m.csv").write_text("patient_id,ct,mask\np,c,m\n")
    for use in (lambda: open_store(tmp_path), lambda: build_cohort(tmp_path / "m.csv", tmp_path)):
        with pytest.raises(InputError, match="left cubes along the axes of their files"):
            use()


def test_a_card_says_along_which_axes_images_run_or_is_refused(tmp_path):
    model = read_model_file(model_samples.model_file(tmp_path / "m.safetensors"))
    text = model.card.to_json()
    assert json.loads(text)["input"]["axes"] == Card.from_json(text).image.axes == AXES
    for axes, sentence in ((None, "does not say along which axes"), ("RAS", "run along RAS")):
        card = json.loads(text)
        card["input"]["axes"] = axes
        with pytest.raises(ModelError, match=sentence):
            Card.from_json(json.dumps(card))
        del card["input"]["axes"]
        with pytest.raises(ModelError, match="does not say along which axes"):
            Card.from_json(json.dumps(card))
    for entry in available():
        assert entry.card is not None, entry.problem
        assert entry.card.kind in ("integrator", "autoencoder") or entry.card.image.axes == AXES


def test_predictions_and_saliency_are_the_same_in_all_orders(tmp_path):
    model = read_model_file(model_samples.model_file(tmp_path / "m.safetensors", temperature=1.0))
    first = predict(CT, MASK, model, device="cpu")
    assert 0 < first.probabilities[1] < 1
    heat = sitk.GetArrayFromImage(first.saliency)
    assert heat.any()
    for order in FEW:
        ct, mask = stored(order)
        found = predict(ct, mask, model, device="cpu")
        assert found.to_dict() == first.to_dict(), order
        # On the CT's own voxels, each value where it was in the patient.
        grid = Grid.of(found.saliency)
        assert grid.direction == Grid.of(ct).direction
        assert Grid.of(ct).part(grid.box.shifted(grid.offset_in(Grid.of(ct)))) == grid
        assert same_images(sitk.DICOMOrient(found.saliency, AXES), first.saliency), order


def test_a_painted_tumour_is_the_same_in_all_orders(tmp_path):
    model = write_inpainter(tmp_path / "painter.safetensors", random=True)
    first = inpaint(model, CT, MASK, seed=4)
    for order in ("LPS", "RAS", "SAL", "PIR"):
        ct, mask = stored(order)
        made = inpaint(model, ct, mask, seed=4)
        for name in ("ct", "mask", "weights"):
            own, other = getattr(made, name), getattr(first, name)
            assert Grid.of(own).direction == Grid.of(ct).direction, order
            assert same_images(sitk.DICOMOrient(own, AXES), other), (order, name)
        assert Grid.of(made.ct) == Grid.of(ct)
        assert Grid.of(made.weights) == Grid.of(ct).part(made.box)
        changed = sitk.GetArrayFromImage(made.ct) != sitk.GetArrayFromImage(ct)
        changed[made.box.slices] = False
        assert not changed.any()
        assert (made.requested, made.measured, made.flags) == (
            first.requested,
            first.measured,
            first.flags,
        )
        out = tmp_path / order
        write_inpainting(made, as_ct(ct), as_mask(mask, ct), folder=out)
        assert (out / "comparison.png").read_bytes() == (
            tmp_path / "LPS/comparison.png"
        ).read_bytes()


def test_a_click_proposes_the_same_mask_and_writes_it_on_the_file_s_own_grid(tmp_path):
    first = propose_mask(CT, POINT)
    for order in ("RAS", "LPI", "PIR"):
        image = sitk.DICOMOrient(CT, order)
        found = propose_mask(image, POINT)
        assert content_hash(found.image) == content_hash(first.image), order
        assert found.flags == first.flags
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    at = "--at=" + ",".join(map(str, POINT))
    arguments = ["segment", str(tmp_path / "ct.nrrd"), at, "--model", "region-growing"]
    assert main([*arguments, "-o", str(tmp_path / "m.nrrd")]) == 0
    written = sitk.ReadImage(str(tmp_path / "m.nrrd"))
    assert Grid.of(written).direction == Grid.of(image).direction
    assert same_images(sitk.DICOMOrient(written, AXES), first.image)


def test_a_mask_object_in_another_order_is_turned_too():
    ct = as_ct(sitk.DICOMOrient(CT, "PIR"))
    turned, plain = (Mask(image, "GTV", "") for image in (sitk.DICOMOrient(MASK, "RAS"), MASK))
    assert crop(ct, turned).to_dict() == crop(CT, plain).to_dict()


def test_a_mask_that_is_askew_to_the_ct_does_not_depend_on_its_order():
    grid = Grid.of(MASK)
    turn = rotation(np.random.default_rng(5), 0.3)
    askew = grid.image(sitk.GetArrayFromImage(MASK))
    askew.SetDirection(turn.ravel().tolist())
    askew.SetOrigin((-38.0, 14.0, -210.0))
    first = as_mask(askew, CT)
    assert "mask_resampled" in [flag.code for flag in first.flags]
    for order in ("RAS", "LPI", "SAL", "PIR"):
        turned = as_mask(sitk.DICOMOrient(askew, order), sitk.DICOMOrient(CT, order))
        assert content_hash(turned.image) == content_hash(first.image), order


def test_series_acquired_in_any_plane_with_seg_and_rtstruct(tmp_path):
    hu, mask = (sitk.GetArrayFromImage(image) for image in (CT, MASK))
    for name, orientation in ACQUIRED.items():
        folder = tmp_path / name
        write_series(folder, hu, orientation=orientation, spacing=(0.8, 0.7, 2.5))
        write_seg(tmp_path / "seg.dcm", folder, mask)
        ct = open_ct(folder)
        image = ct.stored.image(hu)
        expected = as_mask(ct.stored.image(mask), ct)
        theirs = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
        assert np.abs(np.subtract(image.GetOrigin(), theirs.GetOrigin())).max() < 1e-3
        assert np.array_equal(
            sitk.GetArrayFromImage(ct.read()),
            sitk.GetArrayFromImage(sitk.DICOMOrient(theirs, AXES)),
        ), name
        contours = [
            ct.stored.to_lps(np.array([(x, y, z) for x, y in ((20, 17), (31, 17), (31, 26))]))
            for z in range(5, 9)
        ]
        write_rtstruct(tmp_path / "rs.dcm", folder, {"GTV": contours})
        drawn = read_mask(tmp_path / "rs.dcm", ct)
        own = ct.as_stored(drawn.image)
        assert own.GetSize()[2] == 4
        assert Grid.of(own).direction == ct.stored.direction
        found = read_mask(tmp_path / "seg.dcm", ct)
        assert np.array_equal(
            sitk.GetArrayFromImage(found.image), sitk.GetArrayFromImage(expected.image)
        ), name
        assert found.flags == drawn.flags == ()
        # The same CT as a volume file with other axes takes both.
        for order in ("RAS", "SAL"):
            turned = as_ct(sitk.DICOMOrient(image, order))
            again = read_mask(tmp_path / "seg.dcm", turned)
            assert content_hash(again.image) == content_hash(found.image), (name, order)
            assert again.flags == ()


def test_axial_contours_are_drawn_on_volume_files_of_all_orders(tmp_path):
    write_series(tmp_path / "ct", sitk.GetArrayFromImage(CT))
    ct = open_ct(tmp_path / "ct")
    x, y = 30 + 9 * np.cos(np.arange(0, 6, 0.3)), 28 + 7 * np.sin(np.arange(0, 6, 0.3))
    contours = [ct.grid.to_lps(np.column_stack([x, y, np.full(20, z)])) for z in range(4, 9)]
    write_rtstruct(tmp_path / "rs.dcm", tmp_path / "ct", {"GTV": contours})
    first = read_mask(tmp_path / "rs.dcm", ct)
    image = ct.read()
    for order in ORDERS:
        found = read_mask(tmp_path / "rs.dcm", sitk.DICOMOrient(image, order))
        assert content_hash(found.image) == content_hash(first.image), order
