"""The same tumour in any mask file gives the same voxels of the CT."""

import struct

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

from LungSquadLib.errors import InputError
from LungSquadLib.imaging.contours import fill_even_odd
from LungSquadLib.imaging.crop import mask_box
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.geometry import Box
from LungSquadLib.imaging.mask_files import choices, read_mask
from LungSquadLib.imaging.masks import as_mask

from ..dicom_maker import save, some_hu, write_rtstruct, write_seg, write_series

SHAPE = (12, 32, 40)


@pytest.fixture
def tumour():
    """An L with a hole, in one corner of the volume (z, y, x)."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:8, 10:20, 20:34] = 1
    mask[3:8, 10:14, 28:34] = 0
    mask[4:6, 15:18, 23:26] = 0
    return mask


@pytest.fixture
def series(tmp_path):
    return write_series(tmp_path / "CT", some_hu(SHAPE))


@pytest.fixture
def ct(series):
    return open_ct(series)


def whole(mask, ct):
    """The mask's voxels on the CT's whole grid."""
    array = np.zeros(ct.grid.size[::-1], np.uint8)
    array[mask_box(mask, ct.grid).slices] = sitk.GetArrayFromImage(mask.image)
    return array


def label_map(ct, array, path):
    sitk.WriteImage(ct.grid.image(array), str(path), True)
    return path


def refused(path, ct, **options):
    with pytest.raises(InputError) as caught:
        read_mask(path, ct, **options)
    return str(caught.value)


def codes(mask):
    return [flag.code for flag in mask.flags]


def pixel_centre_contours(mask, ct):
    """Contours from voxel centre to voxel centre round the rim, and one more round the hole."""

    def rectangle(z, y0, y1, x0, x1):
        corners = [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]
        return ct.grid.to_lps(np.array(corners, float))

    contours = []
    for z in range(3, 8):
        corners = [(20, 10), (27, 10), (27, 14), (33, 14), (33, 19), (20, 19)]
        points = np.array([(x, y, z) for x, y in corners], float)
        contours.append(ct.grid.to_lps(points))
        if z in (4, 5):  # a hole's rim lies between voxel centres, so that the tissue keeps its own
            contours.append(rectangle(z, 14.5, 17.5, 22.5, 25.5))
    return contours


@pytest.mark.parametrize("name", ["m.nrrd", "m.nii.gz", "m.mha"])
def test_label_maps(tumour, ct, tmp_path, name):
    mask = read_mask(label_map(ct, tumour, tmp_path / name), ct)
    assert np.array_equal(whole(mask, ct), tumour)
    assert mask.image.GetSize() == (14, 10, 5)


def test_dicom_seg_and_rtstruct_agree_with_the_label_map(tumour, ct, series, tmp_path):
    seg = write_seg(tmp_path / "seg.dcm", series, tumour)
    contours = pixel_centre_contours(tumour, ct)
    rtstruct = write_rtstruct(tmp_path / "rs.dcm", series, {"GTV": contours})
    assert np.array_equal(whole(read_mask(seg, ct), ct), tumour)
    assert np.array_equal(whole(read_mask(rtstruct, ct), ct), tumour)


@pytest.mark.parametrize("kind", ["FRACTIONAL", "LABELMAP"])
def test_other_kinds_of_dicom_seg(tumour, ct, series, tmp_path, kind):
    values = tumour if kind == "LABELMAP" else tumour.astype(np.float32) * 0.9
    seg = write_seg(tmp_path / "seg.dcm", series, values, kind=kind)
    assert np.array_equal(whole(read_mask(seg, ct), ct), tumour)


def test_segments_are_chosen_by_name_case_or_number(tumour, ct, series, tmp_path):
    other = np.roll(tumour, 3, axis=2)
    masks = np.stack([tumour, other])
    seg = write_seg(tmp_path / "seg.dcm", series, masks, names=("Tumour", "Node"))
    assert np.array_equal(whole(read_mask(seg, ct, roi="node"), ct), other)
    assert np.array_equal(whole(read_mask(seg, ct, roi="1"), ct), tumour)
    assert "holds 2 ROIs; choose one with --roi: 'Tumour', 'Node'" in refused(seg, ct)
    assert "no ROI called 'Lung'; it holds 'Tumour', 'Node'" in refused(seg, ct, roi="Lung")


def test_labels_are_chosen_or_listed(tumour, ct, tmp_path):
    labels = tumour * 3
    labels[0, 0, 0] = 7
    path = label_map(ct, labels, tmp_path / "m.nrrd")
    assert np.array_equal(whole(read_mask(path, ct, label=3), ct), tumour)
    assert f"choose one with --label: 3 ({tumour.sum()} voxels), 7 (1 voxels)" in refused(path, ct)
    assert "no voxel with the label 5; it has 3" in refused(path, ct, label=5)
    assert "choose with --label" in refused(path, ct, roi="GTV")


def slicer_segmentation(path, ct, tumour):
    """Two layers that overlap, as Slicer writes them."""
    layers = np.stack([tumour, np.roll(tumour, 2, axis=1)], axis=-1).astype(np.uint8)
    layers[..., 0][0, 0, 0] = 2
    image = sitk.GetImageFromArray(layers, isVector=True)
    image.SetSpacing(ct.grid.spacing)
    image.SetOrigin(ct.grid.origin)
    image.SetDirection(ct.grid.direction)
    for number, (name, layer, label) in enumerate((("GTV", 0, 1), ("dot", 0, 2), ("moved", 1, 1))):
        image.SetMetaData(f"Segment{number}_ID", f"Segment_{number}")
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_Layer", str(layer))
        image.SetMetaData(f"Segment{number}_LabelValue", str(label))
    sitk.WriteImage(image, str(path), True)
    return path


def test_overlapping_layers_of_a_slicer_segmentation(tumour, ct, tmp_path):
    path = slicer_segmentation(tmp_path / "s.seg.nrrd", ct, tumour)
    assert np.array_equal(whole(read_mask(path, ct, roi="GTV"), ct), tumour)
    assert np.array_equal(whole(read_mask(path, ct, roi="moved"), ct), np.roll(tumour, 2, axis=1))
    assert whole(read_mask(path, ct, roi="Segment_1"), ct).sum() == 1
    assert "'GTV', 'dot', 'moved'" in refused(path, ct)
    assert "choose with --roi" in refused(path, ct, label=1)


def test_a_mask_on_a_finer_grid_is_moved_onto_the_cts(tumour, ct, tmp_path):
    fine = tumour.repeat(2, axis=1).repeat(2, axis=2)
    image = sitk.GetImageFromArray(fine)
    image.SetSpacing((0.4, 0.35, 2.5))
    image.SetOrigin(tuple(ct.grid.to_lps((-0.25, -0.25, 0))))
    sitk.WriteImage(image, str(tmp_path / "m.nrrd"))
    mask = read_mask(tmp_path / "m.nrrd", ct)
    assert np.array_equal(whole(mask, ct), tumour)
    assert codes(mask) == ["mask_resampled"]


def test_a_cut_out_of_the_same_grid_lands_in_its_place(tumour, ct, tmp_path):
    cut = sitk.RegionOfInterest(ct.grid.image(tumour), (20, 20, 9), (15, 5, 1))
    sitk.WriteImage(cut, str(tmp_path / "m.nrrd"))
    mask = read_mask(tmp_path / "m.nrrd", ct)
    assert np.array_equal(whole(mask, ct), tumour)
    assert codes(mask) == []


def test_flipped_axes_are_the_same_place(tumour, ct, tmp_path):
    flipped = sitk.Flip(ct.grid.image(tumour), (True, True, False))
    sitk.WriteImage(flipped, str(tmp_path / "m.nrrd"))
    assert np.array_equal(whole(read_mask(tmp_path / "m.nrrd", ct), ct), tumour)


def test_a_mask_elsewhere_is_refused_and_one_partly_outside_is_flagged(tumour, ct, tmp_path):
    image = ct.grid.image(tumour)
    image.SetOrigin((500, 0, 0))
    sitk.WriteImage(image, str(tmp_path / "m.nrrd"))
    assert "do not overlap" in refused(tmp_path / "m.nrrd", ct)
    image.SetOrigin(tuple(ct.grid.to_lps((10, 0, 0))))
    sitk.WriteImage(image, str(tmp_path / "m.nrrd"))
    mask = read_mask(tmp_path / "m.nrrd", ct)
    assert codes(mask) == ["mask_geometry", "mask_outside_ct"]
    assert "origin -100, -90, -50 mm" in mask.flags[0].sentence  # the CT's, and then the mask's
    assert "origin -92, -90, -50 mm" in mask.flags[0].sentence


def test_empty_and_fractional_masks_are_refused(tumour, ct, tmp_path):
    empty = label_map(ct, tumour * 0, tmp_path / "e.nrrd")
    assert "is empty" in refused(empty, ct)
    fractional = label_map(ct, tumour * np.float32(0.37), tmp_path / "f.nrrd")
    assert "holds fractions (0.37), as probability maps do" in refused(fractional, ct)


def test_labels_are_what_the_files_slope_and_intercept_make_of_its_values(tumour, ct, tmp_path):
    """Against ITK, which reads such a file as 0, 0.9999 and 2.0001."""
    labels = tumour.astype(float)
    labels[5] *= 2
    for name, (low, high) in {"<i2": (-32768, 32767), "u1": (0, 255)}.items():
        slope = 2 / (high - low)
        stored = np.rint(labels / slope + low).astype(name)
        path = label_map(ct, stored, tmp_path / "m.nii")
        data = bytearray(path.read_bytes())
        data[112:120] = struct.pack("<2f", slope, -low * slope)
        path.write_bytes(data)
        itk = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        for label in (1, 2, "2.0", 1.0):
            expected = np.abs(itk - float(label)) < 0.01
            assert np.array_equal(whole(read_mask(path, ct, label=label), ct), expected), name
        assert "1 (" in refused(path, ct)
        assert "32767" not in refused(path, ct)


def test_what_is_not_a_number_is_background_and_nearly_whole_numbers_are_whole(
    tumour, ct, tmp_path
):
    values = np.where(tumour, np.float32(0.9999), np.float32(np.nan))
    for name in ("m.nrrd", "m.nii.gz"):
        mask = read_mask(label_map(ct, values, tmp_path / name), ct, label=1)
        assert np.array_equal(whole(mask, ct), tumour)
    assert np.array_equal(whole(as_mask(ct.grid.image(values), ct), ct), tumour)


def test_the_label_0_is_refused_with_what_a_label_is(tumour, ct, series, tmp_path):
    seg = write_seg(tmp_path / "seg.dcm", series, tumour)
    named = slicer_segmentation(tmp_path / "s.seg.nrrd", ct, tumour)
    plain = label_map(ct, tumour, tmp_path / "m.nrrd")
    for path in (seg, named, plain):
        for label in (0, 0.0, "0"):
            assert "value of the tumour's voxels" in refused(path, ct, label=label)
    assert "The label 0 is the background" in refused(plain, ct, label=0)
    with pytest.raises(InputError, match="label 0 is the background"):
        as_mask(ct.grid.image(tumour), ct, label=0)
    for label in (1.5, "LUAD", float("nan")):
        assert "is not a whole number" in refused(plain, ct, label=label)


def test_segments_may_have_any_numbers(tumour, ct, tmp_path):
    image = ct.grid.image(tumour * 2)
    for key, value in {"ID": "a", "Name": "GTV", "LabelValue": "2.0", "Layer": "0"}.items():
        image.SetMetaData(f"Segment7_{key}", value)
    sitk.WriteImage(image, str(tmp_path / "s.seg.nrrd"))
    assert np.array_equal(whole(read_mask(tmp_path / "s.seg.nrrd", ct, roi="GTV"), ct), tumour)


def test_how_much_lies_outside_is_counted_before_clipping_for_every_format(ct, series, tmp_path):
    """A box of which 40 % lie below the CT: by label map, on another grid, SEG and RTSTRUCT."""
    array = np.zeros((10, 32, 40), np.uint8)
    array[2:7, 10:20, 20:30] = 1
    grid = ct.grid.part(Box((0, 0, -4), (40, 32, 6)))
    sitk.WriteImage(grid.image(array), str(tmp_path / "m.nrrd"))
    fine = grid.image(array.repeat(2, axis=1).repeat(2, axis=2))
    fine.SetSpacing((0.4, 0.35, 2.5))
    fine.SetOrigin(tuple(grid.to_lps((-0.25, -0.25, 0))))
    sitk.WriteImage(fine, str(tmp_path / "fine.nrrd"))
    square = np.array([(20, 10), (29, 10), (29, 19), (20, 19)], float)
    levels = [np.column_stack([square, np.full(4, z)]) for z in range(-2, 3)]
    contours = [ct.grid.to_lps(points) for points in levels]
    write_rtstruct(tmp_path / "rs.dcm", series, {"GTV": contours})
    shift = np.array((15.5 * 0.8, 0, 5))  # columns 35.5 to 44.5 of 40
    aside = [points + shift for points in contours]
    write_rtstruct(tmp_path / "aside.dcm", series, {"GTV": aside})
    tall = write_series(
        tmp_path / "tall", some_hu((16, 32, 40)), origin=(-100.0, -90.0, -60.0),
        frame_uid=pydicom.dcmread(series / "0000.dcm").FrameOfReferenceUID,
    )  # fmt: skip
    in_tall = np.zeros((16, 32, 40), np.uint8)
    in_tall[2:7, 10:20, 20:30] = 1
    write_seg(tmp_path / "seg.dcm", tall, in_tall)
    for name, share in (
        ("m.nrrd", "40.0%"), ("fine.nrrd", "40.0%"), ("rs.dcm", "40.0%"), ("seg.dcm", "40.0%"),
        ("aside.dcm", "55.6%"),
    ):  # fmt: skip
        mask = read_mask(tmp_path / name, ct)
        (flag,) = [flag for flag in mask.flags if flag.code == "mask_outside_ct"]
        assert (flag.severity, flag.sentence[:5]) == ("severe", share), name


def test_a_mask_of_the_cts_size_and_another_geometry_is_flagged_with_both(tumour, ct, tmp_path):
    image = ct.grid.image(tumour)
    image.SetSpacing((0.8, 0.7, 2.4))
    sitk.WriteImage(image, str(tmp_path / "m.nrrd"))
    flag = read_mask(tmp_path / "m.nrrd", ct).flags[0]
    assert (flag.code, flag.severity) == ("mask_geometry", "warning")
    assert "spacing 0.8 x 0.7 x 2.5 mm" in flag.sentence
    assert "spacing 0.8 x 0.7 x 2.4 mm" in flag.sentence
    image.SetOrigin((900, 0, 0))
    sitk.WriteImage(image, str(tmp_path / "m.nrrd"))
    assert "do not overlap" in refused(tmp_path / "m.nrrd", ct)
    assert "origin 900, 0, 0 mm" in refused(tmp_path / "m.nrrd", ct)


def test_a_mask_between_the_cts_voxel_centres_is_said_to_be_small(ct, tmp_path):
    image = sitk.GetImageFromArray(np.ones((1, 1, 1), np.uint8))
    image.SetSpacing((0.1, 0.1, 0.1))
    image.SetOrigin(tuple(ct.grid.to_lps((5.5, 5.5, 5.5))))
    sitk.WriteImage(image, str(tmp_path / "m.nrrd"))
    assert "smaller than the CT's voxels" in refused(tmp_path / "m.nrrd", ct)


def test_zeros_below_zero_are_no_label(tumour, ct, tmp_path):
    negative = np.where(tumour, np.float32(1), np.float32(-0.0))
    mask = read_mask(label_map(ct, negative, tmp_path / "n.nrrd"), ct)
    assert sitk.GetArrayFromImage(mask.image).sum() == tumour.sum()


@pytest.mark.parametrize("kind", ["seg", "rtstruct"])
def test_another_frame_of_reference_is_refused(tumour, ct, series, tmp_path, kind):
    if kind == "seg":
        path = write_seg(tmp_path / "m.dcm", series, tumour)
        dataset = pydicom.dcmread(path)
        dataset.FrameOfReferenceUID = generate_uid()
    else:
        contours = pixel_centre_contours(tumour, ct)
        path = write_rtstruct(tmp_path / "m.dcm", series, {"GTV": contours})
        dataset = pydicom.dcmread(path)
        for roi in dataset.StructureSetROISequence:
            roi.ReferencedFrameOfReferenceUID = generate_uid()
    save(dataset, path)
    assert "another frame of reference" in refused(path, ct)


def test_contours_of_absent_slices_are_left_out_and_counted(tumour, ct, series, tmp_path):
    contours = pixel_centre_contours(tumour, ct)
    path = write_rtstruct(tmp_path / "rs.dcm", series, {"GTV": contours})
    for number in range(6, 12):
        (series / f"{number:04d}.dcm").unlink()
    short = open_ct(series)
    mask = read_mask(path, short)
    assert np.array_equal(whole(mask, short), tumour[:6])
    assert codes(mask) == ["mask_outside_ct"]


def test_slices_without_a_contour_between_others_are_flagged(tumour, ct, series, tmp_path):
    contours = [
        c
        for c in pixel_centre_contours(tumour, ct)
        if abs(c[0, 2] - ct.grid.to_lps((0, 0, 6))[2]) > 1
    ]
    path = write_rtstruct(tmp_path / "rs.dcm", series, {"GTV": contours})
    mask = read_mask(path, ct)
    assert whole(mask, ct)[6].sum() == 0
    assert codes(mask) == ["contour_gaps"]


def test_contours_denser_than_slices_do_not_cancel_out(tumour, ct, series, tmp_path):
    contours = pixel_centre_contours(tumour, ct)
    between = [points + np.array((0, 0, 0.8)) for points in contours]
    path = write_rtstruct(tmp_path / "rs.dcm", series, {"GTV": contours + between})
    mask = read_mask(path, ct)
    assert np.array_equal(whole(mask, ct), tumour)
    assert codes(mask) == ["contours_between_slices"]


def test_contours_across_the_slices_are_refused(ct, series, tmp_path):
    tilted = np.array([(-90, -80, -40), (-80, -80, -37), (-80, -70, -34), (-90, -70, -37)])
    path = write_rtstruct(tmp_path / "rs.dcm", series, {"GTV": [tilted]})
    assert "do not lie in the slices" in refused(path, ct)


def test_rois_without_contours_or_of_one_name_are_explained(tumour, ct, series, tmp_path):
    contours = pixel_centre_contours(tumour, ct)
    path = write_rtstruct(tmp_path / "rs.dcm", series, {"GTV": contours, "empty": []})
    assert "'empty' has no closed contour" in refused(path, ct, roi="empty")
    dataset = pydicom.dcmread(path)
    dataset.StructureSetROISequence[1].ROIName = "GTV"
    save(dataset, path)
    assert "2 ROIs called 'GTV'; choose by number with --roi: 1, 2" in refused(path, ct, roi="GTV")
    assert np.array_equal(whole(read_mask(path, ct, roi="1"), ct), tumour)


def test_every_choice_of_a_file_is_one_that_it_is_read_with(tumour, ct, series, tmp_path):
    contours = pixel_centre_contours(tumour, ct)
    drawn = {"GTV": contours, "node": contours[:1]}
    rtstruct = write_rtstruct(tmp_path / "rs.dcm", series, drawn)
    dataset = pydicom.dcmread(rtstruct)
    dataset.StructureSetROISequence[1].ROIName = "GTV"
    save(dataset, tmp_path / "twice.dcm")
    labels = tumour * 3
    labels[0, 0, 0] = 7
    masks = np.stack([tumour, np.roll(tumour, 3, axis=2)])
    for path, expected in {
        rtstruct: ["GTV", "node"],
        tmp_path / "twice.dcm": ["GTV", "GTV"],
        write_seg(tmp_path / "seg.dcm", series, masks, names=("A", "B")): ["A", "B"],
        slicer_segmentation(tmp_path / "s.seg.nrrd", ct, tumour): ["GTV", "dot", "moved"],
        label_map(ct, labels, tmp_path / "labels.nrrd"): ["label 3", "label 7"],
        label_map(ct, labels.astype(np.float32), tmp_path / "f.nrrd"): ["label 3", "label 7"],
    }.items():
        found = choices(path)
        assert [choice.name for choice in found] == expected
        read = [read_mask(path, ct, roi=one.roi, label=one.label) for one in found]
        assert [mask.name for mask in read] == expected
        voxels = {whole(mask, ct).tobytes() for mask in read}
        assert len(voxels) == len(expected)


def test_what_holds_no_mask_has_no_choices(ct, series, tmp_path):
    for path, said in (
        (tmp_path / "nothing", "no file or folder"),
        (series, "holds no DICOM SEG or RTSTRUCT"),
        (label_map(ct, some_hu(ct.grid.size[::-1]), tmp_path / "ct.nrrd"), "is an image, and no"),
    ):
        with pytest.raises(InputError, match=said):
            choices(path)


def test_a_folder_with_one_mask_will_do(tumour, ct, series, tmp_path):
    (tmp_path / "masks").mkdir()
    write_seg(tmp_path / "masks" / "seg.dcm", series, tumour)
    assert np.array_equal(whole(read_mask(tmp_path / "masks", ct), ct), tumour)
    write_seg(tmp_path / "masks" / "more.dcm", series, tumour)
    assert "holds 2 masks; give one file: 'more.dcm', 'seg.dcm'" in refused(tmp_path / "masks", ct)
    assert "holds no DICOM SEG or RTSTRUCT" in refused(series, ct)


def test_masks_in_memory(tumour, ct):
    assert np.array_equal(whole(as_mask(ct.grid.image(tumour * 4), ct), ct), tumour)


def brute_force(polygons, columns, rows):
    """Even-odd by counting crossings to the left of every centre, one at a time."""
    inside = np.zeros((rows, columns), bool)
    for y in range(rows):
        for x in range(columns):
            for polygon in polygons:
                for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
                    if (ay <= y) != (by <= y) and ax + (y - ay) * (bx - ax) / (by - ay) <= x:
                        inside[y, x] ^= True
    return inside


def test_filling_is_even_odd_for_any_polygons():
    random = np.random.default_rng(5)
    for _ in range(40):
        polygons = [random.uniform(-4, 19, (random.integers(3, 9), 2)) for _ in range(3)]
        x, y, block = fill_even_odd(polygons, (0, 0), (16, 14))
        filled = np.zeros((14, 16), bool)
        filled[y : y + block.shape[0], x : x + block.shape[1]] = block
        assert np.array_equal(filled, brute_force(polygons, 16, 14))


def test_a_keyhole_makes_a_hole():
    ring = [
        (0, 0),
        (9, 0),
        (9, 9),
        (0, 9),
        (0, 0),
        (2.5, 2.5),
        (2.5, 6.5),
        (6.5, 6.5),
        (6.5, 2.5),
        (2.5, 2.5),
    ]
    _, _, block = fill_even_odd([np.array(ring, float)], (0, 0), (12, 12))
    assert block.sum() == 100 - 16
    assert not block[3:7, 3:7].any()


def test_far_away_points_cost_nothing():
    huge = np.array([(-1e300, -1e300), (1e300, -1e300), (1e300, 1e300), (-1e300, 1e300)])
    _, _, block = fill_even_odd([huge], (0, 0), (5, 4))
    assert block.shape == (4, 5)
