"""A checkout's numbers are those that were counted by hand; a file on a journey is not missed."""

import ast

import pytest

from Testing.journey import Journey
from Testing.structure import circles, file_scope, imported, measure

FILES = {
    "__init__.py": '__all__ = ["crop", "Mask"]\n',
    "errors.py": '"""Errors."""\n\n\nclass InputError(ValueError):\n    """Wrong input."""\n',
    "imaging/__init__.py": "",
    "imaging/crop.py": (
        "from __future__ import annotations\n\nfrom typing import TYPE_CHECKING\n\n"
        "from ..errors import InputError\nfrom . import masks\n\nif TYPE_CHECKING:\n"
        "    from ..cli import main\n\n\ndef crop(a):\n    def _inner():\n        return a\n\n"
        "    return _inner()\n"
    ),
    "imaging/masks.py": (
        "class Mask:\n    def box(self):\n"
        "        from .crop import crop\n\n        return crop(self)\n"
    ),
    "cli/__init__.py": (
        "import argparse\n\nfrom ..imaging.crop import crop\n\n\ndef main(given):\n"
        "    parser = argparse.ArgumentParser()\n"
        "    verbs = parser.add_subparsers(dest='verb')\n"
        "    verb = verbs.add_parser('crop')\n    verb.add_argument('ct')\n"
        "    verb.add_argument('-o', '--out')\n"
        "    try:\n        parser.parse_args(given)\n    except SystemExit:\n        return 0\n"
    ),
}


@pytest.fixture
def checkout(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "LungSquadLib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    house = tmp_path / "Testing/unit/test_house.py"
    house.parent.mkdir(parents=True)
    house.write_text('FLOORS = ("cli", "imaging", "errors")\n', encoding="utf-8")
    return tmp_path


def test_numbers_are_those_counted_by_hand(checkout):
    figures = measure(checkout)
    assert (figures["files"], figures["lines"]) == (6, 1 + 5 + 0 + 16 + 5 + 15)
    assert figures["lines_by_package"] == {"imaging": 21, "cli": 15, "errors": 5, "__init__": 1}
    assert figures["longest_file"] == {"file": "LungSquadLib/imaging/crop.py", "lines": 16}
    assert figures["longest_function"]["name"] == "main"
    assert (figures["longest_function"]["lines"], figures["functions"]) == (10, 4)
    assert figures["median_function_lines"] == 4.5  # of 2, 4, 5 and 10
    assert (figures["public_names"], figures["names_in_all"]) == (4, 2)
    assert (figures["verbs"], figures["cli_options"], figures["cli_distinct_options"]) == (1, 2, 1)


def test_circles_and_upward_imports_count_lazy_imports_apart(checkout):
    figures = measure(checkout)
    crop, masks = "LungSquadLib/imaging/crop.py", "LungSquadLib/imaging/masks.py"
    assert figures["circles_at_file_scope"] == []
    assert figures["circles_with_lazy_imports"] == [["LungSquadLib/cli/__init__.py", crop, masks]]
    assert figures["upward_imports"] == [f"{crop} imports LungSquadLib/cli/__init__.py"]


def test_circles_are_the_strongly_connected_components():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert circles(graph) == [["a", "b", "c"], ["d", "e"]]


def test_imports_in_functions_and_for_types_do_not_run_on_import():
    text = (
        "import a\nif TYPE_CHECKING:\n    import b\nelse:\n    import c\n"
        "try:\n    import d\nexcept ImportError:\n    d = None\n"
        "class K:\n    import e\n    def f(self):\n        import g\n"
    )
    assert sorted(imported(file_scope(ast.parse(text)), ())) == ["a", "c", "d", "e"]
    from_above = ast.parse("from ..x import y\nfrom . import z")
    assert list(imported(ast.walk(from_above), ("p", "q"))) == ["p.x.y", "p.q.z"]


def test_a_journey_counts_who_carries_and_who_holds(tmp_path):
    texts = {
        "thing": "class Thing:\n    def use(self): return 1\n",
        "carries": "def carry(*things): return things[0].use()\n",
        "holds": "def hold(box): return box.content[0].use()\n",
        "neither": "def neither(number): return number\n",
    }
    names = {"__name__": "LungSquadLib.test"}
    for name, text in texts.items():
        exec(compile(text, str(tmp_path / f"{name}.py"), "exec"), names)

    class Box:
        __module__ = "LungSquadLib.box"

        def __init__(self, *content):
            self.content = content

    def work():
        thing = names["Thing"]()
        names["hold"](Box(thing))
        names["neither"](names["carry"](thing))
        return 0

    assert Journey(tmp_path, names["Thing"]).follow(work) == {
        "carry": ["carries.py", "thing.py"],
        "hold": ["carries.py", "holds.py", "thing.py"],
        "run": ["carries.py", "holds.py", "neither.py", "thing.py"],
    }
