"""The worker: messages, work and clients, and that it ends when it should and only then."""

import copy
import dataclasses
import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
import SimpleITK as sitk

from LungSquadLib import errors
from LungSquadLib import worker as worker_package
from LungSquadLib.cli import main
from LungSquadLib.errors import CancelledError, FaultError, InputError, ModelError, WorkerError
from LungSquadLib.imaging.crop import crop
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.geometry import Box
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.phantom.patient import Phantom
from LungSquadLib.pipeline.case_input import CaseInput
from LungSquadLib.pipeline.options import PredictionOptions
from LungSquadLib.progress import Silent
from LungSquadLib.worker import client as client_module
from LungSquadLib.worker.client import WorkerClient
from LungSquadLib.worker.launch import died, environment
from LungSquadLib.worker.protocol import (
    KINDS,
    MOST_REQUEST,
    Decoder,
    encoded,
    error_message,
    error_of,
)
from LungSquadLib.worker.requests import MOST_ITEMS, read_request, request_id
from LungSquadLib.worker.synthetic_verbs import MOST_GENERATED
from LungSquadLib.worker.verbs import VERBS

from ..inpainters import write_inpainter
from ..samples import ball_images, write_model
from ..slice_samples import write_generator

STAND_IN = "Testing.worker_stand_in"
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
HERE = str(Path(__file__).resolve())
PREDICT = {"verb": "predict", "ct": HERE, "mask": HERE, "models": ["m"], "folder": HERE}
SEGMENT = {"verb": "segment", "ct": HERE, "out": HERE}
GENERATE = {"verb": "generate", "model": "m", "folder": HERE}
INPAINT = {"verb": "inpaint", "ct": HERE, "mask": HERE, "model": "m", "out": HERE}
BATCH = {"verb": "batch", "manifest": HERE, "models": ["m"], "folder": HERE}
LIMIT = 240  # seconds; only to fail instead of waiting for ever


# Lines and messages


def test_messages_come_out_the_same_however_the_bytes_are_cut():
    sent = [{"id": 1, "ct": "/Zürich/肺"}, {"id": 2}, {"id": 3, "text": "a\nb"}]
    stream = encoded(sent[0]) + b"\r\n \n" + encoded(sent[1]).replace(b"\n", b"\r\n")
    stream += json.dumps(sent[2], ensure_ascii=False).encode() + b"\n"
    assert Decoder(most=100).feed(stream) == sent
    for size in range(1, len(stream)):
        decoder = Decoder(most=100)
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [message for piece in pieces for message in decoder.feed(piece)] == sent


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"hello", "JSON is broken"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[1]", "a list, not an object"),
        (b"7", "7, not an object"),
        (b'{"id": NaN}', "not a number"),
        (b'{"id": 1, "id": 2}', "same key twice"),
        (b'{"a":' * 30, "broken|deeply"),
        (b"x" * 201, "longer than 200 bytes"),
    ],
)
def test_a_line_that_is_no_message_is_reported_and_the_next_one_is_read(line, message):
    broken, good = Decoder(most=200).feed(line + b'\n{"id": 1}\n')
    with pytest.raises(ValueError, match=message):
        raise broken
    assert good == {"id": 1}


