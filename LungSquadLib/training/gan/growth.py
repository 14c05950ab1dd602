"""How the networks of a progressive GAN grow (Karras et al. 2017, arXiv:1710.10196, section 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Tick:
    """Updates at one level, after which metrics and samples are written.

    Attributes:
        level: of the networks; level 1 has images of 4x4 pixels.
        batch: images of an update; `steps`: updates.
        start: images shown before this tick; `into`: those of them within its phase.
        fade: images in which the level fades in; 0 if it has faded in.
    """

    level: int
    batch: int
    steps: int
    start: int
    into: int
    fade: int

    @property
    def resolution(self) -> int:
        """Pixels a side."""
        return 2 << self.level

    @property
    def stop(self) -> int:
        """Images shown at its end."""
        return self.start + self.steps * self.batch

    def alpha(self, step: int) -> float:
        """Return how far the level has faded in at a step: from 0 to 1."""
        return min((self.into + step * self.batch) / self.fade, 1.0) if self.fade else 1.0


@dataclass(frozen=True)
class Growth:
    """Which level is trained when: a pure function of the images shown.

    Attributes:
        levels: the last level.
        fade: images in which a level fades in; `stable`: those that follow before the next one.
        batches: images of an update by resolution; if missing, of the next smaller one.
        tick: images of a tick, about.
        last: factor of `stable` for the last level.
    """

    levels: int
    fade: int
    stable: int
    batches: Mapping[int, int]
    tick: int
    last: float = 1.0

    @cached_property
    def ticks(self) -> tuple[Tick, ...]:
        """The ticks of the training."""
        return tuple(self._ticks())

    @property
    def images(self) -> int:
        """The number of images seen in all."""
        return self.ticks[-1].stop

    def batch(self, level: int) -> int:
        """Return the images of an update at a level."""
        return self.batches[max(size for size in self.batches if size <= 2 << level)]

    def _ticks(self) -> Iterator[Tick]:
        images_seen = 0
        for level in range(1, self.levels + 1):
            stable = self.stable * (self.last if level == self.levels else 1)
            for fades, images in ((True, self.fade), (False, stable)):
                if fades and level == 1:
                    continue
                batch, into = self.batch(level), 0
                steps = max(math.ceil(images / batch), 1)
                count = max(round(images / self.tick), 1)
                for n in range(count):
                    part = steps * (n + 1) // count - steps * n // count
                    if part:
                        yield Tick(level, batch, part, images_seen, into, steps * batch * fades)
                    images_seen, into = images_seen + part * batch, into + part * batch
