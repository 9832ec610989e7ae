"""What computes on this machine: the three things on which the last bits of a sum depend, and the Python that runs."""

from __future__ import annotations

import ctypes
import hashlib
import platform
from dataclasses import dataclass

import numpy as np

from jobs.records import Record

# As the wheels of numpy and of the distributions name it.
_CORENAME_FUNCTIONS = (
    "scipy_openblas_get_corename64_",
    "scipy_openblas_get_corename",
    "openblas_get_corename64_",
    "openblas_get_corename",
)


@dataclass
class Environment(Record):
    """Bits are promised equal between tasks whose numpy, blas and cpu agree."""

    python: str
    numpy: str
    blas: str
    cpu: str

    @classmethod
    def here(cls) -> Environment:
        """The environment of this process."""
        return cls(platform.python_version(), np.__version__, _blas(), _cpu())


def _blas() -> str:
    """Name, version and, of OpenBLAS, the kernel it chose for this processor (or was told by OPENBLAS_CORETYPE)."""
    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # numpy >= 1.25
        return " ".join([blas["name"], blas["version"], _openblas_kernel()]).strip()
    except (TypeError, KeyError, AttributeError):
        return f"unknown {_openblas_kernel()}".strip()


def _openblas_kernel() -> str:
    """The kernel of the OpenBLAS that numpy has loaded, found in the memory map of this process; "" without one."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as f:
            paths = {line.split(None, 5)[5].strip() for line in f if "openblas" in line}
    except OSError:  # not Linux
        return ""
    for path in sorted(paths):
        try:
            library = ctypes.CDLL(path)
        except OSError:  # the file has gone since
            continue
        for name in _CORENAME_FUNCTIONS:
            function = getattr(library, name, None)
            if function is not None:
                function.restype = ctypes.c_char_p
                return (function() or b"").decode("ascii", "replace")
    return ""


def _cpu() -> str:
    """The machine's kind and a fingerprint of its vector instructions, which choose numpy's own kernels."""
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[import-not-found]
    except ImportError:
        from numpy.core._multiarray_umath import __cpu_features__ as features  # type: ignore
    enabled = ",".join(sorted(name for name, on in features.items() if on))
    return f"{platform.machine()} {hashlib.md5(enabled.encode(), usedforsecurity=False).hexdigest()[:8]}"
