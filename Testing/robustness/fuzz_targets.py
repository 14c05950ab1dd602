"""What the fuzzing mutates and how it is read: one target a reader."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import math
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from LungSquadLib.data.case_file import Content, read_unknown, write_content
from LungSquadLib.data.manifest import read_manifest
from LungSquadLib.data.slice_set import Slicing, open_slices
from LungSquadLib.data.split_files import read_split
from LungSquadLib.data.store import Preprocessing, open_store, write_index, write_store
from LungSquadLib.data.tables.clinical import read_clinical
from LungSquadLib.data.tables.join import join, open_joined, write_joined
from LungSquadLib.data.tables.matrix_file import read_matrix
from LungSquadLib.data.tables.profile import read_profile
from LungSquadLib.errors import InputError
from LungSquadLib.imaging.ct import open_ct
from LungSquadLib.imaging.dicom import header as dicom_header
from LungSquadLib.imaging.dicom.series import find_series
from LungSquadLib.imaging.inspect import inspect
from LungSquadLib.imaging.mask_files import read_mask
from LungSquadLib.worker.protocol import MOST_REQUEST, Decoder, encoded
from LungSquadLib.worker.requests import read_request
from Testing import dicom_maker
from Testing.dicom_maker import some_hu, write_enhanced, write_rtstruct, write_seg, write_series
from Testing.slice_samples import disc_set
from Testing.stored_cases import stored_case

SHAPE = (4, 16, 20)


@dataclass(frozen=True)
class Target:
    """Files with their whole content, what reads them, and what is inside of what is packed."""

    files: list[tuple[Path, bytes]]
    read: Callable[[], object]
    unpack: Callable[[bytes], bytes] = bytes
    pack: Callable[[bytes], bytes] = bytes


def make(name: str, folder: Path) -> Target:
    """Write the files of a target into a new folder."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    numbers = itertools.count(1)
    # The same bytes every time, so that a number names an iteration.
    dicom_maker.generate_uid = lambda: f"1.2.826.0.1.{next(numbers):08d}"
    folder.mkdir(parents=True)
    paths, read = TARGETS[name](folder)
    return Target([(path, path.read_bytes()) for path in paths], read, *_PACKED.get(name, ()))


def _meta_end(data: bytes) -> int:
    """Where the file meta information of a DICOM file ends (PS3.10 section 7.1)."""
    return 144 + int.from_bytes(data[140:144], "little")


def _inflated(data: bytes) -> bytes:
    end = _meta_end(data)
    return data[:end] + zlib.decompress(data[end:], -15)


def _deflated(data: bytes) -> bytes:
    end = _meta_end(data)
    packer = zlib.compressobj(wbits=-15)
    return data[:end] + packer.compress(data[end:]) + packer.flush()


def _header(folder: Path):
    def nested(dataset, z):
        inner = pydicom.Dataset()
        inner.CodeValue, inner.CodeMeaning = "1", "meaning"
        outer = pydicom.Dataset()
        outer.AdmittingDiagnosesCodeSequence = [inner]
        dataset.ProcedureCodeSequence = [outer, outer]
        dataset["ProcedureCodeSequence"].is_undefined_length = True
        dataset.SpecificCharacterSet = ["ISO_IR 100", "ISO 2022 IR 87"]
        dataset.SeriesDescription, dataset.NumberOfFrames = "Thorax größer", 1

    for name, syntax in (("implicit", ImplicitVRLittleEndian), ("explicit", None)):
        options = {} if syntax is None else {"syntax": syntax}
        write_series(folder / name, some_hu((1, 4, 4)), edit=nested, **options)

    def read():
        for path in folder.rglob("*.dcm"):
            header = dicom_header.read_header(path)
            for tag in dicom_header.WANTED if header else ():
                header.text(tag), header.decoded(tag), header.number(tag), header.decimals(tag)
        for series in find_series(folder).series:
            series.summary()

    return list(folder.rglob("*.dcm")), read


