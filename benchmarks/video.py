"""How much faster than real time a video is analysed, every frame of it, and what memory a long one takes.

The clip is ``media/single_face.mp4`` of the folder in ``EMOSERVE_SHARED`` (640×360, 30 fps, a face in every frame),
played again and again: a face cannot be synthesised well enough to be tracked.
"""

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import psutil

from benchmarks.measurement import emit
from service.pipeline.device.task import Work
from service.pipeline.video.watching import FACES_SHARE

CLIP_S = 60.0
LONG_CLIP_S = 3600.0
EARLY_SHARE = 0.3
SAMPLE_EVERY_S = 0.05


def repeated(movie: Path, duration_s: float) -> bytes:
    """The packets of ``movie`` again and again, without encoding anew, as mp4."""
    buffer = io.BytesIO()
    with av.open(str(movie)) as source, av.open(buffer, "w", format="mp4") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [
            (bytes(p), p.pts or 0, p.dts, p.duration or 0, p.is_keyframe)
            for p in source.demux(stream)
            if p.dts is not None
        ]
        assert stream.time_base is not None
        length = max(pts for _, pts, _, _, _ in packets) + packets[0][3]
        for turn in range(max(1, round(duration_s / float(length * stream.time_base)))):
            for content, pts, dts, duration, is_keyframe in packets:
                packet = av.Packet(content)
                packet.pts, packet.dts, packet.duration = pts + turn * length, dts + turn * length, duration
                packet.is_keyframe, packet.stream, packet.time_base = is_keyframe, copy, stream.time_base
                target.mux(packet)
    return buffer.getvalue()


class _Memory:
    """Resident memory of this process from ``EARLY_SHARE`` of the way on, looked at twenty times a second, in MiB."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.early = self.following = self.largest = 0.0

    def now(self) -> float:
        return float(self._process.memory_info().rss / 2**20)

    def progress(self, share: float) -> None:
        """Told how much of the work is done; frames are followed up to 0.85."""
        if share > EARLY_SHARE and not self.early:
            self.early = self.now()
            self._thread.start()
        if EARLY_SHARE < share < FACES_SHARE:
            self.following = max(self.following, self.now())

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_EVERY_S):
            self.largest = max(self.largest, self.now())

    def growth(self) -> tuple[float, float, float]:
        """Since then: the most while frames were followed, the most at all, and what is left at the end."""
        self._done.set()
        end = self.now()
        return self.following - self.early, max(self.largest, end) - self.early, end - self.early


def analyse(movie: bytes, cores: int) -> None:
    """Print duration, seconds taken and how memory grew since 30 % of the way, in MiB, see :class:`_Memory`."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    from service.pipeline.decoding.decode import Decoder
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.pipeline.video.video_results import VideoOptions
    from service.pipeline.video_pipeline import VideoPipeline
    from service.registry import Registry
    from service.settings import Limits, Settings

    settings = Settings(
        limits=Limits(deadline_s=3600.0, max_body_bytes=2**30, max_duration_s=2 * LONG_CLIP_S),
        threads=cores,
        decode_workers=1,
    )
    registry = Registry.load(settings)
    decoder = Decoder(settings.limits, 1)
    decoder.start()
    speech = SpeechPipeline(settings, registry, decoder)
    pipeline = VideoPipeline(settings, registry, decoder, speech)
    pipeline.warm_up()
    memory = _Memory()
    began = time.perf_counter()
    answer = pipeline.analyse(movie, VideoOptions(), Work.within(3600.0, progress=memory.progress))
    took_s = time.perf_counter() - began
    sys.stdout.write(" ".join(map(str, (answer.media.duration_s, took_s, *memory.growth()))) + "\n")
    pipeline.close()
    speech.close()
    decoder.close()


def measured(movie: Path, duration_s: float, cores: int) -> tuple[float, float, list[float]]:
    """Run :func:`analyse` in a process of its own: duration, seconds taken, MiB grown."""
    command = [sys.executable, "-m", "benchmarks.video", str(movie), str(duration_s), str(cores)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    duration, took, *growth = map(float, printed.split())
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
    duration_s, took_s, growth = measured(movie, LONG_CLIP_S, 2)
    for name, mebibytes in zip(("while_followed", "at_most", "at_the_end"), growth, strict=True):
        emit(
            f"video_memory_growth_{name}",
            mebibytes,
            "MiB",
            benchmark="video",
            since="30 % of the way",
            video_s=duration_s,
            took_s=round(took_s),
        )


if __name__ == "__main__":
    analyse(repeated(Path(sys.argv[1]), float(sys.argv[2])), int(sys.argv[3]))
