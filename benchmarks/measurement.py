"""How a figure is printed."""

import json
import os
import platform
import sys
from pathlib import Path


def machine() -> str:
    """Processor, core count and system, in a line."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return f"{model}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}"


def emit(name: str, value: float, unit: str, *, ratio_of: str = "", benchmark: str, **context: object) -> None:
    """Print one measurement as a JSON line."""
    line = {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "ratio_of": ratio_of,
        "command": f"make bench ONLY={benchmark}",
        "machine": machine(),
    }
    sys.stdout.write(json.dumps(line | context, ensure_ascii=False) + "\n")
    sys.stdout.flush()
