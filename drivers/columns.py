"""What the columns of a pack hold and which part each plays, for a dry run and the report."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.kinds import DATE, TEXT
from jobs.design import Design

TEXTS_SHOWN = 3


def columns_of(pack: Pack, design: Design) -> list[dict[str, Any]]:
    """Name, role, kind, missing cells and extremes of each column, those that were left out last with the reason."""
    manifest = pack.manifest
    roles = dict.fromkeys(design.sources(), "feature")
    for role in ("target", "weight", "offset", "id", "fold", "cluster", "group"):
        if name := getattr(design, role):
            roles[name] = f"{roles[name]}, {role}" if name in roles else role
    found = [
        {
            "name": name,
            "role": roles.get(name, ""),
            "kind": kind,
            "missing": int(manifest.n_missing[j]),
            "holds": _holds(pack, name, kind, float(manifest.minima[j]), float(manifest.maxima[j])),
        }
        for j, (name, kind) in enumerate(zip(manifest.columns, manifest.kinds))
    ]
    left_out = [
        {"name": n, "role": "", "kind": "left out", "missing": 0, "holds": why} for n, why in manifest.left_out.items()
    ]
    return found + left_out


def _holds(pack: Pack, name: str, kind: str, low: float, high: float) -> str:
    if kind == TEXT:
        texts = pack.texts[name]
        shown = ", ".join(repr(text if len(text) <= 24 else text[:21] + "...") for text in texts[:TEXTS_SHOWN])
        return f"{len(texts):,} {'text' if len(texts) == 1 else 'texts'}: {shown}" + (
            ", ..." if len(texts) > TEXTS_SHOWN else ""
        )
    if not math.isfinite(low):
        return ""
    if kind == DATE:
        first, last = (np.datetime64(math.floor(days), "D") for days in (low, high))
        return f"{first} to {last}"
    return f"{low:.6g} to {high:.6g}"
