"""SpeechBrain's folders of emotion classifiers: ``hyperparams.yaml``, a wav2vec 2.0 encoder and one dense layer.

The YAML names Python classes; it is read as text, and the classes that are known are rebuilt here. The steps are those
of SpeechBrain: the clip and the states of the last layer are each brought to mean 0 and variance 1, averaged over time
and given to the dense layer. SpeechBrain's pooling adds noise of at most 9e-5 to the average; here it is left out.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.evaluation.verification import Clip
from export.published.bundle import Source
from export.published.encoders import WaveEncoder
from export.published.folder import (
    CONFIG,
    FRONT_END,
    PUBLISHED,
    PublishedError,
    PublishedFolder,
    check_shapes,
    pickled_tensors,
    read_yaml,
    sha256_of,
)
from export.published.front_ends import LAYER_NORM, Normalised
from export.published.labels import mapped_labels
from export.published.network import PooledHead, PublishedNetwork, published_model

HYPERPARAMS, LABELS = "hyperparams.yaml", "label_encoder.txt"
ENCODER_WEIGHTS, HEAD_WEIGHTS = "wav2vec2.ckpt", "model.ckpt"

KNOWN_ENCODER = "facebook/wav2vec2-base"
"""Its config on the hub has the sizes that transformers' Wav2Vec2Config has by itself, and its clips are normalised."""

SAMPLE_RATE_HZ = 16_000
SHORTEST_SAMPLES = 800

PARTS = {
    "wav2vec2": (
        ("HuggingFaceWav2Vec2", "Wav2Vec2"),
        {"source", "save_path", "output_norm", "freeze", "freeze_feature_extractor", "pretrain", "apply_spec_augment"},
    ),
    "avg_pool": (("StatisticsPooling",), {"return_mean", "return_std"}),
    "output_mlp": (("Linear",), {"input_size", "n_neurons", "bias"}),
}
"""By name in ``hyperparams.yaml``: classes that it may be, and the values that are known of them."""

RENAMED = {
    "conv.weight_g": "conv.parametrizations.weight.original0",
    "conv.weight_v": "conv.parametrizations.weight.original1",
}
"""Ends of names that PyTorch before 2.0 gave to weights under weight norm."""


@dataclass(frozen=True)
class Tagged:
    """A YAML value under a tag such as ``!new:speechbrain.nnet.linear.Linear``, without its meaning."""

    tag: str
    value: Any


class _TextLoader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML tells no types
    """Keeps tags as text."""


def _tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Tagged:
    if isinstance(node, yaml.MappingNode):
        return Tagged(tag, loader.construct_mapping(node, deep=True))
    if isinstance(node, yaml.SequenceNode):
        return Tagged(tag, loader.construct_sequence(node, deep=True))
    return Tagged(tag, loader.construct_scalar(node))


_TextLoader.add_multi_constructor("!", _tagged)


