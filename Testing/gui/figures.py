"""Figures that tests measure, printed at the end: they depend on the machine and fail no test."""

from __future__ import annotations

measured: list[str] = []


def figure(what: str, value: float, unit: str) -> None:
    """Keep a figure for the end."""
    measured.append(f"{what}: {value:.4g} {unit}".rstrip())
