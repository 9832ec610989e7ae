"""The masters of Spark: which there are, how many tasks they run here, and whether they answer."""

from __future__ import annotations

import os
import re
import socket

from drivers.app import UsageError
from jobs.errors import ScanError

# A task that dies is tried again, as often as on a cluster.
DEFAULT = "local[*,4]"
MASTERS = r"local|local\[ *(?P<cores>\*|[1-9]\d*) *(?:, *\d+ *)?\]|spark://.+:\d+|yarn|k8s://.+"
SECONDS_TO_ANSWER = 5.0


def cores_of(master: str) -> int | None:
    """How many tasks run at a time on this machine; None where the master has machines of its own.

    :raises UsageError: what is no master
    """
    found = re.fullmatch(MASTERS, master)
    if found is None:
        raise UsageError(f"--spark-master {master}: a master is local[N], spark://HOST:PORT, yarn or k8s://HOST:PORT")
    if not master.startswith("local"):
        return None
    cores = found["cores"] or "1"
    return (os.cpu_count() or 1) if cores == "*" else int(cores)


def check_that_it_answers(master: str) -> None:
    """Asks where Spark itself would ask for a minute.

    :raises ScanError: a master of Spark's own that does not answer
    """
    if not master.startswith("spark://"):
        return
    reason: object = ""
    for place in master.removeprefix("spark://").split(","):
        host, _, port = place.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()
            return
        except (OSError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
    raise ScanError(f"no Spark master answers at {master} ({reason}); is it up?")
