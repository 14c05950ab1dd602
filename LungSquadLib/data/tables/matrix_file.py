"""Matrices of numbers as files: genes x patients, patients x genes, or features of patients."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...identifying import is_identifying_name
from ...radiomics.tool_names import feature_name, offset_of
from .facts import FACTS
from .genes import gene_names
from .layouts import FURTHER, FURTHER_STARTS, KNOWN, Layout, layout_of, patient_column, read_mapping
from .matrix import Matrix
from .number_columns import SENTINELS, sentinels
from .numbers import Numbers, read_numbers
from .patient_facts import PatientFacts, facts_of_patients
from .patients import GENE_COLUMNS, PATIENT_COLUMNS, has_known_form, one_row_per_patient, patient_of
from .text import may_be_index

# Columns that describe genes, between their names and the patients.
_GENE_ANNOTATIONS = frozenset(
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
    known_patients: Collection[str] = (),
    mapping: Path | None = None,
    keep: Collection[str] = (),
) -> Matrix:
    """Read a matrix of numbers in either orientation.

    Rows or columns are patients if, in this order, they are patients of the other tables, have the
    form of an ID of a known collection, or the header's first cell names them; in a matrix that is
    not of expression the rows are patients. Columns of text, and those that are a fact by a known
    layout, the mapping or their name, become facts. Columns without any number, and different
    columns of the same name, are left out and noted.

    Args:
        path: CSV, TSV or with semicolons, also as .gz.
        name: of the source.
        kind: of `models.inputs.KINDS`.
        known_patients: patients of other tables.
        mapping: a JSON file with further columns that are facts; see `layouts.read_mapping`.
        keep: columns to keep as facts though they identify the patients.

    Raises:
        InputError: the table cannot be read, its orientation is not known, or none of its patients
            can be used.
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

    facts = {column for layout in (given, *KNOWN) if layout for column in layout.named}
    facts |= {*FACTS, *FURTHER}

    def text(column: str) -> bool:
        return (
            is_identifying_name(column, gene=kind == "expression")
            or column in facts
            or column == "case"
            or column.startswith(FURTHER_STARTS)
        )

    table = read_numbers(path, key=key, text=text)
    in_header, because = _patients_in_header(table, kind, frozenset(known_patients), path)
    notes = [f"Its {'columns' if in_header else 'rows'} are patients: {because}.", *table.notes]
    if in_header:
        table, left_out = _transposed(table, path)
        if left_out:
            notes.append(f"{left_out} columns describe genes and were left out.")
    if kind == "features":
        table, renamed = _with_standard_names(table)
        notes += renamed
    if kind == "expression":
        genes = gene_names(table.columns)
        table, notes = replace(table, columns=genes.names), [*notes, *genes.notes]
    matrix = _matrix(table, path, name=name, kind=kind, mapping=given, keep=keep)
    return replace(matrix, notes=(*notes, *matrix.notes))


def _with_standard_names(table: Numbers) -> tuple[Numbers, list[str]]:
    """Return a table whose radiomic features have the standard's names, and a sentence."""
    names = [feature_name(column) or column for column in table.columns]
    changed = sum(name != column for name, column in zip(names, table.columns, strict=True))
    if not changed or len(set(names)) < len(names):
        return table, []
    offsets = np.array([offset_of(column) for column in table.columns], table.values.dtype)
    sentence = f"{changed} radiomic features of another program have the names of the standard."
    return replace(table, columns=names, values=table.values + offsets), [sentence]


def _patients_in_header(
    table: Numbers, kind: str, known_patients: frozenset[str], path: str | os.PathLike[str]
) -> tuple[bool, str]:
    """Return whether the columns are patients, and the reason."""
    sides = (table.rows, table.columns)
    rules = {
        "their IDs are in another table": lambda text: patient_of(text) in known_patients,
        "they have the form of a known collection's IDs": has_known_form,
    }
    for why, rule in rules.items():
        rows, columns = (sum(map(rule, side)) for side in sides)
        # A gene may by chance have the name of a patient; patients are rarely alone.
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
        f"'{path}': it is not known whether its rows or its columns are patients. Write 'gene' or "
        "'patient' into the first cell of its header, or give a clinical table of its patients."
    )


