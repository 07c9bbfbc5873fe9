"""emotion2vec's folders, as FunASR reads them: ``config.yaml``, ``model.pt`` and ``tokens.txt``.

FunASR runs its config's ``feature_encoder_spec`` as Python; here it is read as lists of whole numbers. The encoder and
the dense layer are rebuilt in PyTorch from the config, and ``tests/unit/export/published/test_publishers.py`` holds
them to FunASR's own class.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.evaluation.verification import Clip
from export.published.bundle import Source
from export.published.emotion2vec_network import Emotion2vecEncoder, Sizes
from export.published.folder import PUBLISHED, PublishedError, check_shapes, pickled_tensors, read_yaml, sha256_of
from export.published.front_ends import LAYER_NORM, Normalised
from export.published.labels import mapped_labels
from export.published.network import PooledHead, PublishedNetwork, published_model

DESCRIPTION, WEIGHTS, TOKENS = "config.yaml", "model.pt", "tokens.txt"
MODEL = "Emotion2vec"
WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which FunASR looks for the tensors of a checkpoint, one inside the other."""

UNUSED = "unuse"
"""Beginning of a token that is no class; FunASR gives it no probability."""

HEAD = "proj.weight"
SAMPLE_RATE_HZ = 16_000
SHORTEST_SAMPLES = 800

AUDIO = "modality_encoders.AUDIO."
BLOCK = {"qkv.": "attn.qkv.", "out.": "attn.proj.", "fc1.": "mlp.fc1.", "fc2.": "mlp.fc2.", "": ""}


