"""``emoserve-export train bag-of-audio-words``: draw a codebook from training frames and write the bundle (D8)."""

import argparse
from pathlib import Path

from export.audio_words.bundle import NETWORK, AudioWordsPlan, write_audio_words_bundle
from export.audio_words.codebook import ASSIGNMENTS, CODEBOOK_SIZES, sample_codebook
from export.audio_words.descriptors import SAMPLE_RATE_HZ, low_level_descriptors
from export.cli.common import (
    ExpectedFailure,
    add_corpus_argument,
    advance,
    plain_name,
    plain_version,
    progress_bar,
    say,
)
from export.corpora.audio import parity_recordings, read_waveform
from export.corpora.licences import training_data
from export.corpora.tables import read_corpora


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_corpus_argument(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of bundles")
    sizes = ", ".join(map(str, CODEBOOK_SIZES))
    counts = ", ".join(map(str, ASSIGNMENTS))
    parser.add_argument("--codebook-size", type=int, default=1000, help=f"codewords (default 1000; grid: {sizes})")
    parser.add_argument("--assignments", type=int, default=10, help=f"a frame (default 10; grid: {counts})")
    parser.add_argument("--logarithm", action="store_true", help="ln(1 + codewords · share) in place of shares")
    parser.add_argument("--partitions", nargs="+", default=["train"], choices=["train", "devel", "test"])
    parser.add_argument("--name", type=plain_name, default=NETWORK, help=f"of the bundle (default {NETWORK})")
    parser.add_argument("--version", type=plain_version, default="1", help="of the bundle (default 1)")
    parser.add_argument("--licence", metavar="SPDX", help="licence of corpora that the program does not know")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Draw the codebook, write the bundle."""
    if not 1 <= arguments.assignments <= arguments.codebook_size:
        raise ExpectedFailure("--assignments must lie between 1 and --codebook-size")
    corpora = [corpus.partition(*arguments.partitions) for corpus in read_corpora(arguments.corpus)]
    for corpus in corpora:
        if not corpus.utterances or not corpus.has_audio:
            raise ExpectedFailure(f"{corpus.name} has no audio in {' or '.join(arguments.partitions)}")
    data = tuple(training_data(corpora, arguments.licence))
    utterances = [utterance for corpus in corpora for utterance in corpus.utterances]
    descriptors = []
    with progress_bar("reading", len(utterances)) as bar:
        for utterance in utterances:
            assert utterance.audio is not None
            descriptors.append(low_level_descriptors(read_waveform(utterance.audio, SAMPLE_RATE_HZ)))
            advance(bar)
    about = AudioWordsPlan(
        arguments.name, arguments.version, arguments.assignments, arguments.logarithm, arguments.seed, data
    )
    try:
        codebook = sample_codebook(descriptors, arguments.codebook_size, arguments.seed)
        folder = write_audio_words_bundle(codebook, about, arguments.out, parity_recordings(corpora))
    except ValueError as error:
        raise ExpectedFailure(str(error)) from error
    say(f"bundle: {folder}")
    return 0
