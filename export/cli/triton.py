"""``emoserve-export triton``: a model repository of Triton Inference Server out of speech bundles."""

import argparse
from functools import partial
from pathlib import Path

from export.bundle.triton import write_triton_model
from export.cli.common import bundle_card, say

MAX_BATCH = 8  # the service's own, EMOSERVE_MAX_BATCH
QUEUE_DELAY_US = 500


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "models", nargs="+", type=Path, metavar="MODEL", help="bundle folders, such as models/ge2e-open/3"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="model repository; made if not there")
    parser.add_argument(
        "--max-batch", type=partial(_at_least, 1), default=MAX_BATCH, metavar="N", help="most clips in a batch"
    )
    parser.add_argument(
        "--queue-delay-us",
        type=partial(_at_least, 0),
        default=QUEUE_DELAY_US,
        metavar="N",
        help="microseconds that Triton waits for further clips",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the repository and print its folders."""
    for bundle in arguments.models:
        bundle_card(bundle)
        folder = write_triton_model(
            bundle, arguments.out, max_batch=arguments.max_batch, queue_delay_us=arguments.queue_delay_us
        )
        say(str(folder))
    return 0


def _at_least(least: int, text: str) -> int:
    if not text.isdigit() or int(text) < least:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from {least} on")
    return int(text)
