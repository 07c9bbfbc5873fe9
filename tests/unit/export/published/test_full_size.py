"""The import of networks as large as those that are published, one at a time; the largest takes 8 GB of memory."""

import subprocess
import sys

import pytest

from service.card import read_card
from tests.support.published import FULL_SIZE, PUBLISHED_SIZE, write_dimensional, write_published
from tests.support.publishers import BASE_SIZES, emotion2vec_config, write_emotion2vec, write_speechbrain

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


def imported(folder, out):
    """The card of a bundle that another process made, whose memory goes with it; prints difference and cost."""
    command = [sys.executable, "-m", "export", "import", str(folder), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    card = read_card(out / folder.name / "1")
    sys.stdout.write(
        f"{folder.name}: difference {card.parity.largest_difference:.1e}; {done.stderr.splitlines()[-1]}\n"
    )
    return card


@pytest.mark.parametrize("network", FULL_SIZE)
def test_a_network_of_the_published_size_answers_as_transformers(network, tmp_path):
    card = imported(write_published(tmp_path / network, network), tmp_path / "models")
    assert card.parity.largest_difference < 1e-4
    assert ("tensors" in {entry.role for entry in card.files.values()}) == (network == "full-w2v-bert")


def test_a_dimensional_network_of_the_published_size_answers_as_its_publisher(tmp_path):
    card = imported(write_dimensional(tmp_path / "full-dimensions", PUBLISHED_SIZE), tmp_path / "models")
    assert card.parity.largest_difference < 1e-4


@pytest.mark.parametrize("publisher", ["full-speechbrain", "full-emotion2vec"])
def test_other_layouts_of_the_published_size_are_imported(publisher, tmp_path):
    folder = tmp_path / publisher
    if publisher == "full-speechbrain":
        write_speechbrain(folder, {})
    else:
        write_emotion2vec(folder, config=emotion2vec_config(**BASE_SIZES))
    assert imported(folder, tmp_path / "models").parity.largest_difference < 1e-4
