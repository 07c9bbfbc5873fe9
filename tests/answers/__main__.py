"""``python -m tests.answers record|compare|routes|golden|shares``: record the service's answers, and compare them."""

import argparse
import sys
from pathlib import Path

from tests.answers.compare import TOLERANCE, compare_folders
from tests.answers.record import record, record_golden
from tests.answers.routes import compare_routes
from tests.answers.shares import print_shares


def main() -> int:
    """Run a command; returns the exit status: 1 where recordings differ or inputs are missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.answers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="write one JSON file for each answer")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--only", default="", metavar="TEXT", help="cases with this in their names")
    comparing = commands.add_parser("compare", help="tell every difference of two recordings")
    comparing.add_argument("one", type=Path)
    comparing.add_argument("other", type=Path)
    comparing.add_argument("--tolerance", type=float, default=TOLERANCE)
    comparing.add_argument("--words", action="store_true", help="sentences for people count too")
    routes = commands.add_parser("routes", help="tell how jobs and streams of a recording differ from its uploads")
    routes.add_argument("folder", type=Path)
    routes.add_argument("--tolerance", type=float, default=TOLERANCE)
    commands.add_parser("golden", help="record the goldens of the suite anew")
    sharing = commands.add_parser("shares", help="tell the share of drawn variants that are answered right")
    sharing.add_argument("corpus", type=Path, help="folder with utterances.csv")
    sharing.add_argument("--variants", type=int, default=50, metavar="N", help="of each kind")
    sharing.add_argument("--only", default="", metavar="TEXT", help="kinds with this in their names")
    arguments = parser.parse_args()
    if arguments.command == "record":
        return 1 if record(arguments.folder, arguments.only) else 0
    if arguments.command == "compare":
        return compare_folders(arguments.one, arguments.other, arguments.tolerance, words=arguments.words)
    if arguments.command == "routes":
        return compare_routes(arguments.folder, arguments.tolerance)
    if arguments.command == "shares":
        print_shares(arguments.corpus, arguments.variants, arguments.only)
        return 0
    record_golden()
    return 0


if __name__ == "__main__":
    sys.exit(main())
