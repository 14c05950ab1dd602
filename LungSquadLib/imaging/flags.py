"""Flags: what a person should know about an image before trusting a number made from it."""

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
        """The flag that `to_dict` described; `ValueError` or `TypeError` for anything else."""
        texts = all(isinstance(text, str) and text.isprintable() for text in value.values())
        if not texts or value["severity"] not in get_args(Severity):
            raise ValueError("a flag is malformed")
        return cls(**value)  # type: ignore[arg-type]


def merged(
    shared: Iterable[Flag], own: Iterable[tuple[str, Iterable[Flag]]] = ()
) -> tuple[Flag, ...]:
    """Each flag once, the worst first: what every output shows, in this order.

    Args:
        shared: of the images, which all that is said of the case depends on.
        own: of each model, by its title. What `shared` does not say word for word is the model's
            own: its sentence names the model, also where another flag has the same code.
    """
    found = dict.fromkeys(shared)
    of_images = set(found)
    for title, flags in own:
        for flag in flags:
            if flag not in of_images:
                found[replace(flag, sentence=f"{title}: {flag.sentence}")] = None
    return tuple(sorted(found, key=lambda flag: WORST_FIRST.index(flag.severity)))


def counted(severities: Iterable[str]) -> str:
    """How many flags there are of each severity: "1 severe, 2 warning"; "none"."""
    given = list(severities)
    counts = ((given.count(severity), severity) for severity in WORST_FIRST)
    return ", ".join(f"{count} {severity}" for count, severity in counts if count) or "none"
