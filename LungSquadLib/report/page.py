"""Self-contained HTML pages: escaping, the page skeleton, tables, figures, findings."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TypeAlias

from .. import __version__
from .figure_style import Picture

RESEARCH = "Research software, not a medical device."
_STYLE = Path(__file__).parent / "style.css"
_VOID = frozenset(("meta", "img", "br", "input"))
_SELF_CLOSING = frozenset(("image", "path", "line", "circle", "rect"))


class Markup(str):
    """Text that is HTML and is not escaped."""

    __slots__ = ()


Child: TypeAlias = "str | float | Sequence[Child] | None"


def element(tag: str, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Return one element. Children are escaped unless they are `Markup`; None is left out.

    Attribute names lose a trailing underscore and have hyphens for others (`class_`, `data_path`).
    """
    written = "".join(
        f" {_name(name)}" if value is True else f' {_name(name)}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    if tag in _SELF_CLOSING:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{joined(children)}</{tag}>")


def joined(children: Sequence[Child]) -> Markup:
    """Concatenate children."""
    return Markup("".join(map(_text, children)))


def page(
    title: str,
    *children: Child,
    window_title: str | None = None,
    subtitle: str = "LungSquad",
    notices: Sequence[str] = (),
    made: str | None = None,
    script: str = "",
) -> str:
    """Return a whole page: head, title, research notice, notices, children, footer.

    Args:
        title: the heading.
        children: the sections.
        window_title: the title of the browser's window; that of the page if left out.
        subtitle: the text at the right of the heading.
        notices: sentences of model cards that every output must show.
        made: the footer's first sentence; "Made by LungSquad" with its version if left out.
        script: JavaScript of the page; the only one that its security policy allows.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    policy += f"; script-src 'sha256-{digest}'" if script else ""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", window_title or title),
        element("style", Markup(_STYLE.read_text(encoding="utf-8"))),
    )
    made = made or f"Made by LungSquad {__version__}."
    body = element(
        "body",
        element("header", element("h1", title), element("span", subtitle, class_="soft")),
        element("p", RESEARCH, class_="notice research"),
        [element("p", notice, class_="notice") for notice in notices],
        children,
        element("footer", element("small", f"{made} {RESEARCH}")),
        element("script", Markup(script)) if script else None,
    )
    return "<!doctype html>\n" + element("html", head, body, lang="en")


def section(title: str, *children: Child) -> list[Markup]:
    """Return a heading and its content; nothing where there is no content."""
    content = joined(children)
    return [element("h2", title), content] if content else []


def findings(sentences: Sequence[str], cautions: Sequence[str]) -> list[Markup]:
    """Return the section of what was found: the first sentence large, then the cautions."""
    first, *more = sentences or ("",)
    return section(
        "What was found",
        element("p", first, class_="verdict") if first else None,
        [element("p", sentence) for sentence in more],
        [element("p", caution, class_="flag warning") for caution in cautions],
    )


def small_print(paragraphs: Sequence[str]) -> list[Markup]:
    """Return paragraphs in small, soft type: methods and explanations."""
    return [element("p", text, class_="soft") for text in paragraphs]


def table(
    rows: Sequence[Sequence[Child]], *, header: Sequence[str] = (), widths: Sequence[str] = ()
) -> Markup:
    """Return a table; the first cell of a row is its heading, a short row gets empty cells."""
    count = max([len(header), *(len(row) for row in rows)])
    names = [
        element("th", text, scope="col", style=f"width:{width}" if width else None)
        for text, width in zip(header, widths or [""] * len(header), strict=True)
    ]
    lines = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            [element("td", cell) for cell in row[1:]],
            [element("td")] * (count - len(row)),
        )
        for row in rows
    ]
    return element("table", element("tr", names) if names else None, lines)


def figure(picture: Picture) -> Markup:
    """Return a picture with its title and caption."""
    image = element(
        "img", src=data_uri(picture.svg, "svg+xml"), alt=picture.alt, style="width:100%"
    )
    return element(
        "figure",
        element("h3", picture.title),
        image,
        element("figcaption", picture.caption),
        class_="card",
    )


def figures(pictures: Sequence[Picture]) -> Markup | None:
    """Return pictures side by side; None where there are none."""
    return element("div", list(map(figure, pictures)), class_="figures") if pictures else None


def data_uri(content: bytes, kind: str = "png") -> str:
    """Return a picture as a URI that holds its content."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")


def flag_markup(flag: Mapping[str, str]) -> Markup:
    """Return a flag as a paragraph: severity, sentence, code."""
    return element(
        "p",
        element("b", f"{flag['severity']}: "),
        flag["sentence"],
        " ",
        element("code", flag["code"]),
        class_=f"flag {flag['severity']}",
    )


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
