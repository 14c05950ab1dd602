"""Flags: what a person should know about an image before trusting a number made from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["info", "warning", "severe"]


@dataclass(frozen=True)
class Flag:
    """One finding: a code for programs, how much it matters, and a sentence for people."""

    code: str
    severity: Severity
    sentence: str

    def to_dict(self) -> dict[str, str]:
        return asdict(self)
