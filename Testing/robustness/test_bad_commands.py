"""Wrong models, manifests, options and outputs end in one sentence and exit code 2.

The tables are the list of what is tried; the files are made in `bad_inputs`.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from LungSquadLib.models.container import CARD
from Testing.hostile import table
from Testing.robustness import bad_inputs as bad
from Testing.robustness.bad_inputs import EVIL

MODEL = {
    "no such file": (bad.nothing, "nowhere"),
    "another suffix": (lambda good, _: good.ct, "ct.nrrd"),
    "truncated": (bad.cut_file("model", 0.5), "model.safetensors"),
    "empty": (bad.content("m.safetensors", b""), "is empty"),
    "text": (
        bad.content("m.safetensors", b"Dear colleague, here is the model"),
        "not a safetensors file",
    ),
    "pickle": (bad.content("m.pt", b"\x80\x04cos\nmkdir\n(X\x01\0\0\0atR."), "can carry code"),
    "a folder": (lambda good, _: good.series, "is a folder"),
    "too new": (bad.model_card(format_version=99), "99"),
    "hostile names": (bad.model_card(name="../../etc"), "name"),
    "unknown network": (
        bad.model_card(network={"name": "os.system", "arguments": {}}),
        "os.system",
    ),
    "huge network": (
        bad.model_header(
            lambda h: h["__metadata__"][CARD]["network"]["arguments"].update(width=1e9)
        ),
        "width",
    ),
    "card is a list": (bad.model_header(lambda h: h["__metadata__"].update({CARD: []})), "card"),
    "header in a circle": (
        bad.content("m.safetensors", (90000).to_bytes(8, "little") + b"[" * 90000),
        "m.safetensors",
    ),
    "header of 2^63 bytes": (
        bad.content("m.safetensors", b"\xff" * 7 + b"\x7f{}"),
        "header is longer",
    ),
    "/dev/zero": (bad.device("/dev/zero"), "not a regular file"),
}


@table(MODEL)
def test_a_model_that_is_none_is_refused(row, good, here, refused):
    make, phrase = row
    model = make(good, here)
    refused(["predict", good.series, good.mask, "--model", model, "-o", here / "out"], phrase)
    assert not Path("a").exists()


HEADER = b"ct,mask,case\n"
MANIFEST = {
    "no such file": (bad.nothing, "No such file"),
    "empty": (bad.content("m.csv", b""), "lacks the columns 'ct' and 'mask'"),
    "header alone": (bad.content("m.csv", HEADER), "has no rows"),
    "column missing": (bad.content("m.csv", b"ct,segmentation\na,b\n"), "lacks the column 'mask'"),
    "one column": (
        bad.content("m.csv", b"ct mask\na b\n"),
        "separated by commas, tabs or semicolons",
    ),
    "label 0": (
        bad.content("m.csv", b"ct,mask,label\na,b,0\n"),
        "The column 'label' is the tumour's",
    ),
    "column twice": (
        bad.content("m.csv", b"ct,mask,ct\na,b,c\n"),
        "the column 'ct' more than once",
    ),
    "case twice": (bad.content("m.csv", HEADER + b"a,b,one\nc,d,ONE\n"), "more than once"),
    "case out of the folder": (
        bad.content("m.csv", HEADER + b"a,b,../../etc/cron.d/x\n"),
        "cannot name a folder",
    ),
    "case is a path": (bad.content("m.csv", HEADER + b"a,b,/etc/passwd\n"), "cannot name a folder"),
    "case is a device": (bad.content("m.csv", HEADER + b"a,b,NUL\n"), "cannot name a folder"),
    "case that drives a terminal": (
        bad.content("m.csv", HEADER + b"a,b,\x1b[31m" + b"A" * 5000 + b"\n"),
        "cannot name a folder",
    ),
    "NUL": (bad.content("m.csv", HEADER + b"a\0b,c,one\n"), "NUL"),
    "binary": (bad.content("m.csv", bytes(range(256)) * 9), "m.csv"),
    "Latin-1": (bad.content("m.csv", "ct,mask\nä,b\n".encode("latin-1")), "UTF-8"),
    "ragged": (bad.content("m.csv", HEADER + b"a,b\n"), "more or fewer cells"),
    "label in words": (bad.content("m.csv", b"ct,mask,label\na,b,one\n"), "is not a whole number"),
    "a folder": (lambda good, _: good.series, "It holds no folders"),
    "a named pipe": (bad.fifo, "is not a file"),
    "/dev/zero": (bad.device("/dev/zero"), "is not a file"),
}


@table(MANIFEST)
def test_a_manifest_that_is_none_is_refused(row, good, here, refused):
    make, phrase = row
    manifest = make(good, here)
    refused(["batch", manifest, "--model", good.model, "-o", here / "out"], phrase)


ROWS = b"y,p,s\n" + b"0,0.2,1\n1,0.7,2\n0,0.4,1\n1,0.6,3\n" * 3
SCORE = "--label y --score p"
TABLE = {
    "no such file": (bad.nothing, SCORE, "No such file"),
    "empty": (bad.content("t.csv", b""), SCORE, "is empty"),
    "header alone": (bad.content("t.csv", b"y,p\n"), SCORE, "has no rows"),
    "no such label": (bad.content("t.csv", ROWS), "--label x --score p", "lacks the column 'x'"),
    "no such baseline": (bad.content("t.csv", ROWS), f"{SCORE} --baseline x", "lacks the column"),
    "hostile column": (bad.content("t.csv", ROWS), f"{SCORE} --group \x1b[31m", "lacks the column"),
    "column twice": (bad.content("t.csv", b"y,p,p\n0,1,1\n1,0,0\n"), SCORE, "more than once"),
    "ragged": (bad.content("t.csv", ROWS + b"1\n"), SCORE, "row 13: it has 1 cells"),
    "binary": (bad.content("t.csv", bytes(range(256)) * 9), SCORE, "t.csv"),
    "Latin-1": (bad.content("t.csv", ROWS + "1,ä,1\n".encode("latin-1")), SCORE, "UTF-8"),
    "huge cell": (bad.content("t.csv", ROWS + b"0," + b"9" * 10**6 + b",1\n"), SCORE, "field"),
    "open quote": (bad.content("t.csv", ROWS + b'0,"1,1\n'), SCORE, "a quoted cell has no end"),
    "words for scores": (bad.content("t.csv", ROWS + b"1,high,1\n"), SCORE, "'high' in the column"),
    "infinite score": (bad.content("t.csv", ROWS + b"1,inf,1\n"), SCORE, "is no finite number"),
    "no score at all": (
        bad.content("t.csv", b"y,p\n1,NaN\n0,\n1,N/A\n"),
        SCORE,
        "no row that can be evaluated (3 rows with nothing in 'p')",
    ),
    "one class": (bad.content("t.csv", b"y,p\n1,0.5\n1,0.6\n"), SCORE, "There is one class only"),
    "three classes": (bad.content("t.csv", ROWS), "--label s --score p", "There are 3 classes"),
    "labels without end": (
        bad.content("t.csv", b"y,p\n" + b"".join(b"%d,%d\n" % (i, i) for i in range(99))),
        "--label y --predicted p",
        "There are 99 values",
    ),
    "other words": (
        bad.content("t.csv", b"y,p\nLUAD,0\nLUSC,1\n"),
        "--label y --predicted p",
        "The predicted classes are never among",
    ),
    "unknown positive": (bad.content("t.csv", ROWS), f"{SCORE} --positive LUSC", "no 'LUSC'"),
    "unknown part": (bad.content("t.csv", ROWS), f"{SCORE} --part s", "no row that can be"),
    "one class in the test": (
        bad.content("t.csv", b"y,p,s\n0,0,validation\n1,1,validation\n1,1,test\n"),
        f"{SCORE} --part s",
        "are all of the class '1'",
    ),
    "no validation": (
        bad.content("t.csv", b"y,p,s\n0,0,test\n1,1,test\n"),
        f"{SCORE} --part s",
        "as 'validation'",
    ),
    "baseline of one class": (
        bad.content("t.csv", b"y,p,s\n0,0,\n1,1,2\n"),
        f"{SCORE} --baseline s",
        "The rows with the baseline 's' are all of the class '1'",
    ),
    "baseline that says nothing": (
        bad.content("t.csv", b"y,p,s\n0,0,\n1,1,\n"),
        f"{SCORE} --baseline s",
        "has no value in any row",
    ),
    "repeat of one class": (
        bad.content("t.csv", b"y,p,s,g\n0,0,1,a\n1,1,1,b\n1,1,2,b\n"),
        f"{SCORE} --repeat s --group g",
        "of one repeat are all of the class '1'",
    ),
    "equal times": (
        bad.content("t.csv", b"y,p,t,e\n0,0,1,1\n1,1,1,1\n"),
        f"{SCORE} --time t --event e",
        "no pair of patients has a known order",
    ),
    "time below 0": (
        bad.content("t.csv", b"y,p,t,e\n0,0,-1,1\n1,1,2,0\n"),
        f"{SCORE} --time t --event e",
        "the time -1 is below 0",
    ),
    "event of 2": (
        bad.content("t.csv", b"y,p,t,e\n0,0,1,2\n1,1,2,0\n"),
        f"{SCORE} --time t --event e",
        "whose meaning is not known",
    ),
    "nobody had the event": (
        bad.content("t.csv", b"y,p,t,e\n0,0,1,0\n1,1,2,0\n"),
        f"{SCORE} --time t --event e",
        "no row with a time has an event",
    ),
    "time without event": (bad.content("t.csv", ROWS), f"{SCORE} --time s", "--event together"),
    "repeats without patients": (
        bad.content("t.csv", ROWS),
        f"{SCORE} --repeat s",
        "--repeat needs --group",
    ),
    "score is the label": (
        bad.content("t.csv", ROWS),
        "--label y --score y",
        "is named for two purposes",
    ),
    "nothing to evaluate": (bad.content("t.csv", ROWS), "--label y", "Nothing to evaluate"),
    "NaN for a threshold": (bad.content("t.csv", ROWS), f"{SCORE} --threshold nan", "threshold"),
    "negative seed": (bad.content("t.csv", ROWS), f"{SCORE} --seed -1", "seed"),
    "folder is a file": (bad.content("t.csv", ROWS), f"{SCORE} -o {{table}}", "is a file"),
    "folder below a file": (bad.content("t.csv", ROWS), f"{SCORE} -o {{table}}/out", "is a file"),
    "table in the folder": (
        bad.content("evaluation.json", ROWS),
        f"{SCORE} -o .",
        "is an input or another output",
    ),
    "a folder": (lambda good, _: good.series, SCORE, "is not a file"),
    "a named pipe": (bad.fifo, SCORE, "is not a file"),
    "/dev/zero": (bad.device("/dev/zero"), SCORE, "is not a file"),
}


@table(TABLE)
def test_a_table_that_cannot_be_evaluated_is_refused(row, good, here, refused):
    make, options, phrase = row
    path = make(good, here)
    refused(["evaluate", path, *options.format(table=path).split()], phrase)


def test_pictures_of_others_are_not_replaced(good, here, refused):
    path = bad.content("t.csv", ROWS)(good, here)
    (here / "out" / "figures").mkdir(parents=True)
    (here / "out" / "figures" / "holiday.png").write_text("of a lifetime")
    refused(["evaluate", path, *SCORE.split(), "-o", here / "out"], "choose another folder")


CASE = "crop {ct} {mask} -o {here}/crop.nrrd"
PREDICT = "predict {ct} {mask} --model {model} -o {here}/out"
BATCH = "batch {here}/taken --model {model} -o {here}/out"
COMMANDS = {
    # options
    "nothing at all": ("", "the following arguments are required"),
    "unknown verb": ("conquer {ct}", "invalid choice: 'conquer'"),
    "unknown option": (f"{CASE} --fast", "unrecognized arguments"),
    "size 0": (f"{CASE} --size 0", "size must be 1 to 512"),
    "negative size": (f"{CASE} --size -1", "size must be 1 to 512"),
    "huge size": (f"{CASE} --size 100000000000", "size must be 1 to 512"),
    "size in words": (f"{CASE} --size big", "invalid int value"),
    "spacing 0": (f"{CASE} --spacing 0", "spacing must be 0.05 to 20"),
    "NaN for a spacing": (f"{CASE} --spacing nan", "spacing must be 0.05 to 20"),
    "infinite spacing": (f"{CASE} --spacing inf", "spacing must be 0.05 to 20"),
    "negative spacing": (f"{CASE} --spacing=-1", "spacing must be 0.05 to 20"),
    "no jobs": (f"{BATCH} --jobs 0", "--jobs must be 1 or more"),
    "negative seed": (f"{PREDICT} --seed -1", "seed"),
    "huge seed": (f"{PREDICT} --seed 99999999999999999999", "seed"),
    "unknown device": (f"{PREDICT} --device tpu", "invalid choice: 'tpu'"),
    "unknown window": ("slices {ct} {mask} -o {here}/out --window bone", "invalid choice: 'bone'"),
    "click at two numbers": (
        "segment {ct} --at 1,2 -o {here}/a.nrrd",
        "is not X,Y,Z, three numbers",
    ),
    "click at words": ("segment {ct} --at a,b,c -o {here}/a.nrrd", "is not X,Y,Z, three numbers"),
    "click at NaN": ("segment {ct} --at nan,0,0 -o {here}/a.nrrd", "three finite numbers"),
    "click at infinity": ("segment {ct} --at inf,0,0 -o {here}/a.nrrd", "three finite numbers"),
    "click outside the CT": ("segment {ct} --at 1e9,0,0 -o {here}/a.nrrd", "lies outside the CT"),
    "click onto the CT": ("segment {vol} --at 0,0,0 -o {vol}", "is an input or another output"),
    "unknown series": (f"{CASE} --series 1.2.3", "holds no CT series with the UID 1.2.3"),
    "hostile series": (
        f"{CASE} --series {EVIL.replace(' ', '')}",
        "holds no CT series with the UID",
    ),
    "negative seed of the demo": ("demo --seed -1 -o {here}/out", "seed"),
    "CT without mask": ("demo --ct {ct} -o {here}/out", "Give --ct with --mask or --at"),
    "no such model": (
        "predict {ct} {mask} --model nobody -o {here}/out",
        "There is no model named 'nobody'",
    ),
    "no such demo model": ("models train-demo --only nobody -o {here}/out", "nobody"),
    "training with no jobs": (
        "models train-demo --jobs 0 -o {here}/out",
        "--jobs must be 1 or more",
    ),
    "NaN for a tolerance": ("models verify {model} {mask} --tolerance nan", "tolerance"),
    "name of 300 letters": (f"inspect {{here}}/{'x' * 300}", "File name too long"),
    # outputs
    "output without a format": ("crop {ct} {mask} -o {here}/crop.xyz", "must end in one of"),
    "output is the CT": ("crop {vol} {mask} -o {vol}", "is an input or another output"),
    "output is the mask": (
        "crop {ct} {mask} -o {here}/a.nrrd --mask-out {mask}",
        "is an input or another output",
    ),
    "one output for two": (
        f"{CASE} --mask-out {{here}}/crop.nrrd",
        "is an input or another output",
    ),
    "output folder is the CT": (
        "predict {ct} {mask} --model {model} -o {ct}",
        "is an input or another output",
    ),
    "slices folder is the CT": ("slices {ct} {mask} -o {ct}", "is an input or another output"),
    "result on the mask": (
        "predict {ct} {here}/seg.dcm --model {model} --device cpu -o {here}",
        "seg.dcm' is an input or another output",
    ),
    "table on the manifest": (
        "batch {here}/results.csv --model {model} -o {here}",
        "results.csv' is an input or another output",
    ),
    "report on the result": ("report {ct} -o {here}/prediction.json", "must end in .html"),
    "output is a folder": (
        "crop {ct} {mask} -o {here}/folder.nrrd",
        "is no file, so it cannot be replaced",
    ),
    "output in a file": ("crop {ct} {mask} -o {here}/taken/crop.nrrd", "is a file"),
    "output is a named pipe": (
        "crop {ct} {mask} -o {here}/pipe.nrrd",
        "is no file, so it cannot be replaced",
    ),
    "output below a file": ("crop {ct} {mask} -o {here}/taken/a/b/crop.nrrd", "taken' is a file"),
    "output where nobody may write": ("crop {ct} {mask} -o /proc/1/none/crop.nrrd", "/proc/1/none"),
    "slices into a file": ("slices {ct} {mask} -o {here}/taken", "is a file"),
    "slices where a folder is in the way": (
        "slices {ct} {mask} -o {here}/full",
        "cannot be replaced: move it away",
    ),
    "prediction into a file": ("predict {ct} {mask} --model {model} -o {here}/taken", "is a file"),
    "prediction where a folder is in the way": (
        "predict {ct} {mask} --model {model} -o {here}/full",
        "cannot be replaced: move it away",
    ),
    "batch into a file": ("batch {here}/m.csv --model {model} -o {here}/taken", "is a file"),
    "model into a folder": ("models import-keras {here}/taken -o {here}/folder.nrrd", "is no file"),
    # what other verbs read
    "inspect nothing": ("inspect {here}/nowhere", "There is no file or folder"),
    "inspect junk": ("inspect {here}/taken", "holds no DICOM series and is no volume file"),
    "inspect /dev/zero": ("inspect /dev/zero", "is neither a file nor a folder"),
    "report of nothing": ("report {here}/nowhere", "holds no prediction.json"),
    "report of a CT": ("report {ct}", "holds no prediction.json"),
    "report of a broken result": ("report {here}/broken", "is damaged or is not a result"),
    "report of a newer result": ("report {here}/newer", "format version 99"),
    "report of a file outside": ("report {here}/outside", "outside its folder"),
    "show no model": ("models show {here}/taken", "not a safetensors file"),
    "import no weights": ("models import-keras {here}/taken -o {here}/m.safetensors", "taken"),
    "verify with 2^40 numbers": ("models verify {model} {here}/huge.npz", "huge.npz"),
    "verify with no arrays": ("models verify {model} {here}/taken", "taken"),
}


@pytest.fixture
def room(here, good):
    """Files and folders that are in the way of outputs, and results that are none."""
    (here / "taken").write_text("the work of a lifetime, which must not be lost")
    (here / "m.csv").write_text("ct,mask\na,b\n")
    (here / "results.csv").write_text("ct,mask\na,b\n")
    shutil.copy(good.seg, here)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"
    with zipfile.ZipFile(here / "huge.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)
    bad.fifo(None, here)
    (here / "folder.nrrd").mkdir()
    for name in ("slices.json", "slices.npz", "prediction.json", "report.html"):
        (here / "full" / name / "kept").mkdir(parents=True)
    results = {
        "broken": "{",
        "newer": '{"format_version": 99}',
        "outside": '{"format_version": 4, "ct": {}, "files": {"planes": "../taken"}}',
    }
    for name, text in results.items():
        (here / name).mkdir()
        (here / name / "prediction.json").write_text(text)
    return here


@table(COMMANDS)
def test_a_command_that_cannot_be_followed_is_refused(row, good, room, refused, monkeypatch):
    monkeypatch.setenv("LUNGSQUAD_MODELS", str(good.demo_models))
    command, phrase = row
    places = {"ct": good.series, "vol": good.ct, "mask": good.mask, "model": good.model}
    refused([part.format(here=room, **places) for part in command.split()], phrase)


def test_an_empty_argument_is_refused(good, here, refused):
    for command in (
        ["crop", "", good.mask, "-o", "a.nrrd"],
        ["slices", good.ct, good.mask, "-o", ""],
    ):
        refused(command, "An argument is empty")


def test_a_device_that_is_not_there_is_refused(good, here, refused):
    import torch

    missing = [
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    ]
    for device, there in missing:
        if not there:
            command = ["predict", good.series, good.mask, "--model", good.model]
            refused([*command, "--device", device, "-o", here / "out"], device)
