"""Numbers of things and of bytes, as a sentence says them."""

from __future__ import annotations


def size(n_bytes: float) -> str:
    """Bytes in the unit that gives one to three digits before the point."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if n_bytes < 1000 or unit == "TB":
            break
        n_bytes /= 1000
    return f"{n_bytes:,.0f} {unit}" if unit == "bytes" else f"{n_bytes:.3g} {unit}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """1 pass, 2 passes."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(names: list[str], most: int = 8) -> str:
    """Names one after another, no more than the first ones."""
    return ", ".join(name[:40] for name in names[:most]) + (", ..." if len(names) > most else "")
