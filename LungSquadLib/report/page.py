"""A page of results: one HTML file that needs nothing else, and the tables on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from .document import RESEARCH
from .html import Child, Markup, element

_STYLE = Path(__file__).parent / "style.css"


def page(title: str, *children: Child) -> str:
    """The whole page: a heading, that it is for research, the children, who made it."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(_STYLE.read_text(encoding="utf-8"))),
    )
    body = element(
        "body",
        element("header", element("h1", title), element("span", "LungSquad", class_="soft")),
        element("p", RESEARCH, class_="notice research"),
        children,
        element("footer", element("small", f"Made by LungSquad {__version__}. {RESEARCH}")),
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en")


def table(rows: Sequence[Sequence[Child]], *, header: Sequence[str] = ()) -> Markup:
    """A table; the first cell of a row is its heading."""
    lines = [
        element("tr", element("th", row[0], scope="row"), [element("td", cell) for cell in row[1:]])
        for row in rows
    ]
    names = element("tr", [element("th", text, scope="col") for text in header]) if header else None
    return element("table", names, lines)