def _series(syntax: str, **options):
    def files(folder: Path):
        write_series(folder, some_hu(SHAPE), syntax=syntax, **options)
        return sorted(folder.iterdir())[1:3], lambda: open_ct(folder).read()

    return files


def _enhanced(folder: Path):
    path = write_enhanced(folder / "enhanced.dcm", some_hu(SHAPE) // 2 * 2)
    return [path], lambda: (open_ct(path).read(), inspect(folder))


def _tumour() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3, 4:10, 5:15] = 1
    return mask


def _rtstruct(folder: Path):
    series = write_series(folder / "CT", some_hu(SHAPE))
    ct = open_ct(series)
    corners = [(5, 4), (15, 4), (14, 10), (5, 10)]
    contours = [ct.grid.to_lps(np.array([(x, y, z) for x, y in corners])) for z in (1, 2)]
    path = write_rtstruct(folder / "rs.dcm", series, {"GTV": contours, "Node": contours[:1]})
    return [path], lambda: (inspect(folder), read_mask(path, ct, roi="1"))


def _seg(kind: str):
    def files(folder: Path):
        series = write_series(folder / "CT", some_hu(SHAPE))
        ct = open_ct(series)
        masks = np.stack([_tumour(), np.roll(_tumour(), 1, axis=0)])
        names = ("GTV", "Node")
        if kind == "LABELMAP":
            masks, names = _tumour(), ("GTV",)
        if kind == "FRACTIONAL":
            masks, names = _tumour() * 0.9, ("GTV",)
        path = write_seg(folder / "seg.dcm", series, masks, names=names, kind=kind)
        dataset = pydicom.dcmread(path)
        for keyword in ("ContentDate", "InstanceCreationDate", "SeriesDate"):
            setattr(dataset, keyword, "20200101")
        for keyword in ("ContentTime", "InstanceCreationTime", "SeriesTime"):
            setattr(dataset, keyword, "120000")
        dicom_maker.save(dataset, path)
        return [path], lambda: (inspect(folder), read_mask(path, ct, roi="1"))

    return files


def _volume(name: str, *, compress: bool = True):
    def files(folder: Path):
        path, mask = folder / f"ct-{name}", folder / f"mask-{name}"
        for image, place in ((some_hu(SHAPE), path), (_tumour(), mask)):
            volume = sitk.GetImageFromArray(image)
            volume.SetSpacing((0.7, 0.8, 2.5))
            sitk.WriteImage(volume, str(place), compress)
        ct = open_ct(path)

        def read():
            inspect(path), inspect(mask)
            read_mask(mask, ct)
            open_ct(path).read()

        return [path, mask], read

    return files


def _slicer(folder: Path):
    image = sitk.GetImageFromArray(np.stack([_tumour()] * 2, axis=-1), isVector=True)
    for number in range(3):
        image.SetMetaData(f"Segment{number}_ID", f"Segment_{number}")
        image.SetMetaData(f"Segment{number}_Name", f"GTV {number}")
        image.SetMetaData(f"Segment{number}_Layer", str(number % 2))
        image.SetMetaData(f"Segment{number}_LabelValue", "1")
    path = folder / "s.seg.nrrd"
    sitk.WriteImage(image, str(path), True)
    ct = sitk.GetImageFromArray(some_hu(SHAPE))
    return [path], lambda: (inspect(path), read_mask(path, ct, roi="GTV 1"))


def _manifest(folder: Path):
    path = folder / "m.csv"
    path.write_text(
        "case,ct,mask,patient_id,roi,label,series\n"
        "one,a/CT,a/m.nrrd,4711,,1,1.2.3\ntwo,b/CT,b/rs.dcm,4712,GTV,,\nthree,c,d,,,-2,\n"
    )
    return [path], lambda: read_manifest(path)


def _profile(folder: Path):
    """Long and wide; what is read is a profile that can be written and asked about."""
    genes = {f"GENE{number}": (number - 9) / 7 for number in range(20)}
    long, wide = folder / "long.csv", folder / "wide.tsv"
    rows = "".join(f'"{gene}",{value:.4f}\n' for gene, value in genes.items())
    long.write_text("gene,value\n" + rows + "ALK,NA\n")
    wide.write_text("\t".join(("id", *genes)) + "\nP1\t" + "\t".join(map(str, genes.values())))

    def read():
        for path in (long, wide):
            profile = read_profile(path)
            assert all(map(math.isfinite, profile.genes.values()))
            json.dumps(profile.to_dict())

    return [long, wide], read


