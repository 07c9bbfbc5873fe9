"""Bundles of a head on frozen encoders: one graph from waveform to probabilities, arousal, valence and embedding."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save

from export.bundle.card import SPEECH_EMOTION_USE, BundleFacts, BundleText, build_card
from export.bundle.write import Content, write_bundle
from export.evaluation.calibration import Calibration
from export.evaluation.verification import (
    BATCH_TOLERANCE,
    Clip,
    Verification,
    batch_check,
    clips_of,
    difference_check,
    refuse_difference,
    verification,
)
from export.graph.compose import beside, chain
from export.published.bundle import TOLERANCE, Program, differences, save_graph
from export.speech_representations.heads.encoders import (
    LayeredEncoder,
    Reference,
    common_input,
    read_reference,
)
from export.speech_representations.heads.network import HeadConfig, HeadNetwork, ServedHead, head_model
from export.speech_representations.heads.pooling import Layers
from service.card import Card, Parity, read_card, write_card
from service.pipeline.device.session import Session

if TYPE_CHECKING:
    from export.speech_representations.heads.training import Trained

HEAD, ENCODERS = "head", "encoders"
"""Settings of the card: the head's configuration, and kind and settings of each encoder."""

PREFIX = "encoder"
WEIGHTS_FILE_NAME, WEIGHTS_ROLE = "head.safetensors", "weights"


def write_head_bundle(
    trained: Trained,
    calibration: Calibration,
    encoders: Sequence[LayeredEncoder],
    text: BundleText,
    out: Path,
    recordings: Sequence[Clip],
) -> Path:
    """Write ``out/<name>/<version>/``.

    Args:
        calibration: temperature of its probabilities.
        recordings: at the encoders' rate; the graph is compared with PyTorch on them.

    Raises:
        ParityError: graph and network differ, or an answer depends on its batch; nothing is left behind.
    """
    network, speech = trained.network, common_input(encoders)
    served = ServedHead(network, calibration).eval()
    clips = clips_of(speech, recordings)

    def reference(clip: Clip) -> Mapping[str, NDArray[np.float32]]:
        return served.answers([encoder.reference([clip]) for encoder in encoders])

    with tempfile.TemporaryDirectory() as scratch:
        columns = beside([encoder.make_graph() for encoder in encoders], PREFIX)
        model = chain([columns, head_model(served)])
        onnx.helper.set_model_props(model, text.metadata)
        contents = save_graph(model, Path(scratch))
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        contents[WEIGHTS_FILE_NAME] = Content(save(weights), WEIGHTS_ROLE)
        session = Session(Path(scratch) / "model.onnx", device="cpu", threads=1)
        difference, batch_difference = differences(session, reference, clips)
        refuse_difference(text.name, difference, TOLERANCE, "PyTorch")
        refuse_difference(text.name, batch_difference, BATCH_TOLERANCE, "itself in a batch")
        facts = BundleFacts(
            task="speech-emotion",
            intended_use=SPEECH_EMOTION_USE,
            speech=speech,
            settings={
                **calibration.to_settings(),
                HEAD: network.config.to_text(),
                ENCODERS: [f"{encoder.kind} {encoder.settings}" for encoder in encoders],
                "devel_uar": round(trained.devel_uar, 4),
                "best_step": trained.step,
            },
            labels=network.config.labels,
            members=[encoder.member for encoder in encoders],
            parity=Parity(
                tolerance=TOLERANCE,
                largest_difference=difference,
                against=f"PyTorch on {len(clips)} recordings, each alone",
            ),
            made_with=("torch",),
        )
        folder = write_bundle(out, contents, partial(build_card, text, facts))
    if all(trained.class_prior.values()):
        write_card(read_card(folder).model_copy(update={"class_prior": trained.class_prior}), folder)
    return folder


def is_head_bundle(card: Card) -> bool:
    """Whether the bundle is of this module."""
    return HEAD in card.settings and ENCODERS in card.settings


def verify_head_bundle(folder: Path, recordings: Sequence[Clip], published: Path | None = None) -> Verification:
    """Compare a bundle's graph with PyTorch, and with itself in a batch.

    Args:
        published: the publisher's files of an encoder. Without them its part of the graph stands for it, and the head
            alone is compared.

    Raises:
        PublishedError: these files cannot be read, or hold weights of none of the encoders.
    """
    card = read_card(folder)
    assert card.speech is not None
    clips = clips_of(card.speech, recordings)
    file = folder / card.file_with_role("model")
    session = Session(file, device="cpu", threads=1)
    difference, batch_difference = differences(session, _reference(card, folder, published), clips)
    return verification(
        card, len(clips), difference_check("torch", difference, TOLERANCE), batch_check(batch_difference)
    )


def load_head(folder: Path) -> ServedHead:
    """The head of a bundle in PyTorch, in evaluation mode."""
    card = read_card(folder)
    network = HeadNetwork(HeadConfig.from_text(str(card.settings[HEAD])))
    network.load_state_dict(load_file(folder / card.file_with_role(WEIGHTS_ROLE)))
    return ServedHead(network.eval(), Calibration.from_settings(dict(card.settings))).eval()


def _reference(card: Card, folder: Path, published: Path | None) -> Program:
    served, model = load_head(folder), onnx.load(folder / card.file_with_role("model"))
    told = card.settings[ENCODERS]
    assert isinstance(told, list)
    encoders = [str(one).partition(" ")[::2] for one in told]
    given: dict[str, Reference] = {}
    if published is not None:
        from export.speech_representations.heads.published import published_reference  # transformers is behind it

        given = published_reference(card, published)
    found = [
        read_reference(kind, settings, _part(model, number)) or given.get(card.members[number].weights_sha256)
        for number, (kind, settings) in enumerate(encoders)
    ]
    cut: Session | None = None
    if None in found:
        names = [f"{output}_{number}" for number in range(len(found)) for output in ("states", "mask")]
        part = onnx.utils.Extractor(model).extract_model(["waveform", "lengths"], names)
        cut = Session(part.SerializeToString(), device="cpu", threads=1)

    def states_of(number: int, clip: Clip) -> Layers:
        compute = found[number]
        if compute is not None:
            return compute([clip])
        assert cut is not None
        inputs = {"waveform": clip[None], "lengths": np.array([len(clip)])}
        outputs = cut.run(inputs, (f"states_{number}", f"mask_{number}"))
        states, mask = map(torch.from_numpy, outputs.values())
        return states, mask

    def answers(clip: Clip) -> Mapping[str, NDArray[np.float32]]:
        return served.answers([states_of(number, clip) for number in range(len(found))])

    return answers


def _part(model: onnx.ModelProto, number: int) -> onnx.ModelProto:
    """Constants of one encoder by the names that its own graph gave them."""
    prefix, part = f"{PREFIX}{number}/", onnx.ModelProto()
    for tensor in model.graph.initializer:
        if tensor.name.startswith(prefix):
            part.graph.initializer.add().CopyFrom(tensor)
            part.graph.initializer[-1].name = tensor.name.removeprefix(prefix)
    return part
