"""What a run on EMR would take, told before anything is rented: steps, instance hours, and what these cost by the price
that the user gives. No price of AWS's is known here.
"""

from __future__ import annotations

from typing import Any

from drivers.runners.emr.options import request_for
from drivers.runners.emr.request import cost, instance_hours
from drivers.runners.switches import Switches

# Assumed, on the safe side, and told with the plan: none of it was measured on AWS.
START_SECONDS = 600  # until a new cluster takes steps
STEP_SECONDS = 60  # of each step, whatever it reads
NODE_BYTES_A_SECOND = 50_000_000  # of the lines of a packed table


def emr_plan(arguments: list[str], passes: list[int], n_bytes: int, hourly_price: float | None) -> dict[str, Any]:
    """The plan as numbers.

    :param arguments: mrjob's, as the user gave them
    :param passes: at least and at most
    :param n_bytes: what a pass reads
    :param hourly_price: of a node, EC2 and EMR together; None where it is not given
    """
    user = Switches("emr", arguments)
    request = request_for(user, "", "plan")
    start = 0 if user.option("cluster_id") else START_SECONDS
    step = STEP_SECONDS + n_bytes / (NODE_BYTES_A_SECOND * max(request.n_core, 1))
    # A run without passes makes no cluster.
    hours = [instance_hours(request.n_nodes, start + n * step) if n else 0.0 for n in passes]
    return {
        "nodes": request.n_nodes,
        "primary_type": request.primary_type,
        "core_type": request.core_type if request.n_core else None,
        "steps": passes,
        "instance_hours": hours,
        "hourly_price": hourly_price,
        "cost": None if hourly_price is None else [cost(some, hourly_price) for some in hours],
        "assumed": {"start_seconds": start, "step_seconds": STEP_SECONDS, "node_bytes_a_second": NODE_BYTES_A_SECOND},
    }