def _transposed(table: Numbers, path: str | os.PathLike[str]) -> tuple[Numbers, int]:
    """Return the table with patients in the rows, and how many columns of annotations it lost."""
    words = [name for name in table.texts if name.strip().casefold() not in _GENE_ANNOTATIONS]
    if words:
        raise InputError(
            f"'{path}': {len(words)} of the columns hold words, where numbers of patients are "
            "expected: take them out."
        )
    kept = [
        n
        for n, name in enumerate(table.columns)
        if name.strip().casefold() not in _GENE_ANNOTATIONS
    ]
    values = np.ascontiguousarray(table.values.T[kept])
    transposed = Numbers(table.corner, [table.columns[n] for n in kept], table.rows, values, {})
    return transposed, len(table.columns) - len(kept) + len(table.texts)


def _matrix(
    table: Numbers,
    path: str | os.PathLike[str],
    *,
    name: str,
    kind: str,
    mapping: Layout | None,
    keep: Collection[str],
) -> Matrix:
    chosen = one_row_per_patient(table.rows, table.values, name)
    if not chosen.rows:
        reasons = "; ".join(
            f"{n} with {why}" for why, n in Counter(entry.why for entry in chosen.dropped).items()
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
    """Return the numbers of the columns to keep, and sentences about the rest."""
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        groups.setdefault(name, []).append(number)
    kept, different, repeated = [], 0, 0
    for name, numbers in groups.items():
        first = values[:, numbers[0]]
        if name and all(np.array_equal(first, values[:, n], equal_nan=True) for n in numbers[1:]):
            kept.append(numbers[0])
            repeated += len(numbers) - 1
        else:
            different += len(numbers)
    low, high = np.fmin.reduce(values, 0)[kept], np.fmax.reduce(values, 0)[kept]
    empty, constant = np.isnan(low), low == high
    counts = {
        f"{repeated} columns repeat another of the same name and were merged.": repeated,
        f"{different} columns have no name, or share it with a different one, and were left "
        "out.": different,
        f"{empty.sum()} columns have no number at all and were left out.": empty.any(),
        f"{constant.sum()} columns have the same number throughout.": constant.any(),
    }
    edge = np.isin(low, SENTINELS) | np.isin(high, SENTINELS)  # they are at the end of a column
    counts |= {
        f"{count} columns have the number {value:g}, far from all their other numbers: if it "
        "stands for a missing value, empty these cells.": count
        for value, count in sentinels(values[:, np.array(kept, int)[edge]]).items()
    }
    notes = tuple(sentence for sentence, count in counts.items() if count)
    return [n for n, gone in zip(kept, empty, strict=True) if not gone], notes


def _facts(
    table: Numbers,
    rows: Sequence[int],
    name: str,
    mapping: Layout | None,
    keep: Collection[str],
) -> PatientFacts:
    """Read the columns of text into facts of the patients in some rows."""
    header = [table.corner, *table.texts]
    layout = layout_of(header, mapping) or Layout("further columns", table.corner, {})
    ids = [table.rows[n] for n in rows]
    texts = {column: [cells[n] for n in rows] for column, cells in table.texts.items()}
    return facts_of_patients(ids, texts, layout, source=name, keep=keep)


_SAMPLE = 2_000_000  # numbers by which the scale is guessed
LINEAR_SCALES = ("counts (guessed)", "FPKM or TPM (guessed)")  # without a logarithm
_LOGS = 40.0  # a logarithm to base 2 of a count or of a TPM is below it


def scale_of(values: np.ndarray) -> str:
    """Guess the scale of an expression matrix: counts, FPKM or TPM, logarithms or z-scores.

    Args:
        values: (patients, genes), NaN where nothing is known.
    """
    known = values[:, :: max(values.size // _SAMPLE, 1)]
    known = known[:, ~np.isnan(known).all(0)].astype(np.float64)
    if not known.size:
        return "unknown"
    if np.nanmin(known) < 0:
        means, sds = np.nanmean(known, 0), np.nanstd(known, 0)
        scores = np.median(np.abs(means)) < 0.1 and abs(np.median(sds) - 1) < 0.1
        return "z-scores (guessed)" if scores else "logarithms or differences (guessed)"
    if np.nanmax(known) <= _LOGS:
        return "logarithms (guessed)"
    whole = np.isnan(known) | (known == np.rint(known))
    return LINEAR_SCALES[0] if whole.all() else LINEAR_SCALES[1]
