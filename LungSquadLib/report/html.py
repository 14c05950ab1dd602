"""HTML out of Python, escaped unless it says that it is markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TypeAlias

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
