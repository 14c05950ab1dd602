"""The features of the standard: their names, identifiers and families.

Names are the tags of IBSI's compliance sheets; identifiers are the permanent codes of the
reference manual. Four shape features and the area under the intensity-volume histogram, for which
the standard has no reference values, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Feature:
    """A feature of the standard, without the way in which its texture matrices are aggregated.

    Attributes:
        tag: its name, which begins with its family's.
        code: its IBSI identifier.
        label: its name in words.
    """

    tag: str
    code: str
    label: str


_TABLE = """
morph HCUG morphology
  morph_volume RNU0 volume
  morph_vol_approx YEKZ approximate volume
  morph_area_mesh C0JK surface area
  morph_av 2PR5 surface to volume ratio
  morph_comp_1 SKGS compactness 1
  morph_comp_2 BQWJ compactness 2
  morph_sph_dispr KRCK spherical disproportion
  morph_sphericity QCFX sphericity
  morph_asphericity 25C7 asphericity
  morph_com KLMA centre of mass shift
  morph_diam L0JK maximum 3D diameter
  morph_pca_maj_axis TDIC major axis length
  morph_pca_min_axis P9VJ minor axis length
  morph_pca_least_axis 7J51 least axis length
  morph_pca_elongation Q3CK elongation
  morph_pca_flatness N17B flatness
  morph_vol_dens_aabb PBX1 volume density, axis-aligned bounding box
  morph_area_dens_aabb R59B area density, axis-aligned bounding box
  morph_vol_dens_aee 6BDE volume density, approximate enclosing ellipsoid
  morph_area_dens_aee RDD2 area density, approximate enclosing ellipsoid
  morph_vol_dens_conv_hull R3ER volume density, convex hull
  morph_area_dens_conv_hull 7T7F area density, convex hull
  morph_integ_int 99N0 integrated intensity
  morph_moran_i N365 Moran's I index
  morph_geary_c NPT7 Geary's C measure
loc 9ST6 local intensity
  loc_peak_loc VJGA local intensity peak
  loc_peak_glob 0F91 global intensity peak
stat UHIW intensity statistics
  stat_mean Q4LE mean
  stat_var ECT3 variance
  stat_skew KE2A skewness
  stat_kurt IPH6 kurtosis
  stat_median Y12H median
  stat_min 1GSF minimum
  stat_p10 QG58 10th percentile
  stat_p90 8DWT 90th percentile
  stat_max 84IY maximum
  stat_iqr SALO interquartile range
  stat_range 2OJQ range
  stat_mad 4FUA mean absolute deviation
  stat_rmad 1128 robust mean absolute deviation
  stat_medad N72L median absolute deviation
  stat_cov 7TET coefficient of variation
  stat_qcod 9S40 quartile coefficient of dispersion
  stat_energy N8CA energy
  stat_rms 5ZWQ root mean square
ih ZVCW intensity histogram
  ih_mean X6K6 mean
  ih_var CH89 variance
  ih_skew 88K1 skewness
  ih_kurt C3I7 kurtosis
  ih_median WIFQ median
  ih_min 1PR8 minimum
  ih_p10 GPMT 10th percentile
  ih_p90 OZ0C 90th percentile
  ih_max 3NCY maximum
  ih_mode AMMC mode
  ih_iqr WR0O interquartile range
  ih_range 5Z3W range
  ih_mad D2ZX mean absolute deviation
  ih_rmad WRZB robust mean absolute deviation
  ih_medad 4RNL median absolute deviation
  ih_cov CWYJ coefficient of variation
  ih_qcod SLWD quartile coefficient of dispersion
  ih_entropy TLU2 entropy
  ih_uniformity BJ5W uniformity
  ih_max_grad 12CE maximum histogram gradient
  ih_max_grad_g 8E6O maximum histogram gradient grey level
  ih_min_grad VQB3 minimum histogram gradient
  ih_min_grad_g RHQZ minimum histogram gradient grey level
ivh P88C intensity-volume histogram
  ivh_v10 NK6P volume fraction at 10 % intensity
  ivh_v90 4279 volume fraction at 90 % intensity
  ivh_i10 PWN1 intensity at 10 % volume
  ivh_i90 BOHI intensity at 90 % volume
  ivh_diff_v10_v90 WITY difference in volume fraction between 10 % and 90 % intensity
  ivh_diff_i10_i90 JXJA difference in intensity between 10 % and 90 % volume
