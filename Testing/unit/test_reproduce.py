"""Recipes from fetch to report against a bucket on this machine, and published figures."""

import csv
import json
import re

import numpy as np
import pytest

from LungSquadLib import download
from LungSquadLib.cli import main
from LungSquadLib.data.store import open_store
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.crop import crop
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.models.card import Seen
from LungSquadLib.pipeline.reproduce import hosny
from LungSquadLib.pipeline.reproduce.published_outputs import published_figures, read_published
from LungSquadLib.pipeline.reproduce.recipe import RecipeOptions
from LungSquadLib.pipeline.reproduce.recipes import RECIPES, plan_reproduction, reproduce
from Testing.bucket_stand_in import ask_directly, serving, write_cohort
from Testing.samples import write_model
from Testing.segmenters import write_segmenter

HEADER = (
    "PatientID,age,clinical.T.Stage,Clinical.N.Stage,Clinical.M.Stage,Overall.Stage,Histology,"
    "gender,Survival.time,deadstatus.event"
)
COUNT = 12


def patients(start, squamous):
    """A table of patients: one in so many has an adenocarcinoma, or one a squamous one."""
    rows = [HEADER]
    for number in range(1, COUNT + 1):
        rare = number % 3 == 0
        kind = "squamous cell carcinoma" if rare != squamous else "adenocarcinoma"
        survival = f"{100 + 120 * number},{int(number < 6)}"
        rows.append(f"{start}-{number:03d},{60 + number},2,0,0,I,{kind},male,{survival}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bucket")
    with serving(folder) as stand_in:
        write_cohort(folder, stand_in.url, "first", patients("ONE", squamous=True))
        write_cohort(folder, stand_in.url, "second", patients("TWO", squamous=False))
        yield stand_in


@pytest.fixture
def stand_in(server, monkeypatch):
    ask_directly(monkeypatch)
    server.requests.clear()
    return server


def options(stand_in, *names, **values):
    lists = tuple(str(stand_in.folder / f"{name}.csv.gz") for name in names)
    return RecipeOptions(server=stand_in.url, cohorts=lists, **values)


def published_table(path, series):
    """A table as it was published, of the first eight patients; one set lacks the last."""
    rows = ["PatientID,SeriesInstanceUID_CT,CNN_output_raw,baseline_output_raw,surv2yr"]
    for number in range(1, 9):
        alive = 0.03 + 0.01 * number
        outputs = f'"[{1 - alive}, {alive}]"'
        uid = series if number == 1 else f"1.2.{number}"
        rows.append(
            f"ONE-{number:03d},{uid},{outputs},{outputs if number < 8 else ''},{int(number > 3)}"
        )
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_the_published_figures_come_out_to_the_digit(case_data):
    """AUC of both published sets, and their correlation, as their documentation has them."""
    path = case_data / "noncommercial" / "lung1_tables" / "hosny_outputs_lung1.csv"
    figures = published_figures(read_published(path))
    assert figures["patients"] == 203
    assert [f"{estimate.value:.3f}" for estimate in figures["auc"]] == ["0.697", "0.675"]
    assert f"{figures['correlation']:.2f}" == "0.35"


