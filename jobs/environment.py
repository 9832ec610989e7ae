"""What computes on this machine: the three things on which the last bits of a sum depend, and the Python that runs."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass

import numpy as np

from jobs.records import Record


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
    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # numpy >= 1.25
        return f"{blas['name']} {blas['version']}"
    except (TypeError, KeyError, AttributeError):
        return "unknown"


def _cpu() -> str:
    """The machine's kind and a fingerprint of its vector instructions, which choose the BLAS and numpy kernels."""
    try:
        from numpy._core._multiarray_umath import __cpu_features__ as features  # type: ignore[import-not-found]
    except ImportError:
        from numpy.core._multiarray_umath import __cpu_features__ as features  # type: ignore
    enabled = ",".join(sorted(name for name, on in features.items() if on))
    return f"{platform.machine()} {hashlib.md5(enabled.encode(), usedforsecurity=False).hexdigest()[:8]}"
