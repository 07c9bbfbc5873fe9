"""``python -m research denoise``: speech models with and without the denoiser, clean and in noise."""

import argparse

from export.classifiers.answers import Predictions
from export.cli.common import ExpectedFailure, advance_by, available_threads, progress_bar
from research.confusions import write_confusions
from research.denoising_effect import effect_row, measure_effects
from research.preparation import finish, usable
from research.tables import Cell
from service.card import CARD_FILE_NAME, read_card


def run(arguments: argparse.Namespace) -> int:
    """Judge every corpus by every model; the table is written after each corpus."""
    for task, bundles in (("denoiser", [arguments.denoiser]), ("speech-emotion", arguments.model)):
        for bundle in bundles:
            if not (bundle / CARD_FILE_NAME).is_file():
                raise ExpectedFailure(f"{bundle} is not a bundle: it has no {CARD_FILE_NAME}")
            if (found := read_card(bundle).task) != task:
                raise ExpectedFailure(f"{bundle} is of the task '{found}', not '{task}'")
    rows: list[dict[str, Cell]] = []
    for corpus in usable(arguments, needed=(arguments.partition,)):
        part = corpus.partition(arguments.partition)
        with progress_bar(f"denoising {part.name}", len(part.utterances)) as bar:
            try:
                effects = measure_effects(
                    part,
                    arguments.model,
                    arguments.denoiser,
                    arguments.snr_db,
                    arguments.seed,
                    available_threads(),
                    advance_by(bar),
                )
            except ValueError as error:
                raise ExpectedFailure(str(error)) from error
        rows += [effect_row(part.name, effect) for effect in effects]
        for model in dict.fromkeys(effect.model for effect in effects):
            parts: dict[str, Predictions] = {}
            for effect in effects:
                if effect.model == model:
                    level = "no noise" if effect.level is None else f"{effect.level:g} dB"
                    parts |= {f"{level}, as it is": effect.plain, f"{level}, denoised": effect.denoised}
            name = f"{part.name}-{model}"
            write_confusions(parts, 2, f"{model}, {part.name}", arguments.out / "confusions-denoise" / name)
        finish(rows, arguments.out / "denoise", "Answers without and with the denoiser")
    return 0
