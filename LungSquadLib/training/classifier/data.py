"""The setup of a run: the cases, network and folds that follow from store and options."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from ...data.covariates import check_clinical, check_columns, follow_up_of
from ...data.feature_table import FeatureTable, read_feature_table
from ...data.overlap import Overlap, fold_overlap, overlap, without_seen
from ...data.split_files import read_split
from ...data.splits import Fold, folds
from ...data.store import Store, StoredCase, open_store
from ...errors import InputError
from ...fields import identifier
from ...models.card import NetworkSpec
from ...models.inputs import InputSpec
from ...networks import build
from ...networks.prognosis import TransferNetwork
from ...networks.trunk_and_head import TrunkAndHead
from ..synthetic import Synthesis, read_synthesis
from .options import DECAY, HEAD_DECAY, RESULT_COLUMNS, ClassifierOptions
from .predictions import number
from .start import Start, input_on, read_start

_UNITS = 128  # of the head's dense layer by default


@dataclass(frozen=True)
class Setup:
    """A run before it starts; `set_up` makes it, the same in each process.

    Attributes:
        synthesis: of synthetic samples, if there are to be any.
        excluded: how many cases were left out, by reason.
        warnings: sentences for the user.
        overlaps: sentences about overlaps that were allowed.
        follow_up: time and event ("1" or "0") by case, if their columns are named.
        radiomics: of the cases, if their table is named.
    """

    store: Store
    options: ClassifierOptions
    cases: tuple[StoredCase, ...]
    classes: tuple[str, ...]
    positive: int
    spec: InputSpec
    network: NetworkSpec
    start: Start
    synthesis: Synthesis | None
    splits: Mapping[tuple[int, int], Fold]
    excluded: Mapping[str, int]
    warnings: tuple[str, ...]
    overlaps: tuple[str, ...]
    follow_up: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    radiomics: FeatureTable | None = None

    @cached_property
    def by_name(self) -> dict[str, StoredCase]:
        """The cases by their names."""
        return {case.case: case for case in self.cases}

    def labels(self, cases: Sequence[StoredCase]) -> np.ndarray:
        """Return the class numbers (N,) of cases."""
        label = self.options.label
        return np.array([self.classes.index(case.columns[label]) for case in cases], np.int64)

    def indices(self, names: Sequence[str]) -> np.ndarray:
        """Return the positions (N,) of the named cases in `cases`."""
        return np.array([self._index[name] for name in names], np.int64)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {case.case: index for index, case in enumerate(self.cases)}

    @property
    def origin(self) -> str:
        """The pretrained layers, in words."""
        words = {1: "the trunk", 2: "the trunk and dense layers", 3: "all layers"}
        name = self.start.card.name if self.start.card else ""
        return f"{words[len(self.pretrained())]} of '{name}'" if name else "nothing"

    @property
    def split_hash(self) -> str:
        """One hash of all the run's folds."""
        hashes = [self.splits[at].hash(self.cases) for at in sorted(self.splits)]
        return hashlib.sha256("\n".join(hashes).encode()).hexdigest()

    def initial_network(self, seed: int, *, permuted: bool = False) -> TrunkAndHead:
        """Return the network with pretrained layers; the weights of all others are random."""
        torch.manual_seed(seed)
        network = build(self.network.name, self.network.arguments)
        for name in self.pretrained(permuted=permuted):
            layers = self.start.network.get_submodule(name)  # type: ignore[union-attr]
            network.get_submodule(name).load_state_dict(layers.state_dict())
        return network

    def pretrained(self, *, permuted: bool = False) -> tuple[str, ...]:
        """Return the names of the layers with pretrained weights.

        The trunk always; the dense layers if the options do not name others; and then the last
        layer, too, if it has the same classes. With permuted labels the trunk alone, for the other
        layers may have learnt the true labels.
        """
        card, network = self.start.card, self.start.network
        if card is None or network is None:
            return ()
        new_head = self.options.hidden is not None or permuted
        if new_head or not isinstance(network, TransferNetwork):
            return ("trunk",)
        same = [known.code for known in card.classes] == [*map(identifier, self.classes)]
        return ("trunk", "head.before", "head.after") if same else ("trunk", "head.before")

    def described(self) -> dict[str, object]:
        """Return all that decides the run's results, for JSON."""
        options = asdict(self.options) | {"init": self.start.sha256}
        if self.options.split is not None:
            options["split"] = "file"
        if self.radiomics is not None:
            options["radiomics"] = self.radiomics.sha256
        if self.synthesis is not None:
            options["synthetic"] = [self.synthesis.model.sha256, self.synthesis.fraction]
        return {
            "training": "classifier",
            "options": json.loads(json.dumps(options)),
            "classes": list(self.classes),
            "cases": hashlib.sha256(
                "\n".join(sorted(f"{case.case} {case.sha256}" for case in self.cases)).encode()
            ).hexdigest(),
            "preprocessing": self.store.preprocessing.hash,
            "split_hash": self.split_hash,
        }


