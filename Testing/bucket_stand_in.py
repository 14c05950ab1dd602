"""A public bucket on this machine, with a cohort of eight patients, for the tests of fetching.

It speaks what the public ones speak (ListObjectsV2 with pages, GET with ranges, ETag) on the
loopback address, and can spoil its answers.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import threading
import time
import urllib.parse
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pydicom

from LungSquadLib import download
from LungSquadLib.cohorts.series_list import COLUMNS

from .case_data import CaseData, Chest
from .dicom_maker import write_rtstruct, write_series

BUCKET = "stand-in"
REAL = (  # patients of the data for tests: folder, outlines
    ("4dlung_113", "RTSTRUCT/rs.dcm"),
    ("lidc_0314", "SEG/seg.dcm"),
    ("lidc_0001", "RTSTRUCT/rs.dcm"),
)
ROI = "GTV-1|Tumor.*|Nodule.*"
PATIENTS = 8
PAGE = 10  # objects in a page of a list
TABLE = (
    "PatientID,age,clinical.T.Stage,Clinical.N.Stage,Clinical.M.Stage,Overall.Stage,Histology,"
    "gender,Survival.time,deadstatus.event\n"
    "LUNG9-001,78.75,2,3,0,IIIb,large cell,male,2165,1\n"
    "LUNG9-002,83.80,2,0,0,I,squamous cell carcinoma,male,155,1\n"
    "LUNG9-004,64.00,1,1,0,II,adenocarcinoma,female,900,0\n"
)


@dataclass
class StandIn:
    """The bucket's folder, the cohort's list, and what was asked of the server.

    Attributes:
        spoil: answers of another kind: a function of the handler and the path, which returns
            whether it has answered.
        requests: method and path of each.
    """

    folder: Path
    port: int
    spoil: object = None
    requests: list = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def list(self) -> Path:
        return self.folder / "stand-in.csv.gz"

    def series(self, modality: str, patient: str = "") -> list[Path]:
        """The folders of series in the bucket."""
        rows = gzip.decompress(self.list.read_bytes()).decode().splitlines()[2:]
        cells = [row.split(",") for row in rows]
        return [
            self.folder / BUCKET / uid
            for who, _, kind, uid, *_ in cells
            if kind == modality and patient in who
        ]


def write_bucket(folder: Path, case_data: CaseData, url: str) -> None:
    """Write eight patients as a bucket has them, two of their studies with a second CT.

    Series and their objects are named by UUIDs; those of one study are in no common folder.
    """
    work = folder / "work"
    rows = []
    for number in range(1, PATIENTS + 1):
        name = f"LUNG9-{number:03d}"
        if number <= len(REAL):
            source, outline = REAL[number - 1]
            outline = case_data / "open" / source / outline
            slices = _around(case_data / "open" / source / "CT", outline)
        else:
            centre = (10.3 + number, 5.1, -12.4)
            chest = Chest((48, 48, 12), (1.5, 1.5, 3.0), (-25, -31, -31), centre, (12, 11, 10))
            ct = write_series(work / name, chest.hu(), spacing=chest.spacing, origin=chest.origin)
            outline = write_rtstruct(
                work / f"{name}.dcm", ct, {"GTV-1": chest.contours(), "lung": [_square(chest)]}
            )
            slices = sorted(ct.iterdir())
        modality = str(pydicom.dcmread(outline, stop_before_pixels=True).Modality)
        rows.append(_stored(folder, name, number, slices, "CT"))
        if number in (4, 5):
            other = write_series(work / f"{name}-b", np.zeros((4, 16, 16), np.int16))
            rows.append(_stored(folder, name, number, sorted(other.iterdir()), "CT"))
        rows.append(_stored(folder, name, number, [outline], modality))
    about = {
        "name": "stand-in",
        "title": "Stand-in: eight patients, outlines",
        "licence": "CC BY-NC 3.0",
        "citations": ["Nobody et al. 2026.", "Data: nowhere."],
        "bucket": BUCKET,
        "source": "made for a test",
        "roi": ROI,
        "clinical": {
            "url": f"{url}/tables/clinical.csv",
            "sha256": hashlib.sha256(TABLE.encode()).hexdigest(),
        },
    }
    (folder / "tables").mkdir()
    (folder / "tables/clinical.csv").write_bytes(TABLE.encode())
    _write_list(folder / "stand-in.csv.gz", about, rows)
    shutil.rmtree(work)


def write_cohort(
    folder: Path, url: str, name: str, table: str, *, licence: str = "CC BY 3.0"
) -> Path:
    """Write a cohort of phantoms, one for each row of a table of patients; return its list.

    Args:
        folder: that is served at `url`.
        url: of the server.
        name: of the cohort.
        table: CSV with `PatientID` first, served as `tables/NAME.csv`.
        licence: of the cohort.
    """
    work = folder / "work"
    rows = []
    for number, line in enumerate(table.splitlines()[1:], start=1):
        patient, radius = line.split(",")[0], 6.0 + number % 4
        chest = Chest((32, 32, 12), (1.5, 1.5, 3.0), (-20, -20, -15), (4, 3, 1), (radius,) * 3)
        hu = chest.hu() + np.int16(10 * len(name) + number)  # no two are the same
        ct = write_series(work / patient, hu, spacing=chest.spacing, origin=chest.origin)
        outline = write_rtstruct(work / f"{patient}.dcm", ct, {"GTV-1": chest.contours()})
        study = 1000 * len(name) + number
        rows.append(_stored(folder, patient, study, sorted(ct.iterdir()), "CT"))
        rows.append(_stored(folder, patient, study, [outline], "RTSTRUCT"))
    about = {
        "name": name,
        "title": f"Stand-in {name}",
        "licence": licence,
        "citations": ["Nobody et al. 2026."],
        "bucket": BUCKET,
        "source": "made for a test",
        "clinical": {"url": f"{url}/tables/{name}.csv"},
    }
    (folder / "tables").mkdir(exist_ok=True)
    (folder / f"tables/{name}.csv").write_text(table, encoding="utf-8")
    shutil.rmtree(work)
    return _write_list(folder / f"{name}.csv.gz", about, rows)


def _write_list(path: Path, about: dict, rows: list[tuple]) -> Path:
    lines = [json.dumps(about), ",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def _around(ct: Path, outline: Path) -> list[Path]:
    """The slices of a CT within 8 mm of the tumour's outline: half of it is enough."""
    data = pydicom.dcmread(outline)
    if data.Modality == "SEG":
        frames = data.PerFrameFunctionalGroupsSequence
        levels = [frame.PlanePositionSequence[0].ImagePositionPatient[2] for frame in frames]
    else:
        names = {roi.ROINumber: roi.ROIName for roi in data.StructureSetROISequence}
        levels = [
            contour.ContourData[2]
            for roi in data.ROIContourSequence
            if re.fullmatch(ROI, names[roi.ReferencedROINumber])
            for contour in roi.ContourSequence
        ]
    heights = {
        path: pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2]
        for path in sorted(ct.iterdir())
    }
    low, high = min(levels) - 8, max(levels) + 8
    return [path for path, height in heights.items() if low <= height <= high]


