"""``emoserve-export features``: a table of features of whole corpora."""

import argparse
import importlib.util
import time
from pathlib import Path

from export.cli.common import (
    ExpectedFailure,
    add_device_argument,
    advance_by,
    available_threads,
    bundle_card,
    note,
    progress_bar,
    say,
)
from export.cli.data import OPENSMILE_NOTE, add_licence_argument, add_recordings_arguments, described_data, read_all
from export.features.extraction import Cut, Extractor, extract
from export.features.extractors import FEATURE_SETS, BundleExtractor, OpenSmileExtractor
from export.features.files import check_suffix, write_table
from export.features.table import FeatureTable
from service.pipeline.device.session import Device
from service.problems import Problem

SOME_LEFT_OUT = 3
"""Exit status where the table was written, but lacks recordings or windows: too short, or digital silence."""

NAMED_AT_MOST = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model", type=Path, metavar="DIR", help="bundle whose graph has an output 'embedding'")
    source.add_argument("--opensmile", choices=FEATURE_SETS, help="openSMILE functionals (research licence)")
    add_recordings_arguments(parser, required=True)
    add_licence_argument(parser)
    add_device_argument(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="FILE.csv, FILE.arff or FILE.parquet")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compute and write."""
    check_suffix(arguments.out)
    extractor = make_extractor(arguments.model, arguments.opensmile, arguments.device)
    began_s = time.monotonic()
    table = compute(extractor, arguments)
    spent_s = time.monotonic() - began_s
    write_table(table, arguments.out)
    recordings = len(set(table.names))
    say(
        f"{arguments.out}: {len(table)} rows of {recordings} recordings, {len(table.feature_names)} features "
        f"({recordings / spent_s:.1f} recordings a second)"
    )
    return SOME_LEFT_OUT if table.origin.left_out else 0


def make_extractor(bundle: Path | None, feature_set: str | None, device: Device) -> Extractor:
    """The extractor that the command line names.

    Raises:
        ExpectedFailure: no bundle is there, or openSMILE is not installed.
        ExtractorError: the bundle gives no features.
        DeviceError: the device cannot be used.
    """
    if feature_set:
        if importlib.util.find_spec("opensmile") is None:
            raise ExpectedFailure("openSMILE is not installed: pip install 'emoserve[opensmile]' (research licence)")
        note(OPENSMILE_NOTE)
        return OpenSmileExtractor(feature_set)  # type: ignore[arg-type]
    assert bundle is not None
    bundle_card(bundle)
    return BundleExtractor(bundle, device)


def compute(extractor: Extractor, arguments: argparse.Namespace) -> FeatureTable:
    """Features of the corpora that the command line names; says what was left out or pooled."""
    corpora = read_all(arguments)
    cut = Cut(arguments.window_s, arguments.hop_s)
    data = described_data(corpora, arguments.data_licence)
    total = sum(len(corpus.utterances) for corpus in corpora)
    with progress_bar(f"features of {extractor.backbone.network}", total) as bar:
        try:
            table = extract(extractor, corpora, cut, data, available_threads(), advance_by(bar))
        except Problem as problem:
            raise ExpectedFailure(problem.detail) from problem
    _tell(table, extractor)
    if not len(table):
        raise ExpectedFailure("no recording is long enough for the network and sounds; nothing is written")
    return table


def _tell(table: FeatureTable, extractor: Extractor) -> None:
    origin = table.origin
    if origin.pooled:
        note(
            f"{origin.pooled} recordings are longer than the {extractor.speech.max_length_s:g} s that the network "
            f"takes: their row is the mean over windows of {extractor.speech.window_s:g} s"
        )
    if origin.left_out:
        note(f"WARNING: {len(origin.left_out)} recordings are left out, or parts of them:")
        for line in origin.left_out[:NAMED_AT_MOST]:
            note(f"  {line}")
        if len(origin.left_out) > NAMED_AT_MOST:
            note(f"  and {len(origin.left_out) - NAMED_AT_MOST} more, all named in the '.json' beside the table")
