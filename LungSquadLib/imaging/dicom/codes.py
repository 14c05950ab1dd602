"""Coded concepts of SEG and SR: standard terms where there are any, private ones where not.

The standard terms are those of PS3.16 (DCM, SNOMED CT, LOINC, UCUM, IBSI) as pydicom lists them,
and T stages and characteristics of nodules of the NCI Thesaurus and of RadLex, schemes of PS3.16
Table 8-1. The private ones belong to the scheme `SCHEME`, which every file identifies (PS3.3
C.12.1, Coding Scheme Identification Sequence).

Needs pydicom 3, as highdicom does.
"""

from __future__ import annotations

from typing import Any

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ... import __version__

SCHEME = "99LUNGSQUAD"
MOST = 64  # characters of a Code Meaning (LO, PS3.5 6.2)

# What is measured, and where.
ABNORMALITY = codes.SCT.MorphologicallyAbnormalStructure  # CID 7150
TUMOUR = codes.SCT.Neoplasm  # CID 7159
LUNG = codes.SCT.Lung
CT_EXAMINATION = codes.LN.CTUnspecifiedBodyRegion  # CID 100; the CT need not be one of the chest

# Measurements and points, CID 218, 225 and 1011.
VOLUME = codes.SCT.Volume
VOLUME_METHOD = codes.DCM.SumOfSegmentedVoxelMethodForVolume
LARGEST_DIAMETER = codes.IBSI.Maximum3DDiameterOfAMesh
AXIAL_DIAMETER = codes.SCT.LongAxis  # in the view that follows
VIEW, AXIAL = codes.DCM.ImageView, codes.SCT.Axial
CENTRE_OF_MASS = codes.DCM.CenterOfMass
PROBABILITY = codes.DCM.Probability
FINDING = codes.DCM.Finding  # of which class a probability is: CID 9000
WHOLE_NAME = codes.DCM.EquivalentMeaningOfConceptName  # TID 1210: for people, of any length
REPORT = codes.DCM.ImagingMeasurementReport  # CID 7021
OBSERVER = codes.DCM.Device
COMMENT = codes.DCM.Comment
METHOD = codes.SCT.MeasurementMethod
T_STAGE = codes.SCT.TumorStageFinding
QUALITY = codes.DCM.QualityFinding
NETWORK = codes.DCM.ArtificialIntelligence  # the only family of CID 7162 that learns

# The CT, TID 1600 to 1604.
IMAGE_LIBRARY, IMAGE_GROUP = codes.DCM.ImageLibrary, codes.DCM.ImageLibraryGroup
MODALITY, CT = codes.DCM.Modality, codes.DCM.ComputedTomography
SOURCE_IMAGE = codes.SCT.Source
COLUMN_SPACING, ROW_SPACING = codes.DCM.HorizontalPixelSpacing, codes.DCM.VerticalPixelSpacing
SLICE_SPACING = codes.DCM.SpacingBetweenSlices

# Units, CID 7181; a cubic centimetre is a millilitre, which PS3.16 does not list.
MM, CM3, NO_UNIT = codes.UCUM.Millimeter, codes.UCUM.CubicCentimeter, codes.UCUM.NoUnits

# Classes of a model, by their code or their name in small letters.
_CLASSES = {
    "luad": codes.SCT.AdenocarcinomaOfLung,
    "adenocarcinoma": codes.SCT.AdenocarcinomaOfLung,
    "lusc": codes.SCT.SquamousCellCarcinomaOfLung,
    "squamous cell carcinoma": codes.SCT.SquamousCellCarcinomaOfLung,
    "alive": codes.SCT.Alive,
    "deceased": codes.SCT.Deceased,
}
# PS3.16 has the stages of the breast alone; SNOMED CT's need a licence where PS3.16 does not use
# them.
_T_STAGES = {
    stage: Code(value, "NCIt", f"{stage} Stage Finding")
    for stage, value in (
        ("T1", "C48720"),
        ("T1a", "C48721"),
        ("T1b", "C48722"),
        ("T1c", "C48723"),
        ("T2", "C48724"),
        ("T2a", "C48725"),
        ("T2b", "C48726"),
        ("T3", "C48728"),
        ("T4", "C48732"),
    )
}

