"""Jobs that are opened with other pipelines, and those that are closed for good."""

from service.access.accounts import Accounts
from service.jobs.place import JobPlace
from service.settings import Settings
from service.telemetry.metrics import Metrics


def test_jobs_open_with_other_pipelines_until_they_are_closed_for_good(tmp_path, monkeypatch):
    settings = Settings(jobs=True, state_dir=tmp_path)
    kept = []

    def keep(place, speech, affect):
        kept.append((speech, affect))
        place._closing.wait()

    monkeypatch.setattr(JobPlace, "_keep", keep)
    place = JobPlace(settings, Metrics(), Accounts(settings.key_limits))
    place.reopen("new speech", None)  # nothing was open
    place.open("speech", "affect")
    place.reopen("new speech", "new affect")
    assert place._keeper.is_alive()
    place.close()
    place.reopen("newest speech", None)
    assert kept == [("speech", "affect"), ("new speech", "new affect")]
    assert not place._keeper.is_alive()
