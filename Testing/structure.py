"""`python -m Testing.structure [CHECKOUT] [--json]`: the size and shape of a checkout, in numbers.

Needs the standard library only, and reads any checkout, older or newer than this one. Files are
those of LungSquadLib and LungSquad. Lines are all lines, blank ones and comments included; a
function is what `def` begins, methods and nested functions too. The command line is asked for its
options (its parser prints its help), so that options made from dataclasses count as well;
positional arguments count, `--help` does not.

Imports are read from the text: at file scope (what runs when the file is imported) and all of them
(those in functions and under TYPE_CHECKING too). The import of a package's parent, and names that
are given to `import_module`, are left out. A circle is a strongly connected component of two files
or more.
"""

from __future__ import annotations

import argparse
import ast
import json
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIBRARY = "LungSquadLib"
HOUSE_TEST = "Testing/unit/test_house.py"

# Runs in the checkout: prints {verb: [options]} of the parser, each verb asked for its --help.
_ASK_THE_PARSER = """
import argparse, contextlib, io, json
from LungSquadLib.cli import main
verbs, waiting = {}, [[]]
def remember(parser, *arguments):
    options = {name for action in parser._actions for name in action.option_strings[-1:]}
    positional = {action.dest for action in parser._actions if not action.option_strings}
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    names = {name for group in groups for name in group.choices}
    waiting.extend([*path, name] for name in sorted(names))
    positional -= {group.dest for group in groups}
    verbs[" ".join(path)] = sorted((options - {"--help", "--version"}) | positional)
    return ""
argparse.ArgumentParser.format_help = remember
while waiting:
    path = waiting.pop()
    with contextlib.redirect_stdout(io.StringIO()):
        main([*path, "--help"])
print(json.dumps(verbs))
"""


@dataclass(frozen=True)
class Function:
    """A function's place, name and length in lines."""

    file: str
    name: str
    lines: int


@dataclass
class SourceFile:
    """One file: its lines, functions, public names, and the modules that it imports."""

    name: str
    lines: int
    functions: list[Function] = field(default_factory=list)
    public: list[str] = field(default_factory=list)
    at_file_scope: set[str] = field(default_factory=set)
    anywhere: set[str] = field(default_factory=set)


def source_files(checkout: Path) -> list[Path]:
    """Return the Python files of the library and of the Slicer module, sorted."""
    folders = (checkout / LIBRARY, checkout / "LungSquad")
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def read_file(path: Path, checkout: Path) -> SourceFile:
    """Read one file's lines, functions, public names and imports."""
    text, name = path.read_text(encoding="utf-8"), path.relative_to(checkout).as_posix()
    tree = ast.parse(text)
    source = SourceFile(name, len(text.splitlines()))
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, definitions):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            source.functions.append(Function(name, node.name, lines))
    source.public = [
        node.name
        for node in tree.body
        if isinstance(node, (*definitions, ast.ClassDef)) and not node.name.startswith("_")
    ]
    package = path.relative_to(checkout).parent.parts
    source.at_file_scope = set(imported(file_scope(tree), package))
    source.anywhere = set(imported(ast.walk(tree), package))
    return source


def file_scope(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run on import: not those in functions or under TYPE_CHECKING."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield other
                yield from file_scope(other)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from file_scope(node)


def imported(nodes: Iterable[ast.AST], package: tuple[str, ...]) -> Iterator[str]:
    """Yield the dotted names that import statements ask for: `from a import b` gives a.b."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def graph_of(files: Iterable[SourceFile], *, lazy: bool) -> dict[str, set[str]]:
    """Return which file imports which, by their names; lazy imports included on request."""
    files = list(files)
    by_module = {}
    for source in files:
        module = source.name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        by_module[module] = source.name
    graph = {}
    for source in files:
        names = source.anywhere if lazy else source.at_file_scope
        # `from package import name`: the file of that name, or else what the package defines.
        targets = {by_module.get(name) or by_module.get(name.rpartition(".")[0]) for name in names}
        graph[source.name] = {name for name in targets if name and name != source.name}
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of two or more nodes, each sorted (Tarjan 1972)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            start = stack.index(node)
            component = sorted(stack[start:])
            del stack[start:]
            if len(component) > 1:
                components.append(component)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 10 * len(graph) + 1000))
    try:
        for node in sorted(graph):
            if node not in number:
                visit(node)
    finally:
        sys.setrecursionlimit(limit)
    return sorted(components, key=lambda component: (-len(component), component))


def package_of(name: str) -> str:
    """Return the package of a file: the folder under LungSquadLib, or the file's own name."""
    parts = Path(name).with_suffix("").parts
    return parts[1] if parts[0] == LIBRARY else parts[0]


def package_order(checkout: Path) -> list[str]:
    """Return the package order, from the top down, that the checkout's house test names."""
    path = checkout / HOUSE_TEST
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLOORS":
            return list(ast.literal_eval(node.value))
    return []


def upward_imports(graph: dict[str, set[str]], order: list[str]) -> list[str]:
    """Return the imports of a package that stands above the importing file's own."""
    level = {name: index for index, name in enumerate(order)}
    return sorted(
        f"{source} imports {target}"
        for source, targets in graph.items()
        for target in targets
        if level.get(package_of(target), len(order)) < level.get(package_of(source), -1)
    )


def ask(checkout: Path, code: str) -> Any:
    """Return the JSON that the code prints in the checkout; None if it fails."""
    words = [sys.executable, "-c", code]  # which looks for modules in the current folder first
    run = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=False)
    return json.loads(run.stdout) if run.returncode == 0 else None


