"""README and Docs say what is there: commands parse, links lead somewhere, no flag is forgotten."""

import argparse
import ast
import html
import importlib.util
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import LungSquadLib
from LungSquadLib.cli import VERBS
from LungSquadLib.data import store
from LungSquadLib.data.store import Preprocessing, StoredCase
from LungSquadLib.data.tables import join
from LungSquadLib.imaging.crop import crop as cut
from LungSquadLib.imaging.stage import size_stage
from LungSquadLib.models import card
from LungSquadLib.models.card import Card, Seen, Training
from LungSquadLib.models.catalogue import BUNDLED
from LungSquadLib.models.file import read_card
from LungSquadLib.models.inputs import InputSpec, Source
from LungSquadLib.report import render
from LungSquadLib.report.tables import COLUMNS
from Testing.samples import ball_images
from Testing.unit.test_house import FLOORS

ROOT = Path(LungSquadLib.__file__).parents[1]
DOCS = ROOT / "Docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
# Options of other programs that the documentation names.
FOREIGN_OPTIONS = {
    *("--no-index", "--find-links", "--no-splash", "--no-main-window", "--python-script"),
    *("--testing", "--additional-module-paths", "--nproc-per-node", "--strict", "--only"),
}


def hook(name):
    """A module of Docs/hooks."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = hook("reference")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(page):
    """The fenced blocks of a page: language and content."""
    return re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def prose(page):
    return re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)


def commands(page):
    """Every command line of `lungsquad` on a page, as words, without the program's name."""
    lines = []
    for language, block in blocks(page):
        if language in ("", "bash", "sh"):
            lines += block.replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        words = shlex.split(line, comments=True)
        if words and Path(words[0]).name == "lungsquad":
            found.append(words[1:])
        elif "LungSquadLib" in words and "-m" in words:  # torchrun ... -m LungSquadLib train ...
            found.append(words[words.index("LungSquadLib") + 1 :])
    spoken_of = re.findall(r"`(lungsquad [^`]+)`", prose(page))
    return found + [shlex.split(code)[1:] for code in spoken_of]


@cache
def parser():
    return reference.root_parser()


@cache
def verbs():
    """The parser of each verb, by its words."""
    return dict(reference.verbs(parser()))


def list_of_names(path):
    """The `__all__` of a file, without importing it."""
    tree = ast.parse(text(path))
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return ast.literal_eval(value)


def anchors(page):
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in headings)
    return {re.sub(r"[\s]+", "-", heading.strip()) for heading in plain}


def links(page):
    found = re.findall(r"\]\(([^)\s]+)\)", page) + re.findall(r'<img src="([^"]+)"', page)
    return [link for link in found if "://" not in link]


