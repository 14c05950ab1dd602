"""The command line as a whole: help, exit codes, and nothing but sentences."""

import argparse
import json
import subprocess
import sys

import pytest

from LungSquadLib.cli import VERBS, _parser, main
from LungSquadLib.cli.output import printable
from LungSquadLib.errors import FaultError, LungSquadError, NoMemoryError, understood
from LungSquadLib.progress import Part, Silent, TerminalBar, step
from Testing import vocabulary


def test_help_names_every_verb(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)
    assert "not a medical device" in shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_refuses_nonsense(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: lungsquad {verb}")
    assert main([verb, "--nonsense"]) == 2
    assert capsys.readouterr().err.startswith("lungsquad")


def arguments_of(parser):
    """Every argument below a parser, and every verb, each with the words that lead to it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from ((f"{parser.prog} {verb.dest}", verb) for verb in action._choices_actions)
            for verb in action.choices.values():
                yield from arguments_of(verb)
        else:
            name = " ".join(action.option_strings) or action.dest
            yield f"{parser.prog} {name}", action


@pytest.mark.parametrize("verb", VERBS)
def test_every_argument_has_help_that_is_a_plain_phrase(verb):
    (verbs,) = (each for each in _parser([verb])._actions if each.dest == "verb")
    for name, action in arguments_of(verbs.choices[verb]):
        if action.help is argparse.SUPPRESS:
            assert name.endswith("--debug")  # which the verb above lists
            continue
        assert action.help, name
        first = action.help.split()[0].strip(":,;'")
        assert first[0].islower() or first.isupper() or "=" in first, (name, action.help)
        assert first not in ("of", "that", "its", "which", "what", "how"), (name, action.help)
        assert not action.help.endswith("."), (name, action.help)
        assert not vocabulary._PHRASE.search(action.help), (name, action.help)


def test_wrong_usage_is_one_sentence(capsys):
    for arguments in (
        [],
        ["nonsense"],
        ["crop", "a"],
        ["crop", "a", "b", "-o", "c", "--size", "x"],
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "--help" in said


def test_debug_shows_the_traceback_and_nothing_else_does(tmp_path, capsys):
    arguments = ["inspect", str(tmp_path / "nowhere")]
    assert main(arguments) == 2
    assert capsys.readouterr().err == (
        f"lungsquad: There is no file or folder '{tmp_path / 'nowhere'}'.\n"
    )
    with pytest.raises(LungSquadError):
        main([*arguments, "--debug"])


def test_a_fault_of_our_own_is_told_apart_from_bad_input(monkeypatch, capsys):
    monkeypatch.setattr("LungSquadLib.cli.doctor.examine", lambda: 1 / 0)
    assert main(["doctor"]) == 70
    assert "--debug" in capsys.readouterr().err


def test_ctrl_c_is_said_and_ends_with_130(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("LungSquadLib.cli.doctor.examine", interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "lungsquad: Cancelled.\n"


@pytest.mark.linux
def test_output_that_nobody_reads_to_the_end_is_no_error():
    code = "import sys; from LungSquadLib.cli import main; sys.exit(main(['doctor']))"
    run = subprocess.run(
        f'{sys.executable} -c "{code}" | head -c 1', shell=True, capture_output=True, check=True
    )
    assert b"Traceback" not in run.stderr


def test_module_and_script_are_the_same():
    run = subprocess.run(
        [sys.executable, "-m", "LungSquadLib", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("lungsquad ")


def test_doctor_lists_what_there_is(capsys):
    assert main(["doctor", "--json"]) == 0
    found = {one["name"]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert found["SimpleITK"] == "ok"
    assert main(["doctor"]) == 0
    assert "SimpleITK" in capsys.readouterr().out


def test_text_from_files_cannot_drive_the_terminal():
    assert printable("a\x1b[31mb\x07\u202ec\nd") == "a\ufffd[31mb\ufffd\ufffdc\nd"


class Told:
    cancelled = False

    def __init__(self):
        self.fractions = []

    def report(self, fraction, message):
        self.fractions.append(fraction)


def test_parts_of_progress_fit_into_the_whole():
    told = Told()
    part = Part(Part(told, 0.5, 1.0), 0.0, 0.5)
    for fraction in (0.0, 0.5, 1.0):
        step(part, fraction, "")
    assert told.fractions == [0.5, 0.625, 0.75]
    assert not Silent().cancelled


class Terminal:
    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_the_bar_draws_on_one_line_and_goes_away():
    terminal = Terminal()
    bar = TerminalBar(terminal, width=4)
    bar.report(0.5, "half")
    assert terminal.text == "\r[##..]  50% half"
    bar.close()
    assert terminal.text.endswith("\r")


def test_every_error_becomes_one_of_ours_with_a_sentence():
    for error in (
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("itk::ERROR: Image(0x1): Failed to allocate memory for image."),
    ):
        assert isinstance(understood(error), NoMemoryError)
    assert (
        str(understood(FileNotFoundError(2, "No such file", "a.nrrd"))) == "'a.nrrd': No such file."
    )
    assert "pip install 'lungsquad[networks]'" in str(
        understood(ModuleNotFoundError("No module named 'torch'", name="torch"))
    )
    assert isinstance(understood(ZeroDivisionError()), FaultError)
