"""The worker's verbs that make synthetic data: a sample patient, images, inpainted tumours."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from ..options import option, seed_option
from ..progress import Part, Progress, step

MOST_GENERATED = 100  # images that one request generates


@dataclass(frozen=True)
class Sample:
    """Create a computer-made sample patient."""

    folder: str | os.PathLike[str]
    seed: int = field(default=7, metadata=seed_option().metadata)  # as `lungsquad demo`

    def run(self, progress: Progress) -> dict[str, Any]:
        from ..phantom.patient import Phantom
        from ..phantom.scan import write_patient_volumes

        phantom = Phantom(self.seed)
        ct, mask = write_patient_volumes(phantom, self.folder, progress=progress)
        return {"name": f"Phantom patient {self.seed}", "ct": str(ct), "mask": str(mask)}


@dataclass(frozen=True)
class Generate:
    """Generate synthetic images, as `lungsquad gan sample`."""

    model: str
    folder: str | os.PathLike[str]
    n: int = option(16, low=1, high=MOST_GENERATED, help="number of images")
    seed: int = seed_option()
    truncation: float = option(1.0, low=0.0, high=1.0, help="variety of the images")
    label: str | None = None
    like: int | None = option(None, low=0, high=MOST_GENERATED - 1, help="image to resemble")

    def run(self, progress: Progress) -> dict[str, Any]:
        from ..inference.generator import SAMPLES, sample, write_samples
        from ..models.catalogue import read_model

        step(progress, 0.0, "Reading the model")
        model = read_model(self.model, kind="generator")
        parameters: dict[str, Any] = {
            "seed": self.seed,
            "truncation": self.truncation,
            "label": self.label,
            "like": self.like,
        }
        step(progress, 0.2, "Generating")
        images = sample(model, self.n, **parameters)
        step(progress, 0.8, "Writing the images")
        folder = write_samples(self.folder, images, model, **parameters)
        described: dict[str, Any] = json.loads((folder / SAMPLES).read_text(encoding="utf-8"))
        return described


@dataclass(frozen=True)
class Inpaint:
    """Inpaint a synthetic tumour in a CT and write the part that changes."""

    ct: str | os.PathLike[str]
    mask: str | os.PathLike[str]
    model: str
    out: str | os.PathLike[str]
    hu: float | None = option(None, low=-(2**15), high=2**15, help="mean of the tumour", unit="HU")
    label: str | None = None
    seed: int = seed_option()

    def run(self, progress: Progress) -> dict[str, Any]:
        from ..imaging.ct import open_ct
        from ..imaging.files.write import check_distinct, write_volumes
        from ..imaging.mask_files import read_mask
        from ..inference.inpaint_ct import inpaint
        from ..models.catalogue import read_model

        check_distinct([self.out], [self.ct, self.mask])
        step(progress, 0.0, "Reading the model")
        model = read_model(self.model, kind="inpainter")
        ct = open_ct(self.ct)
        mask = read_mask(self.mask, ct)
        inpainted = inpaint(
            model,
            ct,
            mask,
            hu=self.hu,
            label=self.label,
            seed=self.seed,
            progress=Part(progress, 0.0, 0.9),
        )
        step(progress, 0.9, "Writing the changed part")
        box = inpainted.box
        x, y, z = (slice(*ends) for ends in zip(box.start, box.stop, strict=True))
        write_volumes({self.out: inpainted.ct[x, y, z]})
        return inpainted.to_dict()
