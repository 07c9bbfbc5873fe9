"""``emoserve-export``: train, export and measure networks. Each command is a module of :mod:`export.cli`."""

import argparse
import importlib
import sys

COMMANDS = {
    "networks": "every network that can be trained or exported, with its item in the literature checklist",
    "train": "train a network on corpora",
    "export": "write a trained network as a bundle",
    "corpus": "make a corpus folder of a published corpus, with partitions of different speakers",
    "import": "write a published speech emotion model as a bundle",
    "resynthesise": "make a corpus of log-mel features audible",
    "features": "a table of features of whole corpora, as CSV, ARFF or Parquet",
    "evaluate": "score a bundle on a corpus",
    "profiles": "score a bundle beside profiles that are drawn from its corpora",
    "leave-out": "train without each corpus, or without its speakers, and score there",
    "verify": "check that bundles compute what their networks compute",
    "check-clip": "write onto cards what their graphs answer about a known sound",
    "rivals": "openSMILE functionals with a linear SVM on the same partitions",
    "faces": "make the face bundle from the publisher's file, or from the package index",
    "action-units": "train the action-unit heads on synthetic faces, evaluate and export them",
    "affect-prior": "fit the affect prior to a table of human ratings",
    "triton": "a model repository of Triton Inference Server out of speech bundles",
    "voice-activity": "make the voice-activity bundle from the installed silero-vad package",
}

_MODULE_OF = {"import": "import_published"}
"""Modules of commands whose name no module can have."""

_EXTRA_OF = (
    dict.fromkeys(("transformers", "huggingface_hub"), "published")
    | {"opensmile": "opensmile"}
    | dict.fromkeys(("librosa", "pyarrow", "scipy", "sklearn", "soundfile", "timm", "torch", "torchvision"), "offline")
)
"""Packages that the online half does without, and the extra that installs each."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command and its options; wrong usage ends the program with status 2."""
    parser = argparse.ArgumentParser(prog="emoserve-export", description="The offline half of Emoserve.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    wanted = (sys.argv[1:] if arguments is None else arguments)[:1]
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        # PyTorch takes seconds to import: only the command that is asked for is loaded.
        if wanted == [name]:
            module = _MODULE_OF.get(name, name.replace("-", "_"))
            importlib.import_module(f"export.cli.{module}").configure(subparser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 is success, 1 an expected failure, 2 wrong usage."""
    try:
        return _run(arguments)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA_OF:
            raise
        extra = f"pip install 'emoserve[{_EXTRA_OF[package]}]'"
        sys.stderr.write(
            f"emoserve-export: this command needs the {_EXTRA_OF[package]} extra ({extra}): no {package}\n"
        )
        return 1


def _run(arguments: list[str] | None) -> int:
    chosen = parse(arguments)
    from export.cli.common import exit_status  # slow to import, and wrong usage does not need it

    return exit_status("emoserve-export", chosen)


if __name__ == "__main__":
    sys.exit(main())
