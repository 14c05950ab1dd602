"""How the networks of a progressive GAN grow (Karras et al. 2017, arXiv:1710.10196, section 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Tick:
    """A stretch of training at one level, after which it is measured and shown.

    Attributes:
        level: at which the networks are; level 1 has images of 4x4 pixels.
        batch: images of an update; `steps`: updates.
        start: images shown before it; `into`: those of them within its phase.
        fade: images in which the level fades in; 0 where it has.
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
        """Images shown when it is over."""
        return self.start + self.steps * self.batch

    def alpha(self, step: int) -> float:
        """How far the level has faded in at a step: from 0 to 1."""
        return min((self.into + step * self.batch) / self.fade, 1.0) if self.fade else 1.0


@dataclass(frozen=True)
class Growth:
    """When which level is trained; a pure function of the images shown.

    Attributes:
        levels: the last level.
        fade: images in which a level fades in; `stable`: those that follow before the next one.
        batches: images of an update by resolution; the nearest smaller one's where one is missing.
        tick: images between two measurements, about.
        last: how often `stable` the last level is trained after it has faded in.
    """

    levels: int
    fade: int
    stable: int
    batches: Mapping[int, int]
    tick: int
    last: float = 1.0

    @cached_property
    def ticks(self) -> tuple[Tick, ...]:
        """All of the training."""
        return tuple(self._ticks())

    @property
    def images(self) -> int:
        """How many are shown in all."""
        return self.ticks[-1].stop

    def batch(self, level: int) -> int:
        """Images of an update at a level."""
        return self.batches[max(size for size in self.batches if size <= 2 << level)]

    def _ticks(self) -> Iterator[Tick]:
        shown = 0
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
                        yield Tick(level, batch, part, shown, into, steps * batch * fades)
                    shown, into = shown + part * batch, into + part * batch
