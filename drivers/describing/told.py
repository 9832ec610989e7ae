"""What is told of a profile: its numbers, and what is remarkable about them."""

from __future__ import annotations

from typing import Any

from drivers.describing.profile_file import TableProfile
from drivers.describing.remarks import remarks_of
from drivers.describing.summary import summary_of


def told_of(profile: TableProfile, rejects: str | None = None) -> dict[str, Any]:
    """What is told of a profile, its remarks among it."""
    summary = summary_of(profile)
    # "features" and "design" as in the file of a model, whose report this one shares its sections with.
    shared: dict[str, Any] = {"features": [], "target": None, "weight": None, "design": {"features": []}}
    return {**summary, "remarks": remarks_of(summary, rejects), **shared}
