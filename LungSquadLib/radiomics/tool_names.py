"""Radiomic features of other programs, by the names of the standard.

Names: pyradiomics 3 (van Griethuysen et al., Cancer Research 2017;77:e104-e107), whose texture
features of matrices with directions are averages over them, and mirp 2 (Zwanenburg et al., JOSS
2024;9:6413). What has no counterpart in the standard, or is of a filtered image, keeps its name.
"""

from __future__ import annotations

import re

from .names import described

_SHAPE = {
    "MeshVolume": "volume",
    "VoxelVolume": "vol_approx",
    "SurfaceArea": "area_mesh",
    "SurfaceVolumeRatio": "av",
    "Compactness1": "comp_1",
    "Compactness2": "comp_2",
    "SphericalDisproportion": "sph_dispr",
    "Sphericity": "sphericity",
    "Maximum3DDiameter": "diam",
    "MajorAxisLength": "pca_maj_axis",
    "MinorAxisLength": "pca_min_axis",
    "LeastAxisLength": "pca_least_axis",
    "Elongation": "pca_elongation",
    "Flatness": "pca_flatness",
}
_FIRST_ORDER = {
    "10Percentile": "stat_p10",
    "90Percentile": "stat_p90",
    "Energy": "stat_energy",
    "InterquartileRange": "stat_iqr",
    "Kurtosis": "stat_kurt",
    "Maximum": "stat_max",
    "MeanAbsoluteDeviation": "stat_mad",
    "Mean": "stat_mean",
    "Median": "stat_median",
    "Minimum": "stat_min",
    "Range": "stat_range",
    "RobustMeanAbsoluteDeviation": "stat_rmad",
    "RootMeanSquared": "stat_rms",
    "Skewness": "stat_skew",
    "Variance": "stat_var",
    "Entropy": "ih_entropy",
    "Uniformity": "ih_uniformity",
}
_GLCM = {
    "Autocorrelation": "auto_corr",
    "ClusterProminence": "clust_prom",
    "ClusterShade": "clust_shade",
    "ClusterTendency": "clust_tend",
    "Contrast": "contrast",
    "Correlation": "corr",
    "DifferenceAverage": "diff_avg",
    "DifferenceEntropy": "diff_entr",
    "DifferenceVariance": "diff_var",
    "Id": "inv_diff",
    "Idm": "inv_diff_mom",
    "Idmn": "inv_diff_mom_norm",
    "Idn": "inv_diff_norm",
    "Imc1": "info_corr1",
    "Imc2": "info_corr2",
    "InverseVariance": "inv_var",
    "JointAverage": "joint_avg",
    "JointEnergy": "energy",
    "JointEntropy": "joint_entr",
    "MaximumProbability": "joint_max",
    "SumAverage": "sum_avg",
    "SumEntropy": "sum_entr",
    "SumSquares": "joint_var",
}
_GLRLM = {
    "GrayLevelNonUniformity": "glnu",
    "GrayLevelNonUniformityNormalized": "glnu_norm",
    "GrayLevelVariance": "gl_var",
    "HighGrayLevelRunEmphasis": "hgre",
    "LongRunEmphasis": "lre",
    "LongRunHighGrayLevelEmphasis": "lrhge",
    "LongRunLowGrayLevelEmphasis": "lrlge",
    "LowGrayLevelRunEmphasis": "lgre",
    "RunEntropy": "rl_entr",
    "RunLengthNonUniformity": "rlnu",
    "RunLengthNonUniformityNormalized": "rlnu_norm",
    "RunPercentage": "r_perc",
    "RunVariance": "rl_var",
    "ShortRunEmphasis": "sre",
    "ShortRunHighGrayLevelEmphasis": "srhge",
    "ShortRunLowGrayLevelEmphasis": "srlge",
}
_GLSZM = {
    "GrayLevelNonUniformity": "glnu",
    "GrayLevelNonUniformityNormalized": "glnu_norm",
    "GrayLevelVariance": "gl_var",
    "HighGrayLevelZoneEmphasis": "hgze",
    "LargeAreaEmphasis": "lze",
    "LargeAreaHighGrayLevelEmphasis": "lzhge",
    "LargeAreaLowGrayLevelEmphasis": "lzlge",
    "LowGrayLevelZoneEmphasis": "lgze",
    "SizeZoneNonUniformity": "zsnu",
    "SizeZoneNonUniformityNormalized": "zsnu_norm",
    "SmallAreaEmphasis": "sze",
    "SmallAreaHighGrayLevelEmphasis": "szhge",
    "SmallAreaLowGrayLevelEmphasis": "szlge",
    "ZoneEntropy": "zs_entr",
    "ZonePercentage": "z_perc",
    "ZoneVariance": "zs_var",
}
_GLDM = {
    "DependenceEntropy": "dc_entr",
    "DependenceNonUniformity": "dcnu",
    "DependenceNonUniformityNormalized": "dcnu_norm",
    "DependenceVariance": "dc_var",
    "GrayLevelNonUniformity": "glnu",
    "GrayLevelVariance": "gl_var",
    "HighGrayLevelEmphasis": "hgce",
    "LargeDependenceEmphasis": "hde",
    "LargeDependenceHighGrayLevelEmphasis": "hdhge",
    "LargeDependenceLowGrayLevelEmphasis": "hdlge",
    "LowGrayLevelEmphasis": "lgce",
    "SmallDependenceEmphasis": "lde",
    "SmallDependenceHighGrayLevelEmphasis": "ldhge",
    "SmallDependenceLowGrayLevelEmphasis": "ldlge",
}
_NGTDM = {
    name: name.casefold()
    for name in ("Busyness", "Coarseness", "Complexity", "Contrast", "Strength")
}

