"""One message for a failed job: what failed, the task's own error, what to try, and where the log is."""

from __future__ import annotations

import re

# What to try, by what the log says; on any runner.
HINTS = {
    r"No module named 'numpy'": "the Python of the nodes has no numpy; name one that has with --python-bin",
    r"No module named '(?:jobs|mrjob)\b": (
        "the Python of the tasks does not have this package; install it there, or leave out --python-bin"
    ),
    r"python[\d.]*: (?:command )?not found|No such file or directory: '\S*python|(?:code|status) 127\b|error=2, ": (
        "the nodes have no such Python; name one with --python-bin"
    ),
    r"No space left on device|ENOSPC|File too large|SIGXFSZ|signal 25|(?:code|status) 153": (
        "a disk is full, or a limit on the size of files is met"
    ),
    r"without a word": "a disk may be full, so that it could not even say why",
    r"Timed out after \d+ secs|said nothing for": (
        "a task said nothing for too long; -D mapreduce.task.timeout=MILLISECONDS gives it more"
    ),
    r"(?:code|status) 137\b|SIGKILL|signal 9\b": "something killed the task, often for want of memory",
}
# On a runner whose tasks YARN starts.
YARN_HINTS = {
    r"Container .* is running .* beyond the .*memory": (
        "the cluster gives its tasks too little memory; -D mapreduce.map.memory.mb=2048 asks for more"
    ),
    r"InvalidResourceRequestException|maximum allowed allocation": (
        "the cluster does not give a task as much memory as was asked for"
    ),
}
# The errors of this package, whose sentence is the whole message.
OWN = re.compile(r"^(?:[\w.]*\.)?(?:ScanError|BadRecord|BadBlock|BadRow): (.+)$", re.MULTILINE)
RAISED = re.compile(r"^([A-Z]\w*(?:Error|Exception)(?:: .+)?)$", re.MULTILINE)


def explain_failure(error: BaseException, alias: str, hints: dict[str, str], log_text: str, log_path: str) -> str:
    """One message for a failed job.

    :param hints: what to try on this runner, by what the log says
    """
    told = OWN.findall(log_text)
    if told:
        return told[-1]
    raised = RAISED.findall(log_text)
    reason = raised[-1] if raised else shift_status(str(error))
    log_text += str(error)
    tips = dict.fromkeys(hint for pattern, hint in {**hints, **HINTS}.items() if re.search(pattern, log_text))
    return "\n  ".join([f"the job failed on the runner {alias}: {reason}", *tips, f"the whole story is in {log_path}"])


def shift_status(message: str) -> str:
    """mrjob shows the whole command, and the raw wait status: 256 is exit status 1."""
    message = re.sub(r"Command '.*' (returned|died)", r"the command \1", message, flags=re.DOTALL)

    def shifted(match: re.Match[str]) -> str:
        status = int(match.group(2))
        return f"{match.group(1)}{status >> 8 if status >= 256 else status}"

    return re.sub(r"((?:exit status|return code) )(\d+)", shifted, message)
