"""Numbers as text, the same on pages, in cards and on the terminal."""

from __future__ import annotations

from typing import Protocol


class HasInterval(Protocol):
    """A value with an interval: `statistics.intervals.Estimate`, or a metric of a model card."""

    @property
    def value(self) -> float:
        """The point estimate."""

    @property
    def low(self) -> float:
        """The lower end of the interval."""

    @property
    def high(self) -> float:
        """The upper end of the interval."""


def format_number(value: float, digits: int = 3) -> str:
    """Format a number; rounding never makes it 0 or 1: 0.9997 is > 0.999."""
    rounded = round(value, digits)
    for bound in (-1.0, 0.0, 1.0):
        if rounded == bound != value:
            above = value > bound
            inside = bound + (1 if above else -1) * 10.0**-digits
            if (bound, above) in ((1.0, True), (-1.0, False)):
                continue  # 1.0003 is no proportion
            return f"{'<' if above else '>'} {inside:.{digits}f}"
    return f"{rounded + 0.0:.{digits}f}"  # adding 0 takes the sign off a zero


def format_estimate(estimate: HasInterval, digits: int = 3) -> str:
    """Format a value with its interval: 0.701 (0.583 to 0.804)."""
    return format_interval(estimate.value, estimate.low, estimate.high, digits)


def format_interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """Format three numbers as `format_estimate` does."""
    ends = f"{format_number(low, digits)} to {format_number(high, digits)}"
    return f"{format_number(value, digits)} ({ends})"


def format_p(p: float) -> str:
    """Format a p-value: p = 0.03, p < 0.001."""
    text = format_number(p, 3 if p < 0.1 else 2)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def format_permutation_p(p: float, permutations: int) -> str:
    """Format the p of a permutation test: p = 0.005, the least of 199 permutations."""
    least = ", the least of" if round(p * (permutations + 1)) <= 1 else " of"
    return f"{format_p(p)}{least} {permutations} permutations"


def format_percent(share: float, digits: int = 0) -> str:
    """Format a fraction as a percentage; rounding never makes it 0 or 100: 0.997 is > 99%."""
    text = format_number(share, 2 + digits)
    sign, _, number = text.rpartition(" ")
    return f"{sign} {float(number):.{digits}%}".strip()
