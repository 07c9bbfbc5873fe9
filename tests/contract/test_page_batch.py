"""Several recordings on the web page: a table of them, its files, and two of them compared."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from service.http.problem_response import problem_document
from service.pipeline.results import AudioEmotion, Segments
from service.problems import CapacityExceeded
from tests.plain_wav import tone, wav
from tests.support import fakes
from tests.support.browser import until, watched_page
from tests.support.job_server import serving_jobs
from tests.support.live_server import LiveServer

DROP = """(names) => { const transfer = new DataTransfer();
for (const name of names) transfer.items.add(new File([name], name, { type: "audio/wav" })); return transfer; }"""


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three recordings of which the second cannot be decoded, under a name that a spreadsheet would calculate."""
    folder = tmp_path_factory.mktemp("visits")
    contents = {"first.wav": wav(tone(2.0)), "=1+1.wav": b"invalid", "third.wav": wav(tone(2.0))}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def rows(page: Page) -> Locator:
    return page.locator("#batch-table tbody tr")


def states(page: Page) -> list[str]:
    return rows(page).evaluate_all("(all) => all.map((row) => row.dataset.state)")


def until_states(page: Page, *wanted: str) -> None:
    read = "JSON.stringify([...document.querySelectorAll('#batch-table tbody tr')].map((row) => row.dataset.state))"
    until(page, f"(wanted) => {read} === JSON.stringify(wanted)", list(wanted))


def test_one_failing_recording_does_not_stop_the_rest(page: Page, page_server: LiveServer, visits: list[Path]) -> None:
    count = len(page_server.pipeline.seen)
    page.set_input_files("#file", visits)
    until_states(page, "done", "failed", "done")
    assert [data for data, _ in page_server.pipeline.seen[count:]] == [path.read_bytes() for path in visits]
    expect(page.locator("#batch-words")).to_have_text("3 recordings: 2 done, 1 failed.")
    texts = [" ".join(text.split()) for text in rows(page).all_inner_texts()]
    assert re.match(r"first\.wav Voice · 64 kB Done 2 s Anger, 90 % – \+0\.70 unknown", texts[0])
    assert "The recording cannot be decoded. The file is damaged" in texts[1]
    expect(page.locator("#result")).to_be_hidden()
    rows(page).nth(1).get_by_role("button", name="Try again: =1+1.wav").click()
    until(page, "document.getElementById('batch-progress').hidden")
    assert page_server.pipeline.seen[-1][0] == b"invalid"
    assert states(page) == ["done", "failed", "done"]


def test_a_list_is_saved_with_a_row_and_an_answer_for_each(page: Page, visits: list[Path]) -> None:
    page.set_input_files("#file", visits)
    until_states(page, "done", "failed", "done")
    with page.expect_download() as saved:
        page.click("#batch-csv")
    assert saved.value.suggested_filename == "recordings.csv"
    table = list(csv.DictReader(io.StringIO(saved.value.path().read_bytes().decode(), newline="")))
    assert [row["file"] for row in table] == ["first.wav", "'=1+1.wav", "third.wav"]
    assert [row["status"] for row in table] == ["done", "failed", "done"]
    assert (table[0]["emotion"], table[0]["anger"], table[0]["arousal"], table[0]["valence"]) == (
        "anger",
        "0.9",
        "0.7",
        "",
    )
    assert (table[0]["flags"], table[0]["voice_model"]) == ("clipped", "example 1")
    assert (table[1]["problem"], table[1]["emotion"]) == ("media_invalid", "")
    with page.expect_download() as saved:
        page.click("#batch-json")
    answers = json.loads(saved.value.path().read_bytes())
    assert [answer["file"] for answer in answers] == [path.name for path in visits]
    assert answers[0]["timeline"]["start_s"] == [0.0, 1.0]
    assert answers[1]["problem"]["code"] == "media_invalid"


def test_a_row_opens_its_result_and_leads_back_by_keyboard(page: Page, visits: list[Path]) -> None:
    page.set_input_files("#file", visits)
    until_states(page, "done", "failed", "done")
    name = page.get_by_role("button", name="third.wav: open the result")
    name.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#result-heading")).to_have_text("Result: third.wav")
    expect(page.locator(".verdict .big")).to_have_text("Anger90 %")
    until(page, "document.activeElement.id === 'result-heading'")
    with page.expect_download() as saved:
        page.click('[data-format="csv"]')
    assert saved.value.suggested_filename == "third.csv"
    page.get_by_role("button", name="Back to the list").press("Enter")
    expect(name).to_be_focused()


def names(page: Page) -> list[str]:
    return [text.partition("\n")[0].split(" ")[0] for text in rows(page).locator("th .name-button").all_inner_texts()]


