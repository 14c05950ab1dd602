"""The sources of a model of tables, by their names on the command line: tables and stores."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..data.overlap import model_overlap
from ..data.store import INDEX, Store, open_store
from ..data.tables.clinical import clinical_matrix, read_clinical
from ..data.tables.image import image_matrix, mask_features, radiomics_matrix
from ..data.tables.join import is_joined, join, open_joined, write_joined
from ..data.tables.matrix import Clinical, Joined, Matrix
from ..data.tables.matrix_file import read_matrix
from ..errors import InputError, one_line
from ..fields import IDENTIFIER
from ..files import sha256_of_file
from ..models.catalogue import check_kind, find, read_model
from ..models.file import Model
from ..progress import Part, Progress, Silent

if TYPE_CHECKING:
    from ..training.integration.synthetic import TrainingImages

# As names of sources begin; others are features.
_KINDS = ("expression", "clinical", "image", "radiomics")


def network_features(
    store: Store,
    model: Model,
    *,
    name: str = "image",
    allow_overlap: bool = False,
    device: str = "cpu",
    keep: Collection[str] = (),
    progress: Progress | None = None,
) -> Matrix:
    """Return the features of a model's network for every case of a store: inputs of the last layer.

    Args:
        store: of `cohort.build`.
        model: a classifier of crops, or an encoder.
        name: of the source.
        allow_overlap: continue if the model was trained on patients of the store, whose features
            depend on their labels; a note says so.
        device: "cpu", "cuda" or "mps".
        keep: columns of the store to keep although they identify patients.
        progress: gets the state of the work; may cancel.

    Raises:
        InputError: the store does not fit the model, has no case, or a file of it is damaged; or
            the model was trained on patients, series or images of the store.
        ModelError: the model is neither.
        CancelledError: `progress` said so.
    """
    import torch  # here, so that tables can be joined without it

    from ..inference.classifier import logits_and_features
    from ..training.classifier.data import check_store

    card = model.card
    if card.kind != "encoder":
        check_kind(card, "classifier")
    check_store(store, card.image, network=f"The model '{card.name}'")
    if not store.cases:
        raise InputError(f"The store '{store.folder}' has no cases.")
    notes = model_overlap(card, store.cases, allowed=allow_overlap)
    _, features = logits_and_features(
        model.network.to(torch.device(device)),
        card.image,
        (store.visible(case, card.image) for case in store.cases),
        progress=progress or Silent(),
        count=len(store.cases),
    )
    columns = tuple(f"feature {number}" for number in range(1, features.shape[1] + 1))
    matrix = image_matrix(
        store,
        columns,
        features.astype(np.float32),
        name=name,
        scale=f"features of the model {card.name}",
        extractor=model.sha256,
        keep=keep,
    )
    return replace(matrix, notes=(*matrix.notes, *notes))


def read_sources(
    texts: Sequence[str],
    *,
    mapping: str | os.PathLike[str] | None = None,
    clinical_columns: Sequence[str] = (),
    keep_ids: bool = False,
    keep_columns: Collection[str] = (),
    allow_overlap: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Joined:
    """Read sources and join them.

    A source is NAME=FILE; the beginning of its name is its kind. `expression=E.csv` is a matrix of
    genes; `clinical=C.csv` gives facts; `image=STORE` gives features of the masks and
    `image=STORE:MODEL` those of a network; `radiomics=STORE` gives radiomic features; any other
    file has features of patients. Or it is one folder of joined tables, without a name.

    Args:
        texts: the sources.
        mapping: a JSON file with the columns of facts; see `cohort.tables.layouts`.
        clinical_columns: facts that are also a source of numbers, "clinical".
        keep_ids: leave patients' IDs as they are.
        keep_columns: columns to keep as facts although they identify patients.
        allow_overlap: continue if a network was trained on patients of its store; a note says so.
        device: for the networks.
        progress: gets the state of the work; may cancel.

    Raises:
        InputError: a text is no source, a source cannot be read or joined, or a network was
            trained on patients of its store.
        ModelError: a model cannot be used.
        OSError: a file cannot be read.
        CancelledError: `progress` said so.
    """
    if len(texts) == 1 and (is_joined(texts[0]) or "=" not in texts[0]):
        joined = open_joined(texts[0])
        if mapping is not None or keep_ids or keep_columns:
            raise InputError(
                f"'{texts[0]}' holds joined tables, whose columns and names of patients do not "
                "change: --mapping, --keep-ids and --keep-column are for `lungsquad tables join`."
            )
    else:
        joined = _joined(
            [_source(text) for text in texts],
            mapping=None if mapping is None else Path(mapping),
            keep_ids=keep_ids,
            keep=keep_columns,
            allow_overlap=allow_overlap,
            device=device,
            progress=progress or Silent(),
        )
    if not clinical_columns:
        return joined
    facts = Clinical("clinical", "joined", joined.patients, joined.facts, (), (), ())
    sources = tuple(source for source in joined.sources if source.name != facts.name)
    matrix = clinical_matrix(facts, clinical_columns)
    return replace(joined, sources=(*sources, matrix), notes=(*joined.notes, *matrix.notes))


def training_images(
    texts: Sequence[str], *, allow_overlap: bool = False, device: str = "cpu"
) -> TrainingImages | None:
    """Return the images of sources; None if they have none.

    Args:
        texts: the sources, as for `read_sources`.
        allow_overlap: as for `read_sources`.
        device: for the networks.

    Raises:
        InputError: the sources have images of different stores.
        ModelError, OSError: a store or model cannot be read.
    """
    from ..training.integration.synthetic import TrainingImages

    if len(texts) == 1 and "=" not in texts[0]:
        return None
    images = [source for source in map(_source, texts) if source.kind == "image"]
    if len({source.path.resolve() for source in images}) > 1:
        raise InputError(
            "--synthetic makes images from one store, and --sources names several: name one."
        )
    if not images:
        return None
    features = {
        source.name: partial(_image_features, source, allow_overlap=allow_overlap, device=device)
        for source in images
    }
    return TrainingImages(open_store(images[0].path), features, device)


def join_sources(
    texts: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    mapping: str | os.PathLike[str] | None = None,
    keep_ids: bool = False,
    keep_columns: Collection[str] = (),
    allow_overlap: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Joined:
    """Read and join sources as `read_sources` does, and write them as a folder, all or nothing.

    Raises:
        InputError, ModelError, OSError, CancelledError: as `read_sources`, or it cannot be written.
    """
    sources = [_source(text) for text in texts]
    joined = read_sources(
        texts,
        mapping=mapping,
        keep_ids=keep_ids,
        keep_columns=keep_columns,
        allow_overlap=allow_overlap,
        device=device,
        progress=progress,
    )
    write_joined(folder, joined, inputs={source.name: source.hashes for source in sources})
    return joined


@dataclass(frozen=True)
class _Source:
    """A source of the command line; `model` is None if its features are no network's."""

    name: str
    kind: str
    path: Path
    model: str | None = None

    @property
    def hashes(self) -> list[str]:
        """The SHA-256 of its file, or of its store's index, and of the model."""
        file = self.path / INDEX if self.kind in ("image", "radiomics") else self.path
        model = find(self.model) if self.model else None
        return [sha256_of_file(path) for path in (file, model) if path is not None]


