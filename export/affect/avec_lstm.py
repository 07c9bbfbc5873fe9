"""The AVEC baseline: two LSTM layers and a linear output (E20).

Differences from the challenge's script, all because of the libraries: gates use the exact logistic
function (Keras 2.2 defaulted to a piecewise linear one), and one target is trained at a time, as for the
other networks.
"""

import torch
from torch import Tensor, nn

from export.affect.shallow_cnn import COLUMN_COUNT

UNITS = (64, 32)
DROPOUT = 0.1


class AvecLstm(nn.Module):
    """LSTM 64 → LSTM 32 → one value a step; float32 [batch, steps, 37] to [batch, steps].

    Args:
        mean: column means of the training frames that are not all zero, float32 [37].
        deviation: their standard deviations, above 0, float32 [37].
        dropout: of the inputs and of the recurrent state; one mask a sequence, held over its steps as in
            Keras.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor | None = None, deviation: Tensor | None = None, dropout: float = DROPOUT) -> None:
        super().__init__()
        widths = (COLUMN_COUNT, *UNITS)
        self.register_buffer("mean", torch.zeros(COLUMN_COUNT) if mean is None else mean)
        self.register_buffer("deviation", torch.ones(COLUMN_COUNT) if deviation is None else deviation)
        self.layers = nn.ModuleList(
            nn.LSTM(inward, outward, batch_first=True) for inward, outward in zip(widths, UNITS, strict=False)
        )
        self.dense = nn.Linear(UNITS[-1], 1)
        self.dropout = dropout
        for layer, width in zip(self.layers, UNITS, strict=True):
            assert isinstance(layer, nn.LSTM)
            inward, recurrent, bias, recurrent_bias = layer.all_weights[0]
            nn.init.xavier_uniform_(inward)
            nn.init.orthogonal_(recurrent)
            nn.init.zeros_(recurrent_bias)
            nn.init.zeros_(bias)
            nn.init.ones_(bias[width : 2 * width].data)  # Keras opens the forget gate

    def forward(self, features: Tensor) -> Tensor:
        """Map float32 [batch, steps, 37] to [batch, steps]."""
        # All-zero steps are padding: they are left at zero, as in the challenge's standardisation.
        real = features.abs().amax(dim=-1, keepdim=True) > 0
        signal = torch.where(real, (features - self.mean) / self.deviation, torch.zeros_like(features))
        for layer in self.layers:
            assert isinstance(layer, nn.LSTM)
            signal = self._with_dropout(layer, signal) if self.training and self.dropout else layer(signal)[0]
        return self.dense(signal).squeeze(-1)

    def _with_dropout(self, layer: nn.LSTM, signal: Tensor) -> Tensor:
        """One layer step by step, since torch's own has no recurrent dropout."""
        batch, steps, _ = signal.shape
        keep = 1.0 - self.dropout
        signal = signal * torch.bernoulli(torch.full_like(signal[:, :1], keep)) / keep
        weights, recurrent, bias, recurrent_bias = layer.all_weights[0]
        inward = signal @ weights.T + bias + recurrent_bias
        hidden = cell = signal.new_zeros(batch, layer.hidden_size)
        mask = torch.bernoulli(torch.full_like(hidden, keep)) / keep
        outputs = []
        for step in range(steps):
            gates = inward[:, step] + (hidden * mask) @ recurrent.T
            entry, forget, candidate, exit_ = gates.chunk(4, dim=1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(entry) * torch.tanh(candidate)
            hidden = torch.sigmoid(exit_) * torch.tanh(cell)
            outputs.append(hidden)
        return torch.stack(outputs, dim=1)
