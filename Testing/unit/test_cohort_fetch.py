"""`cohort fetch` from a bucket on this machine: whole, resumed, checked, and every way to fail."""

import csv
import errno
import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from LungSquadLib import download
from LungSquadLib.cli import main
from LungSquadLib.cohorts import bucket as bucket_file
from LungSquadLib.cohorts import fetch
from LungSquadLib.cohorts.fetch import FetchOptions, fetch_cohort, plan_fetch
from LungSquadLib.cohorts.series_list import names, read_list
from LungSquadLib.data.store import open_store
from LungSquadLib.errors import CancelledError, InputError
from Testing.bucket_stand_in import BUCKET, PATIENTS, REAL, ask_directly, serving, write_bucket
from Testing.cohort_lists import list_of

# Patients, series of outlines, CT series of their studies and GB of both, of version 25.
LISTS = {
    "nsclc-radiomics": (422, 422, 422, 0.59, 26.95),
    "nsclc-radiogenomics": (144, 144, 149, 0.86, 20.96),
    "lidc-idri": (875, 6859, 883, 1.36, 113.64),
    "rider-lung-ct": (31, 59, 60, 0.01, 7.67),
    "4d-lung": (20, 800, 800, 0.19, 47.69),
    "lung-pet-ct-dx": (354, 1091, 1128, 0.05, 123.21),
    "nlst-seg": (601, 601, 1427, 0.25, 94.60),
}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, case_data):
    """A served bucket, which no test changes."""
    folder = tmp_path_factory.mktemp("bucket")
    with serving(folder) as stand_in:
        write_bucket(folder, case_data, stand_in.url)
        yield stand_in


@pytest.fixture
def stand_in(pristine, monkeypatch):
    """The bucket with sound answers, and no waiting between tries."""
    ask_directly(monkeypatch)
    pristine.spoil = None
    pristine.requests.clear()
    yield pristine
    pristine.spoil = None


def options(stand_in, **values):
    return FetchOptions(server=stand_in.url, accept_non_commercial=True, **values)


