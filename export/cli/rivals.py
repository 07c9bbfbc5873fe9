"""``emoserve-export rivals``: what openSMILE functionals and a linear SVM reach on the same partitions (C3)."""

import argparse
import importlib.util
import json
import warnings

from export.cli.common import (
    ExpectedFailure,
    add_cache_argument,
    add_corpus_argument,
    advance_by,
    note,
    progress_bar,
    say,
)
from export.corpora.tables import read_corpora

LICENCE_NOTE = "openSMILE is licensed for research and personal use; commercial use needs a licence from audEERING."


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_corpus_argument(parser)
    parser.add_argument("--features", nargs="+", default=["eGeMAPSv02"], choices=["eGeMAPSv02", "ComParE_2016"])
    parser.add_argument("--json", action="store_true", help="one JSON line a result")
    add_cache_argument(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score each feature set on each corpus."""
    if importlib.util.find_spec("opensmile") is None:
        raise ExpectedFailure("openSMILE is not installed: pip install 'emoserve[opensmile]' (research licence)")
    from export.evaluation.rivals import functionals, score_rival

    note(LICENCE_NOTE)
    warnings.filterwarnings("ignore", module="sklearn")  # small C values do not converge within the iterations
    for corpus in read_corpora(arguments.corpus):
        for feature_set in arguments.features:
            with progress_bar(f"{feature_set} on {corpus.name}", len(corpus.utterances)) as bar:
                features = functionals(corpus, feature_set, arguments.cache, advance_by(bar))
            result = score_rival(corpus, features, feature_set)
            uar = result.test_uar
            if arguments.json:
                figures = {"uar": uar.value, "low": uar.low, "high": uar.high, "devel_uar": result.devel_uar}
                say(json.dumps({"features": feature_set, "corpus": corpus.name, "c": result.c, **figures}))
            else:
                say(
                    f"{feature_set} + linear SVM on {corpus.name}: test UAR {uar.value:.1%} "
                    f"(95 % {uar.low:.1%} … {uar.high:.1%}), devel {result.devel_uar:.1%}, C {result.c:g}"
                )
    return 0