def _profile_gz(folder: Path):
    paths, _ = _profile(folder)
    packed = folder / "p.csv.gz"
    packed.write_bytes(gzip.compress(paths[0].read_bytes(), 1))
    return [packed], lambda: read_profile(packed)


def _molecular_report(folder: Path):
    from LungSquadLib.pipeline.molecular import run_profile
    from LungSquadLib.pipeline.options import PredictionOptions
    from LungSquadLib.report.render import rendered
    from Testing.table_models import autoencoder, profile

    path = folder / "p.csv"
    path.write_text("".join(f"{gene},{value}\n" for gene, value in profile().genes.items()))
    model = autoencoder(folder / "m.safetensors")
    run_profile(path, [model], folder / "case", options=PredictionOptions(device="cpu"))
    return [folder / "case" / "prediction.json"], lambda: rendered(folder / "case")


def _report(folder: Path):
    from LungSquadLib.pipeline.case import run_case
    from LungSquadLib.pipeline.case_input import CaseInput
    from LungSquadLib.pipeline.options import PredictionOptions
    from LungSquadLib.report.render import rendered
    from Testing.samples import ball_images, write_model

    ct, mask = ball_images(spacing=(2.0, 2.0, 2.5))
    sitk.WriteImage(ct, str(folder / "ct.nrrd"))
    sitk.WriteImage(mask, str(folder / "mask.nrrd"))
    model = write_model(folder / "m.safetensors")
    case = CaseInput(folder / "ct.nrrd", folder / "mask.nrrd")
    run_case(case, [model], folder / "case", options=PredictionOptions(device="cpu"))
    names = ["prediction.json"] * 4 + ["planes.npz", "crop.nrrd", "saliency-sample.nrrd"]
    return [folder / "case" / name for name in names], lambda: rendered(folder / "case")


def _store(folder: Path):
    preprocessing = Preprocessing(8, 0)
    cases = []
    for name in ("one", "two"):
        columns = {"histology": "LUAD", "größe": "1,5"}
        content = Content(np.zeros((8,) * 3, np.int16), np.ones((8,) * 3, np.uint8), columns)
        sha256 = write_content(folder / "cases" / f"{name}.npz", content)
        cases.append(stored_case(name, columns=columns, sha256=sha256))
    write_index(folder, cases, rows=3)
    write_store(folder, preprocessing, {"rows": 3})
    return folder, preprocessing, cases


def _descriptions(folder: Path):
    _store(folder)

    def read():
        for case in open_store(folder).cases:
            case.value("histology")

    return [folder / "store.json", folder / "index.json"], read


def _case(folder: Path):
    _, preprocessing, cases = _store(folder)
    path = folder / cases[0].file
    return [path], lambda: read_unknown(path, preprocessing.side)


def _slices(folder: Path):
    found = disc_set(folder, 2, slicing=Slicing(4))

    def read():
        again = open_slices(folder)
        for case in again.cases:
            again.content(case)
            case.value("histology")

    return [folder / "slices.json", folder / found.cases[0].file], read


def _slice_case(folder: Path):
    """Read whatever its hash is."""
    case = disc_set(folder, 1, slicing=Slicing(4)).cases[0]
    return [folder / case.file], lambda: read_unknown(folder / case.file, 4, most=9)


def _run(folder: Path):
    from LungSquadLib.evaluation.classifier import compare
    from LungSquadLib.training.classifier import experiment as training
    from LungSquadLib.training.distributed import DistributedContext
    from LungSquadLib.training.run_folder import open_run

    options = {"label": "histology", "positive": None, "curve": [4, 8], "seeds": 2}
    run = {"options": options, "classes": ["LUAD", "LUSC"], "split_hash": "0" * 64}
    path = folder / "run.json"
    threads = {"each": 1, "final": 2}
    path.write_text(json.dumps({"run": run, "threads": threads, "precision": "fp32"}))
    (folder / "predictions.csv").touch()

    def read():
        compare._read(folder)
        training._read(folder, open_run(folder, run, dict, processes=DistributedContext()))

    return [path], read


def _checkpoint(folder: Path):
    import torch

    from LungSquadLib.training.checkpoint import read_checkpoint, write_checkpoint

    tensors = {"weights.a": torch.arange(6.0).reshape(2, 3), "memory.0.step": torch.tensor(3.0)}
    path = folder / "checkpoint"
    write_checkpoint(path, tensors, {"epoch": 2, "best": 0.5, "history": [{"loss": 0.7}]})
    return [path], lambda: read_checkpoint(path)


def _features(folder: Path):
    from LungSquadLib.training.classifier.features import _read, _write

    path = folder / "a.features"
    _write(path, np.arange(12, dtype=np.float32).reshape(2, 6))

    def read():
        if _read(path, 2) is None:
            raise InputError("They are computed again.")

    return [path], read


def _split(folder: Path):
    cases = [stored_case(f"c{number}") for number in range(6)]
    parts = ("train", "train", "validation", "validation", "test", "test")
    rows = [f"{case.case},{part},note" for case, part in zip(cases, parts, strict=True)]
    path = folder / "split.csv"
    path.write_text("\n".join(["case,part,why", *rows]) + "\n")

    return [path], lambda: read_split(path, cases).hash(cases)


def _table(folder: Path):
    from LungSquadLib.evaluation.classifier.evaluate import evaluate
    from LungSquadLib.evaluation.classifier.rows import Columns
    from LungSquadLib.evaluation.classifier.table import read_table

    columns = Columns("y", "p", baselines=("v",), group="g", part="s", time="t", event="e")
    rows = [
        f"{n % 2},{(n * 7 % 10) / 10},{n},g{n},{('test', 'validation')[n % 3 == 0]},{n + 1},{n % 2}"
        for n in range(18)
    ]
    path = folder / "t.csv"
    path.write_text("\n".join(["y,p,v,g,s,t,e", *rows]) + "\n")
    return [path], lambda: evaluate(read_table(path, columns), columns, samples=20)


_PATIENTS = (
    "patient,histology,pT,Days,Status,Größe\n"
    'R01-001,Adenocarcinoma,T1a,800,alive,"1,5"\nR01-002,LUSC,Tis,20,dead,\n'
    "R01-003,nos,T4,-5,1,3\nR01-003,nos,T3,20,1,4\n"
)
_MAPPING = {
    "patient": "patient",
    "columns": {"pT": "t_stage", "Days": "time", "Status": "event"},
    "words": {"event": {"alive": "0", "dead": "1"}},
    "edition": "8",
}
_GENES = "gene,R01-001,R01-002,R01-003\nA,1.5,,-3e2\nB,NA,2,0.25\n" + "C,1,2,3\n" * 3


def _matrix(folder: Path):
    """Either way round, and with columns of words."""
    across, down = folder / "across.csv", folder / "down.tsv"
    across.write_text(_GENES)
    down.write_text("patient\tA\tsex\tnote\nR01-001\t1\tM\tx\nR01-002\t-2\tF\ty\n")

    def read():
        read_matrix(across)
        read_matrix(down, kind="features")

    return [across, down], read


def _packed_matrix(folder: Path):
    path = folder / "m.csv.gz"
    path.write_bytes(gzip.compress(_GENES.encode(), mtime=0))
    return [path], lambda: read_matrix(path)


def _clinical(folder: Path):
    path, mapping = folder / "c.csv", folder / "m.json"
    path.write_text(_PATIENTS)
    mapping.write_text(json.dumps(_MAPPING))
    return [path, mapping], lambda: read_clinical(path, mapping=mapping)


