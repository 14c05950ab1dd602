"""Make the pinned lists of series of public cohorts from the index of Imaging Data Commons.

    pip download --no-deps idc-index-data==25.0.5 && unzip idc_index_data-25.0.5-*.whl -d index
    pip install pyarrow
    python -m Testing.cohort_lists index/idc_index_data/idc_index.parquet 25.0.5

A list has the series with outlines, and the CT series of their studies: `cohort fetch` takes of
these the ones that the outlines refer to. Series of a version of the commons never change.
"""

import csv
import gzip
import io
import json
import sys
from pathlib import Path

from LungSquadLib.cohorts.series_list import COLUMNS, LISTS, SUFFIX

COMMONS = (
    "Imaging Data Commons: Fedorov et al. 2023, RadioGraphics 43(12):e230180, "
    "doi:10.1148/rg.230180."
)
LUNG1_TABLE = (
    "https://www.cancerimagingarchive.net/wp-content/uploads/"
    "NSCLC-Radiomics-Lung1.clinical-version3-Oct-2019.csv"
)
RADIOGENOMICS_TABLE = (
    "https://www.cancerimagingarchive.net/wp-content/uploads/"
    "NSCLCR01Radiogenomic_DATA_LABELS_2018-05-22_1500-shifted.csv"
)
# Of each cohort: collection, modality and analysis of the outlines ("" for the collection's own).
OUTLINES = {
    "nsclc-radiomics": ("nsclc_radiomics", "RTSTRUCT", ""),
    "nsclc-radiogenomics": ("nsclc_radiogenomics", "SEG", ""),
    "lidc-idri": ("lidc_idri", "SEG", "dicom_lidc_idri_nodules"),
    "rider-lung-ct": ("rider_lung_ct", "RTSTRUCT", "rider_lungct_seg"),
    "4d-lung": ("4d_lung", "RTSTRUCT", ""),
    "lung-pet-ct-dx": ("lung_pet_ct_dx", "SR", "lung_pet_ct_dx_annotations"),
    "nlst-seg": ("nlst", "SEG", "nlstseg"),
}
ABOUT = {
    "nsclc-radiomics": {
        "title": "NSCLC-Radiomics (LUNG1): 422 patients before radiotherapy, outlines",
        "roi": "GTV-1",
        "citations": [
            "Aerts et al. 2014, Nature Communications 5:4006, doi:10.1038/ncomms5006.",
            "Data: Aerts et al., NSCLC-Radiomics, doi:10.7937/K9/TCIA.2015.PF0M9REI.",
        ],
        "clinical": {
            "url": LUNG1_TABLE,
            "sha256": "132f72b58b9660bf5e6b24b9817b335f1896360bc253e1f2034a3ffee593e6fd",
        },
    },
    "nsclc-radiogenomics": {
        "title": "NSCLC Radiogenomics: 144 patients before surgery, segmentations",
        "citations": [
            "Bakr et al. 2018, Scientific Data 5:180202, doi:10.1038/sdata.2018.202.",
            "Data: Bakr et al. 2017, NSCLC Radiogenomics, doi:10.7937/K9/TCIA.2017.7hs46erv.",
        ],
        "clinical": {"url": RADIOGENOMICS_TABLE},
    },
    "lidc-idri": {
        "title": "LIDC-IDRI: 875 patients, each nodule of 3 mm or more as each reader outlined it",
        "citations": [
            "Armato et al. 2011, Medical Physics 38:915-931, doi:10.1118/1.3528204.",
            "Data: Armato et al. 2015, LIDC-IDRI, doi:10.7937/K9/TCIA.2015.LO9QL9SX.",
            "Outlines as DICOM: Fedorov et al. 2018, doi:10.7937/TCIA.2018.h7umfurq.",
        ],
    },
    "rider-lung-ct": {
        "title": "RIDER Lung CT: 31 patients scanned twice within minutes, outlines of the tumour",
        "citations": [
            "Zhao et al. 2009, Radiology 252:263-272, doi:10.1148/radiol.2522081593.",
            "Data: Zhao et al. 2015, RIDER Lung CT, doi:10.7937/K9/TCIA.2015.U1X8A5NR.",
            "Outlines: Wee et al. 2020, RIDER-LungCT-Seg, doi:10.7937/TCIA.2020.JIT9GRK8.",
        ],
    },
    "4d-lung": {
        "title": "4D-Lung: 20 patients in ten phases of breathing, outlines of the tumour",
        "roi": "Tumor.*",
        "citations": [
            "Hugo et al. 2017, Medical Physics 44:762-771, doi:10.1002/mp.12059.",
            "Data: Hugo et al. 2016, 4D-Lung, doi:10.7937/K9/TCIA.2016.ELN8YGLE.",
        ],
    },
    "lung-pet-ct-dx": {
        "title": "Lung-PET-CT-Dx: 354 patients, boxes round the tumour (no outlines), histology",
        "citations": [
            "Data: Li et al. 2020, Lung-PET-CT-Dx, doi:10.7937/TCIA.2020.NNC2-0461.",
            "Boxes as DICOM: doi:10.5281/zenodo.16989819.",
        ],
        "histology": {
            "Lung_Dx-A": "LUAD",
            "Lung_Dx-B": "other",
            "Lung_Dx-E": "other",
            "Lung_Dx-G": "LUSC",
        },
    },
    "nlst-seg": {
        "title": "NLSTSeg: 601 patients of the NLST, segmentations of the tumour",
        "citations": [
            "National Lung Screening Trial Research Team 2011, N Engl J Med 365:395-409, "
            "doi:10.1056/NEJMoa1102873.",
            "Data: NLST, doi:10.7937/TCIA.HMQ8-J677.",
            "Segmentations: doi:10.5281/zenodo.17362624.",
        ],
    },
}
WANTED = (
    *("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "collection_id"),
    *("analysis_result_id", "crdc_series_uuid", "aws_bucket", "instanceCount"),
    *("series_size_MB", "license_short_name"),
)


def rows_of_index(path):
    """The series of the collections, as dictionaries."""
    from pyarrow import parquet

    collections = sorted({collection for collection, _, _ in OUTLINES.values()})
    table = parquet.read_table(
        path, columns=list(WANTED), filters=[("collection_id", "in", collections)]
    )
    return table.to_pylist()


def list_of(name, rows, version):
    """The cohort's list as text: what it is, as JSON in the first line, then a table."""
    collection, modality, analysis = OUTLINES[name]
    inside = [row for row in rows if row["collection_id"] == collection]
    outlines = [
        row
        for row in inside
        if row["Modality"] == modality and (row["analysis_result_id"] or "") == analysis
    ]
    studies = {row["StudyInstanceUID"] for row in outlines}
    ct = [
        row
        for row in inside
        if row["Modality"] == "CT"
        and not row["analysis_result_id"]
        and row["StudyInstanceUID"] in studies
        and row["instanceCount"] > 1
    ]
    (bucket,) = {row["aws_bucket"] for row in (*outlines, *ct)}
    licences = {
        kind: " and ".join(sorted({row["license_short_name"] for row in series}))
        for kind, series in (("CT", ct), ("outlines", outlines))
    }
    same = len(set(licences.values())) == 1
    about = {
        "name": name,
        **ABOUT[name],
        "licence": licences["CT"] if same else ", ".join(f"{v} ({k})" for k, v in licences.items()),
        "bucket": bucket,
        "source": f"idc-index-data {version}",
    }
    about["citations"] = [*about["citations"], COMMONS]
    number = {uid: n for n, uid in enumerate(sorted(studies), 1)}
    text = io.StringIO(newline="")
    text.write(json.dumps(about) + "\n")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in sorted((*outlines, *ct), key=_order):
        table.writerow(
            (
                row["PatientID"],
                number[row["StudyInstanceUID"]],
                row["Modality"],
                row["crdc_series_uuid"],
                row["instanceCount"],
                round(row["series_size_MB"] * 1e6),
                row["SeriesInstanceUID"] if row["Modality"] == "CT" else "",
            )
        )
    return text.getvalue()


def _order(row):
    return (
        row["PatientID"],
        row["StudyInstanceUID"],
        row["Modality"] != "CT",
        row["crdc_series_uuid"],
    )


def main(index, version):
    """Write all lists."""
    rows = rows_of_index(index)
    LISTS.mkdir(exist_ok=True)
    for name in OUTLINES:
        content = gzip.compress(list_of(name, rows, version).encode(), 9, mtime=0)
        path = Path(LISTS / f"{name}{SUFFIX}")
        path.write_bytes(content)
        print(path, len(content))


if __name__ == "__main__":
    main(*sys.argv[1:])
