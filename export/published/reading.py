"""Reading a publisher's folder: the class of its network, its weights, front end, and the publisher's own answer.

Known are transformers' classifiers on wav2vec 2.0, HuBERT, WavLM, data2vec-audio, w2v-BERT and Whisper, and audEERING's
dimensional head on wav2vec 2.0, whose class transformers does not have.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from export.evaluation.verification import Clip
from export.published.bundle import Source
from export.published.encoders import ConformerEncoder, WaveEncoder, WhisperEncoder
from export.published.folder import (
    CONFIG,
    FRONT_END,
    PUBLISHED,
    SAFETENSORS,
    PublishedError,
    PublishedFolder,
    refuse_large,
)
from export.published.front_ends import FilterBank, LogMel, Normalised
from export.published.labels import mapped_labels
from export.published.network import (
    DIMENSIONS,
    ClassHead,
    DimensionHead,
    PooledHead,
    PublishedNetwork,
    StatesNetwork,
    published_model,
)

Answer = Literal["classes", "dimensions", "embedding"]


@dataclass(frozen=True)
class Family:
    """One kind of encoder.

    Attributes:
        title: for people.
        classifier: transformers' class with a head.
        base: transformers' class without.
        prefix: of the encoder's weights in a file of the classifier.
        front_end: the feature extractor that the publishers' programs use.
        shortest_samples: fewest samples of a clip at 16 kHz.
        mark: end of the name of a tensor that every such encoder has.
    """

    title: str
    classifier: str
    base: str
    prefix: str
    front_end: str = "Wav2Vec2FeatureExtractor"
    shortest_samples: int = 800
    mark: str = "feature_projection.projection.weight"


FAMILIES = {
    "wav2vec2": Family("wav2vec 2.0", "Wav2Vec2ForSequenceClassification", "Wav2Vec2Model", "wav2vec2"),
    "hubert": Family("HuBERT", "HubertForSequenceClassification", "HubertModel", "hubert"),
    "wavlm": Family("WavLM", "WavLMForSequenceClassification", "WavLMModel", "wavlm"),
    "data2vec-audio": Family(
        "data2vec-audio", "Data2VecAudioForSequenceClassification", "Data2VecAudioModel", "data2vec_audio"
    ),
    "wav2vec2-bert": Family(
        "w2v-BERT",
        "Wav2Vec2BertForSequenceClassification",
        "Wav2Vec2BertModel",
        "wav2vec2_bert",
        "SeamlessM4TFeatureExtractor",
        1600,  # deviations over frames need several
    ),
    "whisper": Family(
        "Whisper's encoder",
        "WhisperForAudioClassification",
        "WhisperModel",
        "encoder",
        "WhisperFeatureExtractor",
        mark="encoder.conv1.weight",
    ),
}
"""By 'model_type' of ``config.json``."""

HEAD = ("projector.weight", "classifier.weight")
DIMENSION_HEAD = ("classifier.dense.weight", "classifier.out_proj.weight")

WAV2VEC_TYPE = "wav2vec2"

UNUSED = ("decoder.", "masked_spec_embed", *(f"{family.prefix}.masked_spec_embed" for family in FAMILIES.values()))
"""Beginnings of names of tensors that an encoder does without when it is not trained."""


@dataclass(frozen=True)
class Published:
    """A folder whose files were checked, ready to be read.

    Attributes:
        answer: what is read of it: probabilities of classes, audEERING's arousal, dominance and valence, or the encoder
            alone as an embedding.
    """

    folder: PublishedFolder
    family: Family
    answer: Answer

    @property
    def title(self) -> str:
        """Encoder and kind of answers, for people."""
        return f"{self.family.title}, {self.answer}"

    @cached_property
    def model(self) -> Any:  # noqa: ANN401 - a class of transformers
        """The publisher's class with its weights: the classifier, or the model without a head for other answers.

        Raises:
            PublishedError: weights are missing, or are of another network.
        """
        name = self.family.classifier if self.answer == "classes" else self.family.base
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        try:
            found, told = getattr(transformers, name).from_pretrained(
                self.folder.path,
                local_files_only=True,
                trust_remote_code=False,
                attn_implementation="eager",
                dtype=torch.float32,
                output_loading_info=True,
            )
        except Exception as error:  # whatever a library makes of a config with other sizes than the weights
            why = " ".join(str(error).split())[:160]
            raise PublishedError(f"{self.folder.path}: transformers cannot read it ({why})") from error
        missing = [key for key in told["missing_keys"] if not key.startswith(UNUSED)]
        if missing:
            raise PublishedError(
                f"{self.folder.weights}: lacks {len(missing)} tensors of {name}, such as {sorted(missing)[0]}"
            )
        return found.eval()

    @cached_property
    def extractor(self) -> Any:  # noqa: ANN401 - a class of transformers
        """The publisher's feature extractor."""
        return getattr(transformers, self.family.front_end).from_pretrained(self.folder.path, local_files_only=True)

    @cached_property
    def dimension_layers(self) -> tuple[nn.Linear, nn.Linear]:
        """The two dense layers of audEERING's head."""
        file = self.folder.weights
        state: dict[str, Tensor] = (
            load_file(file)
            if file.name == SAFETENSORS
            else torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        )
        layers = []
        for name in DIMENSION_HEAD:
            weight, bias = state[name].float(), state[name.replace(".weight", ".bias")].float()
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            layer.load_state_dict({"weight": weight, "bias": bias})
            layers.append(layer)
        return layers[0], layers[1]

    @property
    def encoder(self) -> Any:  # noqa: ANN401 - a class of transformers
        """The publisher's encoder."""
        has_parts = self.answer == "classes" or self.family.prefix == "encoder"
        return getattr(self.model, self.family.prefix) if has_parts else self.model

    def network(self) -> PublishedNetwork:
        """The network that is exported."""
        head: nn.Module = PooledHead()
        if self.answer == "classes":
            head = ClassHead(self.model)
        elif self.answer == "dimensions":
            head = DimensionHead(*self.dimension_layers, self.folder.labels)
        return PublishedNetwork(self._front_end(), _encoder(self.folder.config["model_type"], self.encoder), head)

    def states_network(self) -> StatesNetwork:
        """The encoder alone, with the states of every layer."""
        front_end = self._front_end()
        silent = isinstance(front_end, LogMel)  # Whisper's two convolutions take two hops a step
        return StatesNetwork(
            front_end,
            _encoder(self.folder.config["model_type"], self.encoder),
            2 * int(self.extractor.hop_length) if silent else None,
        )

    def answers(self, clip: Clip) -> dict[str, NDArray[np.float32]]:
        """The publisher's own answer for one clip, float32 [1, …] by output; nothing of our network is in it."""
        inputs = self.extractor(clip, sampling_rate=self.folder.sample_rate_hz, return_tensors="pt")
        found: dict[str, Tensor] = {}
        with torch.inference_mode():
            states = self.encoder(**inputs).last_hidden_state
            if self.answer == "dimensions":
                first, second = self.dimension_layers
                values = 2.0 * second(torch.tanh(first(states.mean(1)))) - 1.0
                found = {name: values[:, place].clamp(-1, 1) for place, name in enumerate(self.folder.labels)}
            elif self.answer == "classes":
                found = {"probabilities": self.model(**inputs).logits.softmax(1)}
        mask = inputs.get("attention_mask")
        kept = states if mask is None or mask.shape[1] != states.shape[1] else states[:, mask[0].bool()]
        return {name: value.numpy() for name, value in {**found, "embedding": kept.mean(1)}.items()}

    def source(self, chosen: Sequence[str] | None) -> Source:
        """The model as it is written.

        Args:
            chosen: names of the classes; None for ours of the publisher's.

        Raises:
            PublishedError: a class has no name here, or the model has no classes to be named.
        """
        folder = self.folder
        return Source(
            task="speech-embedding" if self.answer == "embedding" else "speech-emotion",
            title=self.title,
            network=self.family.title,
            preset=f"{PUBLISHED}-{folder.config['model_type']}",
            sample_rate_hz=folder.sample_rate_hz,
            shortest_samples=self.family.shortest_samples,
            published_labels=[] if self.answer == "embedding" else folder.labels,
            labels=mapped_labels(folder.labels if self.answer == "classes" else [], chosen),
            weights_sha256=folder.sha256_of_weights,
            make_graph=lambda metadata: published_model(self.network(), folder.sample_rate_hz, metadata),
            answers=self.answers,
            program=f"transformers {transformers.__version__}",
            made_with=("torch", "transformers"),
        )

    def _front_end(self) -> nn.Module:
        extractor, settings = self.extractor, self.folder.front_end
        if isinstance(extractor, transformers.WhisperFeatureExtractor):
            return LogMel(extractor.mel_filters, extractor.n_fft, extractor.hop_length, extractor.n_samples)
        if isinstance(extractor, transformers.SeamlessM4TFeatureExtractor):
            # As its method _extract_fbank_features has them: 25 ms each 10 ms, 512 points, single precision's epsilon.
            return FilterBank(extractor.mel_filters, extractor.window, 512, 160, float(np.finfo(np.float32).eps))
        return Normalised(normalises=bool(settings.get("do_normalize", True)))


