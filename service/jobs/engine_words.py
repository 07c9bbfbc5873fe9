"""What a step of a job tells its engine; the engine writes these words down and nothing else."""

from __future__ import annotations

from typing import Final

MORE: Final = "more"
"""There are more segments of this part."""
LAST: Final = "last"
"""That was the last one of it."""
ENDED: Final = "ended"
"""The job is over."""