def flag_codes():
    """Severities by code, of every `Flag(code, severity, ...)` of the library."""
    found = {}
    for path in Path(LungSquadLib.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Flag":
                severities = {
                    part.value
                    for part in ast.walk(node.args[1])
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
                for code in codes_of(node.args[0]):
                    found.setdefault(code, set()).update(severities)
    return found


def codes_of(node):
    if isinstance(node, ast.Constant):
        return [node.value]
    # The one that is put together: of the mean HU and of the diameter.
    assert ast.unparse(node) == "f'{name}_missed'"
    return ["hu_missed", "diameter_mm_missed"]


def flags_page():
    """Severities by code, of the rows of the flags page."""
    rows = re.findall(
        r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| [^|]+ \|$",
        text("Docs/Reference/Flags.md"),
        re.MULTILINE,
    )
    assert len(dict(rows)) == len(rows)
    return {code: set(re.findall("info|warning|severe", said)) for code, said in rows}


def test_the_readme_is_short():
    assert len(text("README.md").splitlines()) <= 150


def test_the_readme_says_that_it_is_no_medical_device():
    for name in ("README.md", "Docs/index.md", "Docs/Tutorial.md"):
        assert re.search(r"research software, not a medical device", text(name), re.IGNORECASE)
    assert "trained on computer-made phantoms only" in text("README.md")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_parses(name, capsys):
    wrong = []
    for words in commands(text(name)):
        if tuple(words) in verbs():  # a verb that is spoken of
            continue
        try:
            parser().parse_args(words)
        except SystemExit as end:
            if end.code:
                wrong.append(f"lungsquad {shlex.join(words)}: {capsys.readouterr().err.strip()}")
    assert not wrong, "\n".join(wrong)


def test_commands_are_found():
    page = (
        "```\nlungsquad predict CT \\\n    MASK  # a comment\n.venv/bin/lungsquad doctor\n"
        "torchrun -m LungSquadLib train gan S\n```\n`lungsquad models list` and `lungsquad`"
    )
    assert commands(page) == [
        ["predict", "CT", "MASK"],
        ["doctor"],
        ["train", "gan", "S"],
        ["models", "list"],
    ]
    assert len(commands(text("README.md"))) >= 8


def test_every_option_that_is_named_exists():
    known = set(FOREIGN_OPTIONS)
    for verb in verbs().values():
        known |= {option for action in verb._actions for option in action.option_strings}
    wrong = {
        f"{name}: {option}"
        for name in NAMES
        for code in re.findall(r"`([^`\n]+)`", prose(text(name)))
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", code)
        if option not in known
    }
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name):
    wrong = []
    for link in links(text(name)):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target.read_text("utf-8"))
        ):
            wrong.append(link)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_the_library_that_is_named_exists(name):
    named = re.findall(r"`((?:LungSquadLib|LungSquad|Testing|Docs|\.ci)/[\w./-]+)`", text(name))
    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("name", NAMES)
def test_every_module_of_the_library_that_is_named_exists(name):
    of = r"`(\w+)` of\s+`LungSquadLib\.([\w.]+)`"
    named = [f"{module}.{name}" for name, module in re.findall(of, text(name))]
    for dotted in [*named, *re.findall(r"`LungSquadLib\.([\w.]+)`", text(name))]:
        path = ROOT / "LungSquadLib" / dotted.replace(".", "/")
        if not (path.is_dir() or path.with_suffix(".py").is_file()):
            module, attribute = path.parent.with_suffix(".py"), path.name
            assert re.search(
                rf"^(?:def|class) {attribute}\b", module.read_text("utf-8"), re.MULTILINE
            )


@pytest.mark.parametrize("name", NAMES)
def test_python_of_the_pages_is_of_the_public_names(name):
    of_nodes = list_of_names("LungSquadLib/mrml/__init__.py")
    for language, block in blocks(text(name)):
        if language == "python":
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    if node.value.id == "ls":
                        assert node.attr in LungSquadLib.__all__
                    if node.value.id == "lsm":
                        assert node.attr in of_nodes
    for attribute in re.findall(r"`ls\.(\w+)`", text(name)):
        assert attribute in LungSquadLib.__all__


def test_the_page_of_flags_has_exactly_the_codes_of_the_library():
    codes, page = flag_codes(), flags_page()
    assert set(page) == set(codes)
    for code, severities in codes.items():
        if severities:  # written where the flag is made; else a variable says it
            assert page[code] == severities, code
    assert len(codes) > 40


def test_the_page_of_the_command_line_has_every_verb_and_option():
    page = reference.on_page_markdown(text("Docs/Reference/CommandLine.md"))
    assert reference.COMMAND_LINE not in page
    for words, verb in verbs().items():
        heading = f"\n{'#' * (len(words) + 1)} {' '.join(words)}\n"
        assert page.count(heading) == 1
        section = page.split(heading)[1].split("\n#")[0]
        for action in [] if list(reference._subparsers(verb)) else verb._actions:
            if action.help != "==SUPPRESS==" and action.dest != "help":
                for option in action.option_strings:
                    assert f"`{option}" in section
    assert {words[0] for words in verbs()} == set(VERBS)
    assert "\n### cohort build\n" in page
    crop = page.split("\n## crop\n")[1].split("\n#")[0]
    for argument, default in (("--size N", "`64`"), ("--mask-out FILE", ""), ("CT", "required")):
        assert re.search(rf"^\| `{argument}` \| [^|]+ \| {default} \|$", crop, re.MULTILINE)


def test_a_default_has_a_column_of_its_own():
    verb = argparse.ArgumentParser()
    for flag, help_text in (
        ("--shift", "largest shift (mm, default: 10)"),
        ("--rate", "learning rate (default: 0.001)"),
        ("--mean", "mean | median (of voxels)"),
        ("--at", "point (default: the centre of mass)"),
    ):
        verb.add_argument(flag, help=help_text, default=argparse.SUPPRESS)
    verb.add_argument("--folds", help="folds (5)", default=5)
    verb.add_argument("--seeds", help="5", default=5)
    (table,) = reference._tables(verb)
    assert table.splitlines()[2:] == [
        "| `--shift SHIFT` | largest shift (mm) | `10` |",
        "| `--rate RATE` | learning rate | `0.001` |",
        "| `--mean MEAN` | mean \\| median (of voxels) |  |",
        "| `--at AT` | point | the centre of mass |",
        "| `--folds FOLDS` | folds | `5` |",
        "| `--seeds SEEDS` |  | `5` |",
    ]


def test_the_page_of_python_has_every_public_name():
    page = reference.on_page_markdown(text("Docs/Reference/PythonAPI.md"))
    public = re.findall(
        r'^::: (LungSquadLib\.\S+)\n    options:\n      heading: "(\w+)"', page, re.MULTILINE
    )
    assert sorted(name for _, name in public) == sorted(set(LungSquadLib.__all__) - {"__version__"})
    pytest.importorskip("torch")
    for place, name in public:
        module, _, attribute = place.rpartition(".")
        assert getattr(importlib.import_module(module), attribute) is getattr(LungSquadLib, name)


def test_the_page_of_files_names_every_field():
    page = text("Docs/Reference/Files.md")
    crop = cut(*ball_images())
    written = {*crop.to_dict(), *size_stage(crop.mask).to_dict(), *COLUMNS}
    for kind in (StoredCase, Preprocessing, Card, Training, Seen, InputSpec, Source):
        written |= set(kind.__dataclass_fields__)
    assert not written - set(re.findall(r"`(\w+)`", page))
    table = page.split("\n## results.csv\n")[1].split(". Cases that failed")[0]
    around = ("row", "case", "patient"), ("t_stage", "size_mm")
    assert re.findall(r"`(\w+)`", table) == [*around[0], *COLUMNS, *around[1]]
    for version, what in (
        (store.FORMAT_VERSION, r"`format_version` \((\d+)\), `lungsquad`"),
        (card.FORMAT_VERSION, r"the model card \(`format_version` (\d+)\)"),
        (render.FORMAT_VERSION, r"the same JSON \(`format_version` (\d+)\)"),
        (join.FORMAT_VERSION, r"`format_version` \((\d+)\), `patients`"),
    ):
        assert re.findall(what, page) == [str(version)]


def test_every_question_leads_to_a_page():
    questions = text("Docs/Questions.md").split("\n**")[1:]
    assert len(questions) >= 10
    assert all(links(question) for question in questions)


def keys_of(path, *functions):
    """The keys of the dictionaries that functions of a file write out."""
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.FunctionDef) and node.name in functions:
            for part in ast.walk(node):
                if isinstance(part, ast.Dict):
                    yield from (key.value for key in part.keys if isinstance(key, ast.Constant))


def test_the_page_of_files_names_every_field_of_a_prediction():
    named = set(re.findall(r"`(\w+)`", text("Docs/Reference/Files.md")))
    written = {
        *keys_of("LungSquadLib/inference/prediction.py", "to_dict", "prediction_dict"),
        *keys_of("LungSquadLib/inference/profile.py", "to_dict"),
        *keys_of("LungSquadLib/pipeline/case.py", "to_dict"),
    }
    assert len(written) > 40
    assert not written - named