def _encoder(model_type: str, base: Any) -> nn.Module:  # noqa: ANN401 - a class of transformers
    if model_type == "whisper":
        return WhisperEncoder(base)
    return ConformerEncoder(base) if model_type == "wav2vec2-bert" else WaveEncoder(base)


def checked(folder: PublishedFolder, *, encoder_alone: bool = False) -> Published:
    """Check a folder's files before any work is done.

    Args:
        encoder_alone: leave a head out, if there is one.

    Raises:
        PublishedError: the network is not known, files are missing or broken, weights are of another network or do not
            fit into memory, or the front end is not the network's.
    """
    if not folder.path.is_dir():
        raise PublishedError(f"{folder.path}: no such folder")
    kind = str(folder.config.get("model_type"))
    if kind not in FAMILIES:
        raise PublishedError(f"{folder.path / CONFIG}: model_type '{kind}' is none of {', '.join(FAMILIES)}")
    family = FAMILIES[kind]
    _check_front_end(folder, family)
    if folder.config.get("add_adapter"):
        raise PublishedError(f"{folder.path / CONFIG}: add_adapter is set, which this import does not know")
    answer: Answer = "embedding" if encoder_alone else "classes"
    if not encoder_alone and kind == WAV2VEC_TYPE and set(DIMENSION_HEAD) <= set(folder.shapes):
        answer = "dimensions"
    if not any(name.endswith(family.mark) for name in folder.shapes):
        raise PublishedError(f"{folder.weights}: no weights of {family.title}, none is called '{family.mark}'")
    if answer != "embedding":
        _check_head(folder, family, answer)
    refuse_large(folder.weights, 4 * sum(map(math.prod, folder.shapes.values())))
    return Published(folder, family, answer)