def set_up(store: str | os.PathLike[str], options: ClassifierOptions) -> Setup:
    """Read the store and the start, choose cases and folds, and refuse what must not be trained.

    Raises:
        InputError: the store or the options cannot be used; or patients, series or images overlap
            between training and test, or with what the start was trained on.
        ModelError: the model to start from cannot be used.
    """
    if options.weight_decay is None:
        decay = HEAD_DECAY if options.freeze == "trunk" else DECAY
        options = replace(options, weight_decay=decay)
    opened = open_store(store)
    cases, excluded = _labelled(opened, options)
    classes = options.classes or tuple(sorted({case.columns[options.label] for case in cases}))
    _check_classes(classes, options, cases)
    if options.label in options.clinical:
        raise InputError(f"'{options.label}' is the label, so it cannot be clinical data as well.")
    check_columns(cases, options.clinical, "--clinical")
    check_clinical(cases, options.clinical)
    check_columns(cases, options.survival or (), "--survival")
    follow_up = follow_up_of(cases, options.survival)
    radiomics, missing = _radiomics(cases, options)
    start = read_start(options.init)
    spec, network = _network(options, start, len(classes))
    if spec.margin_mm is not None:  # what the network must not see stays air
        quiet = replace(options.augmentation, noise_hu=0.0, hu_shift=0.0)
        options = replace(options, augmentation=quiet)
    check_store(opened, spec)
    synthesis = None
    if options.synthetic is not None:
        synthesis = read_synthesis(options.synthetic, classes, fraction=options.synthetic_fraction)
        check_store(opened, synthesis.model.card.image, network="The model of --synthetic")
    splits = _splits(cases, options)
    _check_tested(cases, splits, options)
    overlaps = _overlaps(cases, splits, start, synthesis, options)
    warnings = [
        without_seen(card)
        for card in (start.card, synthesis.model.card if synthesis is not None else None)
        if card is not None and card.training.seen is None
    ]
    warnings += [*follow_up.warnings, *missing]
    return Setup(
        opened,
        options,
        tuple(cases),
        classes,
        len(classes) - 1 if options.positive is None else classes.index(options.positive),
        spec,
        network,
        start,
        synthesis,
        splits,
        excluded,
        tuple(warnings),
        overlaps,
        follow_up.by_case,
        radiomics,
    )


def _radiomics(
    cases: Sequence[StoredCase], options: ClassifierOptions
) -> tuple[FeatureTable | None, list[str]]:
    """Return the radiomic features of the cases, and a sentence about cases without them."""
    if options.radiomics is None:
        if options.least_icc is not None:
            raise InputError("--least-icc would be ignored: there is no --radiomics.")
        return None, []
    table = read_feature_table(options.radiomics)
    missing = sum(key not in table.keys for key in table.keys_of(cases))
    if missing == len(cases):
        raise InputError(
            f"'{options.radiomics}' has none of the cases. Make it with `lungsquad radiomics` from "
            "this store."
        )
    sentence = f"{missing} of {len(cases)} cases have no radiomics: that baseline leaves them out."
    return table, [sentence] if missing else []


def check_label(store: Store, label: str) -> None:
    """Raise `InputError` for a label that the store lacks, or that the results use as a column."""
    if not store.cases:
        raise InputError(f"The store '{store.folder}' has no cases.")
    if label not in store.cases[0].columns:
        columns = ", ".join(f"'{name}'" for name in store.cases[0].columns) or "none"
        raise InputError(f"The store '{store.folder}' has no column '{label}'; it has {columns}.")
    if label in RESULT_COLUMNS:
        raise InputError(
            f"The label '{label}' has the name of a column of the results: rename it in the "
            "manifest, and run `lungsquad cohort build` again."
        )


def _labelled(store: Store, options: ClassifierOptions) -> tuple[list[StoredCase], dict[str, int]]:
    check_label(store, options.label)
    excluded: Counter[str] = Counter()
    cases = []
    for case in store.cases:
        value = case.value(options.label)
        if not value:
            excluded[f"no {options.label}"] += 1
        elif options.classes and value not in options.classes:
            excluded[f"another {options.label}"] += 1
        else:
            cases.append(case)
    return cases, dict(excluded)


def _check_classes(
    classes: Sequence[str], options: ClassifierOptions, cases: Sequence[StoredCase]
) -> None:
    counts = Counter(case.columns[options.label] for case in cases)
    if len(set(classes)) != len(classes):
        raise InputError("A class is named twice.")
    if len(counts) < 2:
        values = ", ".join(f"'{value}'" for value in counts) or "none"
        raise InputError(
            f"The column '{options.label}' must have two classes at least; found: {values}."
        )
    if missing := [name for name in classes if name not in counts]:
        raise InputError(f"No case has the {options.label} '{missing[0]}'.")
    alike = Counter(name.casefold() for name in classes).most_common(1)[0]
    if alike[1] > 1:
        raise InputError(
            f"Values of the column '{options.label}' differ in capitals alone ('{alike[0]}'): "
            "write them in one way."
        )
    numbers = [value for value in map(number, classes) if not math.isnan(value)]
    if len(set(numbers)) < len(numbers):
        raise InputError(
            f"Two values of the column '{options.label}' are the same number: write it in one way."
        )
    if len(classes) > 32:
        raise InputError(
            f"The column '{options.label}' has {len(classes)} values; a classifier has 32 at "
            "most. Name its classes with --classes."
        )
    if options.positive is not None and options.positive not in classes:
        raise InputError(f"The positive class '{options.positive}' is none of {list(classes)}.")