def table(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def whole_series(folder):
    return [path for path in folder.glob("LUNG9-*/*") if not path.name.endswith(".part")]


def assert_sound(folder, stand_in):
    """Every series that has its name has what the bucket has, and nothing else."""
    for series in whole_series(folder):
        original = stand_in.folder / BUCKET / series.name
        files = {path.name: path.read_bytes() for path in series.iterdir()}
        assert files == {path.name: path.read_bytes() for path in original.iterdir()}


def spoiling(stand_in, series, answer, *, most=10**9):
    """Answer otherwise where one object of a series is asked for, so many times."""
    victim = min(series.iterdir()).name
    times = []

    def spoil(handler, path):
        if not path.endswith(victim) or len(times) >= most:
            return False
        times.append(path)
        answer(handler, (series / victim).read_bytes())
        return True

    stand_in.spoil = spoil
    return times


def status(code, **headers):
    def answer(handler, _):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.mark.parametrize("name", LISTS)
def test_the_lists_have_the_counts_of_the_index(name):
    cohort = read_list(name)
    counts = (
        len({series.patient_id for series in cohort.outlines}),
        len(cohort.outlines),
        len(cohort.ct),
        round(sum(series.size for series in cohort.outlines) / 1e9, 2),
        round(sum(series.size for series in cohort.ct) / 1e9, 2),
    )
    assert counts == LISTS[name]
    assert {series.patient_id for series in cohort.ct} == {
        series.patient_id for series in cohort.outlines
    }
    assert cohort.source == "idc-index-data 25.0.5"
    assert cohort.non_commercial is (name == "nsclc-radiomics")
    assert all("doi:" in citation for citation in cohort.citations)


def test_the_lists_are_those_of_the_documentation_and_small():
    assert names() == sorted(LISTS)
    folder = Path(fetch.__file__).parent / "series"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000


def row_of_index(number, modality, **changed):
    return {
        "PatientID": "RIDER-1",
        "StudyInstanceUID": "1.2",
        "SeriesInstanceUID": f"1.2.{number}",
        "Modality": modality,
        "collection_id": "rider_lung_ct",
        "analysis_result_id": None if modality == "CT" else "rider_lungct_seg",
        "crdc_series_uuid": f"{number:08d}-0000-0000-0000-000000000000",
        "aws_bucket": "idc-open-data",
        "instanceCount": 20,
        "series_size_MB": 26.405988,
        "license_short_name": "CC BY 4.0",
        **changed,
    }


def test_a_list_is_made_of_the_outlines_and_the_ct_of_their_studies(tmp_path):
    rows = [
        row_of_index(1, "CT"),
        row_of_index(2, "RTSTRUCT", instanceCount=1, license_short_name="CC BY 3.0"),
        row_of_index(3, "CT", StudyInstanceUID="1.3"),  # a study without outlines
        row_of_index(4, "CT", instanceCount=1),  # a localizer
        row_of_index(5, "CT", analysis_result_id="another"),
        row_of_index(6, "RTSTRUCT", analysis_result_id="another"),
        row_of_index(7, "CT", collection_id="nlst"),
    ]
    path = tmp_path / "rider.csv.gz"
    path.write_bytes(gzip.compress(list_of("rider-lung-ct", rows, "1.0").encode()))
    cohort = read_list(path)
    assert [series.uuid[:8] for series in cohort.ct] == ["00000001"]
    assert [series.uuid[:8] for series in cohort.outlines] == ["00000002"]
    assert (cohort.ct[0].size, cohort.ct[0].uid) == (26_405_988, "1.2.1")
    assert cohort.licence == "CC BY 4.0 (CT), CC BY 3.0 (outlines)"
    assert cohort.source == "idc-index-data 1.0"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RIDER-1", "../RIDER"),
        ("00000001-0000", "../00001-0000"),
        ("idc-open-data", "a/b"),
        ("20,26405988", "20,x"),
        (",CT,", ",MR,"),
        ("00000002-", "00000001-"),
        ("patient_id,study", "study,patient_id"),
        ("rider-lung-ct", "../rider"),
    ],
)
def test_a_damaged_list_is_refused(tmp_path, old, new):
    text = list_of("rider-lung-ct", [row_of_index(1, "CT"), row_of_index(2, "RTSTRUCT")], "1.0")
    assert old in text
    path = tmp_path / "rider.csv.gz"
    path.write_bytes(gzip.compress(text.replace(old, new).encode()))
    with pytest.raises(InputError, match="is damaged or is not a list of series"):
        read_list(path)
    path.write_bytes(gzip.compress(text.encode())[:-20])
    with pytest.raises(InputError, match="is damaged or is not a list of series"):
        read_list(path)


def test_lung_pet_ct_dx_tells_the_histology_by_the_ids():
    cohort = read_list("lung-pet-ct-dx")
    patients = {series.patient_id for series in cohort.outlines}
    assert {patient[:9] for patient in patients} == set(cohort.histology)
    letters = [sum(patient.startswith(start) for patient in patients) for start in cohort.histology]
    assert letters == [250, 38, 5, 61]  # A, B, E, G


def test_the_page_names_the_cohorts_with_their_sizes_and_the_hosts(tmp_path):
    page = (Path(fetch.__file__).parents[2] / "Docs/HowTo/Fetch.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| `")
    ]
    cohorts = {row[0]: row for row in rows if len(row) == 6}
    assert sorted(cohorts) == sorted(LISTS)
    for name, row in cohorts.items():
        plan = plan_fetch(name, tmp_path)
        sizes = dict.fromkeys(f"{size / 1e9:.1f}" for size in (plan.least, plan.most))
        assert row[1] == str(LISTS[name][0])
        assert row[3] == " to ".join(sizes)
        assert row[5] == plan.cohort.licence
    assert {row[0]: row[1].replace("`", "") for row in rows if len(row) == 2} == download.HOSTS