def test_a_line_without_end_is_not_kept():
    decoder = Decoder(most=1000)
    for _ in range(100):
        assert decoder.feed(b"x" * 999) == []
        assert len(decoder._line) <= 1000
    (broken,) = decoder.feed(b"\n")
    assert "longer" in str(broken)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "has no 'id'"),
        ({"id": "1", "verb": "ping"}, "'id' must be a whole number"),
        ({"id": True, "verb": "ping"}, "'id' must be a whole number"),
        ({"id": 1}, "has no 'verb'"),
        ({"id": 1, "verb": "dance"}, "no verb 'dance'"),
        ({"id": 1, "verb": ["ping"]}, "'verb' must be a text"),
        ({"id": 1, "verb": "ping", "more": 1}, "a field 'more' that means nothing"),
        ({"id": 1, "verb": "cancel"}, "has no 'request'"),
        ({"id": 1, **PREDICT, "ct": "ct.nrrd"}, "'ct' must be a full path"),
        ({"id": 1, **PREDICT, "ct": HERE + "\0"}, "'ct' must be a text"),
        ({"id": 1, **PREDICT, "folder": None}, "'folder' must be a text"),
        ({"id": 1, **PREDICT, "models": "m"}, "'models' must be a list"),
        ({"id": 1, **PREDICT, "models": []}, f"a list of 1 to {MOST_ITEMS}"),
        ({"id": 1, **PREDICT, "models": [1]}, "'models' must be a list"),
        ({"id": 1, **PREDICT, "seed": -1}, "'seed' must be a whole number"),
        ({"id": 1, **PREDICT, "seed": 0.5}, "'seed' must be a whole number"),
        ({"id": 1, **PREDICT, "label": "1"}, "'label' must be a whole number"),
        ({"id": 1, **PREDICT, "keep_identity": 1}, "must be true or false"),
        ({"id": 1, **PREDICT, "device": 0}, "'device' must be a text"),
        ({"id": 1, "verb": "rois", "mask": "m"}, "'mask' must be a full path"),
        ({"id": 1, "verb": "mask", "ct": HERE, "mask": HERE}, "has no 'out'"),
        ({"id": 1, "verb": "mask", "ct": HERE, "mask": HERE, "out": "o"}, "'out' must be a full"),
        ({"id": 1, **SEGMENT, "inside": [1, 2, 3]}, "'inside' must be 1 to 100 points"),
        ({"id": 1, **SEGMENT, "inside": []}, "'inside' must be 1 to 100 points"),
        ({"id": 1, **SEGMENT, "inside": [[1, 2, 3]] * 101}, "'inside' must be 1 to 100 points"),
        ({"id": 1, **SEGMENT, "inside": [[1, 2, 3]], "outside": [[1, 2]]}, "'outside' must be"),
        ({"id": 1, "verb": "sample", "folder": HERE, "seed": -1}, "'seed' must be a whole number"),
        ({"id": 1, "verb": "dicom", "results": HERE, "ct": HERE}, "has no 'mask'"),
        ({"id": 1, **PREDICT, "centre_lps": "1,2,3"}, "'centre_lps' must be three numbers"),
        ({"id": 1, **PREDICT, "centre_lps": [1, 2]}, "'centre_lps' must be three numbers"),
        ({"id": 1, **PREDICT, "centre_lps": [1, 2, True]}, "'centre_lps' must be three numbers"),
        ({"id": 1, **PREDICT, "centre_lps": [1, 2, 1e9]}, "'centre_lps' must be three numbers"),
        ({"id": 1, **PREDICT, "device": "abacus"}, "'device' must be one of auto, cpu"),
        ({"id": 1, **PREDICT, "seed": 2**32}, "'seed' must be a whole number from 0 to 4294967295"),
        ({"id": 1, **BATCH, "manifest": "m.csv"}, "'manifest' must be a full path"),
        ({"id": 1, **BATCH, "jobs": 0}, "'jobs' must be a whole number from 1"),
        ({"id": 1, **GENERATE, "model": 3}, "'model' must be a text"),
        ({"id": 1, **GENERATE, "folder": "here"}, "'folder' must be a full path"),
        ({"id": 1, **GENERATE, "n": 0}, "'n' must be a whole number from 1"),
        ({"id": 1, **GENERATE, "n": MOST_GENERATED + 1}, "'n' must be a whole number from 1"),
        ({"id": 1, **GENERATE, "seed": 2**63}, "'seed' must be a whole number"),
        ({"id": 1, **GENERATE, "truncation": 1.01}, "'truncation' must be a number from 0 to 1"),
        ({"id": 1, **GENERATE, "truncation": "1"}, "'truncation' must be a number"),
        ({"id": 1, **GENERATE, "label": ["LUAD"]}, "'label' must be a text"),
        ({"id": 1, **GENERATE, "like": -1}, "'like' must be a whole number"),
        ({"id": 1, **INPAINT, "out": "ct.mha"}, "'out' must be a full path"),
        ({"id": 1, **INPAINT, "hu": 1e9}, "'hu' must be a number from -32768"),
        ({"id": 1, **INPAINT, "hu": True}, "'hu' must be a number"),
        ({"id": 1, **INPAINT, "label": 1}, "'label' must be a text"),
        ({"id": 1, **INPAINT, "kind": "LUAD"}, "a field 'kind' that means nothing"),
    ],
)
def test_a_request_that_is_wrong_is_refused_with_the_field(request_, message):
    with pytest.raises(ValueError, match=message):
        read_request(request_)


