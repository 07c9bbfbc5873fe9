"""Published models in small: random networks of the publishers' own classes, written by their own programs."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import audonnx
import pytest
import torch
import transformers
from torch import nn

CLASSES = ("neu", "hap", "ang", "sad")
"""Names that SUPERB's classifiers give to the classes of IEMOCAP."""

_COMMON = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "classifier_proj_size": 16,
}
_WAVE = _COMMON | {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 4}
_LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
_POSITIONS = {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 5}
_WHISPER = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 48}
_WHISPER |= {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 48, "classifier_proj_size": 16}

NETWORKS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "wav2vec2-base": ("Wav2Vec2ForSequenceClassification", "Wav2Vec2Config", _WAVE, {}),
    "wav2vec2-large": (
        "Wav2Vec2ForSequenceClassification",
        "Wav2Vec2Config",
        _WAVE | _LARGE | {"use_weighted_layer_sum": True},
        {"return_attention_mask": True},
    ),
    "hubert-base": (
        "HubertForSequenceClassification",
        "HubertConfig",
        _WAVE | {"use_weighted_layer_sum": True},
        {"do_normalize": False},
    ),
    "hubert-large": ("HubertForSequenceClassification", "HubertConfig", _WAVE | _LARGE, {}),
    "wavlm-base": ("WavLMForSequenceClassification", "WavLMConfig", _WAVE, {"do_normalize": False}),
    "data2vec-audio": (
        "Data2VecAudioForSequenceClassification",
        "Data2VecAudioConfig",
        _WAVE | _POSITIONS,
        {},
    ),
    "w2v-bert": (
        "Wav2Vec2BertForSequenceClassification",
        "Wav2Vec2BertConfig",
        _COMMON | {"conv_depthwise_kernel_size": 5, "use_weighted_layer_sum": True},
        {},
    ),
    "whisper": ("WhisperForAudioClassification", "WhisperConfig", _WHISPER, {}),
}
"""Class, config, its values, and values of the feature extractor."""

FULL_SIZE = {
    "full-wav2vec2-base": ("Wav2Vec2ForSequenceClassification", "Wav2Vec2Config", {}, {}),
    "full-hubert-base": ("HubertForSequenceClassification", "HubertConfig", {}, {}),
    "full-wavlm-base": ("WavLMForSequenceClassification", "WavLMConfig", {}, {}),
    "full-data2vec-audio": ("Data2VecAudioForSequenceClassification", "Data2VecAudioConfig", {}, {}),
    "full-whisper": ("WhisperForAudioClassification", "WhisperConfig", {}, {}),
    "full-w2v-bert": ("Wav2Vec2BertForSequenceClassification", "Wav2Vec2BertConfig", {}, {}),
}
"""The sizes that are published, which the configs of transformers have by themselves."""

_EXTRACTORS = {"w2v-bert": "SeamlessM4TFeatureExtractor", "whisper": "WhisperFeatureExtractor"}


def write_published(folder: Path, network: str, labels: tuple[str, ...] = CLASSES, licence: str = "apache-2.0") -> Path:
    """Write one of :data:`NETWORKS` or :data:`FULL_SIZE` with random weights into ``folder``; returns it."""
    name, config_name, values, front_end = (NETWORKS | FULL_SIZE)[network]
    names = dict(enumerate(labels))
    config = getattr(transformers, config_name)(**values, id2label=names, label2id={v: k for k, v in names.items()})
    torch.manual_seed(0)
    model = lively(getattr(transformers, name)(config))
    model.save_pretrained(folder)
    extractor = getattr(transformers, _EXTRACTORS.get(network.removeprefix("full-"), "Wav2Vec2FeatureExtractor"))
    extractor(**front_end).save_pretrained(folder)
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\nA random network.\n")
    return folder


class RegressionHead(nn.Module):
    """The head as audEERING's model card prints it."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(config.final_dropout)
        self.out_proj = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = self.dropout(features)
        x = torch.tanh(self.dense(x))
        return self.out_proj(self.dropout(x))


class EmotionModel(transformers.Wav2Vec2PreTrainedModel):
    """The model as audEERING's model card prints it."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.config = config
        self.wav2vec2 = transformers.Wav2Vec2Model(config)
        self.classifier = RegressionHead(config)
        self.post_init()

    def forward(self, input_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden_states = torch.mean(self.wav2vec2(input_values)[0], dim=1)
        return hidden_states, self.classifier(hidden_states)


DIMENSIONS = ("arousal", "dominance", "valence")


PUBLISHED_SIZE = {"hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 16, "intermediate_size": 4096}
"""audEERING's model on wav2vec 2.0 large, cut to 12 layers."""


def write_dimensional(folder: Path, size: dict[str, Any] | None = None) -> Path:
    """Write a random model of audEERING's class into ``folder``; returns it."""
    names = dict(enumerate(DIMENSIONS))
    config = transformers.Wav2Vec2Config(
        **(size or _WAVE), **_LARGE, id2label=names, label2id={v: k for k, v in names.items()}
    )
    torch.manual_seed(0)
    model = lively(EmotionModel(config))
    with torch.no_grad():
        model.classifier.out_proj.bias.fill_(0.5)  # answers lie around the middle of 0 … 1
        model.classifier.out_proj.weight.mul_(0.3)
    model.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-sa-4.0\n---\n")
    (folder / "LICENSE").write_text("Not for commerce.")
    return folder


class Raw(nn.Module):
    """A small network on one signal: two convolutions, their mean over time, and a dense layer on it."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(1, 8, 40, 20), nn.Conv1d(8, 12, 5, 3)
        self.last = nn.Linear(12, outputs)

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        states = torch.tanh(self.second(torch.tanh(5 * self.first(signal[:, None])))).mean(2)
        return states, self.last(states)


def write_audonnx(folder: Path, labels: tuple[str, ...] = DIMENSIONS, operators: int = 14) -> Path:
    """Write a random model into ``folder`` with audonnx's own package; returns the folder."""
    torch.manual_seed(0)
    network = lively(Raw(len(labels))).eval()
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.randn(1, 8000),),
            folder / "model.onnx",
            dynamo=False,
            input_names=["signal"],
            output_names=["hidden_states", "logits"],
            dynamic_axes={"signal": {1: "time"}},
            opset_version=operators,
        )
    names = {"logits": list(labels)}
    audonnx.Model(str(folder / "model.onnx"), labels=names).to_yaml(str(folder / "model.yaml"))
    return folder


def lively(model: nn.Module) -> nn.Module:
    """Give the weights such a spread that answers depend on what is heard."""
    with torch.no_grad():
        for value in model.parameters():
            if value.dim() > 1:
                value.normal_(0.0, value[0].numel() ** -0.5)
            else:
                value.add_(0.1 * torch.randn_like(value))
    return model


def assert_refused(message: str, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line of the error says why, and nothing was written."""
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("emoserve-export: ")
    assert message in error
    assert not out.exists()


def change(file: Path, **values: Any) -> None:
    """Replace members of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
