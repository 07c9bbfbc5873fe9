"""Run all measurements, or those named."""

import importlib
import sys

BENCHMARKS = (
    "startup",
    "efficiency",
    "memory",
    "idle",
    "video",
    "faces",
    "expressions",
    "pictures",
    "deep-spectrum",
    "embedding",
    "voice-activity",
    "beside-jobs",
    "beside-heavy",
    "worst-memory",
)
ASKED_FOR = ("gpu", "capacity", "hidden-regions")
"""Benchmarks that run only by their names."""


def main(names: list[str]) -> int:
    """Run and print; 2 if a name is unknown."""
    unknown = set(names) - {*BENCHMARKS, *ASKED_FOR}
    if unknown:
        sys.stderr.write(
            f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join((*BENCHMARKS, *ASKED_FOR))}\n"
        )
        return 2
    for name in names or BENCHMARKS:
        importlib.import_module(f"benchmarks.{name.replace('-', '_')}").run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