def test_a_cohort_is_fetched_as_the_bucket_has_it(stand_in, tmp_path):
    folder = tmp_path / "cohort"
    fetched = fetch_cohort(stand_in.list, folder, options(stand_in))
    rows = table(fetched.manifest)
    assert (fetched.cases, fetched.problems) == (PATIENTS, {})
    assert_sound(folder, stand_in)
    # Of two studies' two CT only the one that the outlines refer to.
    assert len(whole_series(folder)) == 2 * PATIENTS
    assert all((folder / row["ct"]).is_dir() and (folder / row["mask"]).is_file() for row in rows)
    assert [row["roi"] for row in rows] == ["Tumor_c40", rows[1]["roi"], *["GTV-1"] * 6]
    labels = [(row["histology"], row["time"], row["event"], row["t_stage"]) for row in rows[:4]]
    assert labels == [
        ("other", "2165", "1", "T2"),
        ("LUSC", "155", "1", "T2"),
        ("", "", "", ""),
        ("LUAD", "900", "0", "T1"),
    ]
    about = json.loads((folder / "cohort.json").read_text())
    assert about["licence"] == "CC BY-NC 3.0"
    assert about["citations"] == ["Nobody et al. 2026.", "Data: nowhere."]
    assert not list(folder.rglob("*.part"))
    assert {method for method, _ in stand_in.requests} == {"GET"}


def test_outlines_come_before_the_ct(stand_in, tmp_path):
    fetch_cohort(stand_in.list, tmp_path / "cohort", options(stand_in, connections=1))
    outlines = {path.name for kind in ("RTSTRUCT", "SEG") for path in stand_in.series(kind)}
    objects = [path.split("/")[2] for _, path in stand_in.requests if path.endswith(".dcm")]
    assert set(objects[:PATIENTS]) == outlines
    assert not outlines & set(objects[PATIENTS:])


def test_the_manifest_is_built_as_it_is(stand_in, tmp_path, capsys):
    folder = tmp_path / "cohort"
    words = ["cohort", "fetch", str(stand_in.list), "-o", str(folder), "--server", stand_in.url]
    assert main([*words, "--patients", "4", "--accept-non-commercial"]) == 0
    assert str(folder / "manifest.csv") in capsys.readouterr().out
    build = ["cohort", "build", str(folder / "manifest.csv"), "-o", str(tmp_path / "store")]
    assert main([*build, "--size", "32"]) == 0
    assert "4 done, 0 finished before, 0 failed" in capsys.readouterr().out
    cases = open_store(tmp_path / "store").cases
    assert [case.columns["histology"] for case in cases] == ["other", "LUSC", "", "LUAD"]


def test_nothing_is_requested_twice(stand_in, tmp_path):
    fetch_cohort(stand_in.list, tmp_path / "cohort", options(stand_in, patients=5))
    stand_in.requests.clear()
    more = fetch_cohort(stand_in.list, tmp_path / "cohort", options(stand_in, patients=5))
    assert (more.cases, stand_in.requests) == (5, [])
    fetch_cohort(stand_in.list, tmp_path / "cohort", options(stand_in))
    assert len(whole_series(tmp_path / "cohort")) == 2 * PATIENTS


def test_two_fetches_into_one_folder_are_refused(stand_in, tmp_path):
    """A second one while the first is at work; not after the first was killed."""
    words = f"fetch_cohort({str(stand_in.list)!r}, {str(tmp_path / 'c')!r}, FetchOptions("
    words += f"server={stand_in.url!r}, accept_non_commercial=True))"
    code = f"from LungSquadLib.cohorts.fetch import *\n{words}"
    stand_in.spoil = lambda handler, path: bool(time.sleep(0.2))
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while not stand_in.requests:
            time.sleep(0.01)
        with pytest.raises(InputError, match="Another LungSquad fetches into"):
            fetch_cohort(stand_in.list, tmp_path / "c", options(stand_in))
        process.kill()
    stand_in.spoil = None
    assert fetch_cohort(stand_in.list, tmp_path / "c", options(stand_in)).cases == PATIENTS
    assert not (tmp_path / "c" / ".lock").exists()


