"""Facts of patients from the columns of a table; survival from days and status; no dates kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ...errors import one_line
from ...identifying import identifying, is_identifying_cell, sentence_about
from .facts import FACTS, Column, read_fact
from .layouts import Layout
from .matrix import Dropped, Reading
from .number_columns import parse_number
from .patients import by_patient, patient_of, tissue_site
from .text import is_index, known

TWO_YEARS = 730  # days
_TOGETHER = (("time", "event", "survival2y"), ("t_stage", "edition"))  # of the same examination


@dataclass(frozen=True)
class PatientFacts:
    """Facts of patients, in the order of `patients`; see `matrix.Clinical`."""

    patients: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]
    readings: tuple[Reading, ...]


def facts_of_patients(
    ids: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    layout: Layout,
    *,
    source: str,
    keep: Collection[str] = (),
) -> PatientFacts:
    """Read the columns of a table into facts of patients, one value each; others stay as text.

    Args:
        ids: N, as the table has them; rows without an ID are left out.
        columns: N cells each, without the column of the IDs.
        layout: which column has which fact.
        source: the name of the table in `dropped`.
        keep: columns to keep though they identify the patients.
    """
    patients = [patient_of(text) for text in ids]
    kept, left_out = _kept(patients, columns, layout, keep)
    facts, invalid, readings, remarks = _read_facts(patients, columns, layout)
    rows = {**facts, **{name: _spelt_alike(columns[name]) for name in kept}}
    groups = by_patient(patients)
    merged, contradictions = _merged(rows, groups)
    names = tuple(groups)
    dropped = [Dropped(names[n], source, why) for n, why in contradictions]
    dropped += [Dropped(patients[n], source, why) for n, why in invalid if patients[n]]
    notes = (*_notes(patients, groups, layout, left_out), *remarks)
    return PatientFacts(names, merged, tuple(dropped), notes, tuple(readings))


def _kept(
    patients: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    layout: Layout,
    keep: Collection[str],
) -> tuple[list[str], dict[str, str]]:
    """Return the further columns, and those among them that identify patients, with the reason.

    Columns that count the rows are left out without a note.
    """
    further = {
        name: cells
        for name, cells in columns.items()
        if name not in (*FACTS, layout.patient) and (name in keep or not is_index(name, cells))
    }
    left_out = identifying(further, patients, keep=keep)
    return [name for name in further if name not in left_out], left_out


def _spelt_alike(cells: Sequence[str]) -> list[str]:
    """Return the cells with one spelling for words that differ only in capitals.

    A minus is a missing cell, unless other cells are a plus.
    """
    texts = [cell.strip() if cell.strip() == "-" else known(cell) for cell in cells]
    if "+" not in texts:
        texts = [known(cell) for cell in texts]
    return list(map(spellings(texts).__getitem__, texts))


def spellings(words: Sequence[str]) -> dict[str, str]:
    """Return for each word the most frequent spelling of those that differ only in capitals."""
    counts = Counter(words)
    most: dict[str, str] = {}
    for word in sorted(counts, key=lambda word: (-counts[word], word)):
        most.setdefault(word.casefold(), word)
    return {word: most[word.casefold()] for word in counts}


def _read_facts(
    patients: Sequence[str], columns: Mapping[str, Sequence[str]], layout: Layout
) -> tuple[dict[str, list[str]], list[tuple[int, str]], list[Reading], list[str]]:
    """Return facts of each row, rows with an invalid cell, how words were read, sentences."""
    facts: dict[str, list[str]] = {}
    invalid: list[tuple[int, str]] = []
    readings: list[Reading] = []
    notes: list[str] = []
    for fact in FACTS:
        names = layout.columns.get(fact, (fact,))
        name = next((name for name in names if name in columns), None)
        if name is None:
            continue
        cells = [cell.strip() for cell in columns[name]]
        column = _read(fact, name, cells, layout.words.get(fact, {}))
        notes += column.notes
        invalid += [
            (number, f"{fact} is left empty: {_quoted(cell)}")
            for number, (cell, value) in enumerate(zip(cells, column.values, strict=True))
            if value is None
        ]
        facts[fact] = values = [value or "" for value in column.values]
        if FACTS[fact].values is not None:
            counted = Counter(zip((one_line(cell, most=60) for cell in cells), values, strict=True))
            readings += [Reading(fact, *pair, count) for pair, count in counted.most_common()]
    _add_site(facts, patients)
    _add_edition(facts, layout.edition)
    wrong, remarks = _add_survival(facts, columns, layout)
    kept = {name: facts[name] for name, fact in FACTS.items() if fact.kept and name in facts}
    return kept, [*invalid, *wrong], readings, [*notes, *remarks]


def _read(fact: str, name: str, cells: Sequence[str], words: Mapping[str, str]) -> Column:
    """Read a column of a fact; the layout's values for words come first."""
    column = read_fact(fact, name, ["" if cell in words else cell for cell in cells])
    values = [words.get(cell, value) for cell, value in zip(cells, column.values, strict=True)]
    return column._replace(values=values)


def _quoted(cell: str) -> str:
    """Return a cell in quotes, unless it may identify a patient."""
    return "not shown" if is_identifying_cell(cell) else f"'{one_line(cell, most=40)}'"


