"""Published models in small: random networks of the publishers' own classes, written by their own programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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

_EXTRACTORS = {"w2v-bert": "SeamlessM4TFeatureExtractor", "whisper": "WhisperFeatureExtractor"}


def write_published(folder: Path, network: str, labels: tuple[str, ...] = CLASSES, licence: str = "apache-2.0") -> Path:
    """Write one of :data:`NETWORKS` with random weights into ``folder``; returns it."""
    name, config_name, values, front_end = NETWORKS[network]
    names = dict(enumerate(labels))
    config = getattr(transformers, config_name)(**values, id2label=names, label2id={v: k for k, v in names.items()})
    torch.manual_seed(0)
    model = lively(getattr(transformers, name)(config))
    model.save_pretrained(folder)
    extractor = getattr(transformers, _EXTRACTORS.get(network, "Wav2Vec2FeatureExtractor"))
    extractor(**front_end).save_pretrained(folder)
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\nA random network.\n")
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


def change(file: Path, **values: Any) -> None:
    """Replace members of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
