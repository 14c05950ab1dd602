"""What the contours of an RTSTRUCT mean together, against points tested one by one."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from LungSquadLib.cli import main
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.contours import fill_contours
from LungSquadLib.imaging.crop import mask_box
from LungSquadLib.imaging.ct import as_ct, open_ct
from LungSquadLib.imaging.dicom.rtstruct import planes_of, slabs_of
from LungSquadLib.imaging.mask_files import choices, read_mask

from ..dicom_maker import CORONAL, save, some_hu, write_rtstruct, write_series

SIDE = 40


def ring(x, y, radius, *, count=48, turn=0.1, aspect=1.0):
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False) + turn
    return np.column_stack([x + radius * np.cos(angle), y + aspect * radius * np.sin(angle)])


def inside(polygon, shape=(SIDE, SIDE)):
    """Whether each pixel centre lies in a polygon, by the angle it winds through."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    total = np.zeros(shape)
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        ax, ay, bx, by = a[0] - x, a[1] - y, b[0] - x, b[1] - y
        total += np.arctan2(ax * by - ay * bx, ax * bx + ay * by)
    return np.abs(total) > np.pi


def between(polygon):
    """The polygon with a point in the middle of each edge."""
    middle = (polygon + np.roll(polygon, -1, axis=0)) / 2
    return np.stack([polygon, middle], axis=1).reshape(-1, 2)


def filled(closed, exclusive=()):
    found = fill_contours(closed, exclusive, (0, 0), (SIDE, SIDE))
    mask = np.zeros((SIDE, SIDE), bool)
    x, y, block = found.block
    mask[y : y + block.shape[0], x : x + block.shape[1]] = block
    return mask, found


def test_nested_contours_are_holes_and_overlapping_ones_a_union():
    a, b = ring(18, 20, 12), ring(22, 20, 13)  # overlap
    hole, island = ring(19.5, 20, 6), ring(19.5, 20, 3)
    other_hole = ring(23.3, 20, 4.2)  # overlaps the first hole
    aside, bulge = ring(34, 34, 4), ring(27, 20, 5)  # the bulge leaves a's rim a little way
    big = ring(20, 20, 16)
    far_hole, near_hole = ring(10, 20, 3), ring(30, 20, 3)
    i = inside
    for name, contours, expected in (
        ("overlap", [a, b], i(a) | i(b)),
        ("hole", [a, hole], i(a) & ~i(hole)),
        ("island in the hole", [island, a, hole], i(a) & ~i(hole) | i(island)),
        ("hole of two", [hole, a, b], (i(a) | i(b)) & ~i(hole)),
        ("two holes that overlap", [big, hole, other_hole], i(big) & ~i(hole) & ~i(other_hole)),
        ("two holes", [far_hole, big, near_hole], i(big) & ~i(far_hole) & ~i(near_hole)),
        ("beside", [a, aside], i(a) | i(aside)),
        ("bulge", [a, bulge], i(a) | i(bulge)),
        ("a hole drawn twice", [a, hole, hole[::-1]], i(a) & ~i(hole)),
    ):
        mask, _ = filled(contours)
        assert np.array_equal(mask, expected), name


def test_a_hole_may_touch_the_rim():
    square = np.array([(5, 5), (25, 5), (25, 25), (5, 25)]) + 0.5
    notch = np.array([(5, 10), (15, 10), (15, 15), (4.98, 15)]) + 0.5
    mask, found = filled([square, notch])
    assert mask.sum() == 400 - 50
    assert found.nearly_repeated == 0


def test_centres_on_the_rim_of_a_hole_belong_to_the_tissue():
    outer = np.array([(2, 2), (12, 2), (12, 12), (2, 12)], float)
    hole = np.array([(5, 5), (9, 5), (9, 9), (5, 9)], float)
    assert filled([outer, hole])[0].sum() == 11 * 11 - 3 * 3


def test_a_contour_that_is_there_again_counts_once():
    a = ring(20, 20, 9)
    again = {
        "the same": (a, 1, 0),
        "reversed": (a[::-1], 1, 0),
        "begun elsewhere": (np.roll(a, 7, axis=0), 1, 0),
        "closed": (np.concatenate([a, a[:1]]), 1, 0),
        "with points between": (between(a), 1, 0),
        "0.005 pixels smaller": (ring(20, 20, 8.995), 1, 0),
        "0.1 pixels smaller": (ring(20, 20, 8.9), 0, 1),
        "0.4 pixels larger": (ring(20, 20, 9.4), 0, 1),
    }  # fmt: skip
    for name, (other, exact, nearly) in again.items():
        for contours in ([a, other], [other, a], [other, a, ring(20, 20, 4)]):
            mask, found = filled(contours)
            expected = inside(a) | inside(other)
            if len(contours) == 3:
                expected &= ~inside(contours[2])
            assert np.array_equal(mask, expected), name
            assert (found.repeated, found.nearly_repeated) == (exact, nearly), name
    wall, _ = filled([a, ring(20, 20, 8)])  # a wall of one pixel is tissue
    assert np.array_equal(wall, inside(a) & ~inside(ring(20, 20, 8)))


