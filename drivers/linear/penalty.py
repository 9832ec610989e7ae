"""What a penalty is: its kind, and how much of it is on the absolute values and how much on the squares."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.errors import ScanError

KINDS = ("none", "ridge", "lasso", "elastic-net")
# As scikit-learn's LassoCV.
N_ALPHAS = 100


@dataclass(frozen=True)
class Penalty:
    """kind: one of KINDS; l1_ratio: of "elastic-net" alone, from 0 to 1; standardize: d_j is the weighted standard
    deviation of feature j over the training rows; positive: coefficients are at least 0, for any kind.

    :raises ScanError: for an l1_ratio outside [0, 1]
    :raises ValueError: for an unknown kind
    """

    kind: str = "none"
    l1_ratio: float = 0.5
    standardize: bool = False
    positive: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown penalty {self.kind!r}; there are {', '.join(KINDS)}")
        if not 0 <= self.l1_ratio <= 1:
            raise ScanError(f"the l1 ratio is a number from 0 (ridge) to 1 (lasso), not {self.l1_ratio!r}")

    @property
    def l1_share(self) -> float:
        """How much of alpha is on |b|_1."""
        return {"lasso": 1.0, "elastic-net": self.l1_ratio}.get(self.kind, 0.0)

    def strengths(self, alpha: float, weight_sum: float) -> tuple[float, float]:
        """l1 and l2 of (1) in drivers/linear/penalties.py."""
        if self.kind == "none":
            return 0.0, 0.0
        if self.kind == "ridge":
            return 0.0, alpha
        return weight_sum * alpha * self.l1_share, weight_sum * alpha * (1 - self.l1_share)
