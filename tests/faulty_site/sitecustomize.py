"""Makes a program go wrong at a chosen moment, without a word of it in the program: Python imports this when it starts.

The variable FAULTS names a JSON file with a list of faults, each an object:

    who       "driver", "mapper" or "reducer"
    opens     a regular expression: the path of a file that is being opened
    mode      of opening it: "r" or "w"
    task      the number of the task, null for any
    times     how often it goes wrong; the attempts are counted in `folder`
    do        "kill", "kill the driver", "raise", "hang", "fill the disk", "wait" until it is told to go on, or "note" only
    folder    where attempts are counted, the file `driver` holds the driver's process id, and NAME.go lets one go on
"""

import json
import os
import re
import resource
import signal
import sys
import time


def who():
    words = [*sys.orig_argv, *getattr(sys, "argv", [])]  # a task that is forked has the words of its own in argv alone
    kind = next((word[2:] for word in words if word in ("--mapper", "--reducer")), None)
    return kind or ("server" if any(word.endswith("fork_server.py") for word in words) else "driver")


def nth(folder, name):
    """Which time this is, from 1; of processes that ask at once, each gets another number."""
    n = 1
    while True:
        try:
            os.close(os.open(os.path.join(folder, f"{name}-{n}"), os.O_CREAT | os.O_EXCL))
            return n
        except FileExistsError:
            n += 1


def go_wrong(what, folder, name):
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "kill the driver":
        with open(os.path.join(folder, "driver")) as file:
            os.kill(int(file.read()), signal.SIGKILL)
        time.sleep(600)
    elif what == "raise":
        raise RuntimeError("gone wrong on purpose")
    elif what == "hang":
        time.sleep(600)
    elif what == "fill the disk":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    elif what == "wait":
        while not os.path.exists(os.path.join(folder, f"{name}.go")):
            time.sleep(0.02)


def begin(faults):
    named = [(f"{fault['who']}-{number}", fault) for number, fault in enumerate(faults)]

    def listen(event, arguments):
        if event != "open" or not isinstance(arguments[0], str):
            return
        path, mode, _ = arguments
        for name, fault in named:
            if not re.search(fault["opens"], path) or not (mode or "r").startswith(fault["mode"]):
                continue
            task = os.environ.get("mapreduce_task_partition")  # noqa: SIM112  (its name)
            if fault["who"] != who() or fault["task"] not in (None, task):
                continue
            over = os.path.join(fault["folder"], f"{name}-{fault['times']}")
            if not os.path.exists(over) and nth(fault["folder"], name) <= fault["times"]:
                go_wrong(fault["do"], fault["folder"], name)

    sys.addaudithook(listen)


if "FAULTS" in os.environ:
    with open(os.environ["FAULTS"]) as file:
        begin(json.load(file))
