"""A corpus of synthetic voices on disk, small enough to train on within seconds."""

import csv
from pathlib import Path

import soundfile

from export.evaluation.voice import synthetic_voice

EMOTIONS = ("anger", "neutral", "sadness")


def write_small_corpus(folder: Path, per_class: int = 4, emotions: tuple[str, ...] = EMOTIONS) -> Path:
    """Write ``per_class`` utterances a class and partition; returns the folder."""
    folder.mkdir(parents=True)
    rows = []
    for partition in ("train", "devel", "test"):
        for place, emotion in enumerate(emotions):
            for index in range(per_class):
                name = f"{partition}-{emotion}-{index}.wav"
                seed = len(rows)
                voice = synthetic_voice(0.8 + 0.3 * (index % 3), 16_000, seed) * (place + 1) / len(emotions)
                soundfile.write(folder / name, voice, 16_000)
                duration_s = len(voice) / 16_000
                rows.append(
                    {
                        "file": name,
                        "emotion": emotion,
                        "speaker": partition,
                        "partition": partition,
                        "duration_s": duration_s,
                    }
                )
    with (folder / "utterances.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder
