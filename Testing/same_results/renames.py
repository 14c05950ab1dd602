"""What two checkouts may call differently, what is not a result, and which differences are known.

Jobs are written in the words of the older checkout. A word is translated where the checkout's
command line does not know it; names in outputs are translated on both sides and then compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

VERBS = {
    "click": "segment",
    "test": "validate",
    "synthesise": "inpaint",
    "vae assign": "autoencoder assign",
    "gan walk": "gan interpolate",
    "train translate": "train inpainting",
    "train integrate": "train integration",
    "train vae": "train autoencoder",
}
OPTIONS = {
    "--allow-telling": "--allow-leakage",
    "--beside": "--reference-scores",
    "--shuffled": "--permuted-labels",
    "--curve": "--learning-curve",
    "--unbalanced": "--no-class-weights",
    "--both-ways": "--both-directions",
    "--leave-out": "--exclude-columns",
    "--inner": "--inner-folds",
    "--branch": "--branch-width",
    "--truncate": "--truncation",
    "--mlp": "--predictions",
}
OPTIONS_OF = {
    "train integrate": {"--test": "--external-test"},
    "train vae": {"--test": "--test-fraction"},
}
MODELS = {"demo-translation": "demo-inpainting"}

# Names of files, keys, columns and tensors in outputs, and codes that are values, old: new. Whole
# parts between slashes and points, one or several.
NAMES = {
    **MODELS,
    "translation": "inpainting",
    "metadata/card": "metadata/lungsquad-card",
    "head.after.answer": "head.after.logits",
    "network/arguments/branch": "network/arguments/branch_width",
    "hole_error_HU": "masked_region_error_HU",
    "filled_hole_error_HU": "filled_masked_region_error_HU",
    "synthesis.json/asked": "inpainting.json/requested",
    "synthesis.json/found": "inpainting.json/measured",
    "synthesis.json": "inpainting.json",
    "printed.json/asked": "printed.json/requested",
    "printed.json/found": "printed.json/measured",
    "facts/shuffled": "study/permuted_aucs",
    "answers.csv": "predictions.csv",
    "follows": "agreements",
    "facts": "study",
    "answers": "hard_predictions",
    "arms": "models",
    "found": "recurrence",
    "drawn": "parameters",
    "truncate": "truncation",
    "made_from": "modality",
    "molecular/0/place": "molecular/0/latent_position",
    "sources_left_out": "missing_sources",
    "ways": "methods",
    "everybody": "all_patients",
    "fact": "annotation",
    "network.rebuilt": "network.reconstruction",
    "shuffles": "permutations",
    "ablation/tested": "ablation/patients",
    "seed0-fold0-shuffled": "seed0-fold0-permuted",
    "seed0-fold1-shuffled": "seed0-fold1-permuted",
    "shuffled": "permuted",
    "ruler": "size",
    "metrics_of_volume_alone": "volume_only_metrics",
    "baseline_volume_alone": "volume_only_baseline",
    "turned": "inverted",
    "seed-0": "seed0",
    "seed-1": "seed1",
    "answer": "predicted_class",
    "models/mlp/place": "models/mlp/latent_position",
    "out/ticks.csv": "out/fits/final/log.csv",
    "out/fits/final/log.csv/changed": "out/fits/final/log.csv/p_augment",
}
# Names with a part that varies: a pattern of `re` and what stands in its place.
PATTERNS = {
    r"\bapart_(?=[a-z])": "distance_",
    r"(/measures/[^/]+)/value(?=/)": r"\1/generated",
    r"(/tables/\d+)/taken_for$": r"\1/kind",
    r"(/tables/\d+)/words(/\d+)/taken$": r"\1/readings\2/value",
    r"(/tables/\d+)/words(/\d+)": r"\1/readings\2",
}

# Parts of a figure's name that say where or when it was made, not what came out.
NOT_RESULTS = {
    "sha256": "of a whole file, whose arrays are compared one by one",
    "options": "what was asked for",
    "lungsquad": "the version",
    "torch": "a version",
    "python": "a version",
    "s per 1000": "time",
    "memory MB": "memory",
}

# (job, figure, reason): patterns of fnmatch for differences that are meant.
FORMAT = "model files are of format 5, whose card is one entry"
REASONS = [
    ("*", "*.safetensors/metadata/*/format_version", FORMAT),
    ("*", "*.safetensors/metadata/format", FORMAT),
    ("*", "*/card/format_version", FORMAT),
    ("*", "*/training/started_from", "the hash of a model file, and " + FORMAT),
    (
        "*",
        "*/weights.safetensors/metadata/told/*",
        "what a fit notes beside its weights is flat now",
    ),
    ("*", "*/controls.csv/kind/*", "labels are permuted, not shuffled"),
    ("*", "*/run.json/precision", "bf16 is no longer tried at the start: fp32 unless asked for"),
    ("*", "*/run.json/threads", "a number for fits and one for the export"),
    ("*", "*/molecular/*/modality", "the value is called 'molecular'"),
    ("*", "*/models/mlp/modality", "the value is called 'molecular'"),
    (
        "train-synthetic",
        "*",
        "the hash of the model file is the seed of the synthetic samples, and " + FORMAT,
    ),
    ("join-network", "out/join.json/*", "the hash of a model file, and " + FORMAT),
    ("*", "*/sr.dcm/*", "the SR has more items, with standard codes; tests hold their values"),
    (
        "*",
        "*/planes.npz/*",
        "coronal and sagittal planes show the tumour and 72 mm, for which fewer slices are decoded",
    ),
    ("*", "*.json/format_version", "keys of JSON files are renamed, and their formats raised"),
]


def translate(
    words: Sequence[str], known: Mapping[str, Sequence[str]], checkout: Path
) -> list[str]:
    """Return a command in the words of a checkout whose verbs and their options are `known`."""
    verb = next(
        (v for v in (" ".join(words[:2]), words[0]) if v in known or v in VERBS),
        words[0],
    )
    there = verb if verb in known else VERBS.get(verb, verb)
    renamed = {**OPTIONS, **OPTIONS_OF.get(verb, {})}
    absent = {
        model: name
        for model, name in MODELS.items()
        if not any(checkout.glob(f"LungSquadLib/**/{model}.safetensors"))
    }
    unknown = {word: name for word, name in renamed.items() if word not in known.get(there, ())}
    rest = [{**unknown, **absent}.get(word, word) for word in words[len(verb.split()) :]]
    if "--synthetic-fraction" in known.get(there, ()) and "--synthetic" in rest:
        # In the older words the fraction follows the model after a colon.
        at = rest.index("--synthetic") + 1
        model, _, fraction = rest[at].rpartition(":")
        rest[at : at + 1] = [model, "--synthetic-fraction", fraction]
    return [*there.split(), *rest]


def common_name(name: str) -> str:
    """Return a figure's name with its parts as the newer checkout calls them."""
    for old, new in NAMES.items():
        name = re.sub(rf"(?<![^/.]){re.escape(old)}(?![^/.])", new, name)
    for pattern, new in PATTERNS.items():
        name = re.sub(pattern, new, name)
    return name


def is_result(name: str) -> bool:
    """Return whether a figure is one that a restructuring must keep."""
    return not NOT_RESULTS.keys() & set(name.split("/"))
