"""Downloads from a local server that answers as the publisher's hub does."""

import contextlib
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from export.__main__ import main
from export.published import hub
from service.card import read_card
from tests.support.published import write_published
from tests.support.publishers import write_emotion2vec, write_speechbrain

NAME, COMMIT = "someone/tiny-ER", "c0ffee" * 6 + "c0ff"


class Hub(ThreadingHTTPServer):
    """One model; ``asked`` are files that were downloaded, ``sizes`` and ``digests`` what the hub claims of them."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.digests = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        self.sizes = {name: len(data) for name, data in self.files.items()}
        self.asked = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(send_body=True)

    def do_HEAD(self):
        self._answer(send_body=False)

    def _answer(self, *, send_body):
        path, hub = self.path.partition("?")[0], self.server
        if re.fullmatch(rf"/api/models/{NAME}(/revision/(main|{COMMIT}))?", path):
            siblings = [{"rfilename": name, **self._facts(name)} for name in hub.files]
            return self._json({"_id": "1", "id": NAME, "modelId": NAME, "sha": COMMIT, "siblings": siblings})
        if re.fullmatch(rf"/api/models/{NAME}/tree/{COMMIT}", path):
            return self._json(
                [{"type": "file", "path": name, "oid": "0" * 40, **self._facts(name)} for name in hub.files]
            )
        name = path.rpartition("/")[2]
        if path != f"/{NAME}/resolve/{COMMIT}/{name}" or name not in hub.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if send_body:
            hub.asked.append(name)
        return self._send(hub.files[name], send_body=send_body)

    def _facts(self, name):
        hub = self.server
        lfs = {"oid": hub.digests[name], "sha256": hub.digests[name], "size": hub.sizes[name], "pointerSize": 134}
        return {"size": hub.sizes[name], "blobId": "0" * 40} | (
            {"lfs": lfs} if name.endswith((".safetensors", ".ckpt", ".pt")) else {}
        )

    def _json(self, document):
        self._send(json.dumps(document).encode())

    def _send(self, body, *, send_body=True):
        self.send_response(200)
        for name, value in {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X-Repo-Commit": COMMIT}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if send_body:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = write_published(tmp_path_factory.mktemp("hub") / "tiny", "wav2vec2-base", licence="cc-by-nc-4.0")
    (folder / "LICENSE").write_text("Not for commerce, says its publisher.")
    (folder / "train.py").write_text("raise SystemExit")
    return folder


@contextlib.contextmanager
def serving(folder, monkeypatch):
    with Hub(folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(hub, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(published, monkeypatch):
    with serving(published, monkeypatch) as server:
        yield server


@pytest.fixture
def run(tmp_path):
    def run(*more):
        where = ["--downloads", str(tmp_path / "downloads"), "--out", str(tmp_path / "models")]
        return main(["import", NAME, *where, *more])

    return run


def test_a_model_of_the_hub_is_pinned_and_hashed(server, run, tmp_path, capsys):
    assert run("--accept-licence", "cc-by-nc-4.0") == 0
    shown = capsys.readouterr().err
    assert "Not for commerce, says its publisher." in shown
    assert sorted(server.asked) == [
        "LICENSE",
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    assert server.asked[-1] == "model.safetensors"
    card = read_card(tmp_path / "models/tiny-er/1")
    assert (card.settings["source"], card.settings["revision"]) == (NAME, COMMIT)
    assert card.settings["licence_text"] == "Not for commerce, says its publisher."
    assert card.members[0].weights_source == f"{NAME}@{COMMIT}"
    assert card.members[0].weights_sha256 == server.digests["model.safetensors"]
    assert not card.licence.commercial_use
    assert {line.split()[1] for line in card.settings["files"]} == set(server.asked)


@pytest.mark.parametrize(
    ("write", "weights", "small"),
    [
        (write_speechbrain, {"wav2vec2.ckpt", "model.ckpt"}, {"hyperparams.yaml", "label_encoder.txt"}),
        (write_emotion2vec, {"model.pt"}, {"config.yaml", "tokens.txt"}),
    ],
)
def test_other_layouts_are_fetched_without_their_programs(write, weights, small, run, tmp_path, monkeypatch):
    write(tmp_path / "theirs")
    (tmp_path / "theirs/custom_interface.py").write_text("raise SystemExit")
    with serving(tmp_path / "theirs", monkeypatch) as server:
        assert run("--accept-licence", "apache-2.0" if "model.ckpt" in weights else "mit") == 0
    asked = server.asked
    assert set(asked[-len(weights) :]) == weights
    assert small <= set(asked)
    assert "custom_interface.py" not in asked


@pytest.mark.parametrize("more", [(), ("--accept-licence", "mit")])
def test_nothing_is_downloaded_before_the_licence_is_accepted(more, server, run, capsys):
    assert run(*more) == 1
    assert "say --accept-licence cc-by-nc-4.0" in capsys.readouterr().err
    assert "model.safetensors" not in server.asked


def test_the_commercial_policy_refuses_before_the_download(server, run, capsys, monkeypatch):
    monkeypatch.setenv("EMOSERVE_LICENCE_POLICY", "commercial")
    assert run("--accept-licence", "cc-by-nc-4.0") == 1
    assert "CC-BY-NC-4.0 forbids commercial use and the licence policy is 'commercial'" in capsys.readouterr().err
    assert "model.safetensors" not in server.asked


def test_another_hash_than_the_hub_tells_is_refused(server, run, tmp_path, capsys):
    server.digests["model.safetensors"] = "0" * 64
    assert run("--accept-licence", "cc-by-nc-4.0") == 1
    assert "its sha256 is not 000000000000…" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_weights_that_do_not_fit_are_not_downloaded(server, run, capsys):
    server.sizes["model.safetensors"] = 3 * 10**12
    assert run("--accept-licence", "cc-by-nc-4.0") == 1
    assert "the import takes about 15000.0 GB of memory" in capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize("change", ["no weights", "unknown", "no network"])
def test_what_the_hub_has_not_is_told_in_one_line(change, server, run, capsys, monkeypatch):
    message, more = "cannot be fetched from the hub", ()
    if change == "no weights":
        del server.files["model.safetensors"]
        message = "neither model.safetensors nor pytorch_model.bin"
    elif change == "unknown":
        more = ("--revision", "unheard-of")
    else:
        monkeypatch.setattr(hub, "ENDPOINT", "http://127.0.0.1:9")
    assert run("--accept-licence", "cc-by-nc-4.0", *more) == 1
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
