"""The extension says the same everywhere, packs every file, and its module file stays thin."""

import ast
import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import LungSquadLib

ROOT = Path(__file__).resolve().parents[2]
MODULE, LIBRARY = ROOT / "LungSquad", ROOT / "LungSquadLib"
SOURCE = (MODULE / "LungSquad.py").read_text(encoding="utf-8")
TREE = ast.parse(SOURCE)
# Slicer's schema, version 1.0.2: these are required, and others than all of these refused.
REQUIRED = {"$schema", "category", "scm_url"}
OPTIONAL = {
    "build_dependencies",
    "build_subdirectory",
    "dicom_support_rule",
    "enabled",
    "scm_revision",
    "scm_type",
    "tier",
}


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def cmake_set(path, name):
    """The values of one `set(NAME ...)`."""
    (values,) = re.findall(rf"^set\({name}\s+(.*?)\s*\)$", text(path), re.MULTILINE | re.DOTALL)
    return [quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|(\S+)', values)]


def extension(name):
    (value,) = cmake_set("CMakeLists.txt", f"EXTENSION_{name}")
    return value


def s4ext():
    lines = [line for line in text("LungSquad.s4ext").splitlines() if line and line[0] != "#"]
    return dict(line.split(maxsplit=1) for line in lines)


def project(key):
    """A text of pyproject.toml; Python 3.10 has no reader of TOML."""
    (value,) = re.findall(rf'^{key} = "(.*)"$', text("pyproject.toml"), re.MULTILINE)
    return value


def module_attribute(name):
    """What the module class sets `parent.NAME` to."""
    for node in ast.walk(TREE):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == f"parent.{name}":
            return ast.literal_eval(node.value)
    raise AssertionError(name)


@pytest.mark.parametrize(
    "name",
    [
        "HOMEPAGE",
        "CATEGORY",
        "CONTRIBUTORS",
        "DESCRIPTION",
        "ICONURL",
        "SCREENSHOTURLS",
        "DEPENDS",
        "STATUS",
        "TIER",
    ],
)
def test_the_old_description_says_what_cmake_says(name):
    assert s4ext()[name.lower()] == extension(name)


def test_the_catalogue_entry_has_what_its_schema_wants_and_nothing_else():
    entry = json.loads(text("LungSquad.json"))
    assert set(entry) >= REQUIRED
    assert set(entry) <= REQUIRED | OPTIONAL
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.2.json#")


def test_the_catalogue_entry_agrees_with_the_old_description_and_cmake():
    entry, old = json.loads(text("LungSquad.json")), s4ext()
    assert entry["scm_url"] == old["scmurl"] == f"{extension('HOMEPAGE')}.git"
    assert (entry["scm_type"], entry["scm_revision"]) == (old["scm"], old["scmrevision"])
    assert entry["build_subdirectory"] == old["build_subdirectory"]
    assert entry["build_dependencies"] == cmake_set("CMakeLists.txt", "EXTENSION_DEPENDS")
    assert entry["category"] == extension("CATEGORY")
    assert str(entry["tier"]) == extension("TIER")
    assert entry["enabled"] == bool(int(old["enabled"]))


def test_the_python_distribution_says_the_same():
    assert project("Homepage") == extension("HOMEPAGE")
    assert project("description") == extension("DESCRIPTION")
    assert project("version") == LungSquadLib.__version__
    assert project("license") == "MIT"
    assert text("LICENSE.txt").startswith("MIT License")
    (name,) = re.findall(r"^project\((\w+)\)$", text("CMakeLists.txt"), re.MULTILINE)
    assert name.lower() == project("name")


def test_the_module_says_the_same():
    assert module_attribute("title") == "LungSquad"
    assert module_attribute("categories") == [extension("CATEGORY")]
    assert module_attribute("contributors") == [extension("CONTRIBUTORS")]
    assert f'HOMEPAGE = "{extension("HOMEPAGE")}"' in SOURCE


def test_pictures_that_the_catalogue_links_to_are_there():
    raw = extension("HOMEPAGE").replace("github.com", "raw.githubusercontent.com") + "/main/"
    for name in ("ICONURL", "SCREENSHOTURLS"):
        for url in extension(name).split():
            assert url.startswith(raw)
            assert (ROOT / url.removeprefix(raw)).is_file()


def test_readme_and_licence_are_there_and_are_the_ones_that_are_packed():
    for name, file in (("README", "README.md"), ("LICENSE", "LICENSE.txt")):
        assert extension(f"{name}_FILE") == f"${{CMAKE_CURRENT_SOURCE_DIR}}/{file}"
        assert (ROOT / file).is_file()
    assert "LICENSE.txt" in text("README.md")


def test_the_icon_is_what_the_catalogue_wants():
    png = (MODULE / "Resources/Icons/LungSquad.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">2I", png[16:24]) == (128, 128)
    assert 'viewBox="0 0 128 128"' in text("LungSquad/Resources/Icons/LungSquad.svg")


def tree_of(folder, *, without=()):
    """Files of a folder as CMake names them, without what Python writes and `without`."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {
        path.as_posix()
        for path in files
        if "__pycache__" not in path.parts
        and path.name != "CMakeLists.txt"
        and path.parent.as_posix() not in without
    }


@pytest.mark.parametrize(
    ("folder", "prefix", "without"),
    [
        ("LungSquadLib", "LIBRARY", ()),
        ("LungSquad", "MODULE", ("Resources/Screenshots",)),  # for the catalogue and the README
    ],
)
def test_every_file_is_packed(folder, prefix, without):
    lists = f"{folder}/CMakeLists.txt"
    scripts, resources = (cmake_set(lists, f"{prefix}_{one}") for one in ("SCRIPTS", "RESOURCES"))
    assert all(name.endswith(".py") for name in scripts)
    assert len(set(scripts + resources)) == len(scripts + resources)
    there = tree_of(ROOT / folder, without=without)
    assert {name for name in there if name.endswith(".py")} == set(scripts)
    assert {name for name in there if not name.endswith(".py")} == set(resources)


def test_tests_are_not_packed():
    assert "Testing" not in text("CMakeLists.txt")


def test_slicer_finds_no_module_where_there_is_none():
    assert list(ROOT.glob("*.py")) == []
    assert [path.name for path in MODULE.rglob("*.py")] == ["LungSquad.py"]


def test_the_module_file_imports_nothing_heavy_at_file_scope():
    """A failing import there disables the module, and a slow one slows every start of Slicer."""
    imported = set()
    for node in TREE.body:
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    light = {"__future__", "importlib.util", "logging", "pathlib", "tempfile", "traceback"}
    light |= set(sys.builtin_module_names)
    assert imported <= light | {"qt", "slicer", "slicer.i18n", "slicer.ScriptedLoadableModule"}


def test_the_module_file_defines_what_slicer_looks_for():
    methods = {
        node.name: {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
        for node in TREE.body
        if isinstance(node, ast.ClassDef)
    }
    assert methods["LungSquad"] >= {"__init__"}
    assert methods["LungSquadWidget"] >= {"setup", "enter", "exit", "cleanup", "onReload"}
    assert methods["LungSquadFileDialog"] >= {"isMimeDataAccepted", "dropEvent"}
    assert methods["LungSquadTest"] >= {"setUp", "runTest"}


def test_what_is_called_on_the_panels_widget_exists():
    listed = ROOT.parent / "shared" / "docs" / "slicer-widgets.json"
    if not listed.is_file():
        pytest.skip("names of Slicer's widgets: ../shared/docs/slicer-widgets.json is not there")
    known = json.loads(listed.read_text(encoding="utf-8"))["classes"]["qMRMLWidget"]
    names = {name.split("(")[0] for name in known["slots_and_invokables"]} | set(
        known["properties"]
    )
    used = {
        node.attr
        for node in ast.walk(TREE)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ui"
    }
    assert used
    assert used <= names


@pytest.mark.parametrize("packed", [False, True])
def test_the_module_finds_its_library_from_source_and_from_a_package(tmp_path, packed):
    """As `_find_library` runs in Slicer, whose path has the module's own folder alone."""
    library = tmp_path / ("LungSquad" if packed else ".") / "LungSquadLib"
    library.mkdir(parents=True)
    (library / "__init__.py").touch()
    finder = next(one for one in TREE.body if getattr(one, "name", "") == "_find_library")
    code = (
        "import sys; from pathlib import Path\n"
        f"_HERE = Path({str(tmp_path / 'LungSquad')!r})\n{ast.unparse(finder)}\n"
        "_find_library(); _find_library(); import LungSquadLib; print(LungSquadLib.__file__)\n"
        "print(len(sys.path), len(set(sys.path)))"
    )
    isolated = [sys.executable, "-I", "-c", code]  # nothing of where it runs is on the path
    run = subprocess.run(isolated, capture_output=True, text=True, check=True)
    where, counts = run.stdout.splitlines()
    assert Path(where).parent == library
    assert len(set(counts.split())) == 1