cm LFYI grey level co-occurrence matrix
  cm_joint_max GYBY joint maximum
  cm_joint_avg 60VM joint average
  cm_joint_var UR99 joint variance
  cm_joint_entr TU9B joint entropy
  cm_diff_avg TF7R difference average
  cm_diff_var D3YU difference variance
  cm_diff_entr NTRS difference entropy
  cm_sum_avg ZGXS sum average
  cm_sum_var OEEB sum variance
  cm_sum_entr P6QZ sum entropy
  cm_energy 8ZQL angular second moment
  cm_contrast ACUI contrast
  cm_dissimilarity 8S9J dissimilarity
  cm_inv_diff IB1Z inverse difference
  cm_inv_diff_norm NDRX normalised inverse difference
  cm_inv_diff_mom WF0Z inverse difference moment
  cm_inv_diff_mom_norm 1QCO normalised inverse difference moment
  cm_inv_var E8JP inverse variance
  cm_corr NI2N correlation
  cm_auto_corr QWB0 autocorrelation
  cm_clust_tend DG8W cluster tendency
  cm_clust_shade 7NFM cluster shade
  cm_clust_prom AE86 cluster prominence
  cm_info_corr1 R8DG first measure of information correlation
  cm_info_corr2 JN9H second measure of information correlation
rlm TP0I grey level run length matrix
  rlm_sre 22OV short runs emphasis
  rlm_lre W4KF long runs emphasis
  rlm_lgre V3SW low grey level run emphasis
  rlm_hgre G3QZ high grey level run emphasis
  rlm_srlge HTZT short run low grey level emphasis
  rlm_srhge GD3A short run high grey level emphasis
  rlm_lrlge IVPO long run low grey level emphasis
  rlm_lrhge 3KUM long run high grey level emphasis
  rlm_glnu R5YN grey level non-uniformity
  rlm_glnu_norm OVBL normalised grey level non-uniformity
  rlm_rlnu W92Y run length non-uniformity
  rlm_rlnu_norm IC23 normalised run length non-uniformity
  rlm_r_perc 9ZK5 run percentage
  rlm_gl_var 8CE5 grey level variance
  rlm_rl_var SXLW run length variance
  rlm_rl_entr HJ9O run entropy
szm 9SAK grey level size zone matrix
  szm_sze 5QRC small zone emphasis
  szm_lze 48P8 large zone emphasis
  szm_lgze XMSY low grey level zone emphasis
  szm_hgze 5GN9 high grey level zone emphasis
  szm_szlge 5RAI small zone low grey level emphasis
  szm_szhge HW1V small zone high grey level emphasis
  szm_lzlge YH51 large zone low grey level emphasis
  szm_lzhge J17V large zone high grey level emphasis
  szm_glnu JNSA grey level non-uniformity
  szm_glnu_norm Y1RO normalised grey level non-uniformity
  szm_zsnu 4JP3 zone size non-uniformity
  szm_zsnu_norm VB3A normalised zone size non-uniformity
  szm_z_perc P30P zone percentage
  szm_gl_var BYLV grey level variance
  szm_zs_var 3NSA zone size variance
  szm_zs_entr GU8N zone size entropy
dzm VMDZ grey level distance zone matrix
  dzm_sde 0GBI small distance emphasis
  dzm_lde MB4I large distance emphasis
  dzm_lgze S1RA low grey level zone emphasis
  dzm_hgze K26C high grey level zone emphasis
  dzm_sdlge RUVG small distance low grey level emphasis
  dzm_sdhge DKNJ small distance high grey level emphasis
  dzm_ldlge A7WM large distance low grey level emphasis
  dzm_ldhge KLTH large distance high grey level emphasis
  dzm_glnu VFT7 grey level non-uniformity
  dzm_glnu_norm 7HP3 normalised grey level non-uniformity
  dzm_zdnu V294 zone distance non-uniformity
  dzm_zdnu_norm IATH normalised zone distance non-uniformity
  dzm_z_perc VIWW zone percentage
  dzm_gl_var QK93 grey level variance
  dzm_zd_var 7WT1 zone distance variance
  dzm_zd_entr GBDU zone distance entropy
ngt IPET neighbourhood grey tone difference matrix
  ngt_coarseness QCDE coarseness
  ngt_contrast 65HE contrast
  ngt_busyness NQ30 busyness
  ngt_complexity HDEZ complexity
  ngt_strength 1X9X strength
