"""Matrices of numbers as files: genes x patients, patients x genes, or features of patients."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...identifying import tells_by_name
from .facts import DAYS, FACTS
from .genes import gene_names
from .layouts import FURTHER, FURTHER_STARTS, KNOWN, Layout, layout_of, patient_column, read_mapping
from .matrix import Matrix
from .number_columns import SENTINELS, sentinels
from .numbers import Numbers, read_numbers
from .patient_facts import Facts, harmonise
from .patients import GENE_COLUMNS, PATIENT_COLUMNS, has_known_form, one_row_each, patient_of
from .text import may_be_index

# Pyradiomics has features called Id; other numbers in a column of such a name are of patients.
_RADIOMICS = re.compile(r"_(glcm|gldm|glrlm|glszm|ngtdm|firstorder|shape)_")
# What is said of genes, in columns between their names and the patients.
_ABOUT_GENES = frozenset(
    (
        *GENE_COLUMNS,
        *("entrez_gene_id", "entrez_id", "entrez", "cytoband", "start", "end", "length"),
        *("description", "gene_description", "gene_type", "gene_biotype", "biotype", "strand"),
        *("chromosome", "chr", "accession", "type"),
    )
)


def read_matrix(
    path: str | os.PathLike[str],
    *,
    name: str = "expression",
    kind: str = "expression",
    others: Collection[str] = (),
    mapping: Path | None = None,
    keep: Collection[str] = (),
) -> Matrix:
    """Read a matrix of numbers, whichever way round it stands.

    Which of rows and columns are patients is told, in this order, by which of them are patients of
    the other tables, have the form of an ID of a known collection, or are named so in the header's
    first cell; in a matrix that is not of expression the rows are patients. Columns of text, and
    those that a known layout, the mapping or their own name calls a fact, become facts. Columns
    without any number, and names that stand for different columns, are left out and noted.

    Args:
        path: CSV, TSV or with semicolons, also as .gz.
        name: of the source.
        kind: of `models.inputs.KINDS`.
        others: patients of other tables.
        mapping: a JSON file that says which further columns are facts; see `layouts.read_mapping`.
        keep: columns to keep as facts though they say who the patients are.

    Raises:
        InputError: the table cannot be read; or it cannot be told where its patients are, or none
            of them can be used.
        OSError: the file cannot be read.
    """
    given = read_mapping(mapping) if mapping is not None else None

    def key(header: list[str]) -> int:
        if given and given.patient in header:
            return header.index(given.patient)
        if kind != "expression":
            column = patient_column(header)
            return header.index(column) if column else 0
        # pandas writes a column that counts the rows before the names of genes or patients.
        second = header[1].casefold() if len(header) > 1 else ""
        return int(may_be_index(header[0]) and second in (*GENE_COLUMNS, *PATIENT_COLUMNS))

    facts = {one for layout in (given, *KNOWN) if layout for one in layout.named}
    facts |= {*FACTS, *DAYS, *FURTHER}

    def text(column: str) -> bool:
        return (
            tells_by_name(column, gene=kind == "expression")
            or column in facts
            or column.startswith(FURTHER_STARTS)
        )

    table = read_numbers(path, key=key, text=text)
    in_header, because = _patients_in_header(table, kind, frozenset(others), path)
    notes = [f"Its {'columns' if in_header else 'rows'} are patients: {because}.", *table.notes]
    if in_header:
        table, left_out = _turned(table, path)
        if left_out:
            notes.append(f"{left_out} columns say something about genes and were left out.")
    if kind == "expression":
        genes = gene_names(table.columns)
        table, notes = replace(table, columns=genes.names), [*notes, *genes.notes]
    matrix = _matrix(table, path, name=name, kind=kind, mapping=given, keep=keep)
    return replace(matrix, notes=(*notes, *matrix.notes))


def _patients_in_header(
    table: Numbers, kind: str, others: frozenset[str], path: str | os.PathLike[str]
) -> tuple[bool, str]:
    """Whether the columns are patients, and why that is thought."""
    sides = (table.rows, table.columns)
    rules = {
        "another table has them": lambda text: patient_of(text) in others,
        "they have the form of a known collection's IDs": has_known_form,
    }
    for why, rule in rules.items():
        rows, columns = (sum(map(rule, side)) for side in sides)
        # A gene may happen to be called like somebody; a patient is rarely alone.
        if max(rows, columns) > 0 and min(rows, columns) * 20 < max(rows, columns):
            return columns > rows, why
    corner = table.corner.strip().casefold()
    if corner in GENE_COLUMNS:
        return True, "the header's first cell names genes"
    if corner in PATIENT_COLUMNS and corner != "id":
        return False, "the header's first cell names patients"
    if kind != "expression":
        return False, "as they are in tables of features"
    raise InputError(
        f"'{path}': whether its rows or its columns are patients cannot be told. Write 'gene' or "
        "'patient' into the first cell of its header, or give a clinical table of its patients."
    )


def _turned(table: Numbers, path: str | os.PathLike[str]) -> tuple[Numbers, int]:
    """Patients in the rows, without what was said of genes; and how many columns that were."""
    words = [name for name in table.texts if name.strip().casefold() not in _ABOUT_GENES]
    if words:
        raise InputError(
            f"'{path}': {len(words)} of the columns hold words, where numbers of patients are "
            "expected: take them out."
        )
    kept = [
        n for n, name in enumerate(table.columns) if name.strip().casefold() not in _ABOUT_GENES
    ]
    values = np.ascontiguousarray(table.values.T[kept])
    turned = Numbers(table.corner, [table.columns[n] for n in kept], table.rows, values, {})
    return turned, len(table.columns) - len(kept) + len(table.texts)


def _matrix(
    table: Numbers,
    path: str | os.PathLike[str],
    *,
    name: str,
    kind: str,
    mapping: Layout | None,
    keep: Collection[str],
) -> Matrix:
    chosen = one_row_each(table.rows, table.values, name)
    if not chosen.rows:
        reasons = "; ".join(
            f"{n} with {why}" for why, n in Counter(one.why for one in chosen.dropped).items()
        )
        raise InputError(
            f"'{path}' has no patient whose numbers can be used ({reasons or 'no row has an ID'})."
        )
    rows, patients = list(chosen.rows.values()), tuple(chosen.rows)
    whole = rows == list(range(len(table.rows)))
    values = table.values if whole else table.values[rows]
    columns, notes = _columns(table.columns, values)
    if not columns:
        raise InputError(f"'{path}' has no column of numbers that can be used.")
    if len(columns) < len(table.columns):
        values = np.ascontiguousarray(values[:, columns])
    facts = _facts(table, rows, name, mapping, keep)
    return Matrix(
        name,
        kind,
        patients,
        tuple(table.columns[n] for n in columns),
        values,
        scale_of(values) if kind == "expression" else "as its table has them",
        facts=facts.columns,
        dropped=(*chosen.dropped, *facts.dropped),
        notes=(*chosen.notes, *notes, *facts.notes),
    )


def _columns(names: Sequence[str], values: np.ndarray) -> tuple[list[int], tuple[str, ...]]:
    """Which columns are kept, and sentences about the others."""
    groups: dict[str, list[int]] = {}
    for number, one in enumerate(names):
        groups.setdefault(one, []).append(number)
    kept, different, repeated = [], 0, 0
    for one, numbers in groups.items():
        first = values[:, numbers[0]]
        if one and all(np.array_equal(first, values[:, n], equal_nan=True) for n in numbers[1:]):
            kept.append(numbers[0])
            repeated += len(numbers) - 1
        else:
            different += len(numbers)
    low, high = np.fmin.reduce(values, 0)[kept], np.fmax.reduce(values, 0)[kept]
    empty, constant = np.isnan(low), low == high
    said = {
        f"{repeated} columns repeat another of the same name and were merged.": repeated,
        f"{different} columns have no name, or share it with a different one, and were left "
        "out.": different,
        f"{empty.sum()} columns have no number at all and were left out.": empty.any(),
        f"{constant.sum()} columns have the same number throughout.": constant.any(),
    }
    edge = np.isin(low, SENTINELS) | np.isin(high, SENTINELS)  # they are at the end of a column
    said |= {
        f"{count} columns have the number {value:g}, far from all their others: if it says that "
        "nothing is known, empty these cells.": count
        for value, count in sentinels(values[:, np.array(kept, int)[edge]]).items()
    }
    notes = tuple(sentence for sentence, count in said.items() if count)
    return [n for n, gone in zip(kept, empty, strict=True) if not gone], notes


def _facts(
    table: Numbers,
    rows: Sequence[int],
    name: str,
    mapping: Layout | None,
    keep: Collection[str],
) -> Facts:
    """What the columns of text say of the patients in some rows."""
    header = [table.corner, *table.texts]
    layout = layout_of(header, mapping) or Layout("further columns", table.corner, {})
    ids = [table.rows[n] for n in rows]
    texts = {column: [cells[n] for n in rows] for column, cells in table.texts.items()}
    return harmonise(ids, texts, layout, source=name, keep=keep)


_AT_MOST = 2_000_000  # numbers that are looked at
COUNTED = ("counts (guessed)", "FPKM or TPM (guessed)")  # what no logarithm was taken of
_LOGS = 40.0  # a logarithm to base 2 of a count or of a TPM is below it


def scale_of(values: np.ndarray) -> str:
    """Counts, FPKM or TPM, logarithms or z-scores, with the word "guessed".

    Args:
        values: (patients, genes), NaN where nothing is known.
    """
    known = values[:, :: max(values.size // _AT_MOST, 1)]
    known = known[:, ~np.isnan(known).all(0)].astype(np.float64)
    if not known.size:
        return "unknown"
    if np.nanmin(known) < 0:
        means, spreads = np.nanmean(known, 0), np.nanstd(known, 0)
        scores = np.median(np.abs(means)) < 0.1 and abs(np.median(spreads) - 1) < 0.1
        return "z-scores (guessed)" if scores else "logarithms or differences (guessed)"
    if np.nanmax(known) <= _LOGS:
        return "logarithms (guessed)"
    whole = np.isnan(known) | (known == np.rint(known))
    return COUNTED[0] if whole.all() else COUNTED[1]
