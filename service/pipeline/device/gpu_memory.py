"""How much memory of the GPU is in use, asked of the CUDA driver: ONNX Runtime does not tell."""

from __future__ import annotations

import ctypes
import math
from typing import Any

DEVICE = 0
"""ONNX Runtime runs on the first device that the process may see; so does this."""


class GpuMemory:
    """Asks the driver, in the context that the CUDA provider has made already; costs no memory of its own.

    Args:
        driver: the CUDA driver's functions; None loads the library.
    """

    def __init__(self, driver: Any = None) -> None:  # noqa: ANN401 - a library has whatever functions it has
        self._context = ctypes.c_void_p()
        try:
            self._driver = driver or ctypes.CDLL("libcuda.so.1")
            device = ctypes.c_int(0)
            self._usable = (
                self._driver.cuInit(0) == 0
                and self._driver.cuDeviceGet(ctypes.byref(device), DEVICE) == 0
                and self._driver.cuDevicePrimaryCtxRetain(ctypes.byref(self._context), device) == 0
            )
        except (OSError, AttributeError):
            self._usable = False

    def used_bytes(self) -> float:
        """Bytes in use on the device, by every process; NaN where the driver does not tell. Thread-safe."""
        if not self._usable or self._driver.cuCtxPushCurrent_v2(self._context) != 0:
            return math.nan
        free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
        try:
            told = self._driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
        finally:
            self._driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
        return float(total.value - free.value) if told else math.nan