def command_line(checkout: Path) -> dict[str, list[str]] | None:
    """Return each verb's options and arguments; None where a package that it needs is absent."""
    return ask(checkout, _ASK_THE_PARSER)


def command_line_sizes(verbs: dict[str, list[str]]) -> dict[str, int]:
    """Return how many verbs, options of all verbs, and differently named options there are."""
    groups = {verb.rpartition(" ")[0] for verb in verbs}
    names = [name for options in verbs.values() for name in options]
    return {
        "verbs": len(verbs.keys() - groups),
        "cli_options": len(names),
        "cli_distinct_options": len({name for name in names if name.startswith("-")}),
    }


def measure(checkout: Path) -> dict[str, Any]:
    """Return every number of a checkout, ready for JSON."""
    files = [read_file(path, checkout) for path in source_files(checkout)]
    if not files:
        raise SystemExit(f"There is no {LIBRARY} in {checkout}. Name the root of a checkout.")
    functions = [function for source in files for function in source.functions]
    longest_file = max(files, key=lambda source: source.lines)
    longest = max(functions, key=lambda function: function.lines)
    order = package_order(checkout)
    packages, packages_files = Counter(), Counter()
    for source in files:
        packages[package_of(source.name)] += source.lines
        packages_files[package_of(source.name)] += 1
    all_names = "import json, LungSquadLib; print(json.dumps(LungSquadLib.__all__))"
    lazy = graph_of(files, lazy=True)
    return {
        "files": len(files),
        "lines": sum(source.lines for source in files),
        "lines_by_package": dict(packages.most_common()),
        "files_by_package": dict(packages_files.most_common()),
        "longest_file": {"file": longest_file.name, "lines": longest_file.lines},
        "longest_function": vars(longest),
        "functions": len(functions),
        "median_function_lines": statistics.median(function.lines for function in functions),
        "public_names": sum(len(source.public) for source in files),
        "names_in_all": len(ask(checkout, all_names) or ()) or None,
        **command_line_sizes(command_line(checkout) or {}),
        "imports_between_files": sum(map(len, lazy.values())),
        "circles_at_file_scope": circles(graph_of(files, lazy=False)),
        "circles_with_lazy_imports": circles(lazy),
        "package_order": order,
        "upward_imports": upward_imports(lazy, order) if order else None,
    }


def lines_of(figures: dict[str, Any]) -> Iterator[str]:
    """Yield the figures as lines for a terminal."""
    for name, value in figures.items():
        label = name.replace("_", " ")
        if name == "lines_by_package":
            files = figures["files_by_package"]
            yield f"{label}:"
            yield from (f"  {key:22}{n:7} in {files[key]:3} files" for key, n in value.items())
        elif name == "files_by_package":
            continue
        elif name.startswith("circles"):
            yield f"{label}: {len(value)}, of {sum(map(len, value))} files"
            yield from (f"  {len(circle)}: {', '.join(circle)}" for circle in value)
        elif name == "package_order":
            yield f"{label}: {' > '.join(value) or f'none in {HOUSE_TEST}'}"
        elif isinstance(value, list):
            yield f"{label}: {len(value)}"
            yield from (f"  {entry}" for entry in value)
        elif isinstance(value, dict):
            yield f"{label}: {', '.join(f'{key} {entry}' for key, entry in value.items())}"
        else:
            yield f"{label}: {'unknown' if value is None else value}"


def main() -> int:
    """Print the figures of a checkout."""
    parser = argparse.ArgumentParser(prog="python -m Testing.structure", description=__doc__)
    parser.add_argument("checkout", nargs="?", default=".", type=Path, help="its root (.)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    figures = measure(options.checkout)
    print(json.dumps(figures, indent=1) if options.json else "\n".join(lines_of(figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
