"""The scales on which the readers of LIDC-IDRI rated nodules.

Armato et al., Med Phys 2011;38:915-931; the words are those of its rating form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LOWEST = 1  # value of each scale
_DEGREES = ("none", "nearly none", "medium", "near marked", "marked")


@dataclass(frozen=True)
class Scale:
    """A scale from `LOWEST` on.

    Attributes:
        words: for each value.
        groups: nodules with a mean of at most the first and of at least the second value are the
            two classes of the AUC.
    """

    words: tuple[str, ...]
    groups: tuple[float, float]


SCALES: Mapping[str, Scale] = {
    "malignancy": Scale(
        (
            "highly unlikely",
            "moderately unlikely",
            "indeterminate",
            "moderately suspicious",
            "highly suspicious",
        ),
        (2, 4),
    ),
    "spiculation": Scale(_DEGREES, (1.5, 3)),
    "lobulation": Scale(_DEGREES, (1.5, 3)),
    "margin": Scale(
        ("poorly defined", "near poorly defined", "medium", "near sharp", "sharp"), (3, 4)
    ),
    "sphericity": Scale(("linear", "linear to ovoid", "ovoid", "ovoid to round", "round"), (3, 4)),
    "texture": Scale(
        (
            "ground glass",
            "ground glass to part-solid",
            "part-solid",
            "part-solid to solid",
            "solid",
        ),
        (3, 4.5),
    ),
    "calcification": Scale(
        ("popcorn", "laminated", "solid", "non-central", "central", "absent"), (5, 5.75)
    ),
    "subtlety": Scale(
        ("extremely subtle", "moderately subtle", "fairly subtle", "moderately obvious", "obvious"),
        (3, 4),
    ),
}
