"""uvicorn, one process on one socket, from its start to a signal that ends it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Generator

import uvicorn
from fastapi import FastAPI

from drivers import interruption
from jobs.errors import ScanError

# Requests that are under way when the service is asked to end.
SECONDS_TO_END = 10


class Server(uvicorn.Server):
    """Ends well when it is asked to: that a service is stopped is no failure."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """uvicorn's own raises the signals once more when it has ended."""
        before = {number: signal.getsignal(number) for number in interruption.SIGNALS}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(host: str, port: int) -> socket.socket:
    """A socket of this address; of a free port where it is 0.

    :raises ScanError: an address that is in use, not of this machine, or not allowed
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        # Those of the name of a host are below zero, and have their own texts.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise ScanError(f"cannot listen on {host}, port {port}: {why.lower()}; name another --host or --port") from None
    # Inherited by each connection. The head and the body of an answer are two writes, of which the second would wait 40 ms
    # for the client's acknowledgement of the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def serve(app: FastAPI, listening: socket.socket, access_log: bool, debug: bool) -> None:
    """Answers requests until a signal comes."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    logging.getLogger("drivers.serving").setLevel(logging.DEBUG if debug else logging.WARNING)
    if access_log:
        logging.getLogger("uvicorn.access").setLevel(logging.INFO)
    config = uvicorn.Config(
        app, log_config=None, access_log=access_log, lifespan="off", ws="none", server_header=False,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )  # fmt: skip
    Server(config).run(sockets=[listening])