# Geometric Centerpoint (128137, DCM) would be that of the tumour; this is where a model looked.
CROP_CENTRE = Code("CROPCENTRE", SCHEME, "Centre of the crop that the model was given")
# CID 7162 lists ways of drawing an outline; how one from a file was drawn is not known.
OUTLINE_FROM_FILE = Code("OUTLINE", SCHEME, "Outline from another file")
# The phantom's outline is known: no algorithm of CID 7162 found it.
ANALYTIC_SHAPE = Code("ANALYTIC", SCHEME, "Analytic shape")
# No scheme tells a T stage that is taken from the size alone from one that a physician gives.
STAGE_BY_SIZE = Code("TBYSIZE", SCHEME, "T stage by size alone")

# The characteristics that LIDC-IDRI's readers rated, and values that a standard term says in full:
# as in the DICOM edition of the readers' own ratings (Fedorov et al., Med Phys 2020;47:5953-5965,
# doi 10.1002/mp.14445, collection DICOM-LIDC-IDRI-Nodules). Degrees between them have no term.
_CHARACTERISTICS = {
    "malignancy": Code("RID36042", "RADLEX", "Malignancy"),
    "spiculation": Code("C28749", "NCIt", "Spiculation"),
    "lobulation": Code("C62175", "NCIt", "Lobular Pattern"),
    "margin": Code("C25563", "NCIt", "Margin"),
    "texture": Code("C41144", "NCIt", "Texture"),
    "calcification": Code("C3672", "NCIt", "Calcification"),
    "subtlety": Code("C45992", "NCIt", "Subtlety score"),
}
_RATINGS = {
    ("margin", 1): Code("RID5709", "RADLEX", "Indistinct margin"),
    ("margin", 5): Code("RID5707", "RADLEX", "Circumscribed margin"),
    ("sphericity", 1): Code("RID5811", "RADLEX", "linear"),
    ("sphericity", 3): Code("RID5800", "RADLEX", "ovoid"),
    ("sphericity", 5): Code("RID5799", "RADLEX", "round"),
    ("texture", 1): Code("RID50153", "RADLEX", "non-solid pulmonary nodule"),
    ("texture", 3): Code("RID50152", "RADLEX", "part-solid pulmonary nodule"),
    ("texture", 5): Code("RID50151", "RADLEX", "solid pulmonary nodule"),
    ("calcification", 1): Code("RID35453", "RADLEX", "Popcorn calcification sign"),
    ("calcification", 6): Code("RID28473", "RADLEX", "absent"),
}

_FLAGS = {"lossy_compression": codes.DCM.LossyCompression}


def coding_schemes() -> list[Any]:
    """Return what identifies the private scheme in a file, for highdicom's objects."""
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    return [
        CodingSchemeIdentificationItem(
            SCHEME,
            "Private terms of LungSquad",
            __version__,
            responsible_organization="LungSquad",
        )
    ]


def stage_code(stage: str) -> Code:
    """Return the code of a T stage, "T1" to "T4" with or without its letter."""
    return _T_STAGES[stage]


def class_code(task: str, code: str, name: str) -> Code:
    """Return the code of a class of a model.

    Classes that no standard names are private to their task: models of other laboratories ask
    anything. The meaning is the class's name, or its code where the name is longer than a meaning.
    """
    if task == "t_stage" and code in _T_STAGES:
        return _T_STAGES[code]
    for label in (code.lower(), name.lower()):
        if label in _CLASSES:
            return _CLASSES[label]
    fits = len(name) <= MOST and "\\" not in name
    return Code(f"{task}:{code}", SCHEME, name if fits else code)


def characteristic_code(name: str) -> Code:
    """Return the code of a characteristic that radiologists rate."""
    private = Code(f"rating:{name}", SCHEME, f"{name.capitalize()} as radiologists rate it")
    return _CHARACTERISTICS.get(name) or private


def rating_code(name: str, value: int, word: str) -> Code:
    """Return the code of a rating: a standard term where one says the same, else a private one."""
    private = Code(f"{name}:{value}", SCHEME, f"{value}: {word}"[:MOST])
    return _RATINGS.get((name, value)) or private


def feature_code(code: str, label: str) -> Code:
    """Return the code of a radiomic feature, or of its aggregation, in the IBSI's scheme."""
    return Code(code, "IBSI", label[:1].upper() + label[1:])


def unit_code(unit: str) -> Code:
    """Return the code of a unit of UCUM."""
    return NO_UNIT if unit == "1" else Code(unit, "UCUM", unit.replace("[hnsf'U]", "HU"))


def flag_code(code: str) -> Code:
    """Return the code of a quality flag: mostly private, for PS3.16 has none for what models need.

    Its meaning is the same for every case; what the flag says of this case is text beside it.
    """
    return _FLAGS.get(code) or Code(code, SCHEME, code.replace("_", " ").capitalize())
