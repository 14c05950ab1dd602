"""HTML out of Python, escaped unless it says that it is markup."""

from __future__ import annotations

from html import escape
from typing import TypeAlias

_EMPTY = frozenset(("meta", "img", "br", "input", "image", "path", "line", "circle", "rect"))


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = "str | float | list[Child] | None"


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


def joined(children: tuple[Child, ...] | list[Child]) -> Markup:
    """Children one after another."""
    parts = []
    for child in children:
        if isinstance(child, list):
            parts.append(joined(child))
        elif child is not None:
            parts.append(child if isinstance(child, Markup) else escape(str(child)))
    return Markup("".join(parts))


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")
