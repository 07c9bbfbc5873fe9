"""TensorFlow's padding for strided convolutions: where the padding is odd, the odd row and column go last."""

from torch import Tensor, nn
from torch.nn import functional


class EndPaddedConv2d(nn.Conv2d):
    """A convolution that pads ``pads`` = (left, right, top, bottom) cells of zeros."""

    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    @classmethod
    def like(cls, layer: nn.Conv2d) -> "EndPaddedConv2d":
        """``layer`` with TensorFlow's padding, for an even picture: one cell less in front than behind.

        A kernel of size k at stride 2 needs k − 2 cells, of which PyTorch's symmetric padding reads one more in front.
        """
        total = layer.kernel_size[0] - layer.stride[0]
        other = cls(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            groups=layer.groups,
            bias=layer.bias is not None,
            device=layer.weight.device,
        )
        other.pads = (total // 2, total - total // 2) * 2
        return other

    def forward(self, x: Tensor) -> Tensor:
        """Pad at the end, then convolve."""
        return super().forward(functional.pad(x, self.pads))