def test_exclusive_or_is_for_its_own_kind_alone():
    a, b = ring(18, 20, 12), ring(24, 20, 9)
    mask, _ = filled([], [a, b])
    assert np.array_equal(mask, inside(a) ^ inside(b))
    mask, _ = filled([a], [b])
    assert np.array_equal(mask, inside(a) ^ inside(b))
    assert not filled([], [a, a])[0].any()


def test_any_rectangles_mean_what_their_sides_say():
    """Random rectangles of whole pixels: a union of each less what lies in it, recursively."""
    random = np.random.default_rng(3)

    def meaning(chosen, boxes):
        mask = np.zeros((SIDE, SIDE), bool)
        tops = [k for k in chosen if not any(within(k, j, boxes) for j in chosen)]
        for k in tops:
            x0, y0, x1, y1 = boxes[k]
            part = np.zeros_like(mask)
            part[y0:y1, x0:x1] = True
            mask |= part & ~meaning([j for j in chosen if within(j, k, boxes)], boxes)
        return mask

    def within(j, k, boxes):
        a, b = boxes[j], boxes[k]
        return j != k and a[0] >= b[0] and a[1] >= b[1] and a[2] <= b[2] and a[3] <= b[3]

    tried = 0
    while tried < 60:
        low = random.integers(0, 28, (5, 2))
        boxes = np.column_stack(
            [low, low + random.integers(5, 12, (5, 2)) * [[1], [1], [1], [1], [3]]]
        )
        boxes = np.minimum(boxes, SIDE)
        distinct = all(np.abs(a - b).sum() > 6 for k, a in enumerate(boxes) for b in boxes[:k])
        if not distinct:
            continue
        tried += 1
        polygons = [
            np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) - 0.5 for x0, y0, x1, y1 in boxes
        ]
        assert np.array_equal(filled(polygons)[0], meaning(list(range(5)), boxes)), boxes


def test_planes_are_joined_by_height_unless_they_are_a_dense_stack():
    assert planes_of([0.0, 1.0, 0.05, 2.0, 0.98]) == [[0, 2], [4, 1], [3]]
    dense = [k * 0.08 for k in range(30)]
    assert planes_of(dense) == [[k] for k in range(30)]


def test_a_plane_fills_half_way_to_its_neighbours():
    def slices(heights, slice_mm=1.0):
        return [list(range(*slab)) for slab in slabs_of(heights, slice_mm).slices]

    assert slices([0, 5, 10]) == [[-2, -1, 0, 1, 2], [3, 4, 5, 6, 7], [8, 9, 10, 11, 12]]
    assert slices([0, 4]) == [[-2, -1, 0, 1], [2, 3, 4, 5]]
    assert slices([3, 4, 5, 7, 8]) == [[3], [4], [5], [7], [8]]  # a gap stays one
    assert slices([0, 3, 6, 15, 18])[2:4] == [[5, 6, 7], [14, 15, 16]]
    assert slices([7.3]) == [[7]]
    assert slices([0, 40]) == [[0], [40]]  # two pieces, and no slab of 40 mm
    assert slices([0.4, 1.4, 2.4]) == [[0], [1], [2]]
    assert slices([0.3, 0.6]) == [[0], []]  # thinner than a slice
    heights = np.arange(-0.2, 9.99, 0.2)
    assert [z for slab in slices(heights) for z in slab] == list(range(10))  # each slice once
    for step in (2, 3, 2.5, 3.3, 5):  # what is filled is as thick as what was drawn
        count = sum(len(slab) for slab in slices(np.arange(10) * step + 0.123))
        assert abs(count - 10 * step) <= 1, step


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """The same place as CT of 1 mm and of 5 mm slices."""
    here = tmp_path_factory.mktemp("scans")
    common = {"origin": (-20.0, -20.0, 0.0), "frame_uid": pydicom.uid.generate_uid()}
    for name, slices, step in (("thin", 41, 1.0), ("thick", 9, 5.0)):
        hu = some_hu((slices, SIDE, SIDE))
        write_series(here / name, hu, spacing=(1.0, 1.0, step), **common)
    return here


