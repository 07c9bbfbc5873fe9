"""``emoserve-export train``: each network's training is a module that adds its own arguments."""

import argparse

from export.cli import (
    train_affect,
    train_audio_words,
    train_classifier,
    train_denoiser,
    train_emonet,
    train_fusion,
    train_ge2e,
    train_head,
    train_recogniser,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the networks."""
    networks = parser.add_subparsers(dest="network", required=True, metavar="NETWORK")
    train_emonet.configure(networks.add_parser("emonet", help="EmoNet on speech corpora (C7–C22)"))
    train_ge2e.configure(networks.add_parser("ge2e", help="emotions on the GE2E speaker encoder's layers"))
    train_head.configure(
        networks.add_parser("head", help="mean, attention, GRU or progressive head on any speech encoder (B15–B17)")
    )
    train_recogniser.configure(
        networks.add_parser("recogniser", help="speech recogniser whose layers are reused (B1–B5)")
    )
    train_affect.configure(
        networks.add_parser("shallow-fau", help="one-filter CNNs and the AVEC LSTM on action units (E7–E21)")
    )
    train_classifier.configure(
        networks.add_parser("deep-spectrum", help="a linear classifier on features (A19–A21, C3–C4, D13)")
    )
    train_fusion.configure(networks.add_parser("fusion", help="several networks, fused early or late (A22–A23)"))
    train_denoiser.configure(networks.add_parser("denoiser", help="LSTM denoiser on speech in synthetic noise (D12)"))
    train_audio_words.configure(
        networks.add_parser(
            "bag-of-audio-words", help="random codebook of MFCC frames as a speech-embedding bundle (D8)"
        )
    )
