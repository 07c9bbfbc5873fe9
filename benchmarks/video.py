"""How much faster than real time a video is analysed, every frame of it, and what memory a long one takes.

The clip is ``media/single_face.mp4`` of the folder in ``EMOSERVE_SHARED`` (640×360, 30 fps, a face in every frame),
played again and again: a face cannot be synthesised well enough to be tracked.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import av
import psutil

from benchmarks.measurement import emit

CLIP_S = 60.0
LONG_CLIP_S = 1200.0


def repeated(movie: Path, duration_s: float) -> bytes:
    """The packets of ``movie`` again and again, without encoding anew, as mp4."""
    buffer = io.BytesIO()
    with av.open(str(movie)) as source, av.open(buffer, "w", format="mp4") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [
            (bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in source.demux(stream) if p.dts is not None
        ]
        length = max(pts for _, pts, _, _, _ in packets) + packets[0][3]
        for turn in range(max(1, round(duration_s / float(length * stream.time_base)))):
            for content, pts, dts, duration, is_keyframe in packets:
                packet = av.Packet(content)
                packet.pts, packet.dts, packet.duration = pts + turn * length, dts + turn * length, duration
                packet.is_keyframe, packet.stream, packet.time_base = is_keyframe, copy, stream.time_base
                target.mux(packet)
    return buffer.getvalue()


def analyse(movie: bytes, cores: int) -> None:
    """Print duration, seconds taken and the growth of memory between a third of the way and its end, in MiB."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    from service.pipeline.decode import Decoder
    from service.pipeline.run import SpeechPipeline
    from service.pipeline.video_results import VideoOptions
    from service.pipeline.video_run import VideoPipeline
    from service.registry import Registry
    from service.settings import Limits, Settings

    settings = Settings(limits=Limits(deadline_s=3600.0, max_body_bytes=2**30), threads=cores, decode_workers=1)
    registry = Registry.load(settings)
    decoder = Decoder(settings.limits, 1)
    decoder.start()
    speech = SpeechPipeline(settings, registry, decoder)
    pipeline = VideoPipeline(settings, registry, decoder, speech)
    pipeline.warm_up()
    process = psutil.Process()
    sizes: dict[bool, float] = {}

    def watch(done: float) -> None:
        sizes[done > 0.3] = sizes.get(done > 0.3) or process.memory_info().rss / 2**20

    began = time.perf_counter()
    answer = pipeline.analyse(movie, VideoOptions(), progress=watch)
    took_s = time.perf_counter() - began
    growth = process.memory_info().rss / 2**20 - sizes.get(True, 0.0)
    sys.stdout.write(f"{answer.media.duration_s} {took_s} {growth}\n")
    pipeline.close()
    speech.close()
    decoder.close()


def measured(movie: Path, duration_s: float, cores: int) -> tuple[float, float, float]:
    """Run :func:`analyse` in a process of its own: duration, seconds taken, MiB grown."""
    command = [sys.executable, "-m", "benchmarks.video", str(movie), str(duration_s), str(cores)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    duration, took, growth = map(float, printed.split())
    return duration, took, growth


def run() -> None:
    """Measure and print."""
    movie = Path(os.environ.get("EMOSERVE_SHARED", "../shared")) / "media" / "single_face.mp4"
    if not movie.is_file():
        sys.stderr.write(f"video: not measured, {movie} is not there (set EMOSERVE_SHARED)\n")
        return
    for cores in (1, 2):
        duration_s, took_s, _ = measured(movie, CLIP_S, cores)
        name = f"video_speed_on_{cores}_core{'s' if cores > 1 else ''}"
        emit(
            name,
            duration_s / took_s,
            "ratio",
            ratio_of="video s / wall s, 640×360 at 30 fps, every frame",
            benchmark="video",
        )
    duration_s, _, growth = measured(movie, LONG_CLIP_S, 2)
    emit(
        "video_memory_growth", growth, "MiB", benchmark="video", between="30 % and 100 % of the way", video_s=duration_s
    )


if __name__ == "__main__":
    analyse(repeated(Path(sys.argv[1]), float(sys.argv[2])), int(sys.argv[3]))