def test_every_picture_is_used():
    """`make pictures` draws what pages and the catalogue of extensions show, and no more."""
    shown = "".join(map(text, [*NAMES, "CMakeLists.txt"]))
    pictures = sorted((ROOT / "LungSquad/Resources/Screenshots").iterdir())
    assert [path.name for path in pictures if f"Screenshots/{path.name}" not in shown] == []


def test_the_tutorial_calls_buttons_and_sections_by_their_names():
    form = html.unescape(text("LungSquad/Resources/UI/LungSquad.ui")).casefold()
    named = [
        " ".join(name.split()) for name in re.findall(r"\*\*([^*]+)\*\*", text("Docs/Tutorial.md"))
    ]
    assert len(named) > 20
    assert not [name for name in named if name.casefold() not in form]


def test_troubleshooting_quotes_what_the_panel_says():
    sentences = [text("LungSquad/Resources/UI/LungSquad.ui")] + [
        node.value
        for package in ("mrml", "worker")
        for path in (ROOT / "LungSquadLib" / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    quoted = re.findall(r'^\| "([^"]+)"', text("Docs/Tutorial.md"), re.MULTILINE)
    assert len(quoted) > 5
    for quote in quoted:
        for part in filter(None, map(str.strip, quote.split("..."))):
            assert any(part in sentence for sentence in sentences), part


def test_the_page_of_the_architecture_lists_the_packages_from_the_top_down():
    rows = re.findall(r"^\| `(\w+)` \|", text("Docs/Architecture.md"), re.MULTILINE)
    assert rows == [name for name in FLOORS if (ROOT / "LungSquadLib" / name).is_dir()]


@pytest.mark.parametrize("name", NAMES)
def test_models_that_are_named_ship(name):
    named = re.findall(r"\b(?:demo|expression)-(?!cohort\b)[a-z0-9]+\b", text(name))
    assert set(named) <= {path.stem for path in BUNDLED.iterdir()}


def test_figures_of_the_models_are_those_of_their_cards():
    page = text("Docs/Validation.md").split("\n## Models that ship\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \| .* \|$", page, re.MULTILINE)
    assert {name for name, _ in rows} == {path.stem for path in BUNDLED.iterdir()}
    words = {
        "accuracy": "accuracy",
        "balanced accuracy": "balanced_accuracy",
        "Brier score": "Brier",
    }
    checked = 0
    for name, figures in rows:
        shipped = read_card(BUNDLED / f"{name}.safetensors")
        for figure in figures.split("; "):
            if match := re.fullmatch(r"([A-Za-z ]+) ([\d.]+) \(([\d.]+) to ([\d.]+)\)", figure):
                what, *numbers = match.groups()
                metrics = shipped.metrics
                if what.endswith(" of volume alone"):
                    what, metrics = what.removesuffix(" of volume alone"), shipped.baseline.metrics
                metric = metrics[words.get(what, what)]
                assert [f"{v:.3f}" for v in (metric.value, metric.low, metric.high)] == numbers
                checked += 1
    assert checked == 9


def test_the_citation_says_what_the_project_says():
    yaml = pytest.importorskip("yaml", reason="PyYAML reads CITATION.cff")
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert str(citation["version"]) == LungSquadLib.__version__
    assert citation["license"] == "MIT"
    assert LungSquadLib.__version__ in text("Docs/Changelog.md")


def test_the_site_builds_strictly_and_fetches_nothing(tmp_path):
    for module in ("mkdocs", "mkdocstrings"):
        pytest.importorskip(module, reason="the site is built where the extra 'docs' is installed")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        fetched = re.findall(
            r"<(?:script|img|iframe|source)[^>]*\ssrc=\"(?:https?:)?//[^\"]+|"
            r"<link[^>]*\shref=\"(?:https?:)?//[^\"]+",
            page.read_text(encoding="utf-8"),
        )
        assert not [tag for tag in fetched if 'rel="canonical"' not in tag], page
    for style in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text("utf-8"))
