"""Radiomics against the standard's digital phantom, closed forms and sums by brute force."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk

import LungSquadLib as ls
from LungSquadLib.errors import InputError
from LungSquadLib.radiomics import matrices
from LungSquadLib.radiomics.hull import hull_volume_and_area
from LungSquadLib.radiomics.interpolation import cubic_weights, linear_weights, whole_axis
from LungSquadLib.radiomics.mesh import mesh_volume_and_area
from LungSquadLib.radiomics.morphology import ellipsoid_area
from LungSquadLib.radiomics.names import FEATURES, described
from LungSquadLib.radiomics.region import PEAK_RADIUS_MM, region_of
from LungSquadLib.radiomics.settings import CONFIGURATIONS, RadiomicsSettings
from LungSquadLib.radiomics.spatial import autocorrelation, intensity_peaks
from Testing import ibsi_phantom

PLAIN = RadiomicsSettings(spacing_mm=None, hu_range=None)


def image(array, spacing=(1.0, 1.0, 1.0)):
    made = sitk.GetImageFromArray(np.asarray(array))
    made.SetSpacing(spacing)
    return made


def noise(shape=(9, 11, 12), seed=0):
    return np.random.default_rng(seed).integers(-100, 200, shape).astype(np.int16)


def blob(shape=(9, 11, 12), seed=1):
    """A ragged mask in two pieces at least, away from the border."""
    mask = np.zeros(shape, np.uint8)
    inner = mask[1:-1, 1:-1, 1:-1]
    inner[:] = np.random.default_rng(seed).random(inner.shape) < 0.6
    return mask


@pytest.mark.parametrize("row", ibsi_phantom.rows(), ids=lambda row: row.name)
def test_the_digital_phantom_has_the_values_of_the_standard(row):
    assert row.agrees, f"{row.name}: {row.value:.6g} instead of {row.reference:g}"


def test_all_values_of_the_standard_are_computed_and_all_computed_have_a_value():
    names = {row.name for row in ibsi_phantom.rows()}
    assert len(names) == 482
    assert set(ls.radiomic_features(*ibsi_phantom.phantom(), ibsi_phantom.SETTINGS)) == names
    codes = [feature.code for features in FEATURES.values() for feature in features]
    assert len(codes) == len(set(codes)) == 169


def test_the_table_of_compliance_in_the_documentation_is_what_is_computed():
    assert ibsi_phantom.PAGE.read_text(encoding="utf-8") == ibsi_phantom.page_with_table()


def test_a_name_says_its_feature_and_its_aggregation():
    feature, code = described("cm_contrast_2_5D_comb")
    assert (feature.code, feature.label, code) == ("ACUI", "contrast", "ZW7Z")
    assert described("morph_volume")[1] == "DHQ4"
    with pytest.raises(KeyError):
        described("cm_contrast_2D")


def test_settings_are_the_same_after_json_and_bad_ones_are_refused():
    for settings in (RadiomicsSettings(), *CONFIGURATIONS.values()):
        assert RadiomicsSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    with pytest.raises(InputError, match="no setting named 'bins'"):
        RadiomicsSettings.from_dict({"bins": 3})
    for bad, message in (
        ({"bin_number": 32}, "either a width"),
        ({"hu_range": (400.0, -1000.0)}, "from low to high, not from 400 to -1000"),
        ({"dimensions": ("4D",)}, "must be one of 2D, 2.5D, 3D, not 4D"),
        ({"families": ()}, "at least one"),
        ({"ivh_bin_size": 1.0, "ivh_bin_number": 10}, "not both"),
        ({"spacing_mm": 0.0}, "0.05 to 20"),
    ):
        with pytest.raises(InputError, match=message):
            RadiomicsSettings(**bad)


def test_configurations_are_those_of_the_reference_manual():
    def told(name):
        s = CONFIGURATIONS[name]
        levels = s.bin_size or s.bin_number
        return s.spacing_mm, s.by_slice, s.hu_range, s.outlier_sd, levels, s.dimensions

    flat, solid = ("2D", "2.5D"), ("3D",)
    assert told("A") == (None, True, (-500, 400), None, 25, flat)
    assert told("B") == (2, True, (-500, 400), None, 32, flat)
    assert told("C") == (2, False, (-1000, 400), None, 25, solid)
    assert told("D") == (2, False, None, 3, 32, solid)
    assert told("E") == (2, False, (-1000, 400), 3, 32, solid)
    assert [s.interpolation for s in CONFIGURATIONS.values()] == ["linear"] * 4 + ["cubic"]
    assert CONFIGURATIONS["C"].ivh_bin_size == 2.5
    assert CONFIGURATIONS["E"].ivh_bin_number == 1000


def test_the_new_grid_shares_its_centre_with_the_ct():
    for size, voxel, step in ((10, 0.7, 1.0), (7, 3.0, 2.0), (5, 1.0, 7.0), (8, 2.0, 2.0)):
        axis = whole_axis(size, voxel, step)
        assert axis.index.mean() == pytest.approx((size - 1) / 2)
        assert np.diff(axis.index) == pytest.approx(step / voxel)
        assert len(axis.index) == math.ceil(size * voxel / step)
    # The example of the reference manual: 4 voxels of 3 mm make 6 of 2 mm.
    assert whole_axis(4, 3.0, 2.0).index[[0, -1]] == pytest.approx([-1 / 6, 3 + 1 / 6])


@pytest.mark.parametrize(
    ("weights", "method"), [(linear_weights, sitk.sitkLinear), (cubic_weights, sitk.sitkBSpline)]
)
def test_interpolation_is_that_of_itk(weights, method):
    line = noise((1, 1, 40))[0, 0].astype(np.float64)
    index = np.linspace(1.3, 37.6, 50)
    volume = image(np.tile(line, (12, 12, 1)))
    reference = sitk.Image([50, 1, 1], sitk.sitkFloat64)
    reference.SetOrigin((float(index[0]), 6, 6))
    reference.SetSpacing((float(index[1] - index[0]), 1, 1))
    expected = sitk.GetArrayFromImage(sitk.Resample(volume, reference, sitk.Transform(), method))
    assert weights(index, 40) @ line == pytest.approx(expected[0, 0], abs=2e-3)


def test_a_part_of_the_ct_gives_what_the_whole_ct_gives():
    """The voxels that are read suffice, also for splines: the mask in the middle of a long line."""
    hu = noise((7, 7, 150))
    mask = np.zeros_like(hu, np.uint8)
    mask[2:5, 2:5, 70:80] = 1
    settings = replace(PLAIN, spacing_mm=0.8, interpolation="cubic", round_hu=False)
    region = region_of(image(hu), image(mask), settings)
    whole = whole_axis(150, 1.0, 0.8)
    across = cubic_weights(whole_axis(7, 1.0, 0.8).index, 7)
    everything = np.einsum(
        "az,by,cx,zyx->abc", across, across, cubic_weights(whole.index, 150), hu.astype(float)
    )
    start = round((region.hu.shape[2] - 1) / 2)
    centre = (len(whole.index) - 1) // 2
    part = everything[:, :, centre - start : centre - start + region.hu.shape[2]]
    assert np.abs(region.hu - part).max() < 1e-8


def test_the_mesh_has_the_volume_and_the_surface_of_known_solids():
    voxel = np.ones((1, 1, 1), bool)  # an octahedron between the middles of its neighbours' faces
    assert mesh_volume_and_area(voxel, (1, 1, 1)) == pytest.approx((1 / 6, math.sqrt(3)))
    # Cutting the edges and corners from a box: prisms along the edges, and the corners themselves.
    z, y, x = size = (4, 5, 7)
    volume, area = mesh_volume_and_area(np.ones(size, bool), (1, 1, 1))
    edges = (z - 1) + (y - 1) + (x - 1)
    assert volume == pytest.approx(z * y * x - 4 * edges / 8 - 8 * (1 / 8 - 1 / 48))
    flat = 2 * ((z - 1) * (y - 1) + (z - 1) * (x - 1) + (y - 1) * (x - 1))
    assert area == pytest.approx(flat + 4 * edges * math.sqrt(0.5) + math.sqrt(3))
    scaled = mesh_volume_and_area(np.ones(size, bool), (2, 2, 2))
    assert scaled == pytest.approx((8 * volume, 4 * area))
    stretched = mesh_volume_and_area(blob(), (3.0, 1.0, 0.5))[0]
    assert stretched == pytest.approx(1.5 * mesh_volume_and_area(blob(), (1, 1, 1))[0])


def test_the_mesh_is_closed_for_every_pattern_of_voxels():
    """The volume does not depend on where the origin is: no triangle is missing or turned over."""
    mask = np.random.default_rng(3).random((8, 8, 8)) < 0.5
    volume = mesh_volume_and_area(mask, (1, 1, 1))[0]
    moved = np.pad(mask, ((50, 0), (0, 0), (0, 0)))
    assert mesh_volume_and_area(moved, (1, 1, 1))[0] == pytest.approx(volume)
    for axes in ((1, 2, 0), (2, 0, 1)):
        assert mesh_volume_and_area(mask.transpose(axes), (1, 1, 1))[0] == pytest.approx(volume)


def test_the_hull_is_that_of_scipy():
    spatial = pytest.importorskip("scipy.spatial")
    random = np.random.default_rng(0)
    for _ in range(20):
        points = random.integers(0, 9, (60, 3))
        hull = spatial.ConvexHull(points * (1.5, 1.0, 0.7))
        assert hull_volume_and_area(points, np.array([1.5, 1.0, 0.7])) == pytest.approx(
            (hull.volume, hull.area)
        )


def test_the_area_of_an_ellipsoid_is_the_series_of_the_reference_manual():
    assert ellipsoid_area(3, 3, 3) == pytest.approx(4 * math.pi * 9)
    a, b, c = 5.7, 4.6, 4.3
    alpha, beta, degree = math.sqrt(1 - (b / a) ** 2), math.sqrt(1 - (c / a) ** 2), np.arange(21)
    factors = (alpha * beta) ** degree / (1 - 4 * degree**2)
    series = np.polynomial.legendre.legval((alpha**2 + beta**2) / (2 * alpha * beta), factors)
    assert ellipsoid_area(a, b, c) == pytest.approx(4 * math.pi * a * b * series)
    assert ellipsoid_area(a, a, c) == pytest.approx(ellipsoid_area(a, a - 1e-9, c))


def test_autocorrelation_is_the_sum_over_all_pairs():
    region = region_of(image(noise(), (0.8, 0.9, 2.5)), image(blob(), (0.8, 0.9, 2.5)), PLAIN)
    places = np.argwhere(region.inside) * region.spacing
    distance = np.linalg.norm(places[:, None] - places, axis=2)
    weight = 1 / np.where(distance > 0, distance, np.inf)
    values = region.values - region.values.mean()
    count, squares = len(values), (values**2).sum()
    moran = count / weight.sum() * (weight * np.outer(values, values)).sum() / squares
    differences = (weight * (values[:, None] - values) ** 2).sum()
    geary = (count - 1) / (2 * weight.sum()) * differences / squares
    assert autocorrelation(region) == pytest.approx((moran, geary))


def test_intensity_peaks_are_means_of_balls():
    spacing = (1.5, 2.0, 3.0)
    region = region_of(image(noise(), spacing), image(blob(), spacing), PLAIN)
    places = np.argwhere(np.ones(region.hu.shape, bool)) * region.spacing
    means = [
        region.hu.ravel()[np.linalg.norm(places - own, axis=1) <= PEAK_RADIUS_MM].mean()
        for own in np.argwhere(region.inside) * region.spacing
    ]
    local = max(np.array(means)[region.values == region.values.max()])
    assert intensity_peaks(region) == pytest.approx((local, max(means)))


def entries(found):
    """Entries as a sorted list, without the numbers of directions."""
    return sorted(zip(found.slices, found.levels, found.columns, strict=True))


@pytest.mark.parametrize("in_planes", [False, True])
def test_matrices_count_what_a_walk_over_the_voxels_counts(in_planes):
    levels = np.random.default_rng(2).integers(0, 4, (4, 5, 6)).astype(np.int32)
    voxels = {tuple(map(int, v)): int(levels[tuple(v)]) for v in np.argwhere(levels > 0)}
    steps = [
        step
        for step in product((-1, 0, 1), repeat=3)
        if step > (0, 0, 0) and not (in_planes and step[0])
    ]
    pairs, runs, dependences = [], [], []
    for voxel, level in voxels.items():
        plane = voxel[0]
        same = 1
        for step in steps:
            after = tuple(a + b for a, b in zip(voxel, step, strict=True))
            before = tuple(a - b for a, b in zip(voxel, step, strict=True))
            same += (voxels.get(after) == level) + (voxels.get(before) == level)
            if after in voxels:
                pairs.append((plane, level, voxels[after]))
            if voxels.get(before) != level:
                length, end = 1, after
                while voxels.get(end) == level:
                    length, end = length + 1, tuple(a + b for a, b in zip(end, step, strict=True))
                runs.append((plane, level, length))
        dependences.append((plane if in_planes else 0, level, same))
    assert entries(matrices.dependences(levels, in_planes=in_planes)) == sorted(dependences)
    assert entries(matrices.pairs(levels, in_planes=in_planes)) == sorted(pairs)
    assert entries(matrices.runs(levels, in_planes=in_planes)) == sorted(runs)


def test_distances_are_steps_out_of_the_mask():
    mask = np.ones((5, 5, 7), bool)
    mask[2, 2, 5] = False
    distances = matrices.border_distances(mask, in_planes=False)
    assert distances[2, 2].tolist() == [1, 2, 3, 2, 1, 0, 1]
    assert matrices.border_distances(mask, in_planes=True)[0, 2].tolist() == [1, 2, 3, 3, 3, 2, 1]


def test_a_ct_that_is_stored_turned_round_has_the_same_features():
    ct, mask = image(noise(), (0.8, 0.8, 2.0)), image(blob(), (0.8, 0.8, 2.0))
    settings = replace(PLAIN, spacing_mm=1.0, dimensions=("2D", "2.5D", "3D"))
    expected = ls.radiomic_features(ct, mask, settings)
    turned = [
        sitk.PermuteAxes(sitk.Flip(made, (True, False, True)), (2, 0, 1)) for made in (ct, mask)
    ]
    assert ls.radiomic_features(*turned, settings) == pytest.approx(expected, nan_ok=True)


def test_outliers_are_those_of_the_mask_as_it_was_drawn():
    hu = np.full((5, 5, 5), 10, np.int16)
    hu[2, 2, 2], hu[2, 2, 3] = 900, 14
    region = region_of(image(hu), image(np.ones_like(hu)), replace(PLAIN, outlier_sd=3))
    assert region.shape.sum() == 125
    assert region.values.max() == 14
    region = region_of(image(hu), image(np.ones_like(hu)), replace(PLAIN, hu_range=(11.0, 20.0)))
    assert region.values.tolist() == [14]


def test_the_deviation_of_outliers_is_that_of_the_population():
    hu = np.zeros((1, 1, 10), np.int16)
    hu[0, 0, 4] = 50  # 3 standard deviations from the mean, or 2.85 of a sample
    ct, mask = image(hu), image(np.ones_like(hu))
    assert region_of(ct, mask, replace(PLAIN, outlier_sd=2.9)).values.max() == 0
    assert region_of(ct, mask, replace(PLAIN, outlier_sd=3.1)).values.max() == 50


def test_a_mask_of_one_voxel_has_its_size_and_no_texture():
    mask = np.zeros((9, 9, 9), np.uint8)
    mask[4, 4, 4] = 1
    hu = noise((9, 9, 9))
    values = ls.radiomic_features(image(hu), image(mask), PLAIN)
    assert values["morph_vol_approx"] == 1
    assert values["morph_volume"] == pytest.approx(1 / 6)
    assert values["morph_diam"] == 1
    assert values["stat_mean"] == hu[4, 4, 4]
    assert (values["stat_var"], values["stat_skew"], values["stat_kurt"]) == (0, 0, 0)
    for name in ("morph_pca_maj_axis", "morph_moran_i", "cm_contrast_3D_comb", "ngt_strength_3D"):
        assert math.isnan(values[name])
    assert values["rlm_sre_3D_comb"] == values["szm_z_perc_3D"] == values["ngl_lde_3D"] == 1


def test_a_flat_mask_has_no_least_axis_and_equal_hu_have_the_values_of_the_standard():
    mask = np.zeros((5, 9, 9), np.uint8)
    mask[2, 2:7, 2:7] = 1
    values = ls.radiomic_features(image(np.full(mask.shape, 40, np.int16)), image(mask), PLAIN)
    assert values["morph_pca_least_axis"] == values["morph_pca_flatness"] == 0
    assert math.isnan(values["morph_vol_dens_aee"])
    assert values["ngt_coarseness_3D"] == 1e6
    for name in ("ngt_contrast_3D", "ngt_busyness_3D", "ngt_complexity_3D", "ngt_strength_3D"):
        assert values[name] == 0
    assert values["cm_joint_entr_3D_comb"] == values["cm_info_corr2_3D_comb"] == 0
    assert values["cm_corr_3D_comb"] == 1
    assert math.isnan(values["ivh_v10"])
    assert values["szm_lze_3D"] == 25**2


def test_equal_hu_fill_the_highest_of_a_fixed_number_of_bins():
    hu = np.full((4, 4, 4), 7, np.int16)
    settings = replace(PLAIN, bin_size=None, bin_number=32)
    values = ls.radiomic_features(image(hu), image(np.ones_like(hu)), settings)
    assert values["ih_mean"] == 32


def test_two_pieces_are_one_tumour():
    mask = np.zeros((9, 9, 20), np.uint8)
    mask[3:6, 3:6, 2:5] = mask[3:6, 3:6, 14:17] = 1
    values = ls.radiomic_features(image(np.full(mask.shape, 5, np.int16)), image(mask), PLAIN)
    single = np.zeros_like(mask)
    single[3:6, 3:6, 2:5] = 1
    of_one = ls.radiomic_features(image(np.full(mask.shape, 5, np.int16)), image(single), PLAIN)
    for name in ("morph_volume", "morph_area_mesh"):
        assert values[name] == pytest.approx(2 * of_one[name])
    assert values["morph_diam"] == pytest.approx(math.sqrt(15**2 + 2 * 2**2), abs=0.1)
    assert values["szm_z_perc_3D"] == 2 / 54


def test_what_cannot_be_computed_is_a_sentence():
    hu, mask = noise((9, 9, 9)), blob((9, 9, 9))
    with pytest.raises(InputError, match=r"A bin size of 0\.0003 HU makes \d{6,7} grey levels"):
        ls.radiomic_features(image(hu), image(mask), replace(PLAIN, bin_size=0.0003))
    with pytest.raises(InputError, match=r"makes \d{6,7} bins of the intensity-volume"):
        ls.radiomic_features(image(hu), image(mask), replace(PLAIN, ivh_bin_size=0.0003))
    with pytest.raises(InputError, match="No voxel of the tumour lies between 300 and 400 HU"):
        ls.radiomic_features(image(hu), image(mask), replace(PLAIN, hu_range=(300.0, 400.0)))
    tiny = np.zeros_like(mask)
    tiny[1, 1, 1] = 1
    with pytest.raises(InputError, match="smaller than the voxels of radiomics"):
        ls.radiomic_features(image(hu), image(tiny), replace(PLAIN, spacing_mm=7.0))
    with pytest.raises(InputError, match="empty"):
        ls.radiomic_features(image(hu), image(mask * 0), PLAIN)
    broken = hu.astype(np.float32)
    broken[4, 4, 4] = np.nan
    with pytest.raises(InputError, match="not numbers"):
        ls.radiomic_features(image(broken), image(mask), PLAIN)


# What mirp 2.7.0 computes of crops of 64 mm: lidc_0314 and r01_001. Its meshes are other ones where
# voxels touch at an edge only, and its Moran's I is a sample of the voxels; both are left out.
OF_MIRP = {
    "morph_com": (0.1906110454, 0.4459368627),
    "morph_diam": (25.3968501984, 18.2756668825),
    "morph_pca_flatness": (0.6640804354, 0.553949198),
    "loc_peak_glob": (42.5142021179, -148.8011779785),
    "stat_kurt": (-0.4607191086, 1.5241875648),
    "stat_rmad": (190.1601867676, 56.8638725281),
    "ivh_v10": (0.9948071217, 1.0),
    "ivh_i90": (-621.0, -228.0),
    "cm_inv_diff_norm_2D_comb": (0.9002327694, 0.9383717916),
    "cm_inv_diff_norm_3D_avg": (0.9026846133, 0.94236947),
    "cm_info_corr1_3D_comb": (-0.0918810484, -0.0398044721),
    "rlm_rl_var_2D_comb": (0.3342937061, 0.2318119767),
    "rlm_rl_var_3D_avg": (0.3681885841, 0.2759117388),
    "szm_zs_entr_3D": (6.2394346642, 5.381812349),
    "dzm_ldhge_3D": (2730.7547339946, 2264.9602649007),
    "ngt_busyness_3D": (0.2672933478, 0.1209210243),
    "ngl_dc_energy_3D": (0.0105475526, 0.0150819672),
}


@pytest.mark.parametrize(
    ("number", "name", "file"),
    [(0, "lidc_0314", "mask_consensus.nrrd"), (1, "r01_001", "mask_DERIVED_threshold.nrrd")],
)
def test_real_tumours_have_the_values_of_another_implementation(number, name, file, case_data):
    if not case_data.real:
        pytest.skip("the values are those of patients")
    ct = ls.open_ct(case_data / "open" / name / "CT")
    crop = ls.crop(ct, ls.read_mask(case_data / "open" / name / file, ct))
    settings = RadiomicsSettings(spacing_mm=None, dimensions=("2D", "3D"))
    values = ls.radiomic_features(crop.ct, crop.mask, settings)
    expected = {feature: pair[number] for feature, pair in OF_MIRP.items()}
    assert {feature: values[feature] for feature in expected} == pytest.approx(expected, rel=1e-6)