def _network(
    options: ClassifierOptions, start: Start, classes: int
) -> tuple[InputSpec, NetworkSpec]:
    """Return the network: a head on a trunk like the pretrained one, with its HU window."""
    width, spec = options.width, InputSpec(options.size, 1.0, *options.hu, True)
    hidden, trunk = options.hidden, "prognosis"
    if start.card is not None:
        known = start.card.network.arguments
        width = known["width"]
        spec = input_on(start.card, options.size)
        trunk = known.get("trunk", trunk)
        if start.card.kind == "descriptor":
            trunk = "description"
        elif hidden is None:
            hidden = known.get("hidden")
    arguments = {
        "width": width,
        "classes": classes,
        "input_size": options.size,
        "hidden": [_UNITS] if hidden is None else list(hidden),
        "dropout": options.dropout,
        "trunk": trunk,
    }
    try:
        build("transfer", arguments)
    except ValueError as error:
        raise InputError(f"Such a network cannot be built: {error}.") from error
    return spec, NetworkSpec("transfer", arguments)


def check_store(store: Store, spec: InputSpec, *, network: str = "The network") -> None:
    """Raise `InputError` if a store's crops do not fit the input of a network."""
    done = store.preprocessing
    if done.spacing != spec.spacing:
        raise InputError(
            f"{network} takes crops of {spec.spacing:g} mm a voxel, and the store has "
            f"{done.spacing:g} mm: build it again with --spacing {spec.spacing:g}."
        )
    if done.side < spec.size:
        raise InputError(
            f"{network} takes {spec.size} voxels a side, and the store has {done.side}: build it "
            f"again with --size {spec.size}."
        )


def _splits(cases: Sequence[StoredCase], options: ClassifierOptions) -> dict[tuple[int, int], Fold]:
    """Return the folds by (seed, number)."""
    if options.split is not None:
        fold = read_split(options.split, cases)
        _check_parts(fold, cases, options)
        return {(seed, 0): fold for seed in range(options.seeds)}
    labels = [case.columns[options.label] for case in cases]
    return {
        (seed, number): fold
        for seed in range(options.seeds)
        for number, fold in enumerate(
            folds(cases, labels, count=options.folds, seed=seed, by_site=options.by_site)
        )
    }


def _check_parts(fold: Fold, cases: Sequence[StoredCase], options: ClassifierOptions) -> None:
    """Raise `InputError` if a part of a split from a file lacks a class."""
    label_of = {case.case: case.columns[options.label] for case in cases}
    for part, names in fold.parts.items():
        missing = set(label_of.values()) - {label_of[name] for name in names}
        if missing:
            raise InputError(
                f"'{options.split}' has no case with the {options.label} '{min(missing)}' for its "
                f"{part}: each part needs every class."
            )


def _check_tested(
    cases: Sequence[StoredCase], splits: Mapping[tuple[int, int], Fold], options: ClassifierOptions
) -> None:
    """Raise `InputError` if there are too few test patients for an interval of any metric."""
    by_name = {case.case: case for case in cases}
    for seed in range(options.seeds):
        tested = {
            (by_name[name].patient, by_name[name].columns[options.label])
            for at, fold in splits.items()
            for name in fold.test
            if at[0] == seed
        }
        needed = 2 * len({label for _, label in tested})
        if len(tested) < needed:
            raise InputError(
                f"The test has {len(tested)} patients, and an interval needs {needed}: ask for "
                "more folds, or bring more patients."
            )


def _overlaps(
    cases: Sequence[StoredCase],
    splits: Mapping[tuple[int, int], Fold],
    start: Start,
    synthesis: Synthesis | None,
    options: ClassifierOptions,
) -> tuple[str, ...]:
    """Return sentences about overlaps if these are allowed; otherwise raise `InputError`."""
    overlaps: list[Overlap] = [fold_overlap(fold, cases) for fold in splits.values()]
    if start.seen is not None:
        overlaps.append(overlap(start.seen, cases, part="The store"))
    if synthesis is not None:
        names = {name for fold in splits.values() for name in (*fold.validation, *fold.test)}
        shared = synthesis.overlap([case for case in cases if case.case in names])
        overlaps += [shared] if shared else []
    leaks = [leak for leak in overlaps if leak]
    if leaks and not options.allow_overlap:
        raise InputError(leaks[0].refusal)
    return tuple(dict.fromkeys(leak.sentence for leak in leaks))
