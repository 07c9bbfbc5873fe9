"""Random models of SpeechBrain's and FunASR's own classes in small, written by their own programs."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from tests.support.published import NETWORKS, lively

SPEECHBRAIN_CLASSES = ("neu", "ang", "hap", "sad")
"""Names and order of SpeechBrain's classifier of IEMOCAP."""

TOKENS = (
    "生气/angry", "厌恶/disgusted", "恐惧/fearful", "开心/happy", "中立/neutral", "其他/other", "难过/sad",
    "吃惊/surprised", "<unk>",
)  # fmt: skip
"""``tokens.txt`` of emotion2vec+."""

HYPERPARAMS = """\
encoder_dim: {width}
out_n_neurons: 4
wav2vec2: !new:speechbrain.lobes.models.huggingface_wav2vec.HuggingFaceWav2Vec2
    source: {source}
    output_norm: True
    freeze: True
    save_path: wav2vec2_checkpoints
avg_pool: !new:speechbrain.nnet.pooling.StatisticsPooling
    return_std: False
output_mlp: !new:speechbrain.nnet.linear.Linear
    input_size: !ref <encoder_dim>
    n_neurons: !ref <out_n_neurons>
    bias: False
model: !new:torch.nn.ModuleList
    - [!ref <output_mlp>]
modules:
    wav2vec2: !ref <wav2vec2>
    output_mlp: !ref <output_mlp>
    avg_pool: !ref <avg_pool>
softmax: !new:speechbrain.nnet.activations.Softmax
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        wav2vec2: !ref <wav2vec2>
        model: !ref <model>
    paths:
        wav2vec2: !ref <pretrained_path>/wav2vec2.ckpt
"""
"""The members of the published ``hyperparams.yaml`` that its program uses."""


@contextmanager
def without_traces_of_speechbrain() -> Iterator[None]:
    """Import parts of SpeechBrain, and take away what it leaves for others to stumble over.

    It imports torchaudio to read files, of which nothing is used here, and leaves modules that are only imported, some
    of them in vain, when anybody asks for a member, as Hypothesis does of all modules.
    """
    stands_in = "torchaudio" not in sys.modules
    if stands_in:
        sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    try:
        yield
    finally:
        lazy = [name for name, module in sys.modules.items() if type(module).__module__.startswith("speechbrain.")]
        for name in lazy + ["torchaudio"] * stands_in:
            del sys.modules[name]