def structure(folder, rois, path, edit=None, kind="CLOSED_PLANAR"):
    """Contours in mm: a list of (z, polygon) an ROI."""
    drawn = {
        name: [np.column_stack([polygon - 20.0, np.full(len(polygon), z)]) for z, polygon in roi]
        for name, roi in rois.items()
    }
    write_rtstruct(path, folder, drawn)
    dataset = pydicom.dcmread(path)
    for item in dataset.ROIContourSequence:
        for contour in item.ContourSequence or []:
            contour.ContourGeometricType = kind
    if edit is not None:
        edit(dataset)
    save(dataset, path)
    return path


def voxels(mask, ct):
    array = np.zeros(ct.grid.size[::-1], np.uint8)
    array[mask_box(mask, ct.grid).slices] = sitk.GetArrayViewFromImage(mask.image)
    return array


def codes(mask):
    return {flag.code for flag in mask.flags} - {"mask_of_other_series"}


def test_contours_of_thick_slices_fill_thin_ones_and_the_other_way_round(scans, tmp_path):
    area = int(inside(ring(20, 20, 8)).sum())
    thin, thick = open_ct(scans / "thin"), open_ct(scans / "thick")
    wide = structure(
        scans / "thick",
        {"GTV": [(z, ring(20, 20, 8)) for z in (10, 15, 20, 25)]},
        tmp_path / "a.dcm",
    )
    mask = read_mask(wide, thin)
    counts = voxels(mask, thin).sum(axis=(1, 2))
    assert counts.tolist() == [area if 8 <= z < 28 else 0 for z in range(41)]
    _, flag = mask.flags  # the first: drawn on another series
    assert (flag.code, flag.severity) == ("contours_spread", "warning")
    assert "5 mm apart and the CT's slices 1 mm" in flag.sentence
    dense = structure(
        scans / "thin", {"GTV": [(z, ring(20, 20, 8)) for z in range(8, 28)]}, tmp_path / "b.dcm"
    )
    mask = read_mask(dense, thick)
    assert voxels(mask, thick).sum() == 4 * area
    assert codes(mask) == {"contours_between_slices"}
    gap = [(z, ring(20, 20, 8)) for z in (5, 10, 20, 25)]
    mask = read_mask(structure(scans / "thick", {"GTV": gap}, tmp_path / "c.dcm"), thin)
    assert voxels(mask, thin).sum() == 20 * area
    assert codes(mask) == {"contours_spread", "contour_gaps"}  # fmt: skip


def test_pieces_whose_heights_differ_a_little_belong_to_one_slice(scans, tmp_path):
    thin = open_ct(scans / "thin")
    for off in (0.01, 0.05, 0.09, -0.08):
        pieces = [
            one
            for z in range(10, 14)
            for one in (
                (z, ring(12, 20, 5)),
                (z + off, ring(28, 20, 5)),
                (z - off / 2, ring(12, 20, 2)),
            )
        ]
        roi = (
            {"GTV": pieces}
            if abs(off) < 0.06
            else {"GTV": [p for k, p in enumerate(pieces) if k % 3 < 2]}
        )
        mask = read_mask(structure(scans / "thin", roi, tmp_path / "rs.dcm"), thin)
        expected = inside(ring(12, 20, 5)) | inside(ring(28, 20, 5))
        if abs(off) < 0.06:
            expected &= ~inside(ring(12, 20, 2))
        assert voxels(mask, thin).sum() == 4 * expected.sum(), off
        assert not mask.flags


def test_contours_of_a_coronal_ct_are_filled_in_its_own_planes(tmp_path):
    ct = open_ct(write_series(tmp_path / "CT", some_hu((6, SIDE, SIDE)), orientation=CORONAL))
    polygon = ring(20, 20, 8)
    points = [ct.stored.to_lps(np.column_stack([polygon, np.full(48, z)])) for z in (2, 3, 4)]
    path = write_rtstruct(tmp_path / "rs.dcm", tmp_path / "CT", {"GTV": points})
    mask = read_mask(path, ct)
    stored = sitk.GetArrayFromImage(ct.as_stored(ct.grid.image(voxels(mask, ct))))
    assert stored.sum(axis=(1, 2)).tolist() == [0, 0, *[inside(polygon).sum()] * 3, 0]
    turned = as_ct(sitk.PermuteAxes(ct.read(), [0, 2, 1]))
    again = read_mask(path, turned)
    assert again.flags == ()
    assert np.array_equal(voxels(again, turned), voxels(mask, ct))


