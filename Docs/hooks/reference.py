"""The parts of the reference that are made from the code when the site is built.

A page holds a marker, such as `<!-- command line -->`. The hook puts there what the parser of
`lungsquad` and the list of public names say, so that the page cannot fall behind the code.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

COMMAND_LINE, PYTHON_API = "<!-- command line -->", "<!-- python api -->"
WIDTH = 88  # characters of a usage line

# What the packages of the library hold, as headings; another package is its own heading.
PACKAGES = {
    "imaging": "Images, masks and crops",
    "models": "Model files",
    "inference": "Inference and synthetic images",
    "pipeline": "From inputs to results",
    "data": "Cohorts",
    "training": "Training",
    "evaluation": "Evaluation",
    "report": "Reports",
    "phantom": "Phantoms",
    "errors": "Errors",
}

# As `LungSquadLib.options` ends a help: "(mm, default: 1)".
_DEFAULT = re.compile(r" \((?:([^()]+), )?default: ([^()]+)\)$")

Parser = argparse.ArgumentParser


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the markers of a page; MkDocs calls this for each of them."""
    if COMMAND_LINE in markdown:
        markdown = markdown.replace(COMMAND_LINE, command_line())
    if PYTHON_API in markdown:
        markdown = markdown.replace(PYTHON_API, python_api())
    return markdown


def root_parser() -> Parser:
    """Return the parser of `lungsquad` with the arguments of all verbs."""
    from LungSquadLib.cli import VERBS, _parser

    return _parser(list(VERBS))


def verbs(parser: Parser, *path: str) -> Iterator[tuple[tuple[str, ...], Parser]]:
    """Yield every verb below a parser with its words: ("cohort",), ("cohort", "build"), ..."""
    for action in _subparsers(parser):
        for name, verb in action.choices.items():
            yield (*path, name), verb
            yield from verbs(verb, *path, name)


def command_line() -> str:
    """Return a section for each verb: what it does, its usage, its arguments with defaults."""
    parser = root_parser()
    summaries = {(): parser.description or ""}
    sections = []
    for words, verb in verbs(parser):
        summaries |= {(*words, name): text for name, text in _summaries(verb)}
        sections.append(f"{'#' * (len(words) + 1)} {' '.join(words)}")
        summary = verb.description or summaries.get(words, "")
        end = "" if summary.endswith(".") else "."
        sections.append(_text(summary[:1].upper() + summary[1:] + end))
        if not list(_subparsers(verb)):
            sections.append(f"```text\n{_usage(verb)}\n```")
            sections += _tables(verb)
    return "\n\n".join(sections)


def _subparsers(parser: Parser) -> Iterator[Any]:
    return (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))


def _summaries(parser: Parser) -> Iterator[tuple[str, str]]:
    """Yield the name and the one-line help of each verb of a parser."""
    for action in _subparsers(parser):
        for choice in action._choices_actions:
            yield choice.dest, choice.help or ""


def _usage(verb: Parser) -> str:
    """Return the usage without the word "usage", and without the indent that it takes."""
    verb.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=WIDTH)
    first, *more = verb.format_usage().removeprefix("usage: ").rstrip().splitlines()
    return "\n".join([first, *(line.removeprefix(" " * len("usage: ")) for line in more)])


def _tables(verb: Parser) -> Iterator[str]:
    """Yield a table for each group of arguments."""
    for group in verb._action_groups:
        actions = [
            action
            for action in group._group_actions
            if action.help != argparse.SUPPRESS and not isinstance(action, argparse._HelpAction)
        ]
        if actions:
            title = (group.title or "").capitalize()
            rows = "\n".join(_row(verb, action) for action in actions)
            yield f"| {title} | Meaning | Default |\n|---|---|---|\n{rows}"