def test_the_defaults_of_requests_are_those_of_the_command_line():
    request = read_request({"id": 5, **PREDICT, "roi": None})
    assert request.case == CaseInput(HERE, HERE)
    assert request.options == PredictionOptions("auto", 0, False)
    request = read_request({"id": 5, **GENERATE, "label": None})
    assert (request.n, request.seed, request.truncation) == (16, 0, 1.0)
    assert (request.label, request.like) == (None, None)
    request = read_request({"id": 5, **INPAINT})
    assert (request.hu, request.label, request.seed) == (None, None, 0)
    assert request_id({"id": 5}) == 5


def test_the_protocols_documentation_has_every_field_of_every_request():
    text = " ".join(worker_package.__doc__.split())
    documented = {}
    for request in re.findall(r'\{"id": \d+, "verb": .*?(?=\{"id": \d+, "verb"|Responses:)', text):
        head, _, rest = request.partition("}")
        verb, required = re.match(r'\{"id": \d+, "verb": "(\w+)"(.*)', head).groups()
        optional = rest.partition("optional:")[2].partition("result:")[0]
        documented[verb] = (names_in(required, r'"(\w+)":'), names_in(optional, r'"(\w+)"'))
    assert documented == {verb: fields_of(cls) for verb, cls in VERBS.items()}
    assert documented["segment"] == (
        {"ct", "out"},
        {"inside", "outside", "box", "model", "series"},
    )


def names_in(text, pattern):
    return set(re.findall(pattern, text))


def fields_of(cls):
    """The names of a request's required and of its optional fields."""
    required, optional = set(), set()
    for part in dataclasses.fields(cls):
        nested = {"case": CaseInput, "options": PredictionOptions}.get(part.name)
        if nested is not None:
            more_required, more_optional = fields_of(nested)
            required, optional = required | more_required, optional | more_optional
        else:
            (required if part.default is dataclasses.MISSING else optional).add(part.name)
    return required, optional


def test_an_error_is_the_same_on_both_sides():
    kinds = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    for kind in kinds:
        error = kind.__new__(kind, "A sentence.")
        there = error_of(json.loads(encoded(error_message(1, error))))
        assert (type(there), str(there)) == (kind, "A sentence.")
    assert set(KINDS.values()) == set(kinds)


def test_the_cause_of_a_workers_end_is_reported():
    assert "SIGKILL" in str(died(-9, "")) or os.name == "nt"
    assert "0xc0000005" in str(died(0xC0000005, ""))
    assert "last message: out of luck" in str(died(1, "out of luck"))
    assert "killed by SIGTERM" in str(died(128 + 15, "")) or os.name == "nt"  # of a launcher
    assert "exit code 128" in str(died(128, ""))


# The process, line by line


