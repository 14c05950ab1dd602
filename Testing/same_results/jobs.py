"""The jobs of `jobs.txt`, and what its words in braces stand for."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CHEST = "slicer_ctchest/CTChest4.nrrd"
# CT and mask in {data}/open, with the ROI where there are several. {NAME} stands for all of that,
# {ct-NAME} for the CT, and {centre-NAME} for a point in the tumour.
REAL = {
    "4dlung-rtstruct": ("4dlung_113/CT", "4dlung_113/RTSTRUCT/rs.dcm", "--roi", "Tumor_c40"),
    "4dlung-nrrd": ("4dlung_113/CT", "4dlung_113/mask_Tumor_c40_full.nrrd"),
    "lidc314-seg": ("lidc_0314/CT", "lidc_0314/SEG/seg.dcm"),
    "lidc314-nrrd": ("lidc_0314/CT", "lidc_0314/mask_consensus.nrrd"),
    "lidc1-rtstruct": ("lidc_0001/CT", "lidc_0001/RTSTRUCT/rs.dcm", "--roi", "GTV-1"),
    "lidc1-seg": ("lidc_0001/CT", "lidc_0001/SEG/seg.dcm", "--roi", "Nodule 1"),
    "lidc1-nrrd": ("lidc_0001/CT", "lidc_0001/mask_consensus.nrrd"),
    "r01-nrrd": ("r01_001/CT", "r01_001/mask_DERIVED_threshold.nrrd"),
    "chest-flat": (CHEST, "slicer_ctchest/Segmentation.seg.nrrd", "--roi", "right lung"),
    "chest-layers": (
        *(CHEST, "slicer_ctchest/SegmentationOverlapping.seg.nrrd"),
        *("--roi", "right lung"),
    ),
    "liver-seg": ("dcmqi_ct3slice/ct-3slice", "dcmqi_ct3slice/liver.dcm"),
}
# One mask of each patient, with a label map of the same tumour.
TUMOURS = {
    "4dlung-rtstruct": "4dlung-nrrd",
    "lidc314-seg": "lidc314-nrrd",
    "lidc1-rtstruct": "lidc1-nrrd",
    "r01-nrrd": "r01-nrrd",
}
TABLES = "{data}/open/nsclc_radiogenomics"
EXPRESSION = f"{TABLES}/GSE103584_top1000var_log10_zscore.csv"
CLINICAL = f"{TABLES}/NSCLCR01Radiogenomic_DATA_LABELS_2018-05-22_1500-shifted.csv"


@dataclass(frozen=True)
class Job:
    """A command, as words; `quick` ones are run by --quick too."""

    name: str
    words: tuple[str, ...]
    quick: bool = False

    @property
    def needs_data(self) -> bool:
        """Whether it reads the real data, or what comes from them."""
        return any("{data}" in word or "real-" in word for word in self.words)

    def filled(self, places: Mapping[str, str]) -> list[str]:
        """Return the words with {names} replaced by what they stand for on this machine."""
        words = list(self.words)
        for name, place in places.items():
            words = [word.replace(f"{{{name}}}", place) for word in words]
        return words


def abbreviations(job: str) -> dict[str, tuple[str, ...]]:
    """Return the words that each {name} stands for in a job's line."""
    cases = {"phantom": ("{inputs}/phantom/ct.mha", "{inputs}/phantom/mask.nrrd")}
    for name, (ct, mask, *roi) in REAL.items():
        cases[name] = (f"{{data}}/open/{ct}", f"{{data}}/open/{mask}", *roi)
    return {
        **cases,
        **{f"ct-{name}": case[:1] for name, case in cases.items()},
        "mask-phantom": cases["phantom"][1:],
        "classifiers": ("--model", "demo-histology", "--model", "demo-survival2y"),
        "cpu": ("--device", "cpu"),
        "expression": (EXPRESSION,),
        "clinical": (CLINICAL,),
        "job": (job,),
    }


def parsed(line: str) -> Job:
    """Return the job of a line."""
    name, *words = shlex.split(line)
    job = name.removesuffix("*")
    short = abbreviations(job)

    def long(word: str) -> Iterator[str]:
        if word[1:-1] in short and word == f"{{{word[1:-1]}}}":
            yield from short[word[1:-1]]
        else:
            for key, (first, *_) in short.items():
                word = word.replace(f"{{{key}}}", first)
            yield word

    return Job(job, tuple(part for word in words for part in long(word)), name.endswith("*"))


def all_jobs() -> list[Job]:
    """Return every job; a job stands behind those whose results it reads."""
    text = Path(__file__).with_name("jobs.txt").read_text(encoding="utf-8")
    return [parsed(line) for line in text.splitlines() if line and not line.startswith("#")]
