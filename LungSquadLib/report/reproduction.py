"""The page of a reproduced study: cautions, what was found, tables, links to the parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .page import Child, element, findings, page, section, table


@dataclass(frozen=True)
class Section:
    """A table of the page, with links to files beside the page: (text, relative path)."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Child]]
    links: Sequence[tuple[str, str]] = ()


def reproduction_page(
    title: str, sentences: Sequence[str], cautions: Sequence[str], sections: Sequence[Section]
) -> str:
    """Return the whole page; the cautions come first."""
    return page(
        title,
        [element("p", caution, class_="flag warning") for caution in cautions],
        findings(sentences, ()),
        [
            section(
                part.title,
                table(part.rows, header=part.header) if part.rows else None,
                [element("p", element("a", text, href=path)) for text, path in part.links],
            )
            for part in sections
        ],
    )