class Raw:
    """A worker's process and its messages, without the client."""

    def __init__(self, module=STAND_IN):
        self.process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        self.watch = Timer(LIMIT, self.process.kill)
        self.watch.start()
        assert self.read()["type"] == "ready"

    def write(self, *requests):
        lines = [line if isinstance(line, bytes) else encoded(line) for line in requests]
        self.process.stdin.write(b"".join(lines))
        self.process.stdin.flush()

    def read(self):
        return json.loads(self.process.stdout.readline())

    def end(self):
        """Close its input; return its exit code and the rest of its output."""
        out, errors = self.process.communicate(timeout=LIMIT)
        return self.process.returncode, out, errors.decode()

    def kill(self):
        self.watch.cancel()
        self.process.kill()
        with suppress(ValueError):  # its input may be closed
            self.process.communicate()


@pytest.fixture
def raw():
    worker = Raw()
    yield worker
    worker.kill()


def predict(number, roi, **more):
    return {"id": number, **PREDICT, "roi": roi, **more}


def test_garbage_is_answered_and_the_next_request_too(raw):
    raw.write(
        b"garbage\n", b'{"id": 3, "verb": "x"}\n', b"\xff\n", b"x" * (MOST_REQUEST + 1) + b"\n"
    )
    raw.write(b"[" * 100_000 + b"\n", {"id": 4, "verb": "ping"})
    answers = [raw.read() for _ in range(6)]
    assert [answer["id"] for answer in answers] == [None, 3, None, None, None, 4]
    assert all(answer["kind"] == "request" for answer in answers[:5])
    assert answers[5]["result"]["requests"] == 0
    assert raw.end() == (0, b"", "")


def test_a_request_in_pieces_is_read(raw):
    line = encoded({"id": 1, "verb": "ping"})
    for byte in range(len(line)):
        raw.write(line[byte : byte + 1])
    assert raw.read()["id"] == 1


def test_one_request_is_worked_on_and_others_wait(raw):
    raw.write(predict(1, "heedful"))
    assert raw.read()["message"] in ("at it", "Loading PyTorch")
    raw.write(predict(2, "echo"), predict(3, "echo"), predict(2, "echo"))
    raw.write({"id": 4, "verb": "cancel", "request": 2}, {"id": 5, "verb": "cancel", "request": 9})
    raw.write({"id": 6, "verb": "ping"}, {"id": 7, "verb": "cancel", "request": 1})
    last = {}
    while len(last) < 8:
        answer = raw.read()
        if answer["type"] != "progress":
            last[answer["id"]] = answer
    assert list(last)[:5] == [None, 2, 4, 5, 6]  # at once; of 7 and 1 either may be first
    assert "already a request with the id 2" in last[None]["sentence"]
    assert last[2]["kind"] == "cancelled"
    assert last[4]["result"] == {"cancelled": True}
    assert last[5]["result"] == {"cancelled": False}
    assert last[6]["result"]["requests"] == 2
    assert last[1]["kind"] == "cancelled"
    assert last[3]["result"]["roi"] == "echo"


def test_too_many_requests_are_refused(raw):
    raw.write(predict(0, "heedful"), *(predict(number, "echo") for number in range(1, 151)))
    refused = 0
    while refused < 51:
        answer = raw.read()
        refused += answer["type"] == "error" and "requests are waiting" in answer["sentence"]


def test_nothing_but_answers_is_on_standard_output(raw):
    raw.write(predict(1, "chatter"))
    answers = [raw.read()]
    while answers[-1]["type"] == "progress":
        answers.append(raw.read())
    assert answers[-1] == {"type": "result", "id": 1, "result": ""}
    code, out, printed = raw.end()
    assert (code, out) == (0, b"")
    assert all(f"from {source}" in printed for source in ("Python", "a library", "a child"))


@pytest.mark.parametrize("roi", ["heedful", "stuck"])
def test_the_end_of_its_input_ends_work_of_any_kind(raw, roi):
    raw.write(predict(1, roi))
    raw.read()
    code, _, printed = raw.end()
    assert code in (0, 1)
    assert "Traceback" not in printed


