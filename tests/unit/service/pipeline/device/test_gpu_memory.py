"""GPU memory, with a stand-in for the CUDA driver."""

import ctypes
import math

import pytest

from service.pipeline.device.session import GpuMemory


class Driver:
    """Has 80 GB, of which 30 are free; the function ``broken`` fails."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.contexts: list[int | None] = []

    def __getattr__(self, name: str):
        def call(*arguments) -> int:
            return 1 if name == self.broken else self._act(name, arguments)

        return call

    def _act(self, name: str, arguments: tuple) -> int:
        if name == "cuDevicePrimaryCtxRetain":
            ctypes.cast(arguments[0], ctypes.POINTER(ctypes.c_void_p))[0] = 77
        elif name == "cuCtxPushCurrent_v2":
            self.contexts.append(arguments[0].value)
        elif name == "cuCtxPopCurrent_v2":
            self.contexts.append(None)
        elif name == "cuMemGetInfo_v2":
            for argument, value in zip(arguments, (30, 80), strict=True):
                ctypes.cast(argument, ctypes.POINTER(ctypes.c_size_t))[0] = value * 10**9
        return 0


def test_is_what_is_not_free_and_leaves_no_context_behind():
    driver = Driver()
    memory = GpuMemory(driver)
    assert [memory.used_bytes(), memory.used_bytes()] == [50e9, 50e9]
    assert driver.contexts == [77, None, 77, None]


@pytest.mark.parametrize("broken", ["cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuMemGetInfo_v2"])
def test_what_the_driver_does_not_tell_is_not_made_up(broken):
    driver = Driver(broken)
    assert math.isnan(GpuMemory(driver).used_bytes())
    assert driver.contexts in ([], [77, None])


def test_a_library_without_these_functions_is_no_driver():
    assert math.isnan(GpuMemory(object()).used_bytes())
