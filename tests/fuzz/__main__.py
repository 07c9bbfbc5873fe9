"""Search one target for inputs that it cannot take: ``python -m tests.fuzz wav 120``, or all: ``make fuzz``.

What is found is written beside the folder that is given as third argument, as ``crash-…``; put it into the corpus.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["service", "python_multipart"]):
    from tests.fuzz.targets import try_input

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """Run atheris for some seconds on a copy of the corpus."""
    name, seconds = sys.argv[1], sys.argv[2]
    folder = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(tempfile.mkdtemp(prefix="fuzz-"))
    working = folder / name
    shutil.copytree(CORPUS / name, working, dirs_exist_ok=True)
    options = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048", "-verbosity=0"]
    options += [f"-artifact_prefix={folder}/{name}-", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(working)], lambda data: try_input(name, data) and None)
    atheris.Fuzz()


main()
