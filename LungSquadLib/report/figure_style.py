"""The style of all figures, and their files: the same bytes from the same numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import MissingPackageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The colours of style.css. Blue and amber differ for every eye, and in print by their lightness.
INK, SOFT, LINE = "#1c2733", "#5d6b7a", "#d9e0e7"
ACCENT, PALE, AMBER, BROWN = "#1f5fa8", "#cfe0f3", "#ffb02e", "#9a5b00"

_STYLE = {
    "font.family": "DejaVu Sans",  # matplotlib brings it, so figures look alike everywhere
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a column's name is a dollar
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.labelcolor": INK,
    "axes.labelpad": 6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "lungsquad",
}


@dataclass(frozen=True)
class Picture:
    """A figure's files, what it shows (for those who cannot see it), and how to read it."""

    name: str
    title: str
    alt: str
    caption: str
    png: bytes
    svg: bytes


@contextmanager
def style() -> Iterator[None]:
    """Draw and save within it.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise MissingPackageError("matplotlib", "Drawing figures", "plots") from error
    with matplotlib.rc_context(_STYLE):
        yield


def canvas(width: float = 4.6, height: float = 4.2) -> Figure:
    """Return an empty figure; width and height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plot(width: float, height: float, *, x: str, y: str = "") -> tuple[Figure, Axes]:
    """Return a figure of so many inches, and its only axes with their labels."""
    figure = canvas(width, height)
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y)
    return figure, axes


def picture(figure: Figure, name: str, *, title: str, alt: str, caption: str) -> Picture:
    """Return the figure as PNG and SVG."""
    return Picture(
        name,
        title,
        alt,
        caption,
        _saved(figure, format="png", dpi=200, metadata={"Software": None}),
        _saved(figure, format="svg", metadata={"Date": None, "Creator": None}),
    )


def _saved(figure: Figure, **how: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, **how)
    return file.getvalue()


def write_labels(
    axes: Axes, labels: list[tuple[str, str]], *, at: tuple[float, float], right: bool = True
) -> None:
    """Draw labels (text, colour) below one another; `at` is the position of the lowest, 0 to 1."""
    for number, (text, colour) in enumerate(reversed(labels)):
        axes.text(
            at[0],
            at[1] + 0.058 * number,
            text,
            color=colour,
            transform=axes.transAxes,
            ha="right" if right else "left",
            va="bottom",
            fontsize=8.5,
        )
