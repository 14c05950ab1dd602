"""Words of clinical tables, and what they are taken for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

# What is kept harmonised, and the values that each may have; None where it is a number or a name.
FACTS: dict[str, tuple[str, ...] | None] = {
    "histology": ("LUAD", "LUSC", "other"),
    "t_stage": ("T1", "T2", "T3", "T4"),
    "edition": ("5", "6", "7", "8", "9"),
    "n_stage": ("N0", "N1", "N2", "N3"),
    "m_stage": ("M0", "M1"),
    "sex": ("female", "male"),
    "age": None,
    "smoking": ("never", "former", "current"),
    "site": None,
    "time": None,
    "event": ("0", "1"),
    "survival2y": ("0", "1"),
}
# From which time and event follow; they are not kept.
DAYS = ("days_to_death", "days_to_last_contact")

_ADENO = r"\badenocarcinoma|bronchi?oloalveolar|^mucinous \(colloid\)|^(luad|adeno|ac|adc|adk)$"
_SQUAMOUS = r"\bsquamous|^(lusc|scc|sqcc|sqc)$"
_OTHER = (
    r"\b(large[- ]cell|small[- ]cell|carcinoid|sarcomatoid|pleomorphic|adenosquamous|nsclc|nos|"
    r"otherwise specified|other)\b"
)


def _histology(word: str) -> str | None:
    """LUAD, LUSC or other; None for a word that is not known.

    WHO's subtypes of adenocarcinoma count as LUAD; large cell, adenosquamous and "not otherwise
    specified" as other.
    """
    said = word.casefold()
    if re.search(r"\bnon[- ]?(squamous|adeno)", said):
        return None
    adeno, squamous = (re.search(one, said) is not None for one in (_ADENO, _SQUAMOUS))
    if adeno != squamous:
        return "LUAD" if adeno else "LUSC"
    return "other" if adeno or re.search(_OTHER, said) else None


def _t_stage(word: str) -> str | None:
    """T1 to T4, whatever follows (a, b, c, mi); None for Tis, TX, T0 and what is none."""
    found = re.fullmatch(
        r"[cpy]*T?([1-4])(mi|\(mi\)|[abc])?(\((m|\d+)\))?", word.strip(), re.IGNORECASE
    )
    return f"T{found[1]}" if found else None


def _n_stage(word: str) -> str | None:
    found = re.fullmatch(r"[cpy]*N?([0-3X])[abc]?\d?", word.strip(), re.IGNORECASE)
    return _unless_x("N", found)


def _m_stage(word: str) -> str | None:
    found = re.fullmatch(r"[cpy]*M?([01X])[abc]?\d?", word.strip(), re.IGNORECASE)
    return _unless_x("M", found)


def _unless_x(letter: str, found: re.Match[str] | None) -> str | None:
    """NX and MX say that nothing is known."""
    if found is None:
        return None
    return "" if found[1] in "xX" else letter + found[1]


def _edition(word: str) -> str | None:
    found = re.fullmatch(r"([5-9])(th)?( edition)?(\.0)?", word.strip(), re.IGNORECASE)
    return found[1] if found else None


def _sex(word: str) -> str | None:
    return {"f": "female", "female": "female", "m": "male", "male": "male"}.get(word.casefold())


def _smoking(word: str) -> str | None:
    said = word.casefold()
    if re.search(r"\b(never|non[- ]?smoker|lifelong non)", said):
        return "never"
    if re.search(r"\b(former|reformed|ex[- ]?smoker|quit)", said):
        return "former"
    return "current" if re.search(r"\b(current|active)", said) else None


def _event(word: str) -> str | None:
    said = _bare(word)
    if said in ("1", "dead", "deceased", "died", "death", "expired", "true", "yes"):
        return "1"
    return "0" if said in ("0", "alive", "living", "censored", "false", "no") else None


def _survival2y(word: str) -> str | None:
    said = _bare(word)
    if said in ("1", "alive", "living", "true", "yes"):
        return "1"
    return "0" if said in ("0", "dead", "deceased", "died", "false", "no") else None


def _bare(word: str) -> str:
    """A word in small letters, without cBioPortal's code before it ("1:DECEASED")."""
    value = number_of(word)
    return re.sub(r"^[01]:", "", word.casefold()) if value is None else f"{value:g}"


def number_of(word: str) -> float | None:
    """The finite number that a cell says, written with a point; None for anything else."""
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", word.strip(), re.ASCII) is None:
        return None
    value = float(word)
    return value if math.isfinite(value) else None


def _number(word: str) -> str | None:
    value = number_of(word)
    return None if value is None else f"{value:.10g}"


def _age(word: str) -> str | None:
    value = number_of(word)
    return f"{value:.10g}" if value is not None and 0 <= value <= 120 else None


_TAKEN: Mapping[str, Callable[[str], str | None]] = {
    "histology": _histology,
    "t_stage": _t_stage,
    "edition": _edition,
    "n_stage": _n_stage,
    "m_stage": _m_stage,
    "sex": _sex,
    "age": _age,
    "smoking": _smoking,
    "site": str.strip,
    "time": _number,
    "event": _event,
    "survival2y": _survival2y,
    **dict.fromkeys(DAYS, _number),
}


def taken(fact: str, word: str) -> str | None:
    """What a word, or a number, of a fact is taken for; None where it cannot be.

    Args:
        fact: of `FACTS` or `DAYS`.
        word: a cell that is not missing.
    """
    return _TAKEN[fact](word)