def test_a_client_that_neither_reads_nor_stays_is_survived_by_nothing(raw):
    raw.write(*({"id": number, "verb": "ping", "x": "y" * 500} for number in range(2000)))
    raw.process.stdin.close()
    assert raw.process.wait(timeout=LIMIT) in (0, 1)


def test_work_that_is_interrupted_leaves_nothing_behind(raw, tmp_path):
    raw.write(predict(1, "writing", folder=str(tmp_path / "out")))
    while raw.read()["message"] != "writing":
        pass
    assert len(list(tmp_path.iterdir())) == 1
    raw.end()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="there are no signals")
def test_a_worker_ends_when_terminated_but_not_when_interrupted(raw):
    raw.process.send_signal(signal.SIGINT)
    raw.write({"id": 1, "verb": "ping"})
    assert raw.read()["id"] == 1
    raw.process.send_signal(signal.SIGTERM)
    assert raw.process.wait(timeout=LIMIT) == 0


def test_the_real_one_is_ready_before_torch_is_loaded():
    worker = Raw("LungSquadLib.worker")
    worker.write({"id": 1, "verb": "ping"}, {"id": 2, "verb": "models"})
    ping, answer = worker.read(), worker.read()
    assert ping["result"]["loaded"] is False
    while answer["type"] == "progress":
        answer = worker.read()
    assert isinstance(answer["result"], list)
    assert worker.end()[0] == 0
    worker.kill()


# The client


@pytest.mark.skipif(os.name == "nt", reason="the system counts priorities otherwise")
def test_the_client_has_the_higher_priority():
    with WorkerClient() as client:
        client.start()
        assert os.getpriority(os.PRIO_PROCESS, client.pid) > os.getpriority(os.PRIO_PROCESS, 0)


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setattr(client_module, "command", lambda python: [python, "-m", STAND_IN])


@pytest.fixture
def worker(stand_in):
    with WorkerClient() as client:
        watch = Timer(LIMIT, lambda: os.kill(client.pid, KILL))
        watch.start()
        yield client
        watch.cancel()


class Reports:
    """Progress that keeps its reports, and may cancel at a fraction."""

    def __init__(self, cancel_at=2.0):
        self.cancelled = False
        self.reports = []
        self._cancel_at = cancel_at

    def report(self, fraction, message):
        self.reports.append((fraction, message))
        self.cancelled = fraction >= self._cancel_at


def request(client, roi, **more):
    return client.request(**PREDICT, roi=roi, **more)


def test_errors_of_the_work_are_raised_here_and_end_nothing(worker):
    with pytest.raises(FaultError, match="ZeroDivisionError"):
        request(worker, "fault")
    pid = worker.pid
    with pytest.raises(errors.NoMemoryError, match="not enough memory"):
        request(worker, "memory")
    with pytest.raises(FaultError, match="JSON"):
        request(worker, "nan")
    with pytest.raises(WorkerError, match="no verb 'dance'"):
        worker.request("dance")
    assert request(worker, "echo")["seed"] == 0
    assert worker.pid == pid
    assert any("ZeroDivisionError" in line for line in worker.last_lines)


def test_a_killed_worker_is_reported_and_started_again(worker):
    class Killing(Reports):
        def report(self, fraction, message):
            os.kill(worker.pid, KILL)

    with pytest.raises(WorkerError, match="ended during the work"):
        request(worker, "stuck", progress=Killing())
    assert request(worker, "echo")["roi"] == "echo"


def test_a_worker_that_was_killed_while_idle_is_started_again(worker):
    worker.start()
    first = worker.pid
    os.kill(first, KILL)
    wait_until(lambda: not worker._process.alive)
    assert request(worker, "echo")["roi"] == "echo"
    assert worker.pid != first


