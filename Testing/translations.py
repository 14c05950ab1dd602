"""Brings the translations of the panel up to date: python -m Testing.translations

The texts are those of Slicer's `_()` in the code and of the `.ui` file, in the contexts that Slicer
computes: of a package's file `FOLDER.FILE`, of another the file's name, of a `.ui` file its class.
The library's messages of progress, which the panel translates as it shows them, have a context of
their own; those with numbers or names in them stay English.
Texts that are not translated yet are marked as unfinished, those that are gone are removed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
RESOURCES = ROOT / "LungSquad" / "Resources"
TRANSLATIONS = RESOURCES / "Translations"
UI = RESOURCES / "UI" / "LungSquad.ui"

PROGRESS = "LungSquadLib.progress"  # as `panel.tasks` names it
WORK = ("imaging", "inference", "models", "phantom", "pipeline", "report", "worker")

Message = tuple[str, str]  # context and text


def sources() -> list[Path]:
    """Return the files whose `_()` is Slicer's."""
    return [ROOT / "LungSquad/LungSquad.py", *sorted((ROOT / "LungSquadLib/mrml").rglob("*.py"))]


def context_of(path: Path) -> str:
    """Return the context that Slicer gives to the texts of a file."""
    packaged = (path.parent / "__init__.py").is_file()
    return f"{path.parent.name}.{path.stem}" if packaged else path.stem


def texts_of_code(path: Path) -> Iterator[str]:
    """Yield the arguments of `_()` in a file.

    Raises:
        ValueError: one is not a plain text, which no tool could extract.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_":
            (argument,) = node.args
            if not isinstance(argument, ast.Constant):
                raise ValueError(f"{path.name}, line {node.lineno}: {ast.unparse(node)}")
            yield argument.value


def texts_of_ui(path: Path) -> Iterator[Message]:
    """Yield the texts of a `.ui` file with their context."""
    tree = ElementTree.parse(path).getroot()
    for element in tree.iter("string"):
        if element.text and element.get("notr") != "true":
            yield tree.findtext("class", ""), element.text


def texts_of_progress(path: Path) -> Iterator[str]:
    """Yield the messages that a file of the library reports as progress, whole texts alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        function = getattr(node, "func", None)
        name = getattr(function, "id", getattr(function, "attr", ""))
        if isinstance(node, ast.Call) and name in ("step", "report") and len(node.args) > 1:
            message = node.args[-1]
            if isinstance(message, ast.Constant) and isinstance(message.value, str):
                yield message.value


def messages() -> list[Message]:
    """Return all texts that are to be translated, without duplicates."""
    code = ((context_of(path), text) for path in sources() for text in texts_of_code(path))
    work = (path for folder in WORK for path in (ROOT / "LungSquadLib" / folder).rglob("*.py"))
    progress = ((PROGRESS, text) for path in work for text in texts_of_progress(path))
    return sorted({*code, *texts_of_ui(UI), *progress})


def read_translations(path: Path) -> dict[Message, str]:
    """Read a `.ts` file; what is not translated is an empty text."""
    return {
        (context.findtext("name", ""), message.findtext("source", "")): message.findtext(
            "translation", ""
        )
        for context in ElementTree.parse(path).getroot().iter("context")
        for message in context.iter("message")
    }


def write_translations(path: Path, language: str, translated: dict[Message, str]) -> None:
    """Write a `.ts` file as Qt Linguist does, without line numbers."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<!DOCTYPE TS>"]
    lines.append(f'<TS version="2.1" language="{language}" sourcelanguage="en_US">')
    for name in sorted({context for context, _ in translated}):
        lines += ["<context>", f"    <name>{name}</name>"]
        for (context, source), text in sorted(translated.items()):
            if context == name:
                state = "" if text else ' type="unfinished"'
                lines += [
                    "    <message>",
                    f"        <source>{_xml(source)}</source>",
                    f"        <translation{state}>{_xml(text)}</translation>",
                    "    </message>",
                ]
        lines.append("</context>")
    path.write_text("\n".join([*lines, "</TS>", ""]), encoding="utf-8")


def placeholders(text: str) -> set[str]:
    """Return the replacement fields of a text, which Slicer compares."""
    return set(re.findall(r"(?<!\{)\{([^{}]+)\}(?!\})", text))


def _xml(text: str) -> str:
    return escape(text, {'"': "&quot;", "'": "&apos;"})


def update(path: Path, wanted: Iterable[Message]) -> list[Message]:
    """Bring a `.ts` file up to date; return what is not translated."""
    before = read_translations(path)
    translated = {message: before.get(message, "") for message in wanted}
    language = ElementTree.parse(path).getroot().get("language", "")
    write_translations(path, language, translated)
    return [message for message, text in translated.items() if not text]


def main() -> None:
    """Bring all translations up to date, and print what is not translated."""
    for path in sorted(TRANSLATIONS.glob("*.ts")):
        for context, text in update(path, messages()):
            print(f"{path.name}: {context}: {text}")


if __name__ == "__main__":
    main()