@dataclass(frozen=True)
class SpeechBrainFolder:
    """One folder of SpeechBrain.

    Attributes:
        path: of the folder.
        encoder_alone: whether the dense layer is left out.
    """

    path: Path
    encoder_alone: bool = False

    @cached_property
    def hyperparams(self) -> dict[str, Any]:
        """Members of ``hyperparams.yaml``; raises PublishedError where it is none."""
        return read_yaml(self.path / HYPERPARAMS, _TextLoader)

    def part(self, name: str) -> dict[str, Any]:
        """The values of one of :data:`PARTS`.

        Raises:
            PublishedError: it is of another class, or has values that are not known here.
        """
        classes, known = PARTS[name]
        found = self.hyperparams.get(name)
        tag = found.tag if isinstance(found, Tagged) else ""
        if not tag.startswith("new:speechbrain.") or tag.rpartition(".")[2] not in classes:
            told = f"is {tag or 'missing'}"
            raise PublishedError(f"{self.path / HYPERPARAMS}: {name} {told}, not SpeechBrain's {' or '.join(classes)}")
        values = found.value if isinstance(found, Tagged) and isinstance(found.value, dict) else {}
        if unknown := sorted(set(values) - known):
            raise PublishedError(
                f"{self.path / HYPERPARAMS}: {name} has {', '.join(unknown)}, not known to this import"
            )
        return {key: self._resolved(value) for key, value in values.items()}

    def _resolved(self, value: Any) -> Any:  # noqa: ANN401 - a value of YAML
        if isinstance(value, Tagged) and value.tag == "ref":
            return self.hyperparams.get(str(value.value).strip("<>"))
        return value

    @cached_property
    def labels(self) -> list[str]:
        """The publisher's names of the classes, in their order.

        Raises:
            PublishedError: ``label_encoder.txt`` is missing, or does not number them from 0 on.
        """
        file = self.path / LABELS
        try:
            lines = file.read_text(encoding="utf-8").partition("\n===")[0].splitlines()
            pairs = [line.rpartition(" => ") for line in lines if line.strip()]
            numbered = {int(number): str(ast.literal_eval(name)) for name, _, number in pairs}
        except (OSError, ValueError, SyntaxError) as error:
            raise PublishedError(f"{file}: not labels as SpeechBrain writes them ({error})") from error
        if sorted(numbered) != list(range(len(numbered))) or len(numbered) < 2:
            raise PublishedError(f"{file}: does not number the classes from 0 on")
        return [numbered[number] for number in range(len(numbered))]

    @cached_property
    def config(self) -> tuple[Any, bool]:
        """The encoder's config of transformers, and whether clips are normalised.

        Raises:
            PublishedError: the folder does not tell it, and it is not :data:`KNOWN_ENCODER`.
        """
        source, beside = self.part("wav2vec2").get("source"), PublishedFolder(self.path)
        if (self.path / CONFIG).is_file() and beside.config.get("model_type") == "wav2vec2":
            config = transformers.Wav2Vec2Config(**beside.config)
            normalises = bool(beside.front_end.get("do_normalize", True))
        elif source == KNOWN_ENCODER:
            config, normalises = transformers.Wav2Vec2Config(), True
        else:
            raise PublishedError(
                f"{self.path / HYPERPARAMS}: the encoder '{source}' is not {KNOWN_ENCODER}: put its {CONFIG} and "
                f"{FRONT_END} into the folder"
            )
        config._attn_implementation = "eager"
        return config, normalises

    @cached_property
    def encoder(self) -> Any:  # noqa: ANN401 - a class of transformers
        """The encoder with its weights.

        Raises:
            PublishedError: these are missing, or of another network.
        """
        file, prefix = self.path / ENCODER_WEIGHTS, "model."
        model = transformers.Wav2Vec2Model(self.config[0])
        wanted = {name: value for name, value in model.state_dict().items() if name != "masked_spec_embed"}
        state: dict[str, Tensor] = {}
        for name, value in pickled_tensors(file).items():
            end = next((old for old in RENAMED if name.endswith(old)), "")
            state[(name.removesuffix(end) + RENAMED.get(end, "")).removeprefix(prefix)] = value
        check_shapes(file, wanted, state)
        model.load_state_dict({name: state[name].float() for name in wanted}, strict=False)
        return model.eval()

    @cached_property
    def dense(self) -> nn.Linear:
        """The dense layer with its weights; raises PublishedError as :attr:`encoder` does."""
        values, file = self.part("output_mlp"), self.path / HEAD_WEIGHTS
        layer = nn.Linear(int(values["input_size"]), int(values["n_neurons"]), bias=bool(values.get("bias", True)))
        state = {name.removeprefix("0.w."): value.float() for name, value in pickled_tensors(file).items()}
        check_shapes(file, layer.state_dict(), state)
        layer.load_state_dict({name: state[name] for name in layer.state_dict()})
        return layer.eval()

    def check(self) -> None:
        """Check what can be checked before the encoder is read.

        Raises:
            PublishedError: a part is of another kind, or the parts do not fit one another.
        """
        file, pooling = self.path / HYPERPARAMS, self.part("avg_pool")
        if pooling.get("return_std", True) or not pooling.get("return_mean", True):
            raise PublishedError(f"{file}: avg_pool gives deviations too, which this import does not know")
        config, _ = self.config
        if self.encoder_alone:
            return
        values = self.part("output_mlp")
        sizes = {"input_size": config.hidden_size, "n_neurons": len(self.labels)}
        for name, wanted in sizes.items():
            if values.get(name) != wanted:
                raise PublishedError(f"{file}: {name} of output_mlp is {values.get(name)}, not {wanted}")

    def answers(self, clip: Clip) -> Mapping[str, NDArray[Any]]:
        """SpeechBrain's steps on one clip, with transformers' encoder; nothing of our network is in it."""
        samples = torch.from_numpy(clip)[None]
        with torch.inference_mode():
            samples = functional.layer_norm(samples, samples.shape) if self.config[1] else samples
            states = self.encoder(samples).last_hidden_state
            if self.part("wav2vec2").get("output_norm", False):
                states = functional.layer_norm(states, states.shape)
            found = {"embedding": states.mean(1)}
            if not self.encoder_alone:
                found["probabilities"] = self.dense(found["embedding"]).softmax(1)
        return {name: value.numpy() for name, value in found.items()}

    def network(self) -> PublishedNetwork:
        """The network that is exported."""
        normalises = bool(self.part("wav2vec2").get("output_norm", False))
        head = PooledHead(None if self.encoder_alone else self.dense, normalises=normalises)
        front_end = Normalised(normalises=self.config[1], added=LAYER_NORM)
        return PublishedNetwork(front_end, WaveEncoder(self.encoder), head)

    def source(self, chosen: Sequence[str] | None) -> Source:
        """The model as it is written.

        Args:
            chosen: names of the classes; None for ours of the publisher's.

        Raises:
            PublishedError: see :meth:`check`; a class has no name here, or the model has no classes to be named.
        """
        self.check()
        weights = [ENCODER_WEIGHTS] if self.encoder_alone else [ENCODER_WEIGHTS, HEAD_WEIGHTS]
        published = [] if self.encoder_alone else self.labels
        labels = mapped_labels(published, chosen)
        _ = self.encoder, self.encoder_alone or self.dense
        return Source(
            task="speech-embedding" if self.encoder_alone else "speech-emotion",
            title=f"SpeechBrain's wav2vec 2.0, {'embedding' if self.encoder_alone else 'classes'}",
            network="wav2vec 2.0",
            preset=f"{PUBLISHED}-speechbrain-wav2vec2",
            sample_rate_hz=SAMPLE_RATE_HZ,
            shortest_samples=SHORTEST_SAMPLES,
            published_labels=published,
            labels=labels,
            weights_sha256=sha256_of(*(self.path / name for name in weights)),
            make_graph=lambda metadata: published_model(self.network(), SAMPLE_RATE_HZ, metadata),
            answers=self.answers,
            program=f"SpeechBrain's steps with transformers {transformers.__version__}",
            made_with=("torch", "transformers"),
        )


def is_speechbrain(path: Path) -> bool:
    """Whether the folder is of SpeechBrain."""
    return (path / HYPERPARAMS).is_file()