def test_work_that_does_not_heed_a_cancellation_is_killed(stand_in):
    with WorkerClient(cancel_within=0.5) as client:
        with pytest.raises(CancelledError):
            request(client, "stuck", progress=Reports(cancel_at=0.5))
        assert request(client, "echo")["roi"] == "echo"


def test_whoever_is_interrupted_while_waiting_leaves_no_work_behind(worker):
    class Interrupted(Reports):
        def report(self, fraction, message):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        request(worker, "heedful", progress=Interrupted())
    assert request(worker, "echo")["roi"] == "echo"


def test_closing_ends_the_process_and_asking_starts_another(worker):
    worker.start()
    process = worker._process._process
    worker.close()
    assert process.returncode == 0
    worker.close()
    assert request(worker, "echo")["roi"] == "echo"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_client_that_is_forgotten_takes_its_worker_with_it(stand_in):
    client = WorkerClient()
    client.start()
    pid = client.pid
    del client
    gc.collect()
    wait_until(lambda: is_gone(pid))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["/nowhere/python"], "could not be started with"),
        ([sys.executable, "-c", "import sys; sys.exit('no luck')"], "no luck"),
        ([sys.executable, "-c", "print('hello')"], "hello"),
        ([sys.executable, "-c", 'print(\'{"type": "ready", "protocol": 99}\')'], "another version"),
        ([sys.executable, "-c", "import time; time.sleep(600)"], "not ready after 1 seconds"),
    ],
)
def test_a_worker_that_cannot_be_started_is_one_sentence(monkeypatch, command, message):
    monkeypatch.setattr(client_module, "command", lambda _: command)
    within = 1.0 if "sleep" in command[-1] else LIMIT
    with pytest.raises(WorkerError, match=message):
        WorkerClient(start_within=within).start()


def test_a_worker_whose_driver_was_killed_ends(tmp_path):
    script = f"""
from LungSquadLib.worker import client
client.command = lambda python: [python, "-m", {STAND_IN!r}]
worker = client.WorkerClient()
class Telling:
    cancelled = False
    def report(self, fraction, message):
        print(worker.pid, flush=True)
worker.request(roi="stuck", progress=Telling(), **{PREDICT!r})
"""
    driver = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment()
    )
    watch = Timer(LIMIT, driver.kill)
    watch.start()
    pid = int(driver.stdout.readline())
    watch.cancel()
    assert not is_gone(pid)
    driver.kill()
    driver.communicate()
    wait_until(lambda: is_gone(pid))


# The real work


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """The files of a case, in a folder whose name no code page has."""
    folder = tmp_path_factory.mktemp("Zürich 肺 Ω")
    for image, name in zip(ball_images(), ("ct", "mask"), strict=True):
        sitk.WriteImage(image, str(folder / f"{name} ä.nrrd"))
    write_model(folder / "möbius.safetensors")
    return {
        "ct": folder / "ct ä.nrrd",
        "mask": folder / "mask ä.nrrd",
        "models": [folder / "möbius.safetensors"],
        "device": "cpu",
    }


def check_preliminary(early, answer, reports, folder):
    """The preliminary prediction comes before the other positions, and is that of the result."""
    ((after, first),) = early
    (last,) = answer["predictions"]
    assert any("crop at" in message for _, message in reports[after:])
    assert not any("crop at" in message for _, message in reports[:after])
    files = first.pop("files")
    for name in ("interval", "robustness", "parameters"):
        first.pop(name, None)
        last.pop(name)
    assert first == last
    saliency = folder / "worker" / answer["files"][f"saliency-{last['model']['name']}"]
    written, final = (sitk.ReadImage(str(path)) for path in (files["saliency"], saliency))
    assert sitk.Hash(written) == sitk.Hash(final)


