"""Flags: what a person should know about an image before trusting a number made from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, get_args

Severity: TypeAlias = Literal["info", "warning", "severe"]


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
