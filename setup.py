"""Package data of the wheel: the bundles of ``models`` and the voice activity bundle."""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MODELS = ROOT / "models"
PREPARED = ROOT / "var/models/voice-activity"


class BuildWithBundles(build_py):
    """Copies bundles into the package ``service``, where :mod:`service.places` looks for them."""

    def run(self) -> None:
        """Build the modules, then add the bundles; an editable installation uses those of the source tree."""
        super().run()
        if self.editable_mode or not MODELS.is_dir():  # an image has its bundles in a layer of their own
            return
        target = Path(self.build_lib, "service", "models")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(MODELS, target)
        try:
            self._add_voice_activity(target)
        except Exception as error:  # without a package index, 'emoserve setup' adds it later
            self.warn(f"the wheel has no voice activity: {error}")

    def _add_voice_activity(self, target: Path) -> None:
        """Copy the bundle that was prepared here, or make it from the publisher's wheel."""
        if any(PREPARED.glob("*/LICENSE")):  # one that was prepared without its notice must not be passed on
            shutil.copytree(PREPARED, target / PREPARED.name)
            return
        sys.path.insert(0, str(ROOT))
        from export.voice_activity.bundle import write_voice_activity_bundle

        write_voice_activity_bundle(target)


setup(cmdclass={"build_py": BuildWithBundles})
