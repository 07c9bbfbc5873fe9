"""``emoserve-export evaluate`` for denoisers: the gain in SI-SDR on unseen speakers, noises and rooms."""

import argparse
import json
from pathlib import Path

from export.cli.common import ExpectedFailure, advance_by, progress_bar, say
from export.corpora.tables import Corpus, read_corpora
from export.denoiser.bundle import denoiser_of
from export.denoiser.scores import MAX_UTTERANCES, ConditionReport, evaluate_denoiser
from export.denoiser.spectrogram_plot import draw_mixtures
from service.card import read_card


def run(arguments: argparse.Namespace) -> int:
    """Evaluate and print; ``--plot`` draws the spectrograms of one utterance a corpus."""
    if arguments.against:
        raise ExpectedFailure("--against compares classifiers; evaluate each denoiser by itself")
    for corpus in read_corpora(arguments.corpus):
        part = corpus.partition(arguments.partition)
        if not part.utterances:
            raise ExpectedFailure(f"{corpus.name} has no partition '{arguments.partition}'")
        if not part.has_audio:
            raise ExpectedFailure(f"{corpus.name} has no audio, which a denoiser works on")
        reports = evaluate(arguments.model, part, arguments.seed)
        if arguments.plot:
            file = arguments.plot / f"denoised-{corpus.name}.png"
            draw_mixtures(denoiser_of(arguments.model), part, arguments.seed, file)
        for report in reports:
            line = {"model": read_card(arguments.model).name, "corpus": corpus.name, "partition": arguments.partition}
            say(json.dumps(line | report.to_json()) if arguments.json else describe(report, corpus.name))
    return 0


def evaluate(bundle: Path, part: Corpus, seed: int) -> list[ConditionReport]:
    """Figures of ``bundle`` on an already selected partition."""
    total = min(MAX_UTTERANCES, len(part.utterances))
    with progress_bar(f"{read_card(bundle).name} on {part.name}", total) as bar:
        return evaluate_denoiser(denoiser_of(bundle), part, seed, advance_by(bar))


def describe(report: ConditionReport, corpus: str) -> str:
    """One line a condition."""
    if report.condition == "clean":
        after = report.after_db
        return (
            f"{corpus} clean (n {report.n}): SI-SDR {after.value:.1f} dB (95 % {after.low:.1f} … {after.high:.1f})"
            f"; {report.times_real_time:.0f} × real time on one thread"
        )
    gain = report.gain_db
    families = ", ".join(f"{name} {value:+.1f}" for name, value in report.families.items())
    return (
        f"{corpus} {report.condition} (n {report.n}): SI-SDR {report.before_db:.1f} → {report.after_db.value:.1f} dB, "
        f"gain {gain.value:+.1f} dB (95 % {gain.low:+.1f} … {gain.high:+.1f})" + (f"; {families}" if families else "")
    )
