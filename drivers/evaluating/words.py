"""How measures are called, which come first, and which of them are large where the predictions are good."""

from __future__ import annotations

from typing import Any

TITLES = {
    "rmse": "RMSE", "mse": "MSE", "mae": "MAE", "mape": "MAPE", "bias": "bias", "r_squared": "R squared",
    "explained_variance": "explained variance", "correlation": "correlation", "max_error": "largest error",
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "precision": "precision", "recall": "recall",
    "f1": "F1", "specificity": "specificity", "precision_macro": "precision, macro", "recall_macro": "recall, macro",
    "f1_macro": "F1, macro", "precision_micro": "precision, micro", "recall_micro": "recall, micro", "f1_micro": "F1, "
    "micro",
    "precision_weighted": "precision, weighted", "recall_weighted": "recall, weighted", "f1_weighted": "F1, weighted",
    "mcc": "MCC", "kappa": "Cohen's kappa", "log_loss": "log-loss", "brier": "Brier score", "auc": "ROC area",
    "average_precision": "average precision", "ks": "KS", "calibration_error": "calibration error", "cost": "cost of a row",
    "adjusted_rand": "adjusted Rand index", "nmi": "NMI", "v_measure": "V-measure", "homogeneity": "homogeneity",
    "completeness": "completeness", "silhouette": "silhouette", "calinski_harabasz": "Calinski-Harabasz",
    "davies_bouldin": "Davies-Bouldin",
}  # fmt: skip
# What a row of a table of segments or models has room for, the most telling first.
LEADING = {
    "regression": ("rmse", "mae", "bias", "r_squared"),
    "classification": ("accuracy", "auc", "average_precision", "log_loss", "f1", "f1_macro", "mcc"),
    "clustering": ("adjusted_rand", "nmi", "silhouette"),
}
# With one number for each of all labels these are the same as the accuracy.
ALIKE = ("precision_micro", "recall_micro", "f1_micro", "recall_weighted")
SMALL_IS_GOOD = ("rmse", "mse", "mae", "mape", "log_loss", "brier", "cost", "davies_bouldin", "calibration_error")


def measures_told(measures: dict[str, Any]) -> list[str]:
    """The measures that are told of a model, without those that say the same as another."""
    return [name for name in TITLES if name in measures and name not in ALIKE]


def leading(task: str, measures: dict[str, Any], most: int = 4) -> list[str]:
    """The first measures there are."""
    return [name for name in LEADING[task] if name in measures][:most]


def headline(result: dict[str, Any]) -> str:
    """What was judged, in one line."""
    whole = result["whole"]
    if result["task"] == "regression":
        names = ", ".join(result["predictions"])
        return f"{names} against {result['target']}, {whole['n_rows']:,} rows"
    if result["task"] == "classification":
        of = f" = {result['positive']}" if result.get("positive") else f", {len(result['classes'])} classes"
        return f"predictions of {result['target']}{of}, {whole['n_rows']:,} rows"
    against = f" against {result['target']}" if result["target"] else ""
    return f"{len(result['clusters'])} clusters of {result['label']}{against}, {whole['n_rows']:,} rows"