def _joined(folder: Path):
    (folder / "e.csv").write_text(_GENES)
    (folder / "c.csv").write_text(_PATIENTS)
    tables = [read_matrix(folder / "e.csv")], [read_clinical(folder / "c.csv")]
    place = folder / "joined"
    write_joined(place, join(*tables, keep_ids=True), inputs={"expression": ["0" * 64]})
    return sorted(place.iterdir()), lambda: open_joined(place)


def _requests(folder: Path):
    """Lines as the worker gets them; a file holds one of each verb that has many fields."""
    here = str(folder)
    case = {"ct": here, "mask": here}
    lines = [
        {"verb": "predict", **case, "models": ["m"], "folder": here, "centre_lps": [1.0, 2.0, 3.0]},
        {"verb": "predict", **case, "models": ["m"], "folder": here, "profile": here},
        {"verb": "dicom", **case, "results": here, "source": here, "folder": here, "series": "1"},
        {"verb": "batch", "manifest": here, "models": ["m", "n"], "folder": here, "jobs": 2},
        {"verb": "generate", "model": "m", "folder": here, "n": 16, "truncation": 0.7, "like": 3},
        {"verb": "inpaint", **case, "model": "m", "out": here, "hu": -50.5, "label": "LUAD"},
    ]
    path = folder / "requests.jsonl"
    path.write_bytes(b"".join(encoded({"id": n, **line}) for n, line in enumerate(lines)))

    def read():
        messages = Decoder(most=MOST_REQUEST).feed(path.read_bytes())
        try:
            for message in messages:
                if isinstance(message, ValueError):
                    raise message
                read_request(message)
        except ValueError as error:  # the worker reports it
            raise InputError(str(error)) from error

    return [path], read


def _copied(files):
    """The same target, read from files whose names say something else."""

    def other(folder: Path):
        paths, read = files(folder)
        shutil.copy(paths[0], folder / "copy.dcm")
        return paths, read

    return other


_PACKED = {
    "deflated-inside": (_inflated, _deflated),
    "profile-gz-inside": (gzip.decompress, lambda data: gzip.compress(data, 1)),
    "nii-gz-inside": (gzip.decompress, lambda data: gzip.compress(data, 1)),
    "matrix-gz-inside": (gzip.decompress, lambda data: gzip.compress(data, 1)),
}

TARGETS = {
    "header": _header,
    "native": _series(ExplicitVRLittleEndian),
    "implicit": _copied(_series(ImplicitVRLittleEndian, signed=True, intercept=0.0)),
    "big-endian": _series(ExplicitVRBigEndian),
    "deflated": _series(DeflatedExplicitVRLittleEndian),
    "deflated-inside": _series(DeflatedExplicitVRLittleEndian),
    "rle": _series(RLELossless),
    "jpeg": _series(JPEGLosslessSV1),
    "jpeg-ls": _series(JPEGLSLossless),
    "jpeg-2000": _series(JPEG2000Lossless),
    "enhanced": _enhanced,
    "rtstruct": _rtstruct,
    "seg": _seg("BINARY"),
    "seg-fractional": _seg("FRACTIONAL"),
    "seg-labelmap": _seg("LABELMAP"),
    "nrrd": _volume("a.nrrd"),
    "nrrd-raw": _volume("b.nrrd", compress=False),
    "nii": _volume("a.nii"),
    "nii-gz": _volume("a.nii.gz"),
    "nii-gz-inside": _volume("a.nii.gz"),
    "mha": _volume("a.mha"),
    "mha-raw": _volume("b.mha", compress=False),
    "seg-nrrd": _slicer,
    "manifest": _manifest,
    "profile": _profile,
    "profile-gz-inside": _profile_gz,
    "report": _report,
    "molecular-report": _molecular_report,
    "store": _descriptions,
    "case": _case,
    "slices": _slices,
    "slice-case": _slice_case,
    "run": _run,
    "checkpoint": _checkpoint,
    "features": _features,
    "split": _split,
    "table": _table,
    "matrix": _matrix,
    "matrix-gz": _packed_matrix,
    "matrix-gz-inside": _packed_matrix,
    "clinical": _clinical,
    "joined": _joined,
    "requests": _requests,
}
