"""The jobs: commands of the command line, in the words of the older checkout.

A job runs in its side's folder and writes to the folder of its name there; what it prints goes to
`printed.json` in it. It finds the results of earlier jobs of the same side by relative paths, what
both sides read in `{inputs}` (`inputs.py` makes it, once), and the real data in `{data}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PROFILES = 3
EXPRESSION = "{data}/open/nsclc_radiogenomics/GSE103584_top1000var_log10_zscore.csv"
CLINICAL = (
    "{data}/open/nsclc_radiogenomics/NSCLCR01Radiogenomic_DATA_LABELS_2018-05-22_1500-shifted.csv"
)
CPU = ("--device", "cpu")
CHEST = "slicer_ctchest/CTChest4.nrrd"

# CT and mask of the real cases in {data}/open, with the ROI where there are several.
REAL = {
    "4dlung-rtstruct": ("4dlung_113/CT", "4dlung_113/RTSTRUCT/rs.dcm", "--roi", "Tumor_c40"),
    "4dlung-nrrd": ("4dlung_113/CT", "4dlung_113/mask_Tumor_c40_full.nrrd"),
    "lidc314-seg": ("lidc_0314/CT", "lidc_0314/SEG/seg.dcm"),
    "lidc314-nrrd": ("lidc_0314/CT", "lidc_0314/mask_consensus.nrrd"),
    "lidc1-rtstruct": ("lidc_0001/CT", "lidc_0001/RTSTRUCT/rs.dcm", "--roi", "GTV-1"),
    "lidc1-seg": ("lidc_0001/CT", "lidc_0001/SEG/seg.dcm", "--roi", "Nodule 1"),
    "lidc1-nrrd": ("lidc_0001/CT", "lidc_0001/mask_consensus.nrrd"),
    "r01-nrrd": ("r01_001/CT", "r01_001/mask_DERIVED_threshold.nrrd"),
    "chest-flat": (CHEST, "slicer_ctchest/Segmentation.seg.nrrd", "--roi", "right lung"),
    "chest-layers": (
        *(CHEST, "slicer_ctchest/SegmentationOverlapping.seg.nrrd"),
        *("--roi", "right lung"),
    ),
    "liver-seg": ("dcmqi_ct3slice/ct-3slice", "dcmqi_ct3slice/liver.dcm"),
}
# One mask of each patient: the whole way is gone with these.
TUMOURS = ("4dlung-rtstruct", "lidc314-seg", "lidc1-rtstruct", "r01-nrrd")


@dataclass(frozen=True)
class Job:
    """A command, as words; `quick` ones are run by --quick too."""

    name: str
    words: tuple[str, ...]
    quick: bool = False

    @property
    def needs_data(self) -> bool:
        """Whether it reads the real data, or what comes from them."""
        return any("{data}" in word or "real-" in word for word in self.words)


def job(name: str, *words: str, quick: bool = False) -> Job:
    """Return a job; its words follow its name."""
    return Job(name, words, quick)


def real_jobs() -> Iterator[Job]:
    """Yield what is done with the real cases."""
    for name, (ct, mask, *roi) in REAL.items():
        case = (f"{{data}}/open/{ct}", f"{{data}}/open/{mask}", *roi)
        crop = ("-o", f"crop-{name}/crop.nrrd", "--mask-out", f"crop-{name}/mask.nrrd", "--json")
        yield job(f"crop-{name}", "crop", *case, *crop, quick=name == "lidc1-seg")
        if name in TUMOURS:
            quick = name == "lidc1-rtstruct"
            models = ("--model", "demo-histology", "--model", "demo-survival2y")
            out = (f"predict-{name}", "predict", *case, *models, "-o", f"predict-{name}/out")
            yield job(*out, "--json", *CPU, quick=quick)
            yield job(f"stage-{name}", "stage", *case, "--json", quick=True)
            yield job(f"slices-{name}", "slices", *case, "-o", f"slices-{name}/out", quick=quick)
            inside = f"segment-{name}/mask.nrrd"
            at = f"--at={{centre-{name}}}"
            yield job(f"segment-{name}", "click", case[0], at, "-o", inside, "--json", quick=quick)
    for folder in ("4dlung_113", "lidc_0001", "dcmqi_ct3slice"):
        quick = folder == "lidc_0001"
        yield job(f"inspect-{folder}", "inspect", f"{{data}}/open/{folder}", "--json", quick=quick)


def image_jobs() -> Iterator[Job]:
    """Yield phantoms, stores, trainings on them, and what their models answer."""
    phantom = ("{inputs}/phantoms/{phantom}/ct.mha", "{inputs}/phantoms/{phantom}/mask.nrrd")
    manifest = "{inputs}/phantoms/manifest.csv"
    both = ("--model", "demo-histology", "--model", "demo-survival2y", *CPU)
    small = ("--label", "histology", "--folds", "2", "--seeds", "1", *CPU, "--json")
    yield job("phantoms", "cohort", "phantoms", "-o", "phantoms/out", "--patients", "3", quick=True)
    yield job("predict-phantom", "predict", *phantom, *both, "-o", "predict-phantom/out", "--json")
    at = ("--at={centre-phantom}", "-o", "segment-phantom/mask.nrrd", "--json")
    yield job("segment-phantom", "click", phantom[0], *at, quick=True)
    yield job("store", "cohort", "build", manifest, "-o", "store/out", quick=True)
    real = ("cohort", "build", "{inputs}/real-cases.csv", "-o", "store-real-cases/out")
    yield job("store-real-cases", *real)
    nodules = ("cohort", "build", "{inputs}/real-nodules/manifest.csv")
    yield job("store-real-nodules", *nodules, "-o", "store-real-nodules/out")
    check = ("cohort", "check", "--json", "--label")
    yield job("check", *check, "histology", "store/out", quick=True)
    yield job("check-real-nodules", *check, "malignant", "store-real-nodules/out")
    yield job("show", "cohort", "show", "store/out", "--label", "histology", "--json")
    yield job("batch", "batch", "{inputs}/phantoms/few.csv", *both, "-o", "batch/out")
    yield job("stage-cohort", "stage", manifest, "-o", "stage-cohort/out", "--json", quick=True)
    scratch = ("--epochs", "2", "--size", "32", "--hidden", "8", "--curve", "4")
    frozen = ("--init", "demo-survival2y", "--views", "2", "--epochs", "4", "--shuffled")
    train = ("train", "classifier", "store/out")
    yield job("train-classifier", *train, "-o", "train-classifier/out", *small, *scratch)
    yield job("train-frozen", *train, "-o", "train-frozen/out", *small, *frozen, quick=True)
    malignant = ("--label", "malignant", "--folds", "2", "--seeds", "2", *CPU, "--json")
    on_nodules = ("train", "classifier", "store-real-nodules/out", "-o", "train-real-nodules/out")
    yield job("train-real-nodules", *on_nodules, *malignant, *frozen[:-1])
    two = ("train-classifier/out", "train-frozen/out")
    yield job("compare", "compare", *two, "-o", "compare/out", "--json")
    yield job(
        "predict-trained", "predict", *phantom, "--model", "train-frozen/out/model.safetensors"
    )
    table = ("train-frozen/out/predictions.csv", "--label", "histology", "--score", "score")
    more = ("--baseline", "volume", "--group", "patient", "--fold", "fold", "--repeat", "seed")
    more = (*more, "--part", "part", "-o", "evaluate/out", "--json")
    yield job("evaluate", "evaluate", *table, *more, quick=True)
    for name, model in (
        ("validate", "demo-histology"),
        ("validate-trained", "train-frozen/out/model.safetensors"),
    ):
        words = (model, "store/out", "--label", "histology", "-o", f"{name}/out", *CPU, "--json")
        allowed = () if name == "validate" else ("--allow-overlap",)
        yield job(name, "test", *words, *allowed, quick=name == "validate")
    weights = ("{data}/oracle/keras122_random_weights.h5", "-o", "keras-real/model.safetensors")
    yield job("keras-real", "models", "import-keras", *weights)
    oracle = ("keras-real/model.safetensors", "{data}/oracle/keras122_outputs.npz", "--json")
    yield job("keras-real-verify", "models", "verify", *oracle)


def table_jobs() -> Iterator[Job]:
    """Yield what is done with tables of expression, clinical facts and features."""
    simulated = ("--patients", "60", "--genes", "160", "--effect", "2")
    yield job("simulate", "tables", "simulate", "-o", "simulate/out", *simulated, quick=True)
    of_phantoms = ("--manifest", "{inputs}/phantoms/manifest.csv", "--genes", "160")
    of_phantoms = (*of_phantoms, "-o", "simulate-phantoms/out")
    yield job("simulate-phantoms", "tables", "simulate", *of_phantoms, quick=True)
    yield job("tables-check", "tables", "check", EXPRESSION, CLINICAL, "--json")
    real = (f"expression={EXPRESSION}", f"clinical={CLINICAL}")
    made = ("expression=simulate/out/expression.csv", "clinical=simulate/out/clinical.csv")
    features = "features=simulate/out/features.csv"
    images = ("image=store/out", "expression=simulate-phantoms/out/expression.csv")
    join = ("tables", "join", "--json", "-o")
    yield job("join", *join, "join/out", *made, features, quick=True)
    yield job("join-real", *join, "join-real/out", *real)
    yield job("join-images", *join, "join-images/out", *images)
    network = ("image=store/out:demo-histology", images[1])
    yield job("join-network", *join, "join-network/out", *network)
    integrate = ("train", "integrate", "--json", "--seeds", "1", "--inner", "2", *CPU)
    small = ("--label", "histology", "--folds", "2", "--epochs", "2", "--sources", *made)
    small = (*small, features, "-o", "integration/out")
    yield job("integration", *integrate, *small, quick=True)
    stage = ("--label", "t_stage", "--ordinal", "--folds", "3", "--epochs", "4", "--branch", "8")
    stage = (*stage, "--clinical-columns", "age,sex", "-o", "integration-real-stage/out")
    yield job("integration-real-stage", *integrate, *stage, "--sources", *real)
    histology = ("--label", "histology", "--folds", "3", "--epochs", "4")
    histology = (*histology, "-o", "integration-real/out", "--sources", *real)
    yield job("integration-real", *integrate, *histology)
    groups = ("train", "vae", "--json", "--seeds", "2", *CPU, "--sources")
    few = ("--epochs", "3", "--hidden", "16", "--latent", "4", "-o", "autoencoder/out")
    yield job("autoencoder", *groups, *made, *few, quick=True)
    longer = ("--epochs", "8", "-o", "autoencoder-real/out")
    yield job("autoencoder-real", *groups, *real, *longer)
    for name, run, table in (
        ("assign", "autoencoder", "simulate/out/expression.csv"),
        ("assign-real", "autoencoder-real", EXPRESSION),
    ):
        words = (f"{run}/out/model.safetensors", table, "-o", f"{name}/groups.csv", "--json")
        yield job(name, "vae", "assign", *words, quick=name == "assign")
    models = ("expression-histology", "integration-real/out/model.safetensors")
    models = (*models, "integration-real-stage/out/model.safetensors")
    for index in range(PROFILES):
        profile = ("--profile", f"{{inputs}}/real-profile-{index}.csv", *CPU, "--json")
        for number, model in enumerate(models):
            name = f"profile-{index}-model-{number}"
            out = ("--model", model, "-o", f"{name}/out")
            yield job(name, "predict", *profile, *out, quick=number + index == 0)
    ct, mask, *_ = REAL["r01-nrrd"]
    case = (f"{{data}}/open/{ct}", f"{{data}}/open/{mask}")
    words = (
        "--profile",
        "{inputs}/real-profile-0.csv",
        "--models",
        models[2],
        "--reported",
        "pT1a",
    )
    yield job("stage-profile", "stage", *case, *words, "--reported-edition", "7", "--json")
    beside = ("--model", "demo-histology", "--model", models[0], "--profile")
    beside = (*beside, "{inputs}/real-profile-0.csv", "-o", "predict-both/out", "--json")
    yield job("predict-both", "predict", *case, *beside, *CPU)
    staged = ("{inputs}/phantoms/manifest.csv", "--clinical", "simulate-phantoms/out/clinical.csv")
    yield job("stage-methods", "stage", *staged, "-o", "stage-methods/out", "--json", quick=True)


def generator_jobs() -> Iterator[Job]:
    """Yield slices, generated images, inpainted tumours, and the trainings of both."""
    yield job("gan-data", "gan", "data", "store/out", "-o", "gan-data/out", quick=True)
    chest = ("{inputs}/phantoms/few.csv", "--context", "slice", "--window", "mediastinum")
    yield job("gan-data-slices", "gan", "data", *chest, "-o", "gan-data-slices/out")
    sample = ("gan", "sample", "demo-generator", *CPU, "-o")
    yield job("gan-sample", *sample, "gan-sample/out", "-n", "4", quick=True)
    truncated = ("-n", "4", "--truncate", "0.7", "--label", "LUSC", "--seed", "5")
    yield job("gan-sample-truncated", *sample, "gan-sample-truncated/out", *truncated)
    like = ("-n", "4", "--like", "2")
    yield job("gan-sample-like", *sample, "gan-sample-like/out", *like)
    walk = ("gan", "walk", "demo-generator", "-o", "gan-walk/film.png", *CPU)
    yield job("gan-walk", *walk, "--frames", "6", "--keys", "2")
    audit = ("gan", "audit", "--images", "32", "--seeds", "2", "--json", "-o")
    yield job("gan-audit", *audit, "gan-audit/out", "demo-generator", "gan-data/out")
    train = ("train", "gan", "gan-data/out", "--preset", "tiny", *CPU)
    phases = ("--phase", "64", "--label", "histology")
    yield job("train-gan", *train, *phases, "-o", "train-gan/out")
    case = REAL["lidc314-seg"][:2]
    real = (f"{{data}}/open/{case[0]}", f"{{data}}/open/{case[1]}")
    phantom = ("{inputs}/phantoms/{phantom}/ct.mha", "{inputs}/phantoms/{phantom}/mask.nrrd")
    inpaint = ("synthesise", "demo-translation")
    words = ("-o", "inpaint-real/out", "--json", "--hu", "20")
    yield job("inpaint-real", *inpaint, *real, *words)
    words = ("-o", "inpaint/out", "--json", "--class", "LUSC", "--replace", phantom[1])
    yield job("inpaint", *inpaint, *phantom, *words, quick=True)
    small = ("--size", "32", "--width", "4", "--epochs", "2", "--label", "histology")
    small = (*small, *CPU, "-o", "train-inpainting/out", "--json")
    yield job("train-inpainting", "train", "translate", "store/out", *small)
    synthetic = ("--synthetic", "train-inpainting/out/model.safetensors:0.5", "--epochs", "1")
    synthetic = (*synthetic, "--label", "histology", "--folds", "2", "--seeds", "1")
    synthetic = (*synthetic, "--size", "32", *CPU, "--json", "-o", "train-synthetic/out")
    yield job("train-synthetic", "train", "classifier", "store/out", *synthetic)


def all_jobs() -> list[Job]:
    """Return every job; a job stands behind those whose results it reads."""
    return [*image_jobs(), *table_jobs(), *generator_jobs(), *real_jobs()]