def test_heads_sort_the_list_up_down_and_back(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clear = fakes.fake_result()
    values = {2: (0.7, "anger"), 10: (-0.4, "neutral"), 1: (None, "anger"), 3: (0.7, "anger")}
    answers = iter(values.values())

    def result(**_: object) -> AudioEmotion:
        arousal, emotion = next(answers)
        return replace(clear, channels=(replace(clear.channels[0], arousal=arousal, emotion=emotion),))

    monkeypatch.setattr(fakes, "fake_result", result)
    paths = [tmp_path / f"visit{number}.wav" for number in values]
    for path in paths:
        path.write_bytes(wav(tone(0.5)))
    page.set_input_files("#file", paths)
    until_states(page, *["done"] * 4)
    came = [path.name for path in paths]
    for head, upward, downward in (
        ("Recording", [1, 2, 3, 10], [10, 3, 2, 1]),
        ("Arousal, mean", [10, 2, 3, 1], [2, 3, 10, 1]),
        ("Leading emotion", [2, 1, 3, 10], [10, 2, 1, 3]),
        ("Status", [2, 10, 1, 3], [2, 10, 1, 3]),
    ):
        column = page.locator("#batch-table thead th", has_text=head)
        button = column.get_by_role("button")
        orders = {"ascending": [f"visit{number}.wav" for number in upward]}
        orders["descending"] = [f"visit{number}.wav" for number in downward]
        for order, wanted in {**orders, "none": came}.items():
            button.focus()
            page.keyboard.press("Enter" if order == "ascending" else "Space")
            expect(column).to_have_attribute("aria-sort", order)
            expect(button).to_be_focused()
            assert names(page) == wanted, (head, order)
            assert page.locator("[aria-sort=ascending], [aria-sort=descending]").count() == (order != "none")


def test_a_sorted_list_stays_sorted_and_keeps_the_focus(page: Page, visits: list[Path]) -> None:
    page.set_input_files("#file", visits[:1])
    page.set_input_files("#file", visits)
    until_states(page, "done", "done", "failed", "done")
    page.get_by_role("button", name="Status").click()
    until_states(page, "done", "done", "done", "failed")
    retry = page.get_by_role("button", name="Try again: =1+1.wav")
    retry.focus()
    page.get_by_role("button", name="Recording", exact=True).evaluate("(button) => button.click()")
    assert names(page) == ["=1+1.wav", "first.wav", "first.wav", "third.wav"]
    expect(retry).to_be_focused()
    page.set_input_files("#file", visits[2])
    until_states(page, "failed", "done", "done", "done", "done")


def test_work_on_a_list_can_be_stopped_and_gone_on_with(
    page: Page, page_server: LiveServer, visits: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "endless.bin"
    path.write_bytes(b"gate")
    page_server.pipeline.gate.clear()
    try:
        page.set_input_files("#file", [visits[0], path, visits[2]])
        until_states(page, "done", "working", "waiting")
        expect(page.locator("#batch-words")).to_have_text("Recording 2 of 3: endless.bin")
        page.click("#batch-stop")
        until_states(page, "done", "stopped", "stopped")
    finally:
        page_server.pipeline.gate.set()
    page.click("#batch-go-on")
    until_states(page, "done", "done", "done")
    page.click("#batch-clear")
    expect(page.locator("#batch")).to_be_hidden()
    expect(page.locator("#intro")).to_be_visible()


def test_dropped_recordings_join_the_list_up_to_its_bound(page: Page, page_server: LiveServer) -> None:
    page_server.pipeline.gate.clear()
    try:
        names = ["gate.wav", *(f"{number}.wav" for number in range(203))]
        page.dispatch_event("body", "drop", {"dataTransfer": page.evaluate_handle(DROP, names[:2])})
        until_states(page, "working", "waiting")
        page.dispatch_event("body", "drop", {"dataTransfer": page.evaluate_handle(DROP, names[2:])})
        expect(rows(page)).to_have_count(200)
        expect(page.locator("#batch-note")).to_contain_text("The last 4 were left out")
        page.click("#batch-clear")
        expect(page.locator("#batch")).to_be_hidden()
    finally:
        page_server.pipeline.gate.set()


def test_a_recording_on_the_desk_is_the_first_of_the_list(page: Page, speech: Path, visits: list[Path]) -> None:
    page.set_input_files("#file", speech)
    expect(page.locator(".downloads")).to_be_visible()
    page.set_input_files("#file", [visits[0], visits[2]])
    until_states(page, "done", "done", "done")
    expect(rows(page).first).to_contain_text("a voice.wav")
    page.set_input_files("#file", speech)  # one more goes to the others
    until_states(page, "done", "done", "done", "done")


def test_a_busy_service_is_waited_for(page: Page, visits: list[Path]) -> None:
    refusal = json.dumps(problem_document(CapacityExceeded(retry_after_s=1.0), "r"))
    refused: list[Route] = []

    def answer(route: Route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route)
        route.fulfill(status=503, body=refusal, headers={"Retry-After": "1"})

    page.route("**/v1/audio/emotion*", answer)
    page.set_input_files("#file", [visits[0], visits[2]])
    expect(rows(page).first).to_contain_text("The service is busy: next try in 1 s")
    until_states(page, "done", "done")


def test_a_lost_service_pauses_the_list(page: Page, visits: list[Path]) -> None:
    page.context.set_offline(True)
    page.set_input_files("#file", visits)
    expect(page.get_by_role("alert")).to_contain_text("could not be reached")
    assert states(page) == ["stopped"] * 3
    page.context.set_offline(False)
    page.click("#retry")
    until_states(page, "done", "failed", "done")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_large_recordings_of_a_list_go_as_jobs(browser: Browser, visits: list[Path], tmp_path: Path) -> None:
    large = tmp_path / "visit.bin"
    large.write_bytes(b"gate".ljust(200_000, b"\0"))
    with (
        serving_jobs(tmp_path / "state", limits={"max_body_bytes": 100_000}) as server,
        watched_page(browser, server.url) as watched,
    ):
        page = watched.page
        page.set_input_files("#file", [large, visits[0]])
        expect(rows(page).first).to_contain_text("Job: analysing 25 %")
        assert states(page) == ["job", "waiting"]
        expect(page.locator(".job")).to_contain_text("visit.bin")
        server.plans.gate.set()
        until_states(page, "done", "done")
        expect(rows(page).first).to_contain_text("Done, as a job")
        expect(page.locator("#result")).to_be_hidden()
        page.get_by_role("button", name="visit.bin: open the result").click()
        expect(page.locator(".verdict .big")).to_contain_text("Anger")
        with page.expect_download() as saved:
            page.click('[data-format="csv"]')
        assert b"start_s" in saved.value.path().read_bytes()


def test_two_recordings_are_compared_with_what_the_model_is_worth(
    page: Page, visits: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = [
        {"metric": "unweighted_average_recall", "value": value, "seen_corpus": seen}
        for value, seen in ((0.9, True), (0.4, False), (0.67, False))
    ]

    def with_figures(route: Route) -> None:
        answer = route.fetch()
        document = answer.json()
        document["models"][0]["card"]["measurements"] = figures
        route.fulfill(response=answer, json=document)

    page.route("**/v1/models", with_figures)
    page.reload()
    clear = fakes.fake_result()
    column = np.array([0.9, 0.4], np.float32)
    times_s = np.array([0.0, 1.0]), np.array([0.75, 1.25])
    both = np.stack([column, 1 - column], axis=1)
    ones = np.ones(2, np.float32)
    segments = Segments(*times_s, both, column, column, ones, -20 * column, column, column < 0)
    channel = replace(clear.channels[0], segments=segments, plausible=("anger", "neutral"))
    monkeypatch.setattr(fakes, "fake_result", lambda **_: replace(clear, channels=(channel,)))
    page.set_input_files("#file", [visits[0], visits[2]])
    until_states(page, "done", "done")
    compare = page.locator("#batch-compare")
    expect(compare).to_have_attribute("aria-disabled", "true")
    for tick in page.locator("#batch-table input").all():
        tick.check()
    compare.click()
    expect(page.locator("#result-heading")).to_have_text("Two recordings compared")
    notice = page.locator(".notice")
    expect(notice).to_contain_text("is not a difference of mood")
    trust = "names the right emotion in 40 to 67 % of recordings of corpora that it never heard (2 tests"
    expect(notice).to_contain_text(f"“Example” {trust}")
    expect(notice).to_contain_text("Plausible in both: anger, neutral. These answers do not tell the two apart.")
    lines = page.get_by_role("table", name="Probabilities").get_by_role("row")
    expect(lines).to_have_text(["EmotionA first.wavB third.wav", "Anger90 %90 %", "Neutral10 %10 %"])
    spoken = page.get_by_role("table", name="Share of speaking time").get_by_role("row")
    expect(spoken.nth(1)).to_have_text("Anger75 %75 %")
    expect(spoken.nth(2)).to_have_text("Neutral25 %25 %")
    page.get_by_role("button", name="Back to the list").click()
    expect(page.get_by_role("button", name="first.wav: open the result")).to_be_focused()


def test_a_list_on_paper_has_no_buttons(page: Page, visits: list[Path]) -> None:
    page.set_input_files("#file", visits)
    until_states(page, "done", "failed", "done")
    page.emulate_media(media="print")
    for hidden in ("#batch-csv", "#batch-compare", "#batch-table input", "#batch-table [data-action]"):
        expect(page.locator(hidden).first).to_be_hidden()
    expect(rows(page).first).to_be_visible()
    expect(page.locator("#batch-words")).to_be_visible()
