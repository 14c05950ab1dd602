"""Columns of a table into facts: words harmonised, survival from days and status, no dates kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ...errors import one_line
from ...identifying import identifying, is_identifying_cell, sentence_about
from .facts import DAYS, FACTS, Column, read_ages, read_days, read_status, taken
from .layouts import Layout
from .matrix import Dropped, Word
from .number_columns import number_of
from .patients import by_patient, patient_of, tissue_site
from .text import is_index, is_missing, known

TWO_YEARS = 730  # days
_TOGETHER = (("time", "event", "survival2y"), ("t_stage", "edition"))  # of one examination


@dataclass(frozen=True)
class Facts:
    """Of each patient, in the order of `patients`; see `matrix.Clinical`."""

    patients: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]
    words: tuple[Word, ...]


def harmonise(
    ids: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    layout: Layout,
    *,
    source: str,
    keep: Collection[str] = (),
) -> Facts:
    """Facts of patients from the columns of a table.

    Args:
        ids: N, as the table has them; rows without one are left out.
        columns: N cells each, without the column of the IDs.
        layout: which column has which fact.
        source: what the table is called in `dropped`.
        keep: columns to keep though they say who the patients are.
    """
    patients = [patient_of(text) for text in ids]
    kept, left_out = _kept(patients, columns, layout, keep)
    facts, odd, words, said = _harmonised(patients, columns, layout)
    rows = {**facts, **{name: _spelt_alike(columns[name]) for name in kept}}
    groups = by_patient(patients)
    merged, contradictions = _merged(rows, groups)
    names = tuple(groups)
    dropped = [Dropped(names[n], source, why) for n, why in contradictions]
    dropped += [Dropped(patients[n], source, why) for n, why in odd if patients[n]]
    notes = (*_notes(patients, groups, layout, left_out), *said)
    return Facts(names, merged, tuple(dropped), notes, tuple(words))


def _kept(
    patients: Sequence[str],
    columns: Mapping[str, Sequence[str]],
    layout: Layout,
    keep: Collection[str],
) -> tuple[list[str], dict[str, str]]:
    """Further columns that do not say who the patients are, and those that do, with the reason.

    Columns that count the rows are left out in silence.
    """
    further = {
        name: cells
        for name, cells in columns.items()
        if name not in (*FACTS, *DAYS, layout.patient)
        and (name in keep or not is_index(name, cells))
    }
    left_out = identifying(further, patients, keep=keep)
    return [name for name in further if name not in left_out], left_out


def _spelt_alike(cells: Sequence[str]) -> list[str]:
    """What cells say; words that differ in capitals alone as most cells write them.

    A minus says that nothing is known, but where others are a plus.
    """
    said = [cell.strip() if cell.strip() == "-" else known(cell) for cell in cells]
    if "+" not in said:
        said = [known(cell) for cell in said]
    return list(map(spellings(said).__getitem__, said))


def spellings(words: Sequence[str]) -> dict[str, str]:
    """Of each word the spelling that most of those have that differ in capitals alone."""
    counts = Counter(words)
    most: dict[str, str] = {}
    for word in sorted(counts, key=lambda one: (-counts[one], one)):
        most.setdefault(word.casefold(), word)
    return {word: most[word.casefold()] for word in counts}


def _harmonised(
    patients: Sequence[str], columns: Mapping[str, Sequence[str]], layout: Layout
) -> tuple[dict[str, list[str]], list[tuple[int, str]], list[Word], list[str]]:
    """Facts of each row; facts that a row says with a word that is none; the words; sentences."""
    facts: dict[str, list[str]] = {}
    odd: list[tuple[int, str]] = []
    words: list[Word] = []
    notes: list[str] = []
    for fact in (*FACTS, *DAYS):
        names = layout.columns.get(fact, (fact,))
        name = next((name for name in names if name in columns), None)
        if name is None:
            continue
        cells = [cell.strip() for cell in columns[name]]
        found = _read(fact, name, cells, layout.words.get(fact, {}))
        notes += found.notes
        odd += [
            (number, f"{fact} is left empty: {_shown(cell)}")
            for number, (cell, value) in enumerate(zip(cells, found.values, strict=True))
            if value is None
        ]
        facts[fact] = values = [value or "" for value in found.values]
        if FACTS.get(fact) is not None:
            counted = Counter(zip((one_line(cell, most=60) for cell in cells), values, strict=True))
            words += [Word(fact, *pair, count) for pair, count in counted.most_common()]
    _add_site(facts, patients)
    _add_edition(facts, layout.edition)
    more, said = _add_survival(facts, columns, layout)
    kept = {fact: facts[fact] for fact in FACTS if fact in facts}
    return kept, [*odd, *more], words, [*notes, *said]


def _read(fact: str, name: str, cells: Sequence[str], own: Mapping[str, str]) -> Column:
    """A column of a fact; words that the layout has of its own come first."""
    others = ["" if cell in own else cell for cell in cells]
    if fact in ("event", "survival2y"):
        found = read_status(fact, others)
    elif fact == "age":
        found = read_ages(name, others)
    elif fact in ("time", *DAYS):
        found = read_days(name, others)
    else:
        found = Column(["" if is_missing(cell) else taken(fact, cell) for cell in others])
    values = [own.get(cell, value) for cell, value in zip(cells, found.values, strict=True)]
    return found._replace(values=values)


def _shown(cell: str) -> str:
    """A cell in a sentence, unless it says who or when somebody is."""
    return "not shown" if is_identifying_cell(cell) else f"'{one_line(cell, most=40)}'"


def _add_site(facts: dict[str, list[str]], patients: Sequence[str]) -> None:
    sites = [tissue_site(patient) for patient in patients]
    if "site" not in facts and any(sites):
        facts["site"] = sites


def _add_edition(facts: dict[str, list[str]], edition: str) -> None:
    """Where there is a T stage, and only there."""
    if "t_stage" in facts:
        said = facts.get("edition") or [edition] * len(facts["t_stage"])
        pairs = zip(said, facts["t_stage"], strict=True)
        facts["edition"] = [its if stage else "" for its, stage in pairs]


def _add_survival(
    facts: dict[str, list[str]], columns: Mapping[str, Sequence[str]], layout: Layout
) -> tuple[list[tuple[int, str]], list[str]]:
    """Add time, event and survival after two years; rows whose follow-up is none; sentences."""
    if "event" not in facts:
        return [], []
    event, odd = facts["event"], []
    contact = facts.get("days_to_last_contact") or _from_surgery(columns, layout)
    if "time" not in facts:
        empty = [""] * len(event)
        rows = zip(event, facts.get("days_to_death", empty), contact or empty, strict=True)
        facts["time"] = [{"1": death, "0": last}.get(dead, "") for dead, death, last in rows]
    for number, time in enumerate(facts["time"]):
        if time and float(time) <= 0:
            odd.append((number, f"time and event are left empty: a follow-up of {time} days"))
            facts["time"][number] = event[number] = ""
    times = [float(time) for time in facts["time"] if time]
    if "survival2y" in facts:
        return odd, []
    if len(times) < 2 or max(times) >= TWO_YEARS / 2:
        facts["survival2y"] = list(map(_survived, facts["time"], event))
        return odd, []
    facts["survival2y"] = [""] * len(event)
    note = (
        f"The longest follow-up is {max(times):g} days: are these months? Times must be "
        "in days, or their column's name must say 'months' or 'years'. Survival after two years "
        "was not told from them."
    )
    return odd, [note]


def _survived(time: str, event: str) -> str:
    """ "1" for alive after two years, "0" for dead before, "" for not known."""
    if not time or not event:
        return ""
    return "1" if float(time) >= TWO_YEARS else "0" if event == "1" else ""


def _from_surgery(columns: Mapping[str, Sequence[str]], layout: Layout) -> list[str] | None:
    """Days from surgery to the last contact, from dates that are not kept."""
    if layout.surgery is None or not set(layout.surgery) <= set(columns):
        return None
    return [
        _days(*cells) for cells in zip(*(columns[name] for name in layout.surgery), strict=True)
    ]


def _days(last: str, ct: str, to_surgery: str) -> str:
    dates, after = (_date(last), _date(ct)), number_of(to_surgery)
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
    """One value of each fact for each patient, and facts of patients whose rows contradict."""
    merged: dict[str, list[str]] = {name: [] for name in rows}
    contradictions: list[tuple[int, str]] = []
    for number, numbers in enumerate(groups.values()):
        said = {name: {cells[n] for n in numbers} - {""} for name, cells in rows.items()}
        values, empty = agreed(said)
        contradictions += [(number, why) for why in empty]
        for name, value in values.items():
            merged[name].append(value)
    return {name: tuple(values) for name, values in merged.items()}, contradictions


def agreed(said: Mapping[str, set[str]]) -> tuple[dict[str, str], list[str]]:
    """What is said of each fact, "" where it is contradicted; and halves of sentences about that.

    Args:
        said: of each fact what is said of it, without "".
    """
    wrong = {name for name, values in said.items() if len(values) > 1}
    reasons = [
        f"{name} is left empty: " + " and ".join(one_line(one, most=40) for one in sorted(found))
        for name, found in said.items()
        if len(found) > 1
    ]
    for together in _TOGETHER:
        if wrong & set(together):
            wrong |= set(together)
    values = {name: "" if name in wrong else next(iter(found), "") for name, found in said.items()}
    return values, reasons


def _notes(
    patients: Sequence[str],
    groups: Mapping[str, Sequence[int]],
    layout: Layout,
    left_out: Mapping[str, str],
) -> tuple[str, ...]:
    nameless = patients.count("")
    repeated = sum(len(numbers) - 1 for numbers in groups.values())
    said = {
        layout.note: bool(layout.note),
        f"{repeated} rows are of a patient who has another and were merged with it.": repeated,
        f"{nameless} rows have no ID and were left out.": nameless,
        sentence_about(left_out): left_out,
    }
    return tuple(sentence for sentence, count in said.items() if count)
