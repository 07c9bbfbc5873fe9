"""Units of work for tests that call a pipeline themselves."""

from service.pipeline.device.task import Work


def patient() -> Work:
    """Work that nobody watches or cancels, with two minutes to be done."""
    return Work.within(120.0)
