"""The integration network: from molecular, clinical and image data of a patient to a class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .tables import OrderedClasses, Standardiser, batch_norm
from .trunk_and_head import NetworkOutput


class IntegrationNetwork(nn.Module):
    """Three dense layers, three dropouts and two batch norms on the columns of several sources.

    A source without values for a patient (all its columns NaN) is left out, and the other sources
    are scaled up, as in dropout.

    Args:
        widths: columns of each source.
        classes: at least 2.
        branch_width: units of a dense layer for each source; 0: the columns are concatenated.
        hidden: units of the first two dense layers.
        dropout: before each dense layer.
        ordinal: whether the classes are ordered; see `OrderedClasses`.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (1,),
        classes: int = 2,
        branch_width: int = 0,
        hidden: Sequence[int] = (64, 32),
        dropout: float = 0.5,
        ordinal: bool = False,
    ) -> None:
        super().__init__()
        self.widths = list(widths)
        self.scale = Standardiser(sum(widths))
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(width, branch_width), nn.ReLU())
            if branch_width
            else nn.Identity()
            for width in widths
        )
        first, second = hidden
        joined = branch_width * len(widths) or sum(widths)
        self.body = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(joined, first),
            batch_norm(first),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            batch_norm(second),
            nn.ReLU(),
        )
        last = OrderedClasses(second, classes) if ordinal else nn.Linear(second, classes)
        self.last = nn.Sequential(nn.Dropout(dropout), last)

    @property
    def feature_count(self) -> int:
        """Number of features before the last dense layer."""
        return int(self.body[5].out_features)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> NetworkOutput:
        """Return features and logits of rows (N, sum of widths), NaN where a value is missing."""
        present = torch.stack(
            [~part.isnan().all(1) for part in torch.split(x, self.widths, 1)], 1
        )  # (N, sources)
        weights = present * (len(self.widths) / present.sum(1, keepdim=True).clamp(min=1))
        parts = torch.split(self.scale(x), self.widths, 1)
        weighted = [
            branch(part) * weights[:, n : n + 1]
            for n, (branch, part) in enumerate(zip(self.branches, parts, strict=True))
        ]
        features = self.body(torch.cat(weighted, 1))
        return NetworkOutput(features, self.last(features))

    @torch.no_grad()
    def init_output_bias(self, priors: Tensor) -> None:
        """Initialise the output so that a patient without data gets the class priors (classes,)."""
        last = self.last[1]
        if isinstance(last, OrderedClasses):
            thresholds = priors.cumsum(0)[:-1].logit()
            last.first.copy_(thresholds[:1])
            last.steps.copy_(thresholds.diff().expm1().log())  # softplus of it is the difference
        else:
            last.get_parameter("bias").copy_(priors.log())

    @torch.no_grad()
    def fold_temperature(self, temperature: float, priors: Tensor) -> None:
        """Shift the output bias so that a temperature draws towards the class priors, not to 1/n.

        Of the logits divided by `temperature`, the part that `init_output_bias` set stays whole.
        """
        self.last[1].get_parameter("bias").add_((temperature - 1) * priors.log())

    def for_inference(self) -> IntegrationNetwork:
        """Return the network itself: nothing can be folded."""
        return self
