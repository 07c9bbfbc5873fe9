"""Caffe's AlexNet (D4, F14): two groups in three of its convolutions, local response normalisation before pooling.

Not torchvision's network of that name, which has one tower, other widths, no response normalisation and other weights.
"""

import torch
from torch import Tensor, nn


class CaffeAlexNet(nn.Module):
    """The whole network, with Caffe's names of its layers: [batch, 3, 227, 227] → 1000 logits."""

    relu1: nn.ReLU
    relu2: nn.ReLU
    relu3: nn.ReLU
    relu4: nn.ReLU
    relu5: nn.ReLU
    relu6: nn.ReLU
    relu7: nn.ReLU

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.norm1 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.norm2 = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)  # Caffe rounds sizes up
        for number in range(1, 8):
            self.add_module(f"relu{number}", nn.ReLU())
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, 1000)

    def embed(self, x: Tensor) -> Tensor:
        """fc7 after its ReLU, which works in place in the published network (D4)."""
        x = self.pool(self.norm1(self.relu1(self.conv1(x))))
        x = self.pool(self.norm2(self.relu2(self.conv2(x))))
        x = self.relu3(self.conv3(x))
        x = self.relu4(self.conv4(x))
        x = self.pool(self.relu5(self.conv5(x)))
        x = self.relu6(self.fc6(torch.flatten(x, 1)))
        return self.relu7(self.fc7(x))

    def forward(self, x: Tensor) -> Tensor:
        """The class scores, float32 [batch, classes]."""
        return self.fc8(self.embed(x))
