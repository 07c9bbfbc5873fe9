"""BP4D-Spontaneous and BP4D+ as their publisher gives them: intensities of five units coded by hand, and pictures.

``AUCoding/AU_INT/AU06/F001_T1_AU06.csv`` has a line for each frame that was coded: its number and the intensity 0…5,
or 9 where it cannot be seen. The pictures of a person's task are ``2D+3D/F001/T1/2440.jpg`` and so on, named by the
same numbers, or lie as ``F001/T1/2440.jpg`` in ``2D+3D/F001.zip``. The publisher's page is
https://www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html (Zhang et al. 2014,
doi:10.1016/j.imavis.2014.06.002; Zhang et al. 2016, doi:10.1109/CVPR.2016.374).
"""

import csv
import io
import re
import zipfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from service.pipeline.face.face_series import FaceSeries
from service.pipeline.face.unit_scale import ACTION_UNITS, MAX_INTENSITY

CODES = "AUCoding/AU_INT"
PICTURES = "2D+3D"
UNITS = (6, 10, 12, 14, 17)
RATE_HZ = 25
"""Pictures a second."""

UNSEEN = 9
"""Code of a unit that its coder could not see."""

CODED_NAME = re.compile(r"([FM]\d{3})_(T\d+)_AU06\.csv")
PICTURE_NAME = re.compile(r"(?:.*/)?(T\d+)/(\d+)\.jpe?g", re.IGNORECASE)


@dataclass(frozen=True)
class CodedTask:
    """One task of one person.

    Attributes:
        pictures: a folder of pictures, or the archive of all of the person's tasks.
        codes: folder with a folder of codes for each unit.
        person, task: such as 'F001' and 'T1'.
    """

    pictures: Path
    codes: Path
    person: str
    task: str

    @property
    def name(self) -> str:
        """Such as 'F001_T1'."""
        return f"{self.person}_{self.task}"

    def video(self) -> bytes:
        """The pictures as a Matroska file of Motion JPEG, as they are, each at the time that its number tells.

        Raises:
            ValueError: there are none, or they are no pictures; the message names the place.
        """
        pictures = self._pictures()
        first = min(pictures)
        buffer = io.BytesIO()
        try:
            with av.open(io.BytesIO(pictures[first])) as one:
                size = {"width": one.streams.video[0].width, "height": one.streams.video[0].height}
            with av.open(buffer, "w", format="matroska") as output:
                stream = output.add_mux_stream("mjpeg", rate=RATE_HZ, **size)
                for number in sorted(pictures):
                    packet = av.Packet(pictures[number])
                    packet.stream, packet.time_base = stream, Fraction(1, RATE_HZ)
                    packet.pts = packet.dts = number - first
                    output.mux(packet)
        except (av.FFmpegError, IndexError) as error:
            raise ValueError(f"{self.pictures}: the pictures of {self.task} are no JPEG files") from error
        return buffer.getvalue()

    def series(self, rate_hz: float | None = None) -> FaceSeries:
        """The coded intensities on the clock of :meth:`video`; NaN for units that BP4D does not code.

        Args:
            rate_hz: frames a second; None or :data:`RATE_HZ`, which the pictures have.

        Raises:
            ValueError: a file is missing, cut, or holds something else; the message names it.
        """
        if rate_hz not in (None, RATE_HZ):
            raise ValueError(f"{self.name}: pictures of BP4D are {RATE_HZ} a second, not {rate_hz:g}")
        coded = [self._codes_of(unit) for unit in UNITS]
        numbers = coded[0][0]
        if any(not np.array_equal(numbers, other) for other, _ in coded):
            raise ValueError(f"{self.codes}: the units of {self.name} are not coded in the same frames")
        unknown = np.full(len(numbers), np.nan)
        columns = {f"AU{unit:02d}": values for unit, (_, values) in zip(UNITS, coded, strict=True)}
        units = np.stack([columns.get(name, unknown) for name in ACTION_UNITS], axis=1)
        is_seen = np.all([values != UNSEEN for values in columns.values()], axis=0)
        time_s = (numbers - min(self._pictures())) / RATE_HZ
        return FaceSeries(time_s, np.ones(len(numbers)), units, is_seen)

    def _pictures(self) -> dict[int, bytes]:
        """The JPEG files by their numbers."""
        if self.pictures.is_dir():
            found = {int(path.stem): path.read_bytes() for path in self.pictures.glob("*.jp*g") if path.stem.isdigit()}
        else:
            try:
                with zipfile.ZipFile(self.pictures) as archive:
                    matches = filter(None, map(PICTURE_NAME.fullmatch, archive.namelist()))
                    found = {int(one[2]): archive.read(one[0]) for one in matches if one[1] == self.task}
            except zipfile.BadZipFile as error:
                raise ValueError(f"{self.pictures}: not an archive of pictures") from error
        if not found:
            raise ValueError(f"{self.pictures} has no pictures of {self.task}, such as {self.task}/2440.jpg")
        return found

    def _codes_of(self, unit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Numbers of the coded frames, int64 [frames], and the intensities of one unit, float64 [frames]."""
        file = self.codes / f"AU{unit:02d}" / f"{self.name}_AU{unit:02d}.csv"
        if not file.is_file():
            raise ValueError(f"{file}: BP4D codes 5 units, and this file is missing")
        rows = [row for row in csv.reader(file.read_text(encoding="utf-8-sig").splitlines()) if row]
        try:
            numbers = np.array([int(row[0]) for row in rows], np.int64)
            intensities = np.array([float(row[1]) for row in rows])
        except (ValueError, IndexError) as error:
            raise ValueError(f"{file}: not lines of a frame's number and an intensity") from error
        if len(rows) < 2 or (np.diff(numbers) <= 0).any():
            raise ValueError(f"{file}: fewer than two frames, or their numbers do not increase")
        if not (((intensities >= 0) & (intensities <= MAX_INTENSITY)) | (intensities == UNSEEN)).all():
            raise ValueError(f"{file}: an intensity is not 0 to {MAX_INTENSITY:g}, nor {UNSEEN} for unseen")
        return numbers, intensities


def bp4d_tasks(corpus: Path) -> list[CodedTask]:
    """The coded tasks whose pictures are at hand, sorted; none where the corpus is no BP4D.

    Args:
        corpus: the folder of ``AUCoding``, such as ``RawData``.

    Raises:
        ValueError: it is, and no pictures of it are at hand.
    """
    codes = corpus / CODES
    named = [found for path in sorted(codes.glob("AU06/*.csv")) if (found := CODED_NAME.fullmatch(path.name))]
    tasks = []
    for person, task in (one.groups() for one in named):
        folder, archive = corpus / PICTURES / person / task, corpus / PICTURES / f"{person}.zip"
        if folder.is_dir() or archive.is_file():
            tasks.append(CodedTask(folder if folder.is_dir() else archive, codes, person, task))
    if named and not tasks:
        first = corpus / PICTURES / named[0][1]
        raise ValueError(f"{corpus} has codes of BP4D, and no pictures of it, {first / named[0][2]} or {first}.zip")
    return tasks