def _row(verb: Parser, action: argparse.Action) -> str:
    names = ", ".join(f"`{name}`" for name in _names(action))
    meaning, default = _meaning(verb, action)
    if action.choices:
        choices = ", ".join(f"`{choice}`" for choice in action.choices)
        meaning = f"{meaning}; one of {choices}" if meaning else f"one of {choices}"
    return f"| {names} | {_text(meaning)} | {default} |"


def _meaning(verb: Parser, action: argparse.Action) -> tuple[str, str]:
    """Return the help without the default at its end, which has a column of its own, and that."""
    meaning, default = (action.help or "") % {**vars(action), "prog": verb.prog}, _default(action)
    if match := _DEFAULT.search(meaning):
        unit = f" ({match[1]})" if match[1] else ""
        default = _text(match[2]) if " " in match[2] else f"`{match[2]}`"  # words, or a value
        return meaning[: match.start()] + unit, default
    plain = default.strip("`")
    return ("" if meaning == plain else meaning.removesuffix(f"({plain})").strip()), default


def _names(action: argparse.Action) -> Iterator[str]:
    """Yield how an argument is written: `CT`, or `--roi NAME`."""
    metavar = action.metavar or action.dest.upper()
    value = " ".join(metavar) if isinstance(metavar, tuple) else metavar
    takes_value = action.nargs != 0
    if not action.option_strings:
        yield value
    for option in action.option_strings:
        yield f"{option} {value}" if takes_value and action.choices is None else option


def _default(action: argparse.Action) -> str:
    if action.required:
        return "required" if action.nargs != "?" else "optional"
    value = action.default
    if value in (None, argparse.SUPPRESS, "") or isinstance(value, bool) or value == []:
        return ""
    shown = value if isinstance(value, list | tuple) else [value]
    return f"`{' '.join(f'{item:g}' if isinstance(item, float) else str(item) for item in shown)}`"


def _text(text: str) -> str:
    """Return text that Markdown shows as it stands, `code` but for."""
    pieces = text.split("`")
    for number in range(0, len(pieces), 2):
        pieces[number] = html.escape(pieces[number], quote=False).replace("*", r"\*")
    return "`".join(pieces).replace("|", r"\|")


def python_api() -> str:
    """Return a directive of mkdocstrings for every public name, in groups by package."""
    sections = []
    for package, names in groupby(public_names(), key=lambda name: name[1].split(".")[0]):
        sections.append(f"## {PACKAGES.get(package, package)}")
        for name, module, attribute in names:
            sections.append(_directive(name, module, attribute))
            sections += _options(getattr(import_module(f"LungSquadLib.{module}"), attribute))
    return "\n\n".join(sections)


def _options(public: object) -> Iterator[str]:
    """Yield the table of the options of a dataclass, which has their help, range and unit."""
    from LungSquadLib.options import option_table

    rows = option_table(public) if isinstance(public, type) and is_dataclass(public) else []
    if rows:
        lines = "\n".join(
            f"| `{row['name']}` | `{row['flag']}` | {_text(row['help'])} | {_text(row['range'])} | "
            f"{row['unit']} | {_text(row['default'])} |"
            for row in rows
        )
        head = "| Field | Option | Meaning | Range | Unit | Default |\n|---|---|---|---|---|---|"
        yield f"{head}\n{lines}"


def public_names() -> list[tuple[str, str, str]]:
    """Return (public name, module, name in the module), packages together in their first order."""
    import LungSquadLib

    found = []
    for name, place in LungSquadLib._MODULES.items():
        module, _, attribute = place.partition(":")
        found.append((name, module, attribute or name))
    order = _first_places(module.split(".")[0] for _, module, _ in found)
    return sorted(found, key=lambda public: order[public[1].split(".")[0]])


def _first_places(packages: Iterable[str]) -> dict[str, int]:
    return {package: number for number, package in enumerate(dict.fromkeys(packages))}


def _directive(name: str, module: str, attribute: str) -> str:
    return (
        f"::: LungSquadLib.{module}.{attribute}\n"
        f'    options:\n      heading: "{name}"\n      toc_label: "{name}"'
    )
