"""The segmentation network: CT and clicks to a mask.

Clicks are channels, as by Xu et al. 2016 (arXiv:1603.04042): inside the tumour, and outside of it.
A further channel says which voxels are known, so that the border of a cut-out CT is no tissue.
"""

from __future__ import annotations

from torch import Tensor, nn

from .unet import UNet

CHANNELS = 4  # CT, known, clicks inside, clicks outside


class SegmentationNetwork(nn.Module):
    """A U-Net of four input channels.

    Args:
        dimensions: 3 for cubes, 2 for slices.
        input_size: voxels along each axis that it is trained on; other multiples of `step` will do.
        width, depth: of the `UNet`.
        classes: none; a card counts them.
    """

    def __init__(
        self,
        dimensions: int = 3,
        *,
        input_size: int = 32,
        width: int = 8,
        depth: int = 4,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.dimensions, self.input_size, self.classes = dimensions, input_size, classes
        self.unet = UNet(dimensions, inputs=CHANNELS, outputs=1, width=width, depth=depth)
        self.step = self.unet.step
        if input_size % self.step:
            raise ValueError(f"the size {input_size} is not a multiple of {self.step}")
        nn.init.zeros_(self.unet.last.weight)
        nn.init.constant_(self.unet.last.bias, -2.0)  # type: ignore[arg-type]  # most is no tumour

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 1, ...) of channels (N, 4, ...): CT, known, inside, outside."""
        logits: Tensor = self.unet(x)
        return logits

    def for_inference(self) -> SegmentationNetwork:
        """Return the network itself: nothing can be folded."""
        return self