def _add_site(facts: dict[str, list[str]], patients: Sequence[str]) -> None:
    sites = [tissue_site(patient) for patient in patients]
    if "site" not in facts and any(sites):
        facts["site"] = sites


def _add_edition(facts: dict[str, list[str]], edition: str) -> None:
    """Give rows with a T stage, and only those, its edition."""
    if "t_stage" in facts:
        editions = facts.get("edition") or [edition] * len(facts["t_stage"])
        pairs = zip(editions, facts["t_stage"], strict=True)
        facts["edition"] = [text if stage else "" for text, stage in pairs]


def _add_survival(
    facts: dict[str, list[str]], columns: Mapping[str, Sequence[str]], layout: Layout
) -> tuple[list[tuple[int, str]], list[str]]:
    """Add time, event and survival after two years; return invalid rows, and sentences."""
    if "event" not in facts:
        return [], []
    event, invalid = facts["event"], []
    contact = facts.get("days_to_last_contact") or _from_surgery(columns, layout)
    if "time" not in facts:
        empty = [""] * len(event)
        rows = zip(event, facts.get("days_to_death", empty), contact or empty, strict=True)
        facts["time"] = [{"1": death, "0": last}.get(dead, "") for dead, death, last in rows]
    for number, time in enumerate(facts["time"]):
        if time and float(time) <= 0:
            invalid.append((number, f"time and event are left empty: a follow-up of {time} days"))
            facts["time"][number] = event[number] = ""
    times = [float(time) for time in facts["time"] if time]
    if "survival2y" in facts:
        return invalid, []
    if len(times) < 2 or max(times) >= TWO_YEARS / 2:
        facts["survival2y"] = list(map(_survived, facts["time"], event))
        return invalid, []
    facts["survival2y"] = [""] * len(event)
    note = (
        f"The longest follow-up is {max(times):g} days: are these months? Times must be "
        "in days, or their column's name must say 'months' or 'years'. Survival after two years "
        "was not computed from them."
    )
    return invalid, [note]


def _survived(time: str, event: str) -> str:
    """Return "1" for alive after two years, "0" for dead before, "" for not known."""
    if not time or not event:
        return ""
    return "1" if float(time) >= TWO_YEARS else "0" if event == "1" else ""


def _from_surgery(columns: Mapping[str, Sequence[str]], layout: Layout) -> list[str] | None:
    """Return the days from surgery to the last contact, from dates that are not kept."""
    if layout.surgery is None or not set(layout.surgery) <= set(columns):
        return None
    return [
        _days(*cells) for cells in zip(*(columns[name] for name in layout.surgery), strict=True)
    ]


def _days(last: str, ct: str, to_surgery: str) -> str:
    dates, after = (_date(last), _date(ct)), parse_number(to_surgery)
    if dates[0] is None or dates[1] is None or after is None:
        return ""
    return f"{(dates[0] - dates[1]).days - after:.10g}"


def _date(cell: str) -> date | None:
    try:
        return datetime.strptime(cell.strip(), "%m/%d/%Y").date()
    except ValueError:
        return None


def _merged(
    rows: Mapping[str, Sequence[str]], groups: Mapping[str, Sequence[int]]
) -> tuple[dict[str, tuple[str, ...]], list[tuple[int, str]]]:
    """Return one value of each fact for each patient, and the conflicts of patients' rows."""
    merged: dict[str, list[str]] = {name: [] for name in rows}
    contradictions: list[tuple[int, str]] = []
    for number, numbers in enumerate(groups.values()):
        texts = {name: {cells[n] for n in numbers} - {""} for name, cells in rows.items()}
        values, conflicts = consensus(texts)
        contradictions += [(number, why) for why in conflicts]
        for name, value in values.items():
            merged[name].append(value)
    return {name: tuple(values) for name, values in merged.items()}, contradictions


def consensus(values: Mapping[str, set[str]]) -> tuple[dict[str, str], list[str]]:
    """Return the value of each fact, "" where values differ, and half a sentence on each conflict.

    Args:
        values: the different values of each fact, without "".
    """
    wrong = {name for name, texts in values.items() if len(texts) > 1}
    conflicts = [
        f"{name} is left empty: " + " and ".join(one_line(text, most=40) for text in sorted(texts))
        for name, texts in values.items()
        if len(texts) > 1
    ]
    for together in _TOGETHER:
        if wrong & set(together):
            wrong |= set(together)
    single_values = {
        name: "" if name in wrong else next(iter(texts), "") for name, texts in values.items()
    }
    return single_values, conflicts


def _notes(
    patients: Sequence[str],
    groups: Mapping[str, Sequence[int]],
    layout: Layout,
    left_out: Mapping[str, str],
) -> tuple[str, ...]:
    nameless = patients.count("")
    repeated = sum(len(numbers) - 1 for numbers in groups.values())
    notes = {
        layout.note: bool(layout.note),
        f"{repeated} rows are of a patient who has another row and were merged with it.": repeated,
        f"{nameless} rows have no ID and were left out.": nameless,
        sentence_about(left_out): left_out,
    }
    return tuple(sentence for sentence, count in notes.items() if count)