class SpeechBrainClassifier:
    """SpeechBrain's own parts, put together as the file ``custom_interface.py`` beside its weights does.

    Args:
        encoder: folder of the encoder, as transformers writes it.
    """

    def __init__(self, encoder: Path) -> None:
        with without_traces_of_speechbrain():
            from speechbrain.integrations.huggingface.wav2vec2 import Wav2Vec2
            from speechbrain.nnet.activations import Softmax
            from speechbrain.nnet.linear import Linear
            from speechbrain.nnet.pooling import StatisticsPooling

        self.wav2vec2 = Wav2Vec2(str(encoder), str(encoder), output_norm=True, freeze=True).eval()
        self.pooling = StatisticsPooling(return_std=False)
        self.dense = lively(Linear(input_size=self.wav2vec2.model.config.hidden_size, n_neurons=4, bias=False))
        self.softmax = Softmax()

    def classify(self, clip: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Probabilities float32 [1, 4] and the pooled states float32 [1, width] of samples float32 [1, samples]."""
        with torch.inference_mode():
            states = self.wav2vec2(clip)
            pooled = self.pooling(states, torch.ones(1)).view(1, -1)
            return self.softmax(self.dense(pooled)), pooled

    def save(self, folder: Path) -> None:
        """Write weights and labels as SpeechBrain's checkpointer and encoder of labels do."""
        with without_traces_of_speechbrain():
            from speechbrain.dataio.encoder import CategoricalEncoder
            from speechbrain.utils.checkpoints import torch_save

        torch_save(self.wav2vec2, folder / "wav2vec2.ckpt")
        torch_save(nn.ModuleList([self.dense]), folder / "model.ckpt")
        labels = CategoricalEncoder()
        for name in SPEECHBRAIN_CLASSES:
            labels.add_label(name)
        labels.save(folder / "label_encoder.txt")


def write_speechbrain(folder: Path, sizes: dict[str, Any] | None = None) -> SpeechBrainClassifier:
    """Write a random classifier into ``folder``, with the encoder's config beside; returns it.

    Args:
        sizes: of the encoder; those of the tiny wav2vec 2.0 if None.
    """
    import transformers

    _, _, tiny, _ = NETWORKS["wav2vec2-base"]
    config = transformers.Wav2Vec2Config(**(tiny if sizes is None else sizes))
    encoder = folder.parent / f"{folder.name}-encoder"
    torch.manual_seed(0)
    lively(transformers.Wav2Vec2Model(config)).save_pretrained(encoder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(encoder)
    folder.mkdir(parents=True)
    found = SpeechBrainClassifier(encoder)
    found.save(folder)
    is_base = sizes == {}
    (folder / "hyperparams.yaml").write_text(
        HYPERPARAMS.format(width=config.hidden_size, source="facebook/wav2vec2-base" if is_base else "tiny/encoder")
    )
    (folder / "config.json").write_text('{"speechbrain_interface": "EncoderWav2vecClassifier"}')
    for name in () if is_base else ("config.json", "preprocessor_config.json"):
        (folder / name).write_text((encoder / name).read_text())
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nA random network.\n")
    return found


def funasr_class() -> Any:
    """FunASR's class of emotion2vec, without the 200 modules that its package imports first."""
    if "funasr" not in sys.modules:
        spec = importlib.util.find_spec("funasr")
        package = types.ModuleType("funasr")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["funasr"] = package
    os.environ.setdefault("MODELSCOPE_OFFLINE", "1")
    from funasr.models.emotion2vec.model import Emotion2vec

    return Emotion2vec


AUDIO_CONF = {
    "type": "AUDIO", "prenet_depth": 1, "prenet_layerdrop": 0.05, "prenet_dropout": 0.1, "start_drop_path_rate": 0.0,
    "end_drop_path_rate": 0.0, "num_extra_tokens": 10, "init_extra_token_zero": True, "mask_noise_std": 0.01,
    "mask_prob": 0.5, "mask_length": 5, "mask_channel_prob": 0.0, "encoder_zero_mask": True, "local_grad_mult": 1.0,
    "use_alibi_encoder": True, "alibi_scale": 1.0, "learned_alibi": False, "alibi_max_pos": None,
    "learned_alibi_scale": True, "learned_alibi_scale_per_head": True, "learned_alibi_scale_per_layer": False,
    "num_alibi_heads": 4, "model_depth": 2, "extractor_mode": "layer_norm", "conv_pos_width": 15,
    "conv_pos_groups": 4, "conv_pos_depth": 3, "conv_pos_pre_ln": False,
    "feature_encoder_spec": "[(16, 10, 5)] + [(16, 3, 2)] * 4 + [(16,2,2)] + [(16,2,2)]",
    "decoder": {
        "decoder_dim": 24, "decoder_groups": 4, "decoder_kernel": 7, "decoder_layers": 2, "input_dropout": 0.1,
        "decoder_residual": True, "projection_layers": 1, "projection_ratio": 2.0,
    },
}  # fmt: skip
MODEL_CONF = {
    "depth": 2, "start_drop_path_rate": 0.0, "end_drop_path_rate": 0.0, "num_heads": 4, "norm_eps": 1e-5,
    "norm_affine": True, "encoder_dropout": 0.1, "post_mlp_drop": 0.1, "attention_dropout": 0.1,
    "activation_dropout": 0.0, "dropout_input": 0.0, "layerdrop": 0.05, "embed_dim": 32, "mlp_ratio": 4.0,
    "layer_norm_first": False, "average_top_k_layers": 8, "end_of_block_targets": False, "clone_batch": 8,
    "normalize": True, "loss_beta": 0.0, "loss_scale": None,
}  # fmt: skip
"""Members of FunASR's ``config.yaml`` for emotion2vec, with its values but for the sizes, which are small."""

BASE_SIZES = {
    "depth": 8, "num_heads": 12, "embed_dim": 768, "prenet_depth": 4, "model_depth": 8, "num_alibi_heads": 12,
    "conv_pos_width": 95, "conv_pos_groups": 16, "conv_pos_depth": 5,
    "feature_encoder_spec": "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]",
}  # fmt: skip
"""Sizes of emotion2vec base."""


def emotion2vec_config(**changed: Any) -> dict[str, Any]:
    """``config.yaml`` of a small emotion2vec; ``changed`` are values of ``model_conf``, or of its part about sound."""
    audio = AUDIO_CONF | {name: value for name, value in changed.items() if name not in MODEL_CONF}
    conf = MODEL_CONF | {name: value for name, value in changed.items() if name in MODEL_CONF}
    return {"model": "Emotion2vec", "model_conf": conf | {"modalities": {"audio": audio}}}


def write_emotion2vec(
    folder: Path, tokens: tuple[str, ...] = TOKENS, config: dict[str, Any] | None = None, begin: str = ""
) -> Any:
    """Write a random emotion2vec into ``folder`` as FunASR stores it; returns FunASR's model.

    Args:
        tokens: names of the outputs; without, there is no classifier.
        config: of :func:`emotion2vec_config`.
        begin: put before every name of a tensor, and told in the config, as fine-tuned models have it.
    """
    config = emotion2vec_config() if config is None else config
    torch.manual_seed(0)
    model = lively(funasr_class()(**config, vocab_size=len(tokens) or -1)).eval()
    if begin:
        config = config | {"scope_map": [begin, "none"]}
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    state = {begin + name: value for name, value in model.state_dict().items()}
    torch.save({"model": state, "epoch": 3}, folder / "model.pt")
    if tokens:
        (folder / "tokens.txt").write_text("\n".join(tokens), encoding="utf-8")
    (folder / "README.md").write_text("---\nlicense: mit\n---\nA random network.\n")
    return model
