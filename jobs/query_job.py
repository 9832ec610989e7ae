"""QueryJob: a job that is told what to do by the file that `--query` names. The base of every job here."""

import io
import sys
from contextlib import contextmanager

from jobs import lifeline
from jobs.errors import ScanError
from jobs.mrjob_compat import BytesValueProtocol, MRJob


class QueryJob(MRJob):
    """Lines are bytes; the query travels as a file, never on a command line; a stray print spoils nothing."""

    INPUT_PROTOCOL = BytesValueProtocol
    OUTPUT_PROTOCOL = BytesValueProtocol

    def configure_args(self):
        super().configure_args()
        self.add_file_arg("--query", help="The file with the query of this pass: a record on one line.")

    def run_mapper(self, step_num=0):
        with self._text_streams():
            super().run_mapper(step_num)

    def run_reducer(self, step_num=0):
        with self._text_streams():
            super().run_reducer(step_num)

    @contextmanager
    def _text_streams(self):
        """mrjob's inline runner makes sys.stdout and sys.stderr byte streams, so that print() and numpy's warnings
        raise TypeError; elsewhere a print would corrupt the job's output. Both go to stderr as text instead."""
        lifeline.hold_on()
        self.sandbox(stdin=self.stdin, stdout=self.stdout, stderr=self.stderr)  # pins the byte streams
        kept = sys.stdout, sys.stderr
        text = io.TextIOWrapper(self.stderr, encoding="utf-8", errors="backslashreplace", write_through=True)
        sys.stdout = sys.stderr = text
        try:
            yield
        finally:
            text.detach()
            sys.stdout, sys.stderr = kept


def load_query(path, cls):
    """The query of a class in a file."""
    if not path:
        raise ScanError("a pass needs --query FILE; a driver writes one for each pass into its run directory")
    try:
        with open(path, "rb") as f:
            return cls.from_line(f.read())
    except OSError as error:
        raise ScanError(f"the query {path} cannot be read: {error.strerror}") from None
