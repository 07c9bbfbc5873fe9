"""A graph that several threads call: by itself, or in batches that a device thread gathers."""

import threading

import numpy as np
import pytest

from service.pipeline.device.batch import Batcher
from service.pipeline.device.gathered_graph import MAX_ROWS, GatheredGraph
from service.problems import Draining, InferenceUnavailable
from tests.support.patience import HANG_S, wait_until


class Doubling:
    """Stands for a session: twice the row and its sum. Waits at a gate, and notes the sizes of its batches."""

    input_names = ("image",)
    provider = "CPUExecutionProvider"

    def __init__(self):
        self.sizes = []
        self.gate = threading.Event()
        self.gate.set()
        self.fails = False

    def run(self, inputs, outputs):
        self.gate.wait(HANG_S)
        if self.fails:
            raise RuntimeError("the device is lost")
        image = inputs["image"]
        self.sizes.append(len(image))
        return dict(zip(outputs, (2 * image, image.sum(axis=1)), strict=True))


@pytest.fixture
def session():
    return Doubling()


@pytest.fixture
def gathered(session):
    device = Batcher(1)
    yield GatheredGraph(session, ("double", "sum"), device)
    session.gate.set()
    device.close()


ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.mark.parametrize("batches", [False, True])
def test_the_answer_is_that_of_the_graph(session, gathered, batches):
    graph = gathered if batches else GatheredGraph(session, ("double", "sum"))
    found = graph(ROWS)
    np.testing.assert_array_equal(found["double"], 2 * ROWS)
    np.testing.assert_array_equal(found["sum"], ROWS.sum(axis=1))
    assert graph.provider == "CPUExecutionProvider"


def test_calls_that_wait_at_the_same_time_share_a_batch(session, gathered):
    session.gate.clear()
    answers = {}
    threads = [
        threading.Thread(target=lambda n=n: answers.update({n: gathered(np.full((1, 2), n, np.float32))}))
        for n in range(5)
    ]
    threads[0].start()
    wait_until(lambda: gathered._device.stalled_for_s() > 0)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: gathered._device.waiting == 4)
    session.gate.set()
    for thread in threads:
        thread.join()
    assert session.sizes == [1, 4]
    assert {n: float(found["sum"][0]) for n, found in answers.items()} == {n: 2.0 * n for n in range(5)}


def test_rows_of_other_shapes_go_apart(session, gathered):
    session.gate.clear()
    first = threading.Thread(target=gathered, args=(ROWS,))
    other = threading.Thread(target=gathered, args=(np.zeros((2, 3), np.float32),))
    first.start()
    other.start()
    session.gate.set()
    first.join()
    other.join()
    assert sorted(session.sizes) == [2, 3]


def test_a_batch_has_an_upper_limit(session, gathered):
    gathered(np.zeros((MAX_ROWS + 3, 2), np.float32))
    assert session.sizes == [MAX_ROWS, 3]


def test_a_lost_device_is_a_problem_with_a_code(session, gathered):
    session.fails = True
    with pytest.raises(InferenceUnavailable):
        gathered(ROWS)


def test_a_closed_device_says_so(gathered):
    gathered._device.close()
    with pytest.raises(Draining):
        gathered(ROWS)
