"""Names of genes in one form, also those that a spreadsheet has converted to dates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

# GENCODE writes versions behind a point, and marks copies of the pseudoautosomal region of Y.
_ENSEMBL = re.compile(r"(ENS[A-Z]*[GT]\d{11})(?:\.\d+)?(_PAR_Y)?")
_WITH_ENTREZ = re.compile(r"([A-Za-z][\w.-]*)\|\d+")  # of TCGA's RNASeqV2: A1BG|1

# HGNC renamed in 2020 the genes that spreadsheets take for dates.
_RENAMED = {
    **{f"MARCH{n}": f"MARCHF{n}" for n in range(1, 12)},
    **{f"SEPT{n}": f"SEPTIN{n}" for n in (*range(1, 13), 14)},
    "MARC1": "MTARC1",
    "MARC2": "MTARC2",
    "SEP15": "SELENOF",
    "DEC1": "DELEC1",
}
# By month and day. 1-Mar was MARCH1 or MARC1, 2-Mar MARCH2 or MARC2: not known which.
_DATED = {
    **{(3, n): f"MARCHF{n}" for n in range(3, 12)},
    **{(9, n): f"SEPTIN{n}" for n in (*range(1, 13), 14)},
    (9, 15): "SELENOF",
    (12, 1): "DELEC1",
}
_MONTHS = {"mar": 3, "mrz": 3, "mär": 3, "sep": 9, "dec": 12, "dez": 12, "déc": 12, "dic": 12}
_DAY_AND_MONTH = re.compile(r"(\d{1,2})[-. ]+([a-zäé]{3})[a-zäé]{0,6}\.?", re.IGNORECASE)
_ISO = re.compile(r"\d{4}-(\d\d)-(\d\d)([ T].*)?")
_OTHER_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?|[a-zäé]{3}-\d{1,4}|\d(\.\d+)?e\+\d+", re.IGNORECASE
)
_MONTH_FIRST = re.compile(r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)-", re.IGNORECASE)
_SERIAL = re.compile(r"[3-5]\d{4}")  # days since the end of 1899: 1982 to 2064
_FEW = 0.1  # of names that are numbers: where more are, they are Entrez's


class GeneNames(NamedTuple):
    """Names of a table's genes.

    Attributes:
        names: "" where it is not known which gene became the date.
        notes: sentences.
    """

    names: list[str]
    notes: tuple[str, ...]


def gene_name(text: str) -> str:
    """Return the name of a gene in the form in which names are compared.

    Ensembl's IDs go without their version (ENSG00000141510.18), symbols without Entrez's number
    (A1BG|1), and what spreadsheets take for a date has the name that HGNC gave it in 2020: MARCH3,
    3-Mar and 2021-03-03 are MARCHF3. A copy on Y keeps its mark (_PAR_Y): it is another row of the
    annotation. Other names, and dates of several possible genes, stay as they are.
    """
    name = text.strip()
    if ensembl := _ENSEMBL.fullmatch(name):
        return ensembl[1] + (ensembl[2] or "")
    if symbol := _WITH_ENTREZ.fullmatch(name):
        name = symbol[1]
    return _RENAMED.get(name) or _DATED.get(_day_of(name), name)


def is_date(name: str) -> bool:
    """Return whether a name, as `gene_name` returns it, is a date or a number in powers of ten."""
    if _MONTH_FIRST.match(name) or _day_of(name) != (0, 0):
        return True
    return _OTHER_DATE.fullmatch(name) is not None and not name[:1].isalpha()


def gene_names(texts: Sequence[str]) -> GeneNames:
    """Return the names of a table's genes; where few names are numbers, numbers are dates too."""
    names = [gene_name(text) for text in texts]
    numbers = sum(name.isdecimal() for name in names)
    if numbers <= _FEW * len(names):
        names = [_of_serial(name) if _SERIAL.fullmatch(name) else name for name in names]
    ambiguous = [n for n, name in enumerate(names) if is_date(name)]
    restored = sum(
        name in _DATED.values() and text.strip()[:1].isdecimal()
        for name, text in zip(names, texts, strict=True)
    )
    for n in ambiguous:
        names[n] = ""
    notes = {
        f"{restored} names of genes are dates, which a spreadsheet made of MARCH3 or SEPT2, say, "
        "and were read as these genes.": restored,
        f"{len(ambiguous)} names of genes are dates and may have been several genes (1-Mar: "
        "MARCH1 or MARC1); they were left out.": len(ambiguous),
    }
    return GeneNames(names, tuple(sentence for sentence, count in notes.items() if count))


def _of_serial(number: str) -> str:
    """Return the gene of a spreadsheet's number of a day; the date where there is no such gene."""
    day = date(1899, 12, 30) + timedelta(days=int(number))
    return _DATED.get((day.month, day.day), day.isoformat())


def _day_of(name: str) -> tuple[int, int]:
    """Return month and day of a date; (0, 0) where the name is none."""
    if written := _DAY_AND_MONTH.fullmatch(name):
        month = _MONTHS.get(written[2].casefold(), 0)
        return (month, int(written[1])) if month else (0, 0)
    iso = _ISO.fullmatch(name)
    return (int(iso[1]), int(iso[2])) if iso else (0, 0)
