"""``emoserve-export corpus``: a published corpus as a folder with ``utterances.csv``."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

from export.cli.common import advance_by, progress_bar, say
from export.corpora.found import read_layout, statistics, with_partitions, write_table
from export.corpora.label_tables import TABLE_LAYOUTS, TableLayout
from export.corpora.layouts import LAYOUTS, Layout
from export.corpora.tables import Partition


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    known: dict[str, Layout | TableLayout] = {**LAYOUTS, **TABLE_LAYOUTS}
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(f"{name:13} {layout.title}: {layout.example}" for name, layout in known.items())
    parser.add_argument("layout", choices=list(known), metavar="LAYOUT", help="the corpus, one of the names below")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the corpus as its publisher lays it out")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where utterances.csv is written")
    parser.add_argument(
        "--partition", choices=get_args(Partition), help="put all recordings into this one, instead of three"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draw of speakers")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the publisher's folder, choose partitions, write the table and tell what is in it."""
    reading = read_layout(arguments.layout, arguments.folder)
    if arguments.partition:
        recordings = [replace(found, partition=arguments.partition) for found in reading.recordings]
    else:
        recordings = with_partitions(reading.recordings, arguments.seed)
    with progress_bar("measuring", len(recordings)) as bar:
        durations_s = write_table(recordings, arguments.out, advance_by(bar))
    for line in statistics(recordings, durations_s):
        say(line)
    for reason, count in reading.left_out.most_common():
        say(f"left out: {count} × {reason}")
    say(f"corpus: {arguments.out / 'utterances.csv'}")
    return 0