@dataclass(frozen=True)
class Emotion2vecFolder:
    """One folder of emotion2vec.

    Attributes:
        path: of the folder.
        encoder_alone: whether the dense layer is left out.
    """

    path: Path
    encoder_alone: bool = False

    @cached_property
    def description(self) -> dict[str, Any]:
        """Members of ``config.yaml``.

        Raises:
            PublishedError: it is none of emotion2vec.
        """
        found = read_yaml(self.path / DESCRIPTION)
        if found.get("model") != MODEL or not isinstance(found.get("model_conf"), dict):
            raise PublishedError(f"{self.path / DESCRIPTION}: model is {found.get('model')}, not {MODEL}")
        return found

    @cached_property
    def sizes(self) -> Sizes:
        """The encoder's sizes.

        Raises:
            PublishedError: a value is missing, or of a kind that is not known here.
        """
        file, conf = self.path / DESCRIPTION, self.description["model_conf"]
        try:
            audio = conf["modalities"]["audio"]
            depth = audio["prenet_depth"] + conf["depth"]
            scales: tuple[int, ...] | None = None
            if audio["use_alibi_encoder"]:
                per_layer, per_head = audio["learned_alibi_scale_per_layer"], audio["learned_alibi_scale_per_head"]
                scales = (depth if per_layer else 1, 1, conf["num_heads"] if per_head else 1, 1, 1)
            unknown = {
                "learned_alibi": bool(audio["learned_alibi"]),
                "conv_pos_pre_ln": bool(audio["conv_pos_pre_ln"]),
                "norm_affine": not conf["norm_affine"],
                "num_alibi_heads": scales is not None and audio["num_alibi_heads"] != conf["num_heads"],
            }
            if any(unknown.values()):
                name = next(name for name, is_unknown in unknown.items() if is_unknown)
                raise PublishedError(f"{file}: {name} has a value that this import does not know")
            return Sizes(
                convolutions=_convolutions(str(audio["feature_encoder_spec"])),
                is_layer_normed=audio["extractor_mode"] == "layer_norm",
                width=int(conf["embed_dim"]),
                heads=int(conf["num_heads"]),
                depth=int(depth),
                ratio=float(conf["mlp_ratio"]),
                first_depth=int(audio["prenet_depth"]),
                norm_first=bool(conf["layer_norm_first"]),
                epsilon=float(conf["norm_eps"]),
                extra=int(audio["num_extra_tokens"]),
                scales=scales,
                position_kernel=max(3, int(audio["conv_pos_width"]) // int(audio["conv_pos_depth"])),
                position_groups=int(audio["conv_pos_groups"]),
                position_depth=int(audio["conv_pos_depth"]),
            )
        except (KeyError, TypeError, ValueError, SyntaxError, ZeroDivisionError) as error:
            raise PublishedError(f"{file}: not a config of {MODEL} ({error!r})") from error

    @cached_property
    def tokens(self) -> list[str]:
        """One name for each output.

        Raises:
            PublishedError: there is no such file.
        """
        try:
            return [line.rstrip() for line in (self.path / TOKENS).read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise PublishedError(f"{self.path}: no {TOKENS}, which names the classes") from error

    @cached_property
    def state(self) -> dict[str, Tensor]:
        """The publisher's tensors by their names in FunASR's class."""
        scopes = [str(scope) for scope in [*self.description.get("scope_map", []), "module.", "none"]]
        begins = [old for old, new in zip(scopes[::2], scopes[1::2], strict=False) if new.lower() == "none"]
        found = pickled_tensors(self.path / WEIGHTS, WRAPPERS)
        for begin in begins:
            found = {name.removeprefix(begin): value for name, value in found.items()}
        return found

    @cached_property
    def encoder(self) -> Emotion2vecEncoder:
        """The encoder with its weights.

        Raises:
            PublishedError: these are missing, or of another network.
        """
        encoder = Emotion2vecEncoder(self.sizes)
        wanted = {_their_name(name, self.sizes): name for name in encoder.state_dict()}
        check_shapes(
            self.path / WEIGHTS, {theirs: encoder.state_dict()[ours] for theirs, ours in wanted.items()}, self.state
        )
        encoder.load_state_dict({ours: self.state[theirs].float() for theirs, ours in wanted.items()})
        return encoder.eval()

    @cached_property
    def dense(self) -> nn.Linear:
        """The dense layer of the classes, without the outputs that are none.

        Raises:
            PublishedError: the weights have none, or one for another number of classes.
        """
        if HEAD not in self.state:
            raise PublishedError(
                f"{self.path / WEIGHTS}: no classifier, {HEAD} is missing; --embedding takes the encoder alone"
            )
        kept = [place for place, token in enumerate(self.tokens) if not token.startswith(UNUSED)]
        layer = nn.Linear(self.sizes.width, len(self.tokens))
        check_shapes(self.path / WEIGHTS, {f"proj.{name}": one for name, one in layer.state_dict().items()}, self.state)
        layer = nn.Linear(self.sizes.width, len(kept))
        layer.load_state_dict({name: self.state[f"proj.{name}"][kept].float() for name in layer.state_dict()})
        return layer.eval()

    def network(self) -> PublishedNetwork:
        """The network that is exported."""
        front_end = Normalised(normalises=bool(self.description["model_conf"].get("normalize")), added=LAYER_NORM)
        return PublishedNetwork(front_end, self.encoder, PooledHead(None if self.encoder_alone else self.dense)).eval()

    def answers(self, clip: Clip) -> Mapping[str, NDArray[Any]]:
        """The network in PyTorch on one clip."""
        with torch.inference_mode():
            found = self.network()(torch.from_numpy(clip)[None], torch.tensor([len(clip)]))
        return {name: value.numpy() for name, value in found.items()}

    def source(self, chosen: Sequence[str] | None) -> Source:
        """The model as it is written.

        Args:
            chosen: names of the classes; None for ours of the publisher's.

        Raises:
            PublishedError: see the parts; a class has no name here, or the model has no classes to be named.
        """
        _ = self.sizes, self.encoder_alone or self.dense, self.encoder
        published = [] if self.encoder_alone else [name for name in self.tokens if not name.startswith(UNUSED)]
        return Source(
            task="speech-embedding" if self.encoder_alone else "speech-emotion",
            title=f"emotion2vec, {'embedding' if self.encoder_alone else 'classes'}",
            network="emotion2vec",
            preset=f"{PUBLISHED}-emotion2vec",
            sample_rate_hz=SAMPLE_RATE_HZ,
            shortest_samples=SHORTEST_SAMPLES,
            published_labels=published,
            labels=mapped_labels(published, chosen),
            weights_sha256=sha256_of(self.path / WEIGHTS),
            make_graph=lambda metadata: published_model(self.network(), SAMPLE_RATE_HZ, metadata),
            answers=self.answers,
            program="a PyTorch network of the publisher's layout",
            made_with=("torch",),
        )


def is_emotion2vec(path: Path) -> bool:
    """Whether the folder is of FunASR."""
    return (path / DESCRIPTION).is_file()


def _convolutions(spec: str) -> tuple[tuple[int, int, int], ...]:
    """Width, kernel and stride of each convolution, from such as '[(512, 10, 5)] + [(512, 3, 2)] * 4'.

    Raises:
        ValueError: it is written in another way.
    """

    def value(node: ast.expr) -> list[Any]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return value(node.left) + value(node.right)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return value(node.left) * int(ast.literal_eval(node.right))
        return list(ast.literal_eval(node))

    found = [tuple(map(int, layer)) for layer in value(ast.parse(spec, mode="eval").body)]
    if not 0 < len(found) < 20 or not all(len(layer) == 3 and min(layer) > 0 for layer in found):
        raise ValueError(f"feature_encoder_spec {spec}")
    return tuple((width, kernel, stride) for width, kernel, stride in found)


def _their_name(ours: str, sizes: Sizes) -> str:
    """FunASR's name of a tensor of :class:`Emotion2vecEncoder`."""
    part, _, rest = ours.partition(".")
    place, _, end = rest.partition(".")
    if part == "convolutions":
        kind, _, value = end.partition(".")
        norm = "2.1" if sizes.is_layer_normed else "2"
        return f"{AUDIO}local_encoder.conv_layers.{place}.{'0' if kind == 'conv' else norm}.{value}"
    if part == "positions":
        return f"{AUDIO}relative_positional_encoder.{int(place) + 1}.0.{end}"
    if part == "blocks":
        begin = next(begin for begin in BLOCK if end.startswith(begin))
        first = int(place) < sizes.first_depth
        owner = f"{AUDIO}context_encoder.blocks.{place}" if first else f"blocks.{int(place) - sizes.first_depth}"
        return f"{owner}.{BLOCK[begin]}{end.removeprefix(begin)}"
    return {
        "feature_norm": f"{AUDIO}project_features.1.{rest}",
        "projection": f"{AUDIO}project_features.2.{rest}",
        "extra": f"{AUDIO}extra_tokens",
        "scale": f"{AUDIO}alibi_scale",
        "norm": f"norm.{rest}" if sizes.norm_first else f"{AUDIO}context_encoder.norm.{rest}",
    }[part]
