"""The description of a nodule in an SR: standard terms where they exist, read by other software."""

import json
import shutil
import subprocess

import pytest

highdicom = pytest.importorskip("highdicom")
pytest.importorskip("torch", reason="networks: torch is not installed")
from pydicom.sr.coding import Code

from LungSquadLib.cli import main
from LungSquadLib.imaging.dicom.codes import characteristic_code, rating_code
from LungSquadLib.training.description.data import SCALES

from ..descriptors import SPREAD, write_descriptor

# The codes of the public DICOM edition of LIDC-IDRI's ratings (doi 10.7937/TCIA.2018.h7umfurq):
# each characteristic's, and those values that have a term of NCI's Thesaurus or of RadLex.
PUBLISHED = {
    "malignancy": ("RID36042", {}),
    "spiculation": ("C28749", {}),
    "lobulation": ("C62175", {}),
    "margin": ("C25563", {1: "RID5709", 5: "RID5707"}),
    "sphericity": (None, {1: "RID5811", 3: "RID5800", 5: "RID5799"}),
    "texture": ("C41144", {1: "RID50153", 3: "RID50152", 5: "RID50151"}),
    "calcification": ("C3672", {1: "RID35453", 6: "RID28473"}),
    "subtlety": ("C45992", {}),
}
RATINGS = dict(zip(PUBLISHED, (4, 2, 3, 5, 3, 5, 6, 1), strict=True))
PRIVATE = "99LUNGSQUAD"


@pytest.fixture(scope="module")
def case(case_data, tmp_path_factory):
    """A case's folder of results, with a description that abstains from the subtlety."""
    folder = tmp_path_factory.mktemp("described")
    model = folder / "descriptor.safetensors"
    write_descriptor(model, ratings=RATINGS)
    here = case_data / "open" / "lidc_0314"
    files = [str(here / "CT"), str(here / "SEG" / "seg.dcm"), "--model", str(model)]
    assert main(["predict", *files, "--device", "cpu", "-o", str(folder / "out")]) == 0
    return folder / "out"


def test_highdicom_finds_each_rating_by_its_published_code(case):
    (group,) = highdicom.sr.srread(case / "sr.dcm").content.get_volumetric_roi_measurement_groups()
    described = json.loads((case / "prediction.json").read_text(encoding="utf-8"))
    (description,) = described["descriptions"]
    for name, (published, values) in PUBLISHED.items():
        if published is None:
            concept = Code(f"rating:{name}", PRIVATE, "")
        else:
            concept = Code(published, "RADLEX" if published.startswith("RID") else "NCIt", "")
        evaluations = group.get_qualitative_evaluations(name=concept)
        if name == "subtlety":
            assert not evaluations  # the model abstains
            continue
        (evaluation,) = evaluations
        if RATINGS[name] in values:
            expected = values[RATINGS[name]], "RADLEX"
        else:
            expected = f"{name}:{RATINGS[name]}", PRIVATE
        assert (evaluation.value.value, evaluation.value.scheme_designator) == expected
        (comment,) = [
            item.ContentSequence[0].TextValue  # highdicom leaves it out
            for item in group[0].ContentSequence
            if item.ConceptNameCodeSequence[0] == concept
        ]
        word = SCALES[name].words[RATINGS[name] - 1]
        assert comment.startswith(f"{RATINGS[name]} of {len(SCALES[name].words)}: {word};")
        assert f"readers' standard deviation {SPREAD}." in comment
        assert "no pathology" in comment
        assert description["model"]["sha256"] in comment


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="SR: dciodvfy is not installed")
def test_the_validator_of_the_standard_finds_no_error(case):
    for name in ("sr.dcm", "seg.dcm"):
        command = ["dciodvfy", "-new", str(case / name)]
        checked = subprocess.run(command, check=False, capture_output=True, text=True)
        text = checked.stdout + checked.stderr
        assert "Comprehensive3DSR" in text or "Segmentation" in text
        assert not [line for line in text.splitlines() if line.startswith("Error")]


def test_no_rating_loses_its_degree():
    """Each value of a scale has a code of its own, and each characteristic."""
    assert PUBLISHED.keys() == SCALES.keys()
    assert len({characteristic_code(name) for name in SCALES}) == len(SCALES)
    for name, scale in SCALES.items():
        codes = [rating_code(name, value, word) for value, word in enumerate(scale.words, 1)]
        assert len({(code.value, code.scheme_designator) for code in codes}) == len(codes)
        for code in (characteristic_code(name), *codes):
            assert len(code.meaning) <= 64
            assert code.scheme_designator in (PRIVATE, "NCIt", "RADLEX")
