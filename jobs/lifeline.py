"""A task on the driver's own machine ends with its driver, whatever ended the driver: kill -9 leaves no tasks behind.

The driver holds the writing end of a pipe, which the system closes when the driver is no more; each of its tasks waits for
that at the other end.
"""

import os
import threading

VARIABLE = "SCANLEARN_LIFELINE"  # the number of the reading end


def hold_on():
    """From here on this process ends with its driver, where the driver has given it a pipe."""
    number = os.environ.get(VARIABLE, "")
    if number.isdigit():
        threading.Thread(target=_wait, args=(int(number),), daemon=True).start()


def _wait(descriptor):
    try:
        os.read(descriptor, 1)
    except OSError:  # no such pipe: an environment that came from elsewhere
        return
    os._exit(1)
