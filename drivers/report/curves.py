"""How pictures name a polynomial and its derivatives."""

from __future__ import annotations

import re

from drivers.calculus.polynomials import Polynomial
from drivers.report.figures import label

LONGEST = 44
PRIME = "\N{PRIME}"


def formula(polynomial: Polynomial) -> str:
    """The polynomial as a picture sets it, cut where it is long."""
    text = str(polynomial)
    if len(text) > LONGEST:
        return label(text, LONGEST)
    return "$" + re.sub(r"\^(\d+)", r"^{\1}", text) + "$"


def function_name(order: int) -> str:
    """f, f', f''."""
    return "f" + order * PRIME
