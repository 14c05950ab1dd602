"""The class of a nodule's texture: the scale's named value that is nearest to the mean rating."""

import pytest

from LungSquadLib.cohorts.ratings import texture_class


@pytest.mark.parametrize(
    ("ratings", "expected"),
    [
        # The scale of LIDC-IDRI names 1 non-solid, 3 part-solid, 5 solid.
        ([1, 1, 1, 1], "ground-glass"),
        ([2, 2, 3], "ground-glass"),  # 2.33 rounds to 2
        ([2, 3], "part-solid"),  # 2.5: the upper of two
        ([3, 3, 3, 3], "part-solid"),
        ([5, 4, 4, 4], "part-solid"),  # 4.25
        ([5, 4], "solid"),  # 4.5
        ([5, 5, 5, 4], "solid"),  # as LIDC-IDRI-0001's nodule
        ([], ""),
    ],
)
def test_texture_classes(ratings, expected):
    assert texture_class(ratings) == expected