# Of each class of pyradiomics: the family, the names, and the aggregation.
_PYRADIOMICS = {
    "shape": ("morph_", _SHAPE, ""),
    "firstorder": ("", _FIRST_ORDER, ""),
    "glcm": ("cm_", _GLCM, "_3D_avg"),
    "glrlm": ("rlm_", _GLRLM, "_3D_avg"),
    "glszm": ("szm_", _GLSZM, "_3D"),
    "gldm": ("ngl_", _GLDM, "_3D"),
    "ngtdm": ("ngt_", _NGTDM, "_3D"),
}
_PYRADIOMICS_NAME = re.compile(
    r"(?P<image>original|(?:wavelet|log-sigma|lbp-3D)-[\w.-]+|(?:square|squareroot|logarithm|"
    r"exponential|gradient))_(?P<kind>shape2D|shape|firstorder|glcm|glrlm|glszm|gldm|ngtdm)_"
    r"(?P<name>\w+)"
)
_MIRP_NAME = re.compile(
    r"(?P<image>(?:wavelet|log|laws|gabor|mean|square|square_root|logarithm|exponential)_.*?_)?"
    r"(?P<tag>(?:morph|loc|stat|ih|ivh|cm|rlm|szm|dzm|ngt|ngl)_\w+?)(?:_d1)?(?:_a0\.0)?"
    r"(?P<how>_(?:2d|2\.5d|3d)(?:_(?:avg|s_mrg|d_mrg|v_mrg))?)?(?:_fb[sn]_[wn][\d.]+)?"
)
_MIRP_HOW = {
    "": "",
    "_2d_avg": "_2D_avg",
    "_2d_s_mrg": "_2D_comb",
    "_2.5d_d_mrg": "_2_5D_avg",
    "_2.5d_v_mrg": "_2_5D_comb",
    "_3d_avg": "_3D_avg",
    "_3d_v_mrg": "_3D_comb",
    "_2d": "_2D",
    "_2.5d": "_2_5D",
    "_3d": "_3D",
}
_EXCESS = 3.0  # pyradiomics' kurtosis of a normal distribution, which is 0 in the standard


def feature_name(column: str) -> str | None:
    """Return the name that a column of a table has as a radiomic feature.

    Args:
        column: as LungSquad, pyradiomics or mirp write it.

    Returns:
        The standard's name; the column itself for a feature without one, as of a filtered image;
        None for a column that is no radiomic feature.
    """
    match = _PYRADIOMICS_NAME.fullmatch(column)
    if match is not None:
        family, names, end = _PYRADIOMICS.get(match["kind"], ("", {}, ""))
        known = match["image"] == "original" and match["name"] in names
        return f"{family}{names[match['name']]}{end}" if known else column
    if _is_standard(column):
        return column
    match = _MIRP_NAME.fullmatch(column)
    if match is None:
        return None
    name = match["tag"] + _MIRP_HOW[match["how"] or ""]
    return name if match["image"] is None and _is_standard(name) else column


def offset_of(column: str) -> float:
    """Return what to add to the values of a column to have those of the standard's definition."""
    return -_EXCESS if column == "original_firstorder_Kurtosis" else 0.0


def _is_standard(name: str) -> bool:
    try:
        described(name)
    except KeyError:
        return False
    return True
