"""Why a step on EMR has failed: its logs, which EMR brings to S3 some minutes after they were written.

steps/STEP/{syslog,stderr}.gz                   what Hadoop's client said: which application, how its tasks failed
containers/APPLICATION/CONTAINER/stderr.gz      what a task said: its traceback
"""

from __future__ import annotations

import gzip
import re
import zlib

from drivers.runners.aws.s3_files import S3Files
from drivers.runners.failures import OWN, RAISED

APPLICATION = re.compile(r"\bapplication_\d+_\d+")
# The client's last words of a job that failed.
CLIENT_IS_DONE = re.compile(r"Job not successful|Streaming Command Failed|failed with state|Error [Ll]aunching job")
# A task that ended by an error of Python's tells it in its own log; one that was killed does not.
TOLD_BY_TASK = re.compile(r"subprocess failed with code 1\b")
MOST_CONTAINERS = 200  # whose logs are looked through


class StepLogs:
    """The logs of one step, as far as they are there.

    texts: what has been read, by its URI
    """

    def __init__(self, files: S3Files, folder: str, step_id: str) -> None:
        """
        :param folder: of the logs of its cluster
        """
        self.files, self.folder, self.step_id = files, folder, step_id
        self.texts: dict[str, str] = {}

    def tell_why(self) -> bool:
        """Reads what has come; whether it tells why the step failed.

        :raises ScanError: logs that must not be read
        """
        client = "".join(
            self._read(uri)
            for uri in self.files.below(f"{self.folder}steps/{self.step_id}/")
            if re.search(r"/(syslog|stderr)[^/]*$", uri)
        )
        if not CLIENT_IS_DONE.search(client):
            return False
        application = APPLICATION.search(client)
        if application is None or not TOLD_BY_TASK.search(client):
            return True
        return self._find_error(f"{self.folder}containers/{application[0]}/")

    def _find_error(self, containers: str) -> bool:
        """Whether a task tells an error of Python's; of several one is kept, ours before others."""
        found = None
        for uri in [uri for uri in self.files.below(containers) if "/stderr" in uri][:MOST_CONTAINERS]:
            text = self._read(uri)
            if OWN.search(text):
                return True
            if not RAISED.search(text) or found is not None:
                del self.texts[uri]
            else:
                found = uri
        return found is not None

    def _read(self, uri: str) -> str:
        data = self.files.read(uri)
        try:
            data = gzip.decompress(data) if uri.endswith(".gz") else data
        except (OSError, EOFError, zlib.error):
            data = b""  # it is being written
        self.texts[uri] = data.decode(errors="replace")
        return self.texts[uri]
