"""Flags: findings about an image that a person should know before trusting a result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Literal, TypeAlias, get_args

Severity: TypeAlias = Literal["info", "warning", "severe"]
WORST_FIRST: tuple[Severity, ...] = ("severe", "warning", "info")


@dataclass(frozen=True)
class Flag:
    """One finding: a code for programs, how much it matters, and a sentence for people."""

    code: str
    severity: Severity
    sentence: str

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def of(cls, value: dict[str, str]) -> Flag:
        """Return the flag of a `to_dict` dictionary; `ValueError` or `TypeError` for others."""
        texts = all(isinstance(text, str) and text.isprintable() for text in value.values())
        if not texts or value["severity"] not in get_args(Severity):
            raise ValueError("a flag is malformed")
        return cls(**value)  # type: ignore[arg-type]


def merged(
    shared: Iterable[Flag], by_model: Iterable[tuple[str, Iterable[Flag]]] = ()
) -> tuple[Flag, ...]:
    """Return each flag once, the worst first, as all outputs list them.

    Args:
        shared: of the images.
        by_model: each model's title and flags. The sentence of a flag that is not in `shared` word
            for word gets the model's title, also where a shared flag has the same code.
    """
    unique = dict.fromkeys(shared)
    of_images = set(unique)
    for title, flags in by_model:
        for flag in flags:
            if flag not in of_images:
                unique[replace(flag, sentence=f"{title}: {flag.sentence}")] = None
    return tuple(sorted(unique, key=lambda flag: WORST_FIRST.index(flag.severity)))


def count_by_severity(severities: Iterable[str]) -> str:
    """Format the number of flags of each severity: "1 severe, 2 warning"; "none"."""
    listed = list(severities)
    counts = ((listed.count(severity), severity) for severity in WORST_FIRST)
    return ", ".join(f"{count} {severity}" for count, severity in counts if count) or "none"