def test_a_dry_run_asks_nobody_and_writes_nothing(stand_in, tmp_path, capsys):
    words = ["cohort", "fetch", "nsclc-radiomics", "-o", str(tmp_path / "new"), "--dry-run"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "CC BY-NC 3.0" in printed
    assert "27.0 GB" in printed
    assert not (tmp_path / "new").exists()
    plan = plan_fetch(stand_in.list, tmp_path, options(stand_in))
    outlines = [path for kind in ("RTSTRUCT", "SEG") for path in stand_in.series(kind)]
    size = sum(path.stat().st_size for folder in outlines for path in folder.iterdir())
    assert plan.outlines == size
    assert stand_in.requests == []


def test_a_non_commercial_licence_must_be_accepted(stand_in, tmp_path, capsys):
    words = ["cohort", "fetch", "nsclc-radiomics", "-o", str(tmp_path / "new")]
    assert main(words) == 2
    assert "--accept-non-commercial" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.linux
def test_a_fetch_that_is_killed_ten_times_goes_on(stand_in, tmp_path):
    folder = tmp_path / "cohort"

    def slowly(handler, path):
        if path.endswith(".dcm"):
            content = (stand_in.folder / path.lstrip("/")).read_bytes()
            handler.answer(content, "application/dicom", seconds=0.01)
        return path.endswith(".dcm")

    stand_in.spoil = slowly
    command = [sys.executable, "-m", "LungSquadLib", "cohort", "fetch", str(stand_in.list)]
    command += ["-o", str(folder), "--server", stand_in.url, "--accept-non-commercial"]
    killed = 0
    while killed < 10:
        before = len(stand_in.requests)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while len(stand_in.requests) < before + 17 and process.poll() is None:
                time.sleep(0.005)
            assert process.poll() is None, "it ended before it could be killed"
            process.send_signal(signal.SIGKILL)
        killed += 1
        assert_sound(folder, stand_in)
        assert not (folder / "manifest.csv").exists()
    assert list(folder.rglob("*.part"))
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert_sound(folder, stand_in)
    assert len(whole_series(folder)) == 2 * PATIENTS
    assert len(table(folder / "manifest.csv")) == PATIENTS
    assert not list(folder.rglob("*.part"))
    # What was whole was not fetched again: each kill costs what was on its way, at most.
    objects = [path for _, path in stand_in.requests if path.endswith(".dcm")]
    series = [stand_in.folder / BUCKET / path.name for path in whole_series(folder)]
    number = sum(len(list(path.iterdir())) for path in series)
    assert number <= len(objects) <= number + 10 * FetchOptions().connections


def test_a_part_is_continued_and_checked_from_its_beginning(stand_in, tmp_path):
    (series,) = stand_in.series("SEG")
    path = min(series.iterdir())
    content = path.read_bytes()
    url = f"{stand_in.url}/{BUCKET}/{series.name}/{path.name}"
    expected = hashlib.md5(content).hexdigest()
    for kept in (content[:-1000], b"x" * 1000, content, content + b"more"):
        target = tmp_path / "object.dcm"
        (tmp_path / "object.dcm.part").write_bytes(kept)
        counts = []
        download.Client(stand_in.url).download(
            url,
            target,
            size=len(content),
            digest=download.md5_of_file,
            expected=expected,
            received=counts.append,
        )
        assert target.read_bytes() == content
        assert sum(counts) == len(content)
        target.unlink()
    assert not list(tmp_path.iterdir())


def test_a_truncated_object_is_left_out_with_a_sentence(stand_in, tmp_path, capsys):
    series = stand_in.series("CT", "LUNG9-006")[0]
    times = spoiling(stand_in, series, lambda handler, content: handler.answer(content[:-7], "x"))
    words = ["cohort", "fetch", str(stand_in.list), "-o", str(tmp_path), "--server", stand_in.url]
    assert main([*words, "--accept-non-commercial"]) == 2
    error = capsys.readouterr().err
    assert "LUNG9-006" in error
    assert "cut short or was changed" in error
    assert len(table(tmp_path / "manifest.csv")) == PATIENTS - 1
    assert [row["patient_id"] for row in table(tmp_path / "errors.csv")] == ["LUNG9-006"]
    assert not (tmp_path / "LUNG9-006" / series.name).exists()
    assert len(times) == 1
    stand_in.spoil = None
    assert main([*words, "--accept-non-commercial"]) == 0
    assert len(table(tmp_path / "manifest.csv")) == PATIENTS
    assert table(tmp_path / "errors.csv") == []


def test_a_changed_object_is_not_trusted(stand_in, tmp_path):
    series = stand_in.series("CT", "LUNG9-006")[0]
    times = spoiling(
        stand_in, series, lambda handler, content: handler.answer(content[:-1] + b"?", "x")
    )
    fetched = fetch_cohort(stand_in.list, tmp_path, options(stand_in))
    assert fetched.cases == PATIENTS - 1
    assert "its checksum is not the expected" in fetched.problems["LUNG9-006", series.name]
    assert not (tmp_path / "LUNG9-006" / series.name).exists()
    assert len(times) == 1


def test_a_cut_connection_is_continued(stand_in, tmp_path):
    series = stand_in.series("CT", "LUNG9-006")[0]
    times = spoiling(
        stand_in,
        series,
        lambda handler, content: handler.answer(content, "x", stop_at=len(content) // 2),
        most=1,
    )
    assert fetch_cohort(stand_in.list, tmp_path, options(stand_in)).problems == {}
    assert_sound(tmp_path, stand_in)
    again = [path for _, path in stand_in.requests if path.endswith(times[0])]
    assert len(again) == 2


def test_a_missing_object_is_left_out_with_a_sentence(stand_in, tmp_path):
    series = stand_in.series("CT", "LUNG9-006")[0]
    spoiling(stand_in, series, status(404))
    fetched = fetch_cohort(stand_in.list, tmp_path, options(stand_in))
    assert fetched.cases == PATIENTS - 1
    assert "is not there (404" in fetched.problems["LUNG9-006", series.name]
    assert not (tmp_path / "LUNG9-006" / series.name).exists()


def test_a_series_with_an_object_too_few_is_not_trusted(stand_in, tmp_path):
    series = stand_in.series("CT", "LUNG9-006")[0]
    victim = min(series.iterdir())
    moved = victim.rename(tmp_path / victim.name)
    try:
        fetched = fetch_cohort(stand_in.list, tmp_path / "cohort", options(stand_in))
    finally:
        moved.rename(victim)
    assert fetched.cases == PATIENTS - 1
    assert "has 11 objects" in fetched.problems["LUNG9-006", series.name]


def test_a_refusal_ends_the_fetch_with_a_sentence(stand_in, tmp_path):
    times = spoiling(stand_in, stand_in.series("CT", "LUNG9-006")[0], status(403))
    with pytest.raises(InputError, match=r"refuses .* \(403 Forbidden\)"):
        fetch_cohort(stand_in.list, tmp_path, options(stand_in))
    assert len(times) == 1
    assert not (tmp_path / "manifest.csv").exists()
    assert_sound(tmp_path, stand_in)


def test_a_busy_server_is_asked_again(stand_in, tmp_path):
    times = spoiling(
        stand_in, stand_in.series("CT", "LUNG9-006")[0], status(503, Retry_After="0"), most=4
    )
    assert fetch_cohort(stand_in.list, tmp_path, options(stand_in)).problems == {}
    assert len(times) == 4


def test_a_server_that_stays_busy_ends_the_fetch(stand_in, tmp_path):
    times = spoiling(stand_in, stand_in.series("CT", "LUNG9-006")[0], status(503))
    with pytest.raises(InputError, match=r"in 5 tries \(503 .*goes on where it stopped"):
        fetch_cohort(stand_in.list, tmp_path, options(stand_in))
    assert len(times) == 5
    assert not (tmp_path / "manifest.csv").exists()


@pytest.mark.parametrize("kind", ["silent", "slow"])
def test_a_slow_line_ends_with_a_sentence(stand_in, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(download, "_SILENCE", 0.2 if kind == "silent" else 5.0)
    monkeypatch.setattr(download, "_PATIENCE", 0.1)
    monkeypatch.setattr(download, "_SLOWEST", 1e9)
    monkeypatch.setattr(download, "_TRIES", 2)
    series = stand_in.series("SEG")[0]
    seconds = 1.0 if kind == "silent" else 0.15
    spoiling(
        stand_in,
        series,
        lambda handler, content: handler.answer(content, "x", seconds=seconds, block=1024),
    )
    reason = "timed out" if kind == "silent" else "less than 1e.09 bytes a second"
    with pytest.raises(InputError, match=f"in 2 tries .*{reason}"):
        fetch_cohort(stand_in.list, tmp_path, options(stand_in))
    assert_sound(tmp_path, stand_in)


def test_a_redirection_to_another_server_is_refused(stand_in, tmp_path):
    answer = status(302, Location="https://elsewhere.example/object")
    spoiling(stand_in, stand_in.series("CT", "LUNG9-006")[0], answer)
    with pytest.raises(InputError, match=r"redirects to another server, elsewhere\.example"):
        fetch_cohort(stand_in.list, tmp_path, options(stand_in))
    assert not (tmp_path / "manifest.csv").exists()


def test_no_host_is_asked_but_those_that_are_listed(monkeypatch):
    client = download.Client()
    monkeypatch.setattr(
        client._opener, "open", lambda *_, **__: pytest.fail("a request left the machine")
    )
    for url in (
        "https://example.org/x",
        "http://s3.amazonaws.com/x",  # not encrypted
        "https://s3.amazonaws.com.example.org/x",
        "https://user@s3.amazonaws.com/x",
        "https://s3.amazonaws.com:444/x",
        "file:///etc/passwd",
        "ftp://s3.amazonaws.com/x",
        "http://127.0.0.1/x",
    ):
        with pytest.raises(InputError, match="is on no server"):
            client.get(url, most=10)
    assert sorted(download.HOSTS) == [
        "raw.githubusercontent.com",
        "s3.amazonaws.com",
        "storage.googleapis.com",
        "www.cancerimagingarchive.net",
    ]


@pytest.mark.parametrize("name", LISTS)
def test_the_lists_name_listed_hosts_only(name):
    url = read_list(name).clinical_url
    assert not url or url.startswith("https://www.cancerimagingarchive.net/")


def test_the_proxy_of_the_environment_is_used(stand_in, tmp_path, monkeypatch):
    """It is asked for a tunnel; it refuses, so nothing leaves the machine."""
    asked = []
    monkeypatch.setattr(download, "_TRIES", 1)
    stand_in.spoil = lambda *_: False
    monkeypatch.setenv("https_proxy", stand_in.url)

    def refuse(handler):
        asked.append(handler.path)
        handler.send_error(403, "Forbidden")

    from Testing import bucket_stand_in

    monkeypatch.setattr(bucket_stand_in._Handler, "do_CONNECT", refuse, raising=False)
    with pytest.raises(InputError, match=r"Tunnel connection failed: 403 .*proxy"):
        download.Client().get("https://s3.amazonaws.com/idc-open-data", most=10)
    assert asked == ["s3.amazonaws.com:443"]


@pytest.mark.parametrize(
    "server", ["http://example.org", "ftp://a", "https://a/b", "a", "https://"]
)
def test_a_server_is_encrypted_and_nothing_but_a_server(server):
    with pytest.raises(InputError, match=r"is no server|is not encrypted"):
        FetchOptions(server=server)


def test_a_disk_without_room_is_told_before_the_first_request(stand_in, tmp_path, monkeypatch):
    usage = os.statvfs(tmp_path) and fetch.shutil.disk_usage(tmp_path)._replace(free=200_000_000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"0\.2 GB free, and .* MB are needed"):
        fetch_cohort(stand_in.list, tmp_path, options(stand_in))
    assert [path for _, path in stand_in.requests if ".dcm" in path or "list" in path] == []


def test_a_disk_that_fills_up_ends_the_fetch_with_a_sentence(stand_in, tmp_path, monkeypatch):
    written = []
    whole = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, block):
            written.append(len(block))
            if len(written) > 40:
                self.file.write(block[: len(block) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(block)

    def opened(path, mode="r", **rest):
        file = whole(path, mode, **rest)
        return Full(file) if path.name.endswith(".dcm.part") and mode in ("ab", "wb") else file

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(InputError, match=r"The disk is full while '.*run the same command again"):
        fetch_cohort(stand_in.list, tmp_path / "cohort", options(stand_in))
    monkeypatch.undo()
    assert not (tmp_path / "cohort" / "manifest.csv").exists()
    assert_sound(tmp_path / "cohort", stand_in)
    assert fetch_cohort(stand_in.list, tmp_path / "cohort", options(stand_in)).cases == PATIENTS
    assert_sound(tmp_path / "cohort", stand_in)


def test_a_cancelled_fetch_keeps_what_is_whole(stand_in, tmp_path):
    class Impatient:
        cancelled = False

        def report(self, fraction, message):
            self.cancelled = "CT" in message

    with pytest.raises(CancelledError):
        fetch_cohort(stand_in.list, tmp_path, options(stand_in), progress=Impatient())
    assert_sound(tmp_path, stand_in)
    assert not (tmp_path / "manifest.csv").exists()


def test_a_file_that_was_lost_since_is_fetched_again(stand_in, tmp_path):
    fetch_cohort(stand_in.list, tmp_path, options(stand_in))
    (series,) = (
        path for path in whole_series(tmp_path) if path.name == stand_in.series("SEG")[0].name
    )
    lost = min(series.iterdir())
    lost.write_bytes(lost.read_bytes()[:100])
    fetch_cohort(stand_in.list, tmp_path, options(stand_in))
    assert_sound(tmp_path, stand_in)
    assert len(whole_series(tmp_path)) == 2 * PATIENTS


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE x [<!ENTITY a "b">]><x/>',
        b"<html></html>",
        b"<ListBucketResult",
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Contents>'
        b"<Key>UUID/../../x.dcm</Key><Size>3</Size></Contents></ListBucketResult>",
        b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Contents>'
        b"<Key>UUID/x.dcm</Key><Size>-3</Size></Contents></ListBucketResult>",
    ],
)
def test_a_list_that_is_none_is_refused(stand_in, content):
    uuid = "0" * 8
    stand_in.spoil = lambda handler, _: (
        handler.answer(content.replace(b"UUID", uuid.encode()), "application/xml") or True
    )
    bucket = bucket_file.Bucket(download.Client(stand_in.url), stand_in.url, BUCKET)
    with pytest.raises(download.ObjectError, match=r"is no list of objects|is not allowed"):
        bucket.objects(uuid)


def test_another_clinical_table_is_refused(stand_in, tmp_path):
    stand_in.spoil = lambda handler, path: (
        path.endswith("clinical.csv") and (handler.answer(b"a,b\n", "text/csv") or True)
    )
    with pytest.raises(InputError, match=r"is another than .*--clinical FILE.*--no-labels"):
        fetch_cohort(stand_in.list, tmp_path, options(stand_in))
    assert not (tmp_path / "clinical.csv").exists()
    fetched = fetch_cohort(stand_in.list, tmp_path, options(stand_in, labels=False, patients=4))
    assert "histology" not in table(fetched.manifest)[0]


def test_a_table_of_the_user_gives_the_labels(stand_in, tmp_path):
    own = tmp_path / "mine.csv"
    own.write_text("patient_id,histology\nLUNG9-004,adenocarcinoma\n")
    fetched = fetch_cohort(
        stand_in.list, tmp_path / "cohort", options(stand_in, clinical=own, patients=4)
    )
    assert [row["histology"] for row in table(fetched.manifest)] == ["", "", "", "LUAD"]
    own.write_text("patient_id,histology\nX-1,adenocarcinoma\n")
    with pytest.raises(InputError, match="has none of the patients"):
        fetch_cohort(stand_in.list, tmp_path / "cohort", options(stand_in, clinical=own))


def test_another_cohort_does_not_go_into_the_folder(stand_in, tmp_path):
    fetch_cohort(stand_in.list, tmp_path, options(stand_in, patients=len(REAL)))
    with pytest.raises(InputError, match="holds another cohort"):
        fetch_cohort("rider-lung-ct", tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(InputError, match="is not empty"):
        fetch_cohort("rider-lung-ct", tmp_path / "other")


@pytest.mark.parametrize("name", ["nsclc", "../x", "missing.csv.gz"])
def test_an_unknown_cohort_is_a_sentence(name, tmp_path, capsys):
    assert main(["cohort", "fetch", name, "-o", str(tmp_path / "new")]) == 2
    assert "There is no" in capsys.readouterr().err