@pytest.mark.slow
def test_the_workers_result_is_that_of_the_command_line(worker, case, tmp_path):
    progress, early = Reports(), []
    answer = worker.request(
        "predict",
        **case,
        folder=tmp_path / "worker",
        preliminary=tmp_path / "early",
        progress=progress,
        on_preliminary=lambda result: early.append((len(progress.reports), result)),
    )
    check_preliminary(early, copy.deepcopy(answer), progress.reports, tmp_path)
    fractions = [fraction for fraction, _ in progress.reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    command = ["predict", str(case["ct"]), str(case["mask"]), "--model", str(case["models"][0])]
    assert main([*command, "--device", "cpu", "-o", str(tmp_path / "cli")]) == 0
    written = (tmp_path / "cli" / "prediction.json").read_text(encoding="utf-8")
    assert (tmp_path / "worker" / "prediction.json").read_text(encoding="utf-8") == written
    assert answer == json.loads(written)

    with pytest.raises(CancelledError):  # the same worker, half-way through the next one
        worker.request(
            "predict",
            **case,
            roi="pausing",
            folder=tmp_path / "no",
            progress=Reports(cancel_at=0.5),
        )
    assert {path.name for path in tmp_path.iterdir()} == {"cli", "early", "worker"}
    with pytest.raises(InputError, match="no file or folder"):
        worker.request("predict", **case | {"ct": tmp_path / "gone"}, folder=tmp_path / "no")
    with pytest.raises(ModelError, match="no model named"):
        worker.request("predict", **case | {"models": ["nobody"]}, folder=tmp_path / "no")
    with pytest.raises(WorkerError, match="'device' must be one of"):
        worker.request("predict", **case | {"device": "abacus"}, folder=tmp_path / "no")
    assert {path.name for path in tmp_path.iterdir()} == {"cli", "early", "worker"}


def result_of(verb, **fields):
    """The result of a request, worked on in this process."""
    message = json.loads(encoded({"id": 1, "verb": verb, **fields}))
    return read_request(message).run(Silent())


def test_images_are_those_of_the_command_line(tmp_path):
    model = tmp_path / "g.safetensors"
    write_generator(model, conditions=("LUAD", "LUSC"))
    drawn = {"n": 3, "seed": 5, "truncation": 0.7, "label": "LUSC", "like": 2}
    answer = result_of("generate", model=model, folder=tmp_path / "worker", **drawn)
    options = ["-n", "3", "--seed", "5", "--truncation", "0.7", "--label", "LUSC", "--like", "2"]
    cli = ["gan", "sample", str(model), *options, "--device", "cpu", "-o", str(tmp_path / "cli")]
    assert main(cli) == 0
    for name in ("samples.json", "ct.nrrd", "mask.nrrd", "grid.png"):
        one, other = ((tmp_path / folder / name).read_bytes() for folder in ("worker", "cli"))
        assert one == other, name
    assert answer == json.loads((tmp_path / "cli" / "samples.json").read_text(encoding="utf-8"))
    with pytest.raises(ModelError, match="is a generator, and an inpainter is needed"):
        result_of("inpaint", ct=HERE, mask=HERE, model=model, out=tmp_path / "x.mha")


def test_the_part_that_changes_is_that_of_the_command_line(case, tmp_path):
    model, out = tmp_path / "t.safetensors", tmp_path / "part.mha"
    write_inpainter(model, classes=("LUAD", "LUSC"))
    files = {"ct": case["ct"], "mask": case["mask"]}
    requested = {"hu": -55.5, "label": "LUAD", "seed": 3}
    answer = result_of("inpaint", **files, model=model, out=out, **requested)
    options = ["--hu", "-55.5", "--class", "LUAD", "--seed", "3", "-o", str(tmp_path / "cli")]
    assert main(["inpaint", str(model), *map(str, files.values()), *options]) == 0
    assert answer == json.loads((tmp_path / "cli" / "inpainting.json").read_text(encoding="utf-8"))
    whole = sitk.ReadImage(str(tmp_path / "cli" / "ct.nrrd"))
    box = Box(tuple(answer["changed"]["start"]), tuple(answer["changed"]["stop"]))
    there = sitk.GetArrayViewFromImage(whole)[box.slices]
    assert np.array_equal(sitk.GetArrayViewFromImage(sitk.ReadImage(str(out))), there)
    with pytest.raises(InputError, match="is an input"):
        result_of("inpaint", **files, model=model, out=case["ct"])


def test_a_mask_is_chosen_and_imported(worker, case, tmp_path):
    _, drawn = ball_images()
    two = drawn + 0
    two[:20, :20, :5] = 5
    sitk.WriteImage(two, str(tmp_path / "two.nrrd"))
    assert worker.request("rois", mask=tmp_path / "two.nrrd") == [
        {"name": "label 1", "roi": None, "label": 1},
        {"name": "label 5", "roi": None, "label": 5},
    ]
    out = tmp_path / "placed.seg.nrrd"
    request = {"ct": case["ct"], "mask": tmp_path / "two.nrrd", "out": out}
    with pytest.raises(InputError, match="several labels"):
        worker.request("mask", **request)
    assert not out.exists()
    result = worker.request("mask", **request, label=5)
    assert result["name"] == "label 5"
    assert result["volume_ml"] == pytest.approx(20 * 20 * 5 * 0.8 * 0.7 * 2.5 / 1000)
    assert "mask_at_ct_border" in [flag["code"] for flag in result["flags"]]
    placed = read_mask(out, open_ct(case["ct"]))
    assert placed.image.GetSize() == (20, 20, 5)
    assert placed.name == "label 5"
    with pytest.raises(InputError, match="is an input or another output"):
        worker.request("mask", **request | {"out": case["ct"]}, label=5)


def test_the_tumour_at_a_point_is_segmented(worker, case, tmp_path):
    out, ct = tmp_path / "proposed.seg.nrrd", open_ct(case["ct"])
    drawn = crop(ct, read_mask(case["mask"], ct))
    there = [float(value) for value in drawn.mask_centre_of_mass_lps]
    arguments = {"ct": case["ct"], "model": "region-growing", "out": out}
    result = worker.request("segment", inside=[there], **arguments)
    assert result["volume_ml"] == pytest.approx(drawn.mask_volume_ml, rel=0.1)
    proposed = read_mask(out, ct)
    assert proposed.name == result["name"]
    assert [flag.to_dict() for flag in proposed.flags] == result["flags"][: len(proposed.flags)]
    out.unlink()
    with pytest.raises(InputError, match="There is no point"):
        worker.request("segment", **arguments | {"model": "nodule-segmenter"})
    with pytest.raises(InputError, match="lies in lung or air"):
        worker.request("segment", inside=[[there[0] - 25, *there[1:]]], **arguments)
    assert not out.exists()


@pytest.mark.slow
def test_the_sample_patient_is_made_or_not(worker, tmp_path):
    with pytest.raises(CancelledError):
        worker.request("sample", folder=tmp_path / "patient", progress=Reports(cancel_at=0.2))
    assert list(tmp_path.iterdir()) == []
    progress = Reports()
    answer = worker.request("sample", folder=tmp_path / "patient", seed=11, progress=progress)
    assert len(progress.reports) > 20
    ct, phantom = open_ct(answer["ct"]), Phantom(11)
    assert ct.grid == phantom.chest_grid()
    mask = read_mask(answer["mask"], ct)
    assert mask.name == "Tumour"
    there = crop(ct, mask).mask_centre_of_mass_lps
    assert np.linalg.norm(np.subtract(there, phantom.tumour.centre_lps)) < 10
    assert sitk.GetArrayFromImage(mask.image).sum() == phantom.mask(ct.grid).sum()
    box = Box((0, 0, 60), (512, 512, 62))
    assert np.array_equal(ct.hu(box), phantom.ct(ct.grid.part(box)))


def wait_until(holds):
    limit = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, reaped by its new parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except OSError:
        return True
    return Path("/proc/self/stat").exists()
