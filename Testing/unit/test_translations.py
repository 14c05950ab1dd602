"""Every text of the panel has an entry in every translation, and no translation anything else."""

from __future__ import annotations

import ast
from xml.etree import ElementTree

import pytest

from Testing.translations import (
    PROGRESS,
    TRANSLATIONS,
    UI,
    context_of,
    messages,
    placeholders,
    read_translations,
    sources,
    texts_of_code,
    texts_of_ui,
    update,
    write_translations,
)

FILES = sorted(TRANSLATIONS.glob("*.ts"))
CALLS = ("setWindowTitle", "setToolTip", "setText", "addItem", "report", "QListWidgetItem")


def test_there_is_a_german_translation():
    assert [path.name for path in FILES] == ["LungSquad_de.ts"]
    assert ElementTree.parse(FILES[0]).getroot().get("language") == "de"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_translation_has_every_text_and_no_other(path):
    """`python -m Testing.translations` adds what is missing, to be translated."""
    translated = read_translations(path)
    assert set(messages()) - set(translated) == set()
    assert set(translated) - set(messages()) == set()
    assert [message for message, text in translated.items() if not text] == []
    assert "unfinished" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_translation_fits_its_text(path):
    for (_context, text), translation in read_translations(path).items():
        assert placeholders(translation) == placeholders(text), text
        for part in ("...", "(*.csv)", ";;", "&"):
            assert translation.count(part) == text.count(part), text
        for end in (".", ":", "?", " "):
            assert translation.endswith(end) == text.endswith(end), text
        assert translation.startswith(" ") == text.startswith(" "), text


def test_the_contexts_are_those_that_slicer_computes():
    """As `slicer.i18n.getContext` of Slicer 5.10: the folder of a package, and the file."""
    contexts = {path.name: context_of(path) for path in sources()}
    assert contexts["LungSquad.py"] == "LungSquad"
    assert contexts["tumour_table.py"] == "panel.tumour_table"
    assert contexts["results.py"] == "mrml.results"
    assert {context for context, _text in texts_of_ui(UI)} == {"LungSquad"}


def test_messages_of_progress_are_among_the_texts():
    assert (PROGRESS, "Reading the mask") in messages()
    assert (PROGRESS, "Loading PyTorch") in messages()
    tasks = next(path for path in sources() if path.name == "tasks.py")
    assert f'PROGRESS = "{PROGRESS}"' in tasks.read_text(encoding="utf-8")


def test_a_text_that_no_tool_could_extract_is_found(tmp_path):
    path = tmp_path / "code.py"
    path.write_text('_("A " "text")\n_(f"Of {name}")\n')
    texts = texts_of_code(path)
    assert next(texts) == "A text"
    with pytest.raises(ValueError, match="line 2"):
        next(texts)


def test_sentences_of_the_panel_are_translatable():
    """What has several words and is shown is within `_()`; names in the scene are not."""
    loose = []
    for path in (path for path in sources() if path.parent.name == "panel"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        within = {
            id(part)
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "_"
            for part in ast.walk(call)
        }
        shown = [
            call
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            and getattr(call.func, "attr", getattr(call.func, "id", "")) in CALLS
        ]
        shown += [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            and getattr(node.targets[0], "attr", "") in ("text", "toolTip", "title")
        ]
        loose += [
            part.value
            for call in shown
            for part in ast.walk(call)
            if isinstance(part, ast.Constant)
            and isinstance(part.value, str)
            and any(map(str.isalpha, part.value))
            and " " in part.value.strip()
            and id(part) not in within
        ]
    assert loose == []


def test_an_update_keeps_what_is_translated_and_drops_what_is_gone(tmp_path):
    path = tmp_path / "LungSquad_de.ts"
    write_translations(path, "de", {("a", "'x' & <y>"): "„x“ & <y>", ("a", "gone"): "weg"})
    kept, new = ("a", "'x' & <y>"), ("b", "new")
    assert update(path, [kept, new]) == [new]
    assert read_translations(path) == {kept: "„x“ & <y>", new: ""}
    assert 'type="unfinished"' in path.read_text(encoding="utf-8")