def test_hosny_from_fetch_to_report(stand_in, tmp_path, monkeypatch):
    """Each output is that of the crop round the mask; a second run does nothing twice."""
    model = write_model(tmp_path / "model.safetensors", reference=False)
    uid = re.search(r"ONE-001,\d+,CT,.*", gunzipped(stand_in.folder / "first.csv.gz"))[0]
    outputs = published_table(tmp_path / "published.csv", uid.split(",")[-1])
    folder = tmp_path / "r"
    given = options(stand_in, "first", outputs=outputs, model=str(model.path))
    report, page = reproduce("hosny-lung1", folder, given)
    rows = list(csv.DictReader((folder / "outputs.csv").open(encoding="utf-8")))
    assert len(rows) == COUNT
    assert [row["survival2y"] for row in rows[:6]] == ["0", "0", "0", "0", "0", "1"]
    (manifest,) = [
        row
        for row in csv.DictReader((folder / "cohort/manifest.csv").open(encoding="utf-8"))
        if row["case"] == "ONE-002"
    ]
    ct = open_ct(folder / "cohort" / manifest["ct"])
    mask = read_mask(folder / "cohort" / manifest["mask"], ct, roi="GTV-1")
    expected = alive(model, crop(ct, mask, size=50))
    assert float(rows[1]["probability"]) == pytest.approx(expected, abs=1e-6)
    centre = np.array(mask_centre(ct, mask))
    moved = [
        alive(model, crop(ct, mask, size=50, centre_lps=tuple(centre + shift)))
        for shift in (
            (0, 0, 3.0),
            (0, 0, -3.0),
            (0, 3.0, 0),
            (0, -3.0, 0),
            (3.0, 0, 0),
            (-3.0, 0, 0),
        )
    ]
    monkeypatch.setattr(hosny, "PUBLISHED_ALIVE", {"ONE-002": 0.25, "ABSENT": 0.5})
    compared = hosny.compare_with_published(model, folder / "cohort")
    assert compared == [("ONE-002", pytest.approx(expected, abs=1e-6), 0.25)]
    assert [float(rows[1][f"moved_{n}"]) for n in range(1, 7)] == pytest.approx(moved, abs=1e-6)
    authors = report.numbers["comparison"]["the authors of the network"]
    assert (authors["patients"], authors["same_series"]) == (7, 1)
    text = page.read_text(encoding="utf-8")
    assert "LUNG1 is of Maastro" in text
    evaluation = json.loads((folder / "evaluation/evaluation.json").read_text(encoding="utf-8"))
    names = [each["name"] for each in evaluation["baselines"]]
    assert names == ["volume_ml", "baseline_output_raw", "CNN_output_raw"]
    assert evaluation["discrimination"]["auc"]["value"] == report.numbers["auc"]["value"]
    assert not report.failed
    times = {path: path.stat().st_mtime_ns for path in (folder / "outputs").iterdir()}
    stand_in.requests.clear()
    again, _ = reproduce("hosny-lung1", folder, given)
    assert stand_in.requests == []
    assert again.numbers == report.numbers
    assert {path: path.stat().st_mtime_ns for path in (folder / "outputs").iterdir()} == times


def gunzipped(path):
    import gzip

    return gzip.decompress(path.read_bytes()).decode()


def mask_centre(ct, mask):
    cut = crop(ct, mask, size=51)
    image = cut.ct
    return image.TransformIndexToPhysicalPoint((25, 25, 25))


def alive(model, cut):
    import SimpleITK as sitk
    import torch

    x = model.card.image.scaled(sitk.GetArrayFromImage(cut.ct))
    with torch.no_grad():
        return float(torch.softmax(model.network(torch.from_numpy(x)[None, None]), 1)[0, 1])


@pytest.mark.slow
def test_two_cohorts_from_fetch_to_report(stand_in, tmp_path, capsys):
    model = write_model(tmp_path / "model.safetensors", reference=False)
    words = ["reproduce", "lung1-radiogenomics", "-o", str(tmp_path / "r"), "--folds", "2"]
    words += ["--model", str(model.path), "--server", stand_in.url]
    lists = [str(stand_in.folder / f"{name}.csv.gz") for name in ("first", "second")]
    assert main([*words, "--cohorts", ",".join(lists)]) == 0
    printed = capsys.readouterr().out
    cautions = [line for line in printed.splitlines() if line.startswith("caution: ")]
    # 8 of 12 are squamous in the first cohort, 4 of 12 in the second: AUC of the cohort 2/3.
    assert cautions[0].startswith(
        "caution: Histology and hospital go together (first: 4 LUAD, 8 LUSC; second: 8 LUAD, "
        "4 LUSC): the name of the cohort alone has an AUC of 0.667 "
    )
    result = json.loads((tmp_path / "r/result.json").read_text(encoding="utf-8"))
    assert list(result["directions"]) == [
        f"{label}: {way}"
        for label in ("histology", "survival2y")
        for way in ("first to second", "second to first")
    ]
    page = (tmp_path / "r/index.html").read_text(encoding="utf-8")
    assert page.index("Histology and hospital") < page.index("What was found")
    for path in re.findall(r'href="([^"]+)"', page):
        assert (tmp_path / "r" / path).is_file()
    evaluation = json.loads(
        (tmp_path / "r/histology/first-to-second/test/evaluation/evaluation.json").read_text()
    )
    value = result["directions"]["histology: first to second"]["other_cohort"]["value"]
    assert evaluation["discrimination"]["auc"]["value"] == value
    cases = open_store(tmp_path / "r/second/store").cases
    assert {case.patient for case in cases} == {f"TWO-{n:03d}" for n in range(1, COUNT + 1)}