ngl REK0 neighbouring grey level dependence matrix
  ngl_lde SODN low dependence emphasis
  ngl_hde IMOQ high dependence emphasis
  ngl_lgce TL9H low grey level count emphasis
  ngl_hgce OAE7 high grey level count emphasis
  ngl_ldlge EQ3F low dependence low grey level emphasis
  ngl_ldhge JA6D low dependence high grey level emphasis
  ngl_hdlge NBZI high dependence low grey level emphasis
  ngl_hdhge 9QMG high dependence high grey level emphasis
  ngl_glnu FP8K grey level non-uniformity
  ngl_glnu_norm 5SPA normalised grey level non-uniformity
  ngl_dcnu Z87G dependence count non-uniformity
  ngl_dcnu_norm OKJI normalised dependence count non-uniformity
  ngl_dc_perc 6XV8 dependence count percentage
  ngl_gl_var 1PFV grey level variance
  ngl_dc_var DNX2 dependence count variance
  ngl_dc_entr FCBV dependence count entropy
  ngl_dc_energy CAS9 dependence count energy
"""


def _families() -> tuple[dict[str, Feature], dict[str, tuple[Feature, ...]]]:
    families: dict[str, Feature] = {}
    features: dict[str, tuple[Feature, ...]] = {}
    for line in _TABLE.strip().splitlines():
        feature = Feature(*line.split(maxsplit=2))
        if line.startswith(" "):
            features[feature.tag.split("_")[0]] += (feature,)
        else:
            families[feature.tag], features[feature.tag] = feature, ()
    return families, features


FAMILIES, FEATURES = _families()

# How the values of several texture matrices become one, by the end of a feature's name. Matrices of
# directions are averaged or merged; those of zones, neighbours and tones have no directions.
DIRECTIONAL = {
    "2D": {"2D_avg": "BTW3", "2D_comb": "SUJT"},
    "2.5D": {"2_5D_avg": "JJUI", "2_5D_comb": "ZW7Z"},
    "3D": {"3D_avg": "ITBB", "3D_comb": "IAZD"},
}
UNDIRECTED = {"2D": {"2D": "8QNN"}, "2.5D": {"2_5D": "62GR"}, "3D": {"3D": "KOBO"}}
_VOLUME = "DHQ4"  # computed once for the volume


def aggregations(family: str, dimension: str) -> dict[str, str]:
    """Return how matrices of a family are aggregated: the ends of its names, with IBSI's codes.

    Args:
        family: of `FAMILIES`.
        dimension: "2D", "2.5D" or "3D".

    Returns:
        Empty for a family without texture matrices.
    """
    if family in ("cm", "rlm"):
        return DIRECTIONAL[dimension]
    return UNDIRECTED[dimension] if family in ("szm", "dzm", "ngt", "ngl") else {}


# Units (UCUM) of features that have one, by the tag, or by the family for the rest of it.
_MM, _HU, _NONE = "mm", "[hnsf'U]", "1"
_UNITS = {
    **dict.fromkeys(("morph_volume", "morph_vol_approx"), "mm3"),
    "morph_area_mesh": "mm2",
    "morph_av": "/mm",
    **dict.fromkeys(("morph_com", "morph_diam"), _MM),
    **{f"morph_pca_{axis}_axis": _MM for axis in ("maj", "min", "least")},
    "morph_integ_int": f"{_HU}.mm3",
    **dict.fromkeys(("stat_skew", "stat_kurt", "stat_cov", "stat_qcod"), _NONE),
    **dict.fromkeys(("stat_var", "stat_energy"), f"{_HU}2"),
    **dict.fromkeys(("loc", "stat", "ivh_i10", "ivh_i90", "ivh_diff_i10_i90"), _HU),
}
AGGREGATION_LABELS = {
    _VOLUME: "Volume",
    "BTW3": "2D, averaged over slices and directions",
    "SUJT": "2D, directions merged, averaged over slices",
    "JJUI": "2.5D, slices merged, averaged over directions",
    "ZW7Z": "2.5D, merged",
    "ITBB": "3D, averaged over directions",
    "IAZD": "3D, directions merged",
    "8QNN": "2D, averaged over slices",
    "62GR": "2.5D, slices merged",
    "KOBO": "3D",
}


def unit_of(tag: str) -> str:
    """Return the unit (UCUM) of a feature, "1" for none.

    The intensities of an intensity-volume histogram are HU unless it has a fixed number of bins.
    """
    return _UNITS.get(tag) or _UNITS.get(tag.split("_", maxsplit=1)[0], _NONE)


def described(name: str) -> tuple[Feature, str]:
    """Return the feature that a name stands for, and the code of its aggregation.

    Raises:
        KeyError: the standard has no such name.
    """
    for feature in FEATURES.get(name.split("_", maxsplit=1)[0], ()):
        if name == feature.tag:
            return feature, _VOLUME
        for dimension in DIRECTIONAL:
            for end, code in aggregations(feature.tag.split("_")[0], dimension).items():
                if name == f"{feature.tag}_{end}":
                    return feature, code
    raise KeyError(name)
