"""Self-contained HTML pages: escaping, the page skeleton, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TypeAlias

from .. import __version__

RESEARCH = "Research software, not a medical device."
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


_EMPTY = frozenset(("meta", "img", "br", "input", "image", "path", "line", "circle", "rect"))


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | float | Sequence[Child] | None"


def element(tag: str, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """One element. Children are escaped unless they are `Markup`; None is left out.

    Attribute names lose a trailing underscore and have hyphens for others (`class_`, `data_path`).
    """
    written = "".join(
        f" {_name(name)}" if value is True else f' {_name(name)}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _EMPTY:
        return Markup(
            f"<{tag}{written}>" if tag in ("meta", "img", "br", "input") else f"<{tag}{written}/>"
        )
    return Markup(f"<{tag}{written}>{joined(children)}</{tag}>")


def joined(children: Sequence[Child]) -> Markup:
    """Children one after another."""
    return Markup("".join(map(_text, children)))


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, (str, float, int)):
        return escape(str(child))
    return joined(child)


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def flag_markup(flag: Mapping[str, str]) -> Markup:
    """A flag as a paragraph: severity, sentence, code."""
    return element(
        "p",
        element("b", f"{flag['severity']}: "),
        flag["sentence"],
        " ",
        element("code", flag["code"]),
        class_=f"flag {flag['severity']}",
    )