def test_nodules_that_the_model_has_seen_are_left_out(stand_in, tmp_path):
    from LungSquadLib.data.overlap import _short
    from LungSquadLib.identity import pseudonym

    known = Seen(patients=tuple(sorted(_short(pseudonym(f"ONE-{n:03d}")) for n in (1, 2))))
    model = write_segmenter(tmp_path / "m.safetensors", threshold=False, seen=known)
    given = options(stand_in, "first", patients=4, model=str(model.path))
    report, page = reproduce("lidc", tmp_path / "r", given)
    assert (report.numbers["patients"], report.numbers["outlines"]) == (2, 2)
    rows = list(csv.DictReader((tmp_path / "r/unseen.csv").open(encoding="utf-8")))
    assert [row["patient_id"] for row in rows] == ["ONE-003", "ONE-004"]
    assert "same scanners" in page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="was trained on all 2 patients"):
        reproduce("lidc", tmp_path / "s", options(stand_in, "first", patients=2, model=given.model))


def test_a_dry_run_plans_disk_and_time_and_does_nothing(tmp_path, capsys):
    for name in RECIPES:
        assert main(["reproduce", name, "-o", str(tmp_path / "new"), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (fetch,) = [line for line in lines if "fetch nsclc-radiomics" in line][:1]
    assert re.search(r"27\.5 GB +23 min +20\.0 MB a second, CC BY-NC 3\.0", fetch)
    assert any(line.startswith("cohort fetch lidc-idri") for line in lines)
    assert not (tmp_path / "new").exists()


def test_the_plan_counts_what_is_there(stand_in, tmp_path):
    given = options(stand_in, "first", model="m")
    before = plan_reproduction("lidc", tmp_path / "r", given)[0].size
    from LungSquadLib.cohorts.fetch import FetchOptions, fetch_cohort

    fetch_cohort(given.cohorts[0], tmp_path / "r/cohort", FetchOptions(server=stand_in.url))
    assert before > plan_reproduction("lidc", tmp_path / "r", given)[0].size == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("hosny-lung1 --folds 3", "--folds would be ignored"),
        ("lidc --outputs x.csv", "--outputs would be ignored"),
        ("hosny-lung1 --outputs gone.csv", "There is no file 'gone.csv'"),
        ("lidc --cohorts a,b", "--cohorts must name 1"),
        ("hosny-lung1", "--accept-non-commercial"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(words, sentence, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(download, "_RESERVE", -(1 << 60))
    assert main(["reproduce", *words.split(), "-o", "r"]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    "row", ['A,1.2,"[0.5, 0.6]",,0', 'A,1.2,"{}",,0', "A,1.2,x,,0", 'A,1.2,"[0.5, 0.5]",,x']
)
def test_another_table_than_the_published_one_is_refused(tmp_path, row):
    path = tmp_path / "p.csv"
    header = "PatientID,SeriesInstanceUID_CT,CNN_output_raw,baseline_output_raw,surv2yr"
    path.write_text(f"{header}\n{row}\n")
    with pytest.raises(InputError, match="is damaged or is not the table of published outputs"):
        read_published(path)
