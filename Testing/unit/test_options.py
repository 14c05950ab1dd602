"""Options of a dataclass: its arguments, checks, JSON and table say what the fields say."""

import argparse
import json
from dataclasses import dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from LungSquadLib.errors import InputError
from LungSquadLib.options import (
    add_options,
    check,
    described,
    from_namespace,
    option,
    option_table,
    options_of,
    refuse_ignored,
    seed_option,
)


@dataclass(frozen=True)
class Part:
    shift: float = 1.0
    axes: tuple[int, ...] = (0, 1)


@dataclass(frozen=True)
class Options:
    label: str = option(help="column of the labels", metavar="COL", group="target")
    classes: tuple[str, ...] = option((), help="its classes", group="target")
    epochs: int = option(40, help="passes over the data", low=1)
    rate: float = option(0.001, help="learning rate", above=0, high=1)
    fraction: float | None = option(None, help="share of 100 %", above=0.0, below=0.9)
    hidden: tuple[int, ...] = option((128,), help="units of the layers", low=1)
    hu: tuple[float, float] = option(
        (-1000.0, 400.0), help="window", unit="HU", metavar=("LOW", "HIGH")
    )
    freeze: str = option("none", help="layers that stay", choices=("trunk", "none"))
    rule: Literal["axial", "largest"] | None = option(None, help="diameter")
    class_weights: bool = option(True, help="no weights of rare classes")
    by_site: bool = option(False, help="keep sites together")
    table: Path | None = option(None, help="table of the cases")
    images: int = option(16, help="images", flag="-n", high=100)
    seed: int = seed_option()
    device: str = "cpu"
    part: Part = field(default_factory=Part)

    def __post_init__(self):
        check(self)


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_options(parser, Options)
    return from_namespace(Options, parser.parse_args(arguments), device="cuda")


def test_without_arguments_the_dataclass_has_its_defaults():
    assert parsed("--label", "stage") == Options("stage", device="cuda")


def test_arguments_become_values_of_the_fields_types():
    options = parsed(
        *("--label", "stage", "--classes", 'T1,"T2, large"', "--classes", "T3", "--epochs", "3"),
        *("--fraction", "0.5", "--hidden", "64,32", "--hu", "-600", "150", "--no-class-weights"),
        *("--by-site", "-n", "7", "--freeze", "trunk", "--table", "t.csv"),
    )
    assert options == Options(
        label="stage",
        classes=("T1", "T2, large", "T3"),
        epochs=3,
        fraction=0.5,
        hidden=(64, 32),
        hu=(-600.0, 150.0),
        freeze="trunk",
        class_weights=False,
        by_site=True,
        table=Path("t.csv"),
        images=7,
        device="cuda",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--epochs", "3"), "required: --label"),
        (("--label", "a", "--epochs", "x"), "argument --epochs: invalid int value: 'x'"),
        (("--label", "a", "--freeze", "all"), "invalid choice: 'all'"),
        (("--label", "a", "--hidden", "1,b"), "whole numbers separated by commas, not '1,b'"),
    ],
)
def test_arguments_that_cannot_be_parsed_are_wrong_usage(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        parsed(*arguments)
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 0}, "--epochs must be 1 or more, not 0."),
        ({"epochs": 1.5}, "--epochs must be a whole number, not 1.5."),
        ({"epochs": True}, "--epochs must be a whole number, not True."),
        ({"epochs": None}, "--epochs must be a whole number, not None."),
        ({"rate": 0}, "--rate must be above 0 and at most 1, not 0."),
        ({"rate": 1.5}, "--rate must be above 0 and at most 1, not 1.5."),
        ({"rate": float("nan")}, "--rate must be above 0 and at most 1, not nan."),
        ({"rate": "fast"}, "--rate must be a number, not fast."),
        ({"hu": (0.0, float("inf"))}, "--hu must be a number, not inf."),
        ({"fraction": 0.0}, "--fraction must be above 0 and below 0.9, not 0."),
        ({"fraction": 0.9}, "--fraction must be above 0 and below 0.9, not 0.9."),
        ({"hidden": (64, 0)}, "--hidden must be 1 or more, not 0."),
        ({"hidden": 64}, "--hidden takes a list of values, not 64."),
        ({"hu": (1.0,)}, "--hu takes 2 values, not (1.0,)."),
        ({"freeze": "all"}, "--freeze must be one of trunk, none, not all."),
        ({"rule": "longest"}, "--rule must be one of axial, largest, not longest."),
        ({"class_weights": 1}, "--no-class-weights must be true or false, not 1."),
        ({"table": "t.csv"}, "--table must be a path, not t.csv."),
        ({"images": 101}, "-n must be at most 100, not 101."),
        ({"seed": -1}, "--seed must be 0 to 4294967295, not -1."),
        ({"seed": 1 << 32}, "--seed must be 0 to 4294967295, not 4294967296."),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_its_flag(changes, sentence):
    with pytest.raises(InputError) as error:
        replace(Options("stage"), **changes)
    assert str(error.value) == sentence


def test_values_at_their_limits_are_allowed():
    Options("a", epochs=1, rate=1, fraction=None, hidden=(), images=100, seed=(1 << 32) - 1)


def test_help_has_help_unit_default_and_groups(capsys):
    with pytest.raises(SystemExit):
        parsed("--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert "--epochs N passes over the data (default: 40)" in shown
    assert "--hu LOW HIGH window (HU, default: -1000 400)" in shown
    assert "--hidden N,... units of the layers (default: 128)" in shown
    assert "--fraction X share of 100 % --hidden" in shown
    assert "--freeze {trunk,none} layers that stay (default: none)" in shown
    assert "target: --label COL column of the labels --classes A,B,... its classes" in shown
    assert "device" not in shown


def test_options_that_would_be_ignored_are_named():
    options = Options("a", epochs=3, class_weights=False)
    refuse_ignored(options, ("rate", "seed"), "there is no training.")
    with pytest.raises(InputError) as error:
        refuse_ignored(options, ("epochs", "rate", "class_weights"), "there is no training.")
    assert str(error.value) == (
        "--epochs, --no-class-weights would be ignored: there is no training."
    )


def test_json_has_every_field_with_lists_for_tuples():
    values = described(Options("a", classes=("x", "y"), table=Path("t.csv")))
    assert values == json.loads(json.dumps(values))
    assert values["classes"] == ["x", "y"]
    assert values["part"] == {"shift": 1.0, "axes": [0, 1]}
    assert (values["device"], values["table"]) == ("cpu", "t.csv")


def test_the_table_has_a_row_for_each_option():
    rows = {row["name"]: row for row in option_table(Options)}
    assert list(rows) == [each.name for each in options_of(Options)]
    assert rows["label"]["default"] == "required"
    assert rows["hu"] == {
        "name": "hu",
        "flag": "--hu",
        "type": "float[2]",
        "default": "-1000 400",
        "range": "",
        "unit": "HU",
        "help": "window",
    }
    assert rows["rate"]["range"] == "above 0 and at most 1"
    assert rows["freeze"]["range"] == "one of trunk, none"


def test_a_field_of_another_type_is_no_option():
    with pytest.raises(TypeError, match="The option 'part' has a type that no option can have"):
        options_of(make_dataclass("Wrong", [("part", dict, option(None, help="a dictionary"))]))
