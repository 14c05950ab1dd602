"""Numbers as people read them: the same on pages, in cards and on the terminal."""

from __future__ import annotations

from typing import Protocol


class HasInterval(Protocol):
    """An estimate with its interval."""

    @property
    def value(self) -> float:
        """The estimate."""

    @property
    def low(self) -> float:
        """The interval's lower end."""

    @property
    def high(self) -> float:
        """The interval's upper end."""


def decimal(value: float, digits: int = 3) -> str:
    """A number with so many digits, which never becomes 0 or 1 by rounding: 0.9997 is > 0.999."""
    rounded = round(value, digits)
    for bound in (-1.0, 0.0, 1.0):
        if rounded == bound != value:
            above = value > bound
            inside = bound + (1 if above else -1) * 10.0**-digits
            if (bound, above) in ((1.0, True), (-1.0, False)):
                continue  # 1.0003 is no share
            return f"{'<' if above else '>'} {inside:.{digits}f}"
    return f"{rounded + 0.0:.{digits}f}"  # adding 0 takes the sign off a zero


def with_interval(estimate: HasInterval, digits: int = 3) -> str:
    """A number and its interval, as text: 0.701 (0.583 to 0.804)."""
    return interval_text(estimate.value, estimate.low, estimate.high, digits)


def interval_text(value: float, low: float, high: float, digits: int = 3) -> str:
    """The same of three numbers."""
    return f"{decimal(value, digits)} ({decimal(low, digits)} to {decimal(high, digits)})"


def p_value(p: float) -> str:
    """P as it is printed: p = 0.03, p < 0.001."""
    text = decimal(p, 3 if p < 0.1 else 2)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"


def permutation_p(p: float, shuffles: int) -> str:
    """P of a permutation test, and of how many shuffles: p = 0.005, the least of 199 shuffles."""
    least = ", the least of" if round(p * (shuffles + 1)) <= 1 else " of"
    return f"{p_value(p)}{least} {shuffles} shuffles"


def percent(share: float, digits: int = 0) -> str:
    """A share as a percentage, which never becomes 0 or all by rounding: 0.997 is > 99%."""
    text = decimal(share, 2 + digits)
    sign, _, number = text.rpartition(" ")
    return f"{sign} {float(number):.{digits}%}".strip()
