"""``emoserve-export export reduced``: a bundle again with its weights in half precision or 8 bits, behind a gate."""

import argparse
from pathlib import Path

from export.bundle.precision import Reduction, reduce_bundle
from export.cli.common import ExpectedFailure, available_threads, bundle_card, note, plain_name, say
from export.corpora.tables import read_corpora
from export.evaluation.voice import recordings_or_voice


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="MODEL",
        help="folder of a speech bundle, such as models/ge2e-open/3",
    )
    parser.add_argument(
        "--precision",
        choices=["fp16", "int8"],
        required=True,
        help="of the stored weights; all but LSTM layers in int8 still compute in float32",
    )
    parser.add_argument("--audio", nargs="+", type=Path, metavar="FILE", help="recordings to compare both on")
    parser.add_argument(
        "--corpus", nargs="+", type=Path, default=[], metavar="DIR", help="corpora to score both on; int8 needs one"
    )
    parser.add_argument("--partition", default="devel", choices=["train", "devel", "test"], help="of the corpora")
    parser.add_argument("--name", type=plain_name, help="of the new bundle (default: the old one's with the precision)")
    parser.add_argument("--out", type=Path, default=Path("var/models"), metavar="DIR", help="folder of bundles")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, and write where both are near enough."""
    card = bundle_card(arguments.model)
    if card.speech is None:
        raise ExpectedFailure(f"{card.name} is no speech model")
    recordings = recordings_or_voice(arguments.audio, card.speech.sample_rate_hz)
    corpora = [(arguments.partition, one.partition(arguments.partition)) for one in read_corpora(arguments.corpus)]
    made = reduce_bundle(
        arguments.model,
        arguments.precision,
        arguments.out,
        recordings,
        corpora,
        name=arguments.name,
        threads=available_threads(),
    )
    for line in _lines(made):
        note(line)
    say(f"bundle: {made.folder}")
    return 0


def _lines(made: Reduction) -> list[str]:
    compared = made.compared
    return [
        f"{made.share:.2f} of the size; {compared.time_ratio:.2f} of the processor time, both in turns on one thread",
        f"largest difference {compared.difference:.1e} on {compared.recordings} recordings, "
        f"{compared.changed} labels changed",
        *(
            f"{one.corpus} {one.partition}: UAR {one.uar:.1%}, {one.full_uar:.1%} in float32; "
            f"{one.agreement:.1%} of {one.n} labels agree"
            for one in made.corpora
        ),
    ]
