"""Candidates of tumours in the whole CT, searched only when the user asks for them."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ...models.catalogue import Entry
from ..coordinates import to_ras
from ..hierarchy import remove
from ..results import add_candidates
from ..temporary_files import CtFileCache
from ..volumes import voxels_and_grid
from .clicks import Clicks
from .context import Context
from .section import Section, show_text
from .tasks import Steps, WorkerCall, check_in_scene, in_scene
from .views import centre_views


class Candidates(Section):
    """Lists candidates, marks them in the views, and outlines the chosen one."""

    def __init__(self, context: Context, *, ct_files: CtFileCache, clicks: Clicks) -> None:
        super().__init__(context)
        self._ct_files, self._clicks = ct_files, clicks
        self._ct: Any = None  # that the candidates lie in
        self._grid: Any = None  # of the CT when they were searched
        self._candidates: list[dict[str, Any]] = []
        self._markups: Any = None
        ui = self.ui
        self.on_click(ui.findCandidatesButton, self._find)
        self.on_click(ui.outlineCandidateButton, self._outline)
        ui.candidateList.currentRowChanged.connect(self._chosen)

    def update(self) -> None:
        super().update()
        ui, busy = self.ui, bool(self.tasks.title)
        if self._ct is not None and self._ct is not self.state.ct:
            self._clear()
        elif self._ct is not None and voxels_and_grid(self._ct)[1] != self._grid:
            self._clear()  # a transform has moved the CT
        ui.candidateSection.visible = self._clicks.network() is not None
        ui.findCandidatesButton.enabled = not busy
        ui.candidateList.visible = ui.outlineCandidateButton.visible = bool(self._candidates)
        ui.outlineCandidateButton.enabled = ui.candidateList.currentRow >= 0 and not busy

    def scene_closes(self) -> None:
        self._markups = None  # it goes with its scene
        self._clear()

    def _clear(self) -> None:
        self._ct, self._candidates = None, []
        self.ui.candidateList.clear()
        show_text(self.ui.candidateLabel, "")
        markups, self._markups = self._markups, None
        if in_scene(markups):
            remove([markups])

    def _find(self) -> None:
        network = self._clicks.network()
        if network is not None and self.context.can_run_networks():
            ct = self.state.ct
            self.tasks.start(_("Searching the lungs"), self._steps(ct, network), nodes=[ct])

    def _steps(self, ct: Any, network: Entry) -> Steps:
        path = yield from self._ct_files.file(ct, share=0.1)
        request = {"ct": str(path), "model": str(network.path)}
        result = yield WorkerCall("candidates", request, 0.1, 1.0)
        check_in_scene(ct)
        self._clear()
        self._ct, self._candidates = ct, result["candidates"]
        self._grid = voxels_and_grid(ct)[1]
        points = []
        for number, candidate in enumerate(self._candidates, 1):
            position, score = candidate["position"], candidate["score"]
            points.append((position, f"{number}: {score:.2f}"))
            text = _("{number}: score {score:.2f}, {mm:.0f} mm, at RAS {r:.0f}, {a:.0f}, {s:.0f}")
            r, a, s = to_ras(position)
            mm = candidate["diameter_mm"]
            self.ui.candidateList.addItem(
                text.format(number=number, score=score, mm=mm, r=r, a=a, s=s)
            )
        if points:
            self._markups = add_candidates(ct, points, model=network.name)
        show_text(self.ui.candidateLabel, result["notice"])
        n = len(points)
        count = _("1 candidate.") if n == 1 else _("{n} candidates.").format(n=n)
        self.context.report(f"{count} {result['notice']}")

    def _chosen(self, row: int) -> None:
        if 0 <= row < len(self._candidates) and self.context.has_state:
            centre_views(self._ct.GetScene(), self._candidates[row]["position"])
        self.context.refresh()

    def _outline(self) -> None:
        x, y, z = self._candidates[self.ui.candidateList.currentRow]["position"]
        self._clicks.segment_at((x, y, z))