def test_rois_of_one_number_are_refused_and_parts_of_one_roi_joined(scans, tmp_path):
    thin = open_ct(scans / "thin")
    rois = {
        "GTV": [(z, ring(12, 20, 5)) for z in range(10, 14)],
        "Heart": [(z, ring(28, 20, 7)) for z in range(10, 14)],
    }

    def part(dataset):
        first = dataset.ROIContourSequence[0]
        more = pydicom.Dataset()
        more.ReferencedROINumber, more.ContourSequence = 1, first.ContourSequence[2:]
        first.ContourSequence = first.ContourSequence[:2]
        dataset.ROIContourSequence.append(more)

    parted = structure(scans / "thin", rois, tmp_path / "parted.dcm", part)
    mask = read_mask(parted, thin, roi="GTV")
    assert voxels(mask, thin).sum() == 4 * inside(ring(12, 20, 5)).sum()

    def clash(dataset):
        dataset.StructureSetROISequence[1].ROINumber = 1
        dataset.ROIContourSequence[1].ReferencedROINumber = 1

    path = structure(scans / "thin", rois, tmp_path / "clash.dcm", clash)
    for roi in ("GTV", "Heart", "1"):
        with pytest.raises(InputError, match=r"2 ROIs have the number 1 \('GTV', 'Heart'\)"):
            read_mask(path, thin, roi=roi)


def test_every_roi_that_a_message_offers_is_read(scans, tmp_path):
    thin = open_ct(scans / "thin")
    rois = {name: [(10, ring(20, 20, 3 + k))] for k, name in enumerate("abcdef")}
    names = ["", "GTV", "GTV", "gtv", "1", ""]

    def rename(dataset):
        for roi, name in zip(dataset.StructureSetROISequence, names, strict=True):
            roi.ROIName = name
        dataset.ROIContourSequence[5].ContourSequence = []

    path = structure(scans / "thin", rois, tmp_path / "rs.dcm", rename)
    with pytest.raises(InputError) as caught:
        read_mask(path, thin)
    said = str(caught.value).split("--roi: ")[1]
    assert said.endswith("; 1 more are empty.")
    offers = said.split("'")[1::2]
    assert offers == ["number 1", "2", "3", "gtv", "1"]
    assert [choice.roi for choice in choices(path)] == offers
    counts = [voxels(read_mask(path, thin, roi=offer), thin).sum() for offer in offers]
    assert counts == [inside(ring(20, 20, 3 + k)).sum() for k in range(5)]


def test_rois_that_enclose_nothing_are_called_so(scans, tmp_path):
    thin = open_ct(scans / "thin")
    tiny, aside, large = ring(20.5, 20.5, 0.2), ring(200, 20, 3), ring(20, 20, 6)
    rois = {
        "tiny": [(10, tiny)],
        "aside": [(10, aside)],
        "above": [(90, large)],
        "two": [(10, tiny[:2])],
    }
    path = structure(scans / "thin", rois, tmp_path / "rs.dcm")
    for roi, said in (
        ("tiny", r"encloses the centre of a voxel: it is smaller than the CT's voxels \(1 x 1 x 1"),
        ("aside", "lies outside the CT: its contours cover 177..183"),
        ("above", "lies outside the CT: .* x 90..90 mm"),
        ("two", "no closed contour .it has only contours of fewer than three points"),
    ):
        with pytest.raises(InputError, match=said):
            read_mask(path, thin, roi=roi)
    path = structure(
        scans / "thin",
        {"GTV": [(10, large), (10, large)]},
        tmp_path / "x.dcm",
        kind="CLOSEDPLANAR_XOR",
    )
    with pytest.raises(InputError, match="may cancel each other out"):
        read_mask(path, thin)


def test_label_1_0_is_1_on_the_command_line(scans, tmp_path, capsys):
    thin = open_ct(scans / "thin")
    array = np.zeros(thin.grid.size[::-1], np.uint8)
    array[10:14, 18:22, 18:22] = 1
    array[20, 20, 20] = 2
    sitk.WriteImage(thin.grid.image(array), str(tmp_path / "m.nrrd"))
    case = ["crop", str(scans / "thin"), str(tmp_path / "m.nrrd"), "-o", str(tmp_path / "o.nrrd")]
    assert main([*case, "--label", "1.0"]) == 0
    assert "64 voxels" in capsys.readouterr().out
    assert main([*case, "--label", "0"]) == 2
    assert "The label 0 is the background" in capsys.readouterr().err
    assert main([*case, "--label", "LUAD"]) == 2
    assert "'LUAD' is not a whole number" in capsys.readouterr().err
