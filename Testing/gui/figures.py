"""What the tests measured, told at the end: a slow machine fails no test, a person looks."""

from __future__ import annotations

measured: list[str] = []


def figure(what: str, value: float, unit: str) -> None:
    """Note a figure."""
    measured.append(f"{what}: {value:.4g} {unit}".rstrip())
