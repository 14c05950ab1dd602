"""The library's names are the field's: no words that name nothing, or that only we know."""

import pytest

from Testing import vocabulary


def test_the_library_has_no_wrong_words():
    assert (vocabulary.LIBRARY / "__init__.py").exists()
    wrong = vocabulary.findings()
    assert not wrong, "\n".join(map(str, wrong))


@pytest.fixture
def words(tmp_path):
    """A function that writes one file of a library, and returns the words that are wrong in it."""

    def words(source, file="imaging/crop.py"):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return [(each.line, each.word) for each in vocabulary.findings(tmp_path, [file])]

    return words


@pytest.mark.parametrize(
    "source",
    [
        "def answers(): ...",
        "async def answers(): ...",
        "class Answers: ...",
        "class AnswersOfCase: ...",
        "def predict(answers): ...",
        "def predict(*answers): ...",
        "lambda answers: 1",
        "answers = 1",
        "answers: int",
        "answers_of = 1",
        "_answers_ = 1",
        "self.answers = 1",
        "[1 for answers in ()]",
        "for answers in (): ...",
        "with x as answers: ...",
        "(answers := 1)",
        "import x as answers",
        "from x import y as answers",
        "try: ...\nexcept E as answers: ...",
        "match 1:\n case answers: ...",
        "match 1:\n case [*answers]: ...",
    ],
)
def test_every_kind_of_definition_is_seen(words, source):
    line = 2 if "\n" in source else 1
    assert words(source) == [(line, "answers")]


@pytest.mark.parametrize(
    "source",
    [
        "predict(answers=1)",
        "x = answers.answers",
        "from answers import y",
        "'answers'",
        "one_hot = one_line = one_vs_rest = matrix_to_world = 1",  # the field's, or plain
        "class World2D: ...",
        "order = placement = telescope = 1",
        "hole = 1",  # of contours
    ],
)
def test_uses_and_the_fields_own_terms_are_right(words, source):
    assert words(source) == []


def test_words_are_found_whole_in_parts_and_in_their_case(words):
    assert words("one = own = _found = 1\nclass Order: ...\nclass MadeUp: ...\nmade_up_ct = 1") == [
        (1, "one"),
        (1, "own"),
        (1, "found"),
        (2, "Order"),
        (3, "made_up"),
        (4, "made_up"),
    ]


def test_a_hole_is_right_in_contours_only(words):
    assert words("hole = 1", "networks/translation.py") == [(1, "translation"), (1, "hole")]


def test_names_of_files_and_folders_are_names(words):
    assert words("", "mrml/handover.py") == [(1, "handover")]
    assert words("", "mrml/exchange/__init__.py") == [(1, "exchange")]


def test_old_verbs_options_and_phrases_of_the_command_line(words):
    source = (
        '"""The docstring: telling is for developers."""\n'
        'VERBS = {"click": "a mask", "crop": "a crop"}\n'
        'verbs.add_parser("walk")\n'
        'verb.add_argument("--beside", help="the LABEL\'s answers, made up, alone")\n'
        'verb.add_argument("--mask", help="f, the answering-machine")\n'
    )
    assert words(source, "cli/integrate.py") == [
        (1, "integrate"),
        (2, "click"),
        (3, "walk"),
        (4, "--beside"),
        (4, "answers"),
        (4, "made up"),
    ]
    assert words('VERBS = {"test": "told"}', "cli/train_vae.py") == [
        (1, "vae"),
        (1, "test"),
    ]


def test_elsewhere_only_help_and_options_are_looked_at(words):
    assert words('"--beside", "the answers of all"') == []
    source = (
        "truncate: float = option(1, help='of what is made up')\n"
        "margin: float = option(1, flag='--both-ways', help='f, as asked')\n"
        "test: float = 1\n"
    )
    assert words(source, "training/gan/options.py") == [
        (1, "made up"),
        (1, "--truncate"),
        (2, "--both-ways"),
        (2, "asked"),
    ]


def test_counts_by_package(words, tmp_path, capsys):
    words("one = own = 1\nown = 2\n")
    words("told = 1\n", "report/audit/page.py")
    words("told = 1\n", "files.py")
    vocabulary.main([], tmp_path)
    assert [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()] == [
        ["files.py", "1", "told 1"],
        ["imaging", "3", "own 2, one 1"],
        ["report/audit", "1", "told 1"],
        ["all", "5", "told 2, own 2, one 1"],
    ]
    vocabulary.main(["report"], tmp_path)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("report/audit/page.py:1: 'told' has 'told'; better: ")