def _check_head(folder: PublishedFolder, family: Family, answer: Answer) -> None:
    """Refuse a head that is not there, is incomplete, or has other outputs than the config names."""
    shapes, head = folder.shapes, DIMENSION_HEAD if answer == "dimensions" else HEAD
    if not set(head) <= set(shapes):
        raise PublishedError(
            f"{folder.weights}: no classifier, {' and '.join(HEAD)} are missing; --embedding takes the encoder alone"
        )
    if not any(name.startswith(f"{family.prefix}.") for name in shapes):
        raise PublishedError(f"{folder.weights}: no weights of {family.title}, none begins with '{family.prefix}.'")
    for name in head:
        bias = name.replace(".weight", ".bias")
        if shapes.get(bias) != shapes[name][:1]:
            raise PublishedError(f"{folder.weights}: lacks {bias} of the size of {name}")
    if shapes[head[-1]][0] != len(folder.labels):
        raise PublishedError(
            f"{folder.weights}: {shapes[head[-1]][0]} outputs, {CONFIG} names {len(folder.labels)}: of another network"
        )
    if answer == "dimensions" and sorted(folder.labels) != sorted(DIMENSIONS):
        raise PublishedError(f"{folder.path / CONFIG}: outputs {', '.join(folder.labels)}, not {', '.join(DIMENSIONS)}")


def _check_front_end(folder: PublishedFolder, family: Family) -> None:
    settings = folder.front_end
    told = str(settings.get("feature_extractor_type", family.front_end))
    if told != family.front_end:
        raise PublishedError(f"{folder.path / FRONT_END}: {told}, {family.title} takes {family.front_end}")
    _ = folder.sample_rate_hz
    if int(settings.get("feature_size", 1)) != 1 and family.front_end == "Wav2Vec2FeatureExtractor":
        raise PublishedError(f"{folder.path / FRONT_END}: feature_size is {settings['feature_size']}, not 1")
