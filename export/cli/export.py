"""``emoserve-export export``: each network's export is a module that adds its own arguments."""

import argparse

from export.cli import (
    export_classifier,
    export_denoiser,
    export_emotion,
    export_encoder,
    export_extractor,
    export_reduced,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the networks."""
    networks = parser.add_subparsers(dest="network", required=True, metavar="NETWORK")
    export_emotion.configure_emonet(networks.add_parser("emonet", help="a trained EmoNet as a bundle"))
    export_emotion.configure_ge2e(networks.add_parser("ge2e", help="a trained network on the GE2E encoder as a bundle"))
    export_classifier.configure_single(
        networks.add_parser("deep-spectrum", help="a trained classifier behind its network as a bundle")
    )
    export_classifier.configure_fusion(networks.add_parser("fusion", help="a trained fusion as one bundle"))
    export_extractor.add_networks(networks)
    export_encoder.configure_recogniser(
        networks.add_parser("recogniser", help="layers of a trained recogniser as an embedding (B15)")
    )
    export_encoder.configure_ge2e(
        networks.add_parser("ge2e-encoder", help="the GE2E speaker encoder as it was published, as an embedding")
    )
    export_encoder.configure_speakers(
        networks.add_parser("ge2e-speakers", help="the GE2E speaker encoder and a fitted projection: who speaks when")
    )
    export_denoiser.configure(networks.add_parser("denoiser", help="a trained denoiser as a bundle"))
    export_reduced.configure(
        networks.add_parser("reduced", help="a speech bundle again with weights in half precision or 8 bits")
    )
