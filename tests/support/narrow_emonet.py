"""EmoNet with an eighth of its channels: what a test of a training needs no more of."""

import pytest

from export.emonet import network


def narrow_emonet(patch: pytest.MonkeyPatch) -> None:
    """Have networks that are made from now on be narrow."""
    patch.setattr(network, "STEM_CHANNELS", network.STEM_CHANNELS // 8)
    patch.setattr(network, "STACK_CHANNELS", tuple(count // 8 for count in network.STACK_CHANNELS))