def _square(chest: Chest) -> np.ndarray:
    corner = np.array(chest.origin) + 3 * np.array(chest.spacing)
    return corner + np.array([(0, 0, 0), (9, 0, 0), (9, 9, 0), (0, 9, 0)], float)


def _stored(folder: Path, patient: str, study: int, files: list[Path], modality: str) -> tuple:
    """Put the files of a series into the bucket; its row of the list."""
    namespace = uuid.UUID(int=study)
    series = uuid.uuid5(namespace, f"{modality} {files[0].parent.name}")
    target = folder / BUCKET / str(series)
    target.mkdir(parents=True)
    for path in files:
        shutil.copyfile(path, target / f"{uuid.uuid5(series, path.name)}.dcm")
    size = sum(path.stat().st_size for path in files)
    header = pydicom.dcmread(files[0], stop_before_pixels=True)
    uid = header.SeriesInstanceUID if modality == "CT" else ""
    return patient, study, modality, series, len(files), size, uid


@contextmanager
def serving(folder: Path):
    """A server of the folders in `folder` on the loopback address."""

    class Handler(_Handler):
        root = folder

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.stand_in = StandIn(folder, server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Handler.stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    root: Path
    stand_in: StandIn

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.stand_in.requests.append((self.command, self.path))
        url = urllib.parse.urlsplit(self.path)
        if self.stand_in.spoil and self.stand_in.spoil(self, url.path):
            return
        if "list-type=2" in url.query:
            self.answer(self.listed(url), "application/xml")
            return
        path = self.root / urllib.parse.unquote(url.path).lstrip("/")
        if path.is_file():
            self.answer(path.read_bytes(), "application/dicom")
        else:
            self.send_error(404, "Not Found")

    def answer(
        self,
        content: bytes,
        kind: str,
        *,
        seconds: float = 0.0,
        stop_at: int = -1,
        block: int = 1 << 14,
    ):
        """Send content, or the range that was asked for; slowly, or cut short."""
        md5 = hashlib.md5(content).hexdigest()
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        if match and start >= len(content):
            self.send_error(416, "Requested Range Not Satisfiable")
            return
        self.send_response(206 if match else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content) - start))
        if match:
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        self.send_header("ETag", f'"{md5}"')
        self.end_headers()
        part = content[start:] if stop_at < 0 else content[start:stop_at]
        try:
            for begin in range(0, len(part), block):
                self.wfile.write(part[begin : begin + block])
                self.wfile.flush()
                time.sleep(seconds)
        except OSError:  # the other side has gone
            pass
        self.close_connection = True

    def listed(self, url) -> bytes:
        """A page of ListObjectsV2."""
        query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
        bucket = self.root / url.path.strip("/")
        paths = sorted(bucket.glob(query["prefix"].replace("/", "") + "/*"))
        begin = int(query.get("continuation-token", "0"))
        items = "".join(
            f"<Contents><Key>{path.relative_to(bucket).as_posix()}</Key>"
            f"<ETag>&quot;{hashlib.md5(path.read_bytes()).hexdigest()}&quot;</ETag>"
            f"<Size>{path.stat().st_size}</Size></Contents>"
            for path in paths[begin : begin + PAGE]
        )
        end = begin + PAGE
        more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < len(paths) else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{items}</ListBucketResult>"
        ).encode()


def ask_directly(monkeypatch) -> None:
    """Have no proxy between LungSquad and the stand-in, and no waiting between tries."""
    monkeypatch.setattr(download, "_WAIT", 0.0)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
