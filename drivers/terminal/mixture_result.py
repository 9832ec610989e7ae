"""The result of a Gaussian mixture on the terminal, within 80 columns."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from drivers.terminal.candidates import candidates_table
from drivers.terminal.tables import number, open_console, pairs_table, plain_table, print_remarks
from drivers.wording import count

# More than these are left to the report.
COMPONENTS_SHOWN, FEATURES_SHOWN = 30, 3

COLUMNS = {"log-likelihood": ("log_likelihood", 8), "AIC": ("aic", 8), "BIC": ("bic", 8), "ICL": ("icl", 8)}


def print_result(model: dict[str, Any], warnings: list[str]) -> None:
    """The chosen components, the candidates and the warnings of a mixture."""
    console = open_console()
    parameters, training = model["parameters"], model["training"]
    console.print(
        f"mixture of {count(len(parameters['means']), 'Gaussian')}, {parameters['covariance_type']} covariances, of "
        f"{count(training['rows_used'], 'row')}"
    )
    console.print(_components(model))
    if len(model["candidates"]) > 1:
        index = training["select"].upper()
        console.print(candidates_table(model, lambda entry: entry["n_components"], COLUMNS, index))
    chosen = model["candidates"][model["chosen"]]
    console.print(
        pairs_table(
            [
                ("rows used", number(training["rows_used"])), ("log-likelihood", number(chosen["log_likelihood"], 10)),
                ("rows in", number(training["rows_in"])),
                ("its mean over rows", number(chosen["mean_log_likelihood"], 8)),
                ("rejected", number(training["rows_rejected"])), ("AIC", number(chosen["aic"], 9)),
                ("missing", number(training["rows_missing"])), ("BIC", number(chosen["bic"], 9)),
                ("sum of weights", number(training["weight_sum"], 8)), ("ICL", number(chosen["icl"], 9)),
                ("free parameters", number(chosen["n_parameters"])),
                ("passes over the data", number(training["n_passes"])),
            ]
        )
    )  # fmt: skip
    print_remarks(console, warnings)


def _components(model: dict[str, Any]) -> Table:
    features, components = model["features"], model["components"]
    shown = features[:FEATURES_SHOWN]
    table = plain_table("component", "weight", *(word for name in shown for word in (name, "std dev")))
    for j, component in enumerate(components[:COMPONENTS_SHOWN]):
        mean = model["parameters"]["means"][j]
        cells = [
            number(float(value), 4)
            for i in range(len(shown))
            for value in (mean[i], component["standard_deviations"][i])
        ]  # fmt: skip
        table.add_row(str(j), number(component["weight"], 4), *cells)
    left = [(len(components) - COMPONENTS_SHOWN, "components"), (len(features) - len(shown), "features")]
    more = " and ".join(f"{n:,} more {what}" for n, what in left if n > 0)
    if more:
        table.caption = f"and {more}, in the report and the model file"
    return table
