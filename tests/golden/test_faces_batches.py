"""Faces of one frame, frames of one video and frames of several videos, computed together: the same as one by one.

Frames of several videos are batched on a GPU. None was at hand: here the same code batches on the CPU.
"""

import threading

import numpy as np
import pytest
from PIL import Image

from export.faces.bundle import write_face_bundle
from service.pipeline.decoding.frame_stream import VideoFrame
from service.pipeline.face.action_units import ActionUnitModel, choose_action_units
from service.pipeline.face.networks import FaceNetworks
from service.pipeline.face.neutral import Neutral
from service.pipeline.video.video_faces import VideoFaces
from service.registry import Registry
from service.settings import Settings
from tests.shared_material import ROOT, shared_file


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_face_bundle(folder, task=shared_file("weights/face_landmarker.task"))
    registry = Registry.load(Settings(model_dirs=[folder, ROOT / "models"]))
    faces = FaceNetworks(registry.find(task="face"))
    return faces, ActionUnitModel(choose_action_units(registry, faces.settings.mesh_points, has_blendshapes=True))


@pytest.fixture(scope="module")
def crowd():
    return np.asarray(Image.open(shared_file("media/multi_face.jpg")).convert("RGB"))


def test_meshes_of_several_faces_are_placed_in_one_call(networks, crowd):
    faces, _ = networks
    regions = [detection.region for detection in faces.detect(crowd)]
    assert len(regions) > 1
    calls = []
    place = faces._mesh
    faces._mesh = lambda images: calls.append(len(images)) or place(images)
    together = faces.meshes(crowd, regions)
    assert calls == [len(regions)]
    for mesh, region in zip(together, regions, strict=True):
        (alone,) = faces.meshes(crowd, [region])
        np.testing.assert_allclose(mesh.points / region.width, alone.points / region.width, atol=1e-5)
        assert mesh.presence == pytest.approx(alone.presence, abs=1e-5)
    assert faces.meshes(crowd, []) == []
    faces._mesh = place


def test_frames_that_are_noted_together_give_the_same_values(networks, crowd):
    """Blendshapes and values of several frames in one call each."""
    faces, units = networks
    shifted = [np.roll(crowd, 3 * step, axis=1) for step in range(4)]
    frames = [VideoFrame(0.04 * index, np.ascontiguousarray(image), 0.0) for index, image in enumerate(shifted)]
    for neutral in (Neutral("none"), Neutral("median")):
        one_by_one, together = (VideoFaces(faces, units, neutral) for _ in range(2))
        for frame in frames:
            one_by_one.look(frame)
        together.note([together.follow(frame) for frame in frames])
        assert one_by_one._logs.keys() == together._logs.keys()
        assert len(together._logs) > 1
        for number, log in together._logs.items():
            single = one_by_one._logs[number]
            np.testing.assert_array_equal(log.frames, single.frames)
            # float16 may round two equal numbers to neighbours
            np.testing.assert_allclose(log.values, single.values, rtol=1e-3, atol=1e-3)


def test_values_of_several_faces_do_not_depend_on_each_other(networks):
    faces, units = networks
    rng = np.random.default_rng(0)
    points = rng.normal(0, 40, (5, 478, 3)) + np.array([320, 180, 0])
    shapes = faces.blendshapes(points)
    np.testing.assert_allclose(shapes, np.concatenate([faces.blendshapes(row[None]) for row in points]), atol=1e-5)
    values = units.values(points, shapes)
    single = np.concatenate([units.values(*pair) for pair in zip(points[:, None], shapes[:, None], strict=True)])
    np.testing.assert_allclose(values, single, atol=1e-4)


def test_videos_that_are_followed_at_the_same_time_share_batches_and_are_not_changed(networks, crowd):
    alone, units = networks
    shared = FaceNetworks(alone.bundle, gather=True)
    sizes = []
    run = shared._mesh.run
    shared._mesh.run = lambda crops: sizes.append(len(crops)) or run(crops)
    videos = [[np.roll(crowd, 9 * video + 2 * step, axis=1) for step in range(6)] for video in range(4)]
    together = [VideoFaces(shared, units, Neutral("none")) for _ in videos]
    begin = threading.Barrier(len(videos))

    def follow(faces, frames):
        begin.wait()
        for index, image in enumerate(frames):
            faces.look(VideoFrame(0.04 * index, image, 0.0))

    threads = [threading.Thread(target=follow, args=pair) for pair in zip(together, videos, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared.close()
    meshes_of_one = len(together[0]._logs)
    assert max(sizes) > meshes_of_one
    for faces, frames in zip(together, videos, strict=True):
        expected = VideoFaces(alone, units, Neutral("none"))
        for index, image in enumerate(frames):
            expected.look(VideoFrame(0.04 * index, image, 0.0))
        assert faces._logs.keys() == expected._logs.keys()
        for number, log in faces._logs.items():
            np.testing.assert_allclose(log.values, expected._logs[number].values, atol=0.02)
