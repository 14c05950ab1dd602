"""The house stands as it was drawn: imports point down, and heavy things stay where they belong."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import LungSquadLib

ROOT = Path(LungSquadLib.__file__).parent
# From the top floor down; a file imports from its own floor's package or from a lower one.
FLOORS = (
    "cli",
    "mrml",
    "worker",
    "pipeline",
    "report",
    "evaluation",
    "training",
    "inference",
    "cohorts",
    "phantom",
    "data",
    "models",
    "radiomics",
    "imaging",
    "statistics",
    "networks",
    "identifying",
    "identity",
    "fields",
    "download",
    "files",
    "progress",
    "options",
    "errors",
)
FILES = sorted(ROOT.rglob("*.py"))
PACKAGES = [path for path in FILES if path.parent != ROOT or path.stem in FLOORS]


def floor_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path, *, at_file_scope: bool = False) -> list[str]:
    """Modules that a file imports, absolute, with its own package's as LungSquadLib.x."""
    nodes = parsed(path).body if at_file_scope else ast.walk(parsed(path))
    package = ["LungSquadLib", *path.relative_to(ROOT).parent.parts]
    modules = []
    for node in nodes:
        if isinstance(node, ast.Import):
            modules += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            modules += [module, *(f"{module}.{name.name}" for name in node.names)]
    return modules


def test_imports_point_down():
    wrong = []
    for path in PACKAGES:
        own = FLOORS.index(floor_of(path))
        for module in imports(path):
            parts = module.split(".")
            inside = parts[0] == "LungSquadLib" and len(parts) > 1 and parts[1] in FLOORS
            if inside and FLOORS.index(parts[1]) < own:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}, which is above")
    assert not wrong, "\n".join(wrong)


def test_no_imports_run_in_circles():
    """No file reaches itself by imports of any kind: at the top, within functions, for types."""
    files = {module_of(path): path for path in FILES}
    imported = {
        name: {module for module in imports(path) if module in files and module != name}
        for name, path in files.items()
    }
    for name, modules in imported.items():  # of `from . import x` only x is meant
        modules -= {package for package in modules if name.startswith(f"{package}.")}
    assert "LungSquadLib.mrml.panel.section" in imported["LungSquadLib.mrml.panel.crop"]
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        pytest.fail(f"files that import each other: {' -> '.join(error.args[1])}")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_slicer_and_torch_stay_where_they_belong():
    wrong = []
    for path in FILES:
        floor = floor_of(path)
        everywhere = {module.split(".")[0] for module in imports(path)}
        at_file_scope = {module.split(".")[0] for module in imports(path, at_file_scope=True)}
        found = everywhere & {"pickle"}
        if floor != "mrml":
            found |= everywhere & {"slicer", "qt", "ctk", "vtk", "vtkmodules"}
        if floor not in ("networks", "training", "inference", "models"):
            found |= at_file_scope & {"torch"}
        if floor in ("imaging", "mrml"):
            found |= everywhere & {"torch"}
        if floor == "networks":
            found |= everywhere & {"os", "pathlib", "io", "json", "safetensors"}
        wrong += [f"{path.relative_to(ROOT)} imports {module}" for module in sorted(found)]
    assert not wrong, "\n".join(wrong)


def test_files_are_short_and_say_their_subject():
    for path in FILES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
        assert ast.get_docstring(parsed(path)), path


def test_importing_the_package_pulls_nothing_heavy():
    code = (
        "import sys, LungSquadLib;"
        "print([name for name in ('torch', 'numpy', 'SimpleITK') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_public_name_is_there():
    pytest.importorskip("torch")
    for name in LungSquadLib.__all__:
        assert getattr(LungSquadLib, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        LungSquadLib.nonsense  # noqa: B018
    assert set(LungSquadLib.__all__) <= set(dir(LungSquadLib))


def test_crop_needs_neither_torch_nor_optional_packages(tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'highdicom', 'h5py', 'safetensors', 'zlib_ng', 'PIL'):\n"
        "    sys.modules[name] = None\n"
        "from Testing.samples import ball_images\n"
        "import LungSquadLib as ls\n"
        "print(ls.crop(*ball_images()).mask_voxels > 0)\n"
    )
    samples = tmp_path / "Testing"
    samples.mkdir()
    source = (Path(__file__).parents[1] / "samples.py").read_text(encoding="utf-8")
    start, end = source.index("def ball_images"), source.index("def write_model")
    head = "from __future__ import annotations\nimport numpy as np\nimport SimpleITK as sitk\n"
    (samples / "samples.py").write_text(head + source[start:end], encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "True"