def _source(text: str) -> _Source:
    name, _, value = text.partition("=")
    if not value or not IDENTIFIER.fullmatch(name):
        raise InputError(
            f"'{one_line(text)}' is no source: write NAME=FILE, with a name of letters and digits "
            "('expression=E.csv', 'clinical=C.csv', 'image=STORE')."
        )
    kind = next((kind for kind in _KINDS if name.casefold().startswith(kind)), "features")
    if kind in ("image", "radiomics") and Path(value).is_file():  # a table of such features
        kind = "features"
    store, _, model = value.rpartition(":")
    if kind != "image" or Path(value).is_dir() or not store:
        return _Source(name, kind, Path(value))
    return _Source(name, kind, Path(store), model)


def _image_features(
    source: _Source,
    store: Store,
    progress: Progress,
    *,
    allow_overlap: bool,
    device: str,
    keep: Collection[str] = (),
) -> Matrix:
    """Return the features of a store's cases as an image source has them."""
    if source.model is None:
        return mask_features(store, name=source.name, keep=keep, progress=progress)
    return network_features(
        store,
        read_model(source.model),
        name=source.name,
        allow_overlap=allow_overlap,
        device=device,
        keep=keep,
        progress=progress,
    )


def _joined(
    sources: Sequence[_Source],
    *,
    mapping: Path | None,
    keep_ids: bool,
    keep: Collection[str],
    allow_overlap: bool,
    device: str,
    progress: Progress,
) -> Joined:
    clinicals = [
        read_clinical(source.path, name=source.name, mapping=mapping, keep=keep)
        for source in sources
        if source.kind == "clinical"
    ]
    patients = {patient for table in clinicals for patient in table.patients}
    matrices: dict[str, Matrix] = {}
    # Expression last: known patients decide whether they are its rows or its columns.
    numbers = [source for source in sources if source.kind in ("features", "image", "radiomics")]
    numbers += [source for source in sources if source.kind == "expression"]
    for number, source in enumerate(numbers):
        part = Part(progress, number / len(numbers), (number + 1) / len(numbers))
        if source.kind == "radiomics":
            store = open_store(source.path)
            matrix = radiomics_matrix(store, name=source.name, keep=keep, progress=part)
        elif source.kind != "image":
            matrix = read_matrix(
                source.path,
                name=source.name,
                kind=source.kind,
                known_patients=patients,
                mapping=mapping,
                keep=keep,
            )
        else:
            matrix = _image_features(
                source,
                open_store(source.path),
                part,
                allow_overlap=allow_overlap,
                device=device,
                keep=keep,
            )
        patients |= set(matrix.patients)
        matrices[source.name] = matrix
    in_order = [matrices[source.name] for source in sources if source.name in matrices]
    tables: list[Matrix | Clinical] = [*in_order, *clinicals]
    absent = [name for name in keep if not any(name in table.facts for table in tables)]
    if absent:
        raise InputError(f"No table has the column '{one_line(absent[0])}', which is to be kept.")
    return join(in_order, clinicals, keep_ids=keep_ids)
