"""What the user has set for a runner, by switch or in mrjob.conf, and our defaults where nothing is set."""

from __future__ import annotations

import logging
import os
from typing import Any

from jobs.errors import ScanError
from jobs.mrjob_compat import MRJob, load_opts_from_mrjob_confs

# What mrjob says goes to the log of a run, when there is one.
logging.getLogger("mrjob").addHandler(logging.NullHandler())


class Switches:
    """What the user has set already, by switch or in mrjob.conf."""

    def __init__(self, alias: str, arguments: list[str]) -> None:
        self.alias = alias
        self.arguments = arguments
        self.given = {argument.split("=")[0] for argument in arguments if argument.startswith("-")}
        self.conf = _conf_options(alias, arguments)

    def option(self, name: str) -> Any:
        """The user's value of one of mrjob's options, by the last such switch or else by mrjob.conf; None without one."""
        # Of lists the switch names one.
        switches = {f"--{word.replace('_', '-')}" for word in (name, name.removesuffix("s"))}
        given = [(sign, value) for word, sign, value in (a.partition("=") for a in self.arguments) if word in switches]
        if not given:
            return self.conf.get(name)
        sign, value = given[-1]
        return value if sign else True

    def properties(self) -> dict[str, str]:
        """What is set of the job's own configuration, by -D or in mrjob.conf."""
        return {**(self.conf.get("jobconf") or {}), **(MRJob(args=self.arguments).options.jobconf or {})}

    def n_maps(self) -> int | None:
        """How many map tasks are asked for."""
        asked = str(self.properties().get("mapreduce.job.maps", ""))
        return int(asked) if asked.isdigit() else None

    def with_defaults(self, defaults: dict[str, str | None]) -> list[str]:
        """The user's arguments after those of the defaults that the user has not set; a value of None is a flag."""
        chosen = []
        for switch, value in defaults.items():
            is_flag = switch.startswith("--no-") and value is None
            option = switch.removeprefix("--").removeprefix("no-").replace("-", "_")
            positive = "--" + option.replace("_", "-")
            if {switch, positive, f"--no-{positive[2:]}"} & self.given or option in self.conf:
                continue
            if is_flag or value is not None:
                chosen.append(switch if is_flag else f"{switch}={value}")
        return [*chosen, *self.arguments]

    def jobconf(self, defaults: dict[str, str]) -> list[str]:
        """The switches for the defaults that mrjob.conf does not set; a switch of the user's comes later, and wins."""
        names = [name for name in defaults if name not in self.conf.get("jobconf", {})]
        return [word for name in names for word in ("-D", f"{name}={defaults[name]}")]


def _conf_options(alias: str, arguments: list[str]) -> dict:
    """The options that mrjob.conf sets for a runner."""
    if "--no-conf" in arguments:
        return {}
    paths = [a.partition("=")[2] for a in arguments if a.startswith("--conf-path=")]
    paths += [arguments[i + 1] for i, a in enumerate(arguments) if a == "-c"]
    merged: dict = {}
    try:
        for _, options in load_opts_from_mrjob_confs(alias, paths or None):
            merged.update(options)
    except OSError:
        raise
    except Exception as error:  # what a file that is no configuration makes of mrjob and its parser
        named = ", ".join(paths) or os.environ.get("MRJOB_CONF") or "mrjob.conf"
        reason = " ".join(str(error).split())
        raise ScanError(f"{named} is not a configuration of mrjob: {reason[:200]}") from None
    return merged
