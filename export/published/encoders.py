"""Published speech encoders, layer by layer: their own modules of transformers, run so that padding changes nothing.

transformers runs padded batches of some encoders with the padding inside (group norm over time, stacked convolutions of
data2vec): a clip's answer then depends on its batch. Here every step knows where its clip ends.

An encoder takes what its front end gives and the steps of each clip, int64 [batch]. It gives the states before and
after each layer, float32 [batch, steps, width] each, the last state, and the steps of each clip.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from export.published.front_ends import within


class States(NamedTuple):
    """States of one batch.

    Attributes:
        layers: what the first layer takes, then what each gives.
        last: what a head takes, unless it weighs the layers.
        steps: of each clip.
    """

    layers: list[Tensor]
    last: Tensor
    steps: Tensor


class WaveEncoder(nn.Module):
    """wav2vec 2.0, HuBERT, WavLM and data2vec-audio: convolutions on samples, then a transformer.

    Args:
        base: the model of transformers without its head.
    """

    def __init__(self, base: Any) -> None:  # noqa: ANN401 - a module with members of its family
        super().__init__()
        self.base = base
        self._is_stable = bool(getattr(base.config, "do_stable_layer_norm", False))
        self._is_wavlm = base.config.model_type == "wavlm"

    def forward(self, samples: Tensor, lengths: Tensor) -> States:
        """See the module."""
        x, steps = samples[:, None], lengths
        for layer in self.base.feature_extractor.conv_layers:
            x, steps = convolved(layer, x, steps)
        x = self.base.feature_projection(x.transpose(1, 2))
        x = x[0] if isinstance(x, tuple) else x
        inside = within(x.shape[1], steps)
        encoder = self.base.encoder
        x = x * inside[:, :, None]
        x = x + _positions(encoder.pos_conv_embed, x, inside)
        if not self._is_stable:
            x = encoder.layer_norm(x)
        layers = [x]
        bias: Tensor | None = None
        for layer in encoder.layers:
            if self._is_wavlm:
                x, bias = layer(x, attention_mask=inside, position_bias=bias)
            else:
                x = layer(x, attention_mask=attention_bias(inside))
            layers.append(x)
        return States(layers, encoder.layer_norm(x) if self._is_stable else x, steps)


def convolved(layer: Any, x: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - a module
    """One convolution on samples with its norm and activation; the norm over time counts the clip alone.

    Args:
        layer: has ``conv``, ``activation`` and perhaps ``layer_norm``.
        x: float32 [batch, channels, steps].
        steps: of each clip, int64 [batch].

    Returns:
        The same after the convolution.
    """
    x = layer.conv(x)
    kernel, stride = layer.conv.kernel_size[0], layer.conv.stride[0]
    steps = torch.div(steps - kernel, stride, rounding_mode="floor") + 1
    norm = getattr(layer, "layer_norm", None)
    if isinstance(norm, nn.GroupNorm):
        inside, count = within(x.shape[2], steps)[:, None], steps[:, None, None].to(x.dtype)
        deviation = (x - (x * inside).sum(2, keepdim=True) / count) * inside
        variance = deviation.square().sum(2, keepdim=True) / count
        x = deviation / torch.sqrt(variance + norm.eps) * norm.weight[:, None] + norm.bias[:, None]
    elif norm is not None:
        x = norm(x.transpose(1, 2)).transpose(1, 2)
    return layer.activation(x), steps


def _positions(embedding: Any, x: Tensor, inside: Tensor) -> Tensor:  # noqa: ANN401 - a module
    """Convolutional position embedding of states float32 [batch, steps, width] that are zero beyond each clip."""
    x, inside = x.transpose(1, 2), inside[:, None]
    if hasattr(embedding, "layers"):  # data2vec-audio stacks several
        for layer in embedding.layers:
            x = layer(x) * inside
    else:
        if getattr(embedding, "batch_norm", None) is not None:
            x = embedding.batch_norm(x) * inside
        x = embedding.activation(embedding.padding(embedding.conv(x)))
    return x.transpose(1, 2)


def attention_bias(inside: Tensor) -> Tensor:
    """Added to attention scores, float32 [batch, 1, 1, steps]: nothing inside a clip, the lowest number beyond."""
    return ((1.0 - inside) * torch.finfo(inside.dtype).min)[:, None, None, :]


class ConformerEncoder(nn.Module):
    """w2v-BERT 2.0: a conformer on features of Kaldi's kind.

    Args:
        base: the model of transformers without its head.
    """

    def __init__(self, base: Any) -> None:  # noqa: ANN401 - a module with members of its family
        super().__init__()
        self.base = base

    def forward(self, features: Tensor, steps: Tensor) -> States:
        """See the module."""
        inside = within(features.shape[1], steps)
        x, _ = self.base.feature_projection(features)
        x = x * inside[:, :, None]
        encoder = self.base.encoder
        embed = encoder.embed_positions
        if hasattr(embed, "cached_sequence_length"):
            embed.cached_sequence_length = None  # a graph that is traced must not keep those of an earlier length
        positions = None if embed is None else embed(x)
        layers = [x]
        for layer in encoder.layers:
            x = layer(
                x,
                attention_mask=attention_bias(inside),
                relative_position_embeddings=positions,
                conv_attention_mask=inside,
            )
            layers.append(x)
        return States(layers, x, steps)


class WhisperEncoder(nn.Module):
    """Whisper's encoder on a picture of 30 s, silence included, as it was trained.

    Args:
        base: the encoder of transformers.
    """

    def __init__(self, base: Any) -> None:  # noqa: ANN401 - a module with members of its family
        super().__init__()
        self.base = base

    def forward(self, picture: Tensor, frames: Tensor) -> States:
        """See the module; every clip has the steps of 30 s."""
        base, gelu = self.base, nn.functional.gelu
        x = gelu(base.conv2(gelu(base.conv1(picture)))).transpose(1, 2) + base.embed_positions.weight
        layers = [x]
        for layer in base.layers:
            x = layer(x, None)
            layers.append(x)
        last = base.layer_norm(x)
        return States([*layers[:-1], last], last, torch.div(frames, 2, rounding_mode="floor"))
