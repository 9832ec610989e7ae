"""Objects on S3: s3://bucket/key, all below s3://bucket/prefix/, or a pattern; s3a:// and s3n:// mean the same.

boto3 finds credentials, region and endpoint by its own rules: the environment, ~/.aws, the role of the machine. Each
request names the entity tag that the object had when it was found, so that no table is made of two states of one object.
"""

from __future__ import annotations

import fnmatch
import functools
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from drivers.packing.stores.source import Source
from drivers.runners.aws.clients import CREDENTIALS_REFUSED
from jobs.errors import ScanError

HEAD_BYTES = 1 << 17  # kept of each object: what tells its kind and its columns is read several times
HEADS = 512
BUFFER_BYTES = 1 << 20
PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before each try to go on after a connection broke
CONNECT_SECONDS = 10

# What S3 says, as one sentence each.
REASONS = {
    "NoSuchBucket": "{url}: there is no such bucket",
    "NoSuchKey": "no such object: {url}",
    "AccessDenied": "access to {url} is denied; it needs the permissions s3:GetObject and, to find objects, s3:ListBucket",
    "InvalidObjectState": "{url} is archived in S3 Glacier; restore it first, e.g. by `aws s3api restore-object`",
    "PreconditionFailed": "{url} changed while it was being read; run again when it is complete",
    "PermanentRedirect": "{url} lies in another region; set AWS_DEFAULT_REGION to it",
}
# What answers without a text, and some that speak S3's protocol, give for a code.
BARE_CODES = {"403": "AccessDenied", "Forbidden": "AccessDenied", "404": "NoSuchKey", "412": "PreconditionFailed"}


def find(name: str) -> list[Source]:
    """The objects behind a key, a prefix or a pattern.

    Below a prefix, and where a pattern has a wildcard, names that begin with "." or "_" are left out, and all below them,
    as Hadoop does. A wildcard stays within a part of the key; `**` stands for any number of parts.

    :raises ScanError: when there is none, or one that cannot be read
    """
    bucket, key = _split(name)
    url = f"s3://{bucket}/{key}"
    if re.search(r"[*?\[]", key):
        found = _matching(url, bucket, key)
        none = f"no object matches {url}"
    elif key and not key.endswith("/"):
        source = _look(bucket, key)
        found = [source] if source else _matching(url, bucket, f"{key}/**")
        none = REASONS["NoSuchKey"].format(url=url)
    else:
        found = _matching(url, bucket, f"{key}**")
        none = f"there are no objects below {url}"
    if not found:
        raise ScanError(none)
    return found


def open_stream(source: Source) -> BinaryIO:
    """The bytes of an object, from its beginning.

    :raises ScanError: an object that cannot be read, or is another one by now
    """
    return io.BufferedReader(ObjectStream(source, source.size, _head(source)), BUFFER_BYTES)


def version(source: Source) -> str:
    """The object's entity tag now."""
    found = _look(*_split(source.path))
    return "gone" if found is None else found.version


class ObjectStream(io.RawIOBase):
    """The bytes of an object up to `stop`, of which the first ones may be at hand; goes on where a connection broke."""

    def __init__(self, source: Source, stop: int, head: bytes = b"") -> None:
        self._source, self._stop, self._head = source, stop, head
        self._position = 0
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n_bytes = min(len(buffer), self._stop - self._position)
        if n_bytes <= 0:
            return 0
        piece = self._head[self._position : self._position + n_bytes] or self._receive(n_bytes)
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        self._drop()
        super().close()

    def _receive(self, n_bytes: int) -> bytes:
        """The next bytes, at least one.

        :raises ScanError: an object that cannot be read, or a connection that breaks again and again
        """
        for pause in (*PAUSES, None):
            try:
                with _explained(self._source.path, broken_too=False):
                    if self._body is None:
                        self._body = self._request()
                    piece: bytes = self._body.read(n_bytes)
                if piece:
                    return piece
                cause = "it ended too early"
            except _broken_connection() as error:
                cause = " ".join(str(error).split())
            self._drop()
            if pause is not None:
                time.sleep(pause)
        raise ScanError(
            f"{self._source.shown}: the connection broke after {self._position:,} of {self._source.size:,} bytes, "
            f"and {len(PAUSES)} tries to go on failed ({cause}); run again when the network is back"
        )

    def _request(self) -> Any:
        bucket, key = _split(self._source.path)
        byte_range = f"bytes={self._position}-{self._stop - 1}"
        tag = f'"{self._source.version}"'
        answer = _client().get_object(Bucket=bucket, Key=key, Range=byte_range, IfMatch=tag)
        if self._position and not answer.get("ContentRange", "").startswith(f"bytes {self._position}-"):
            raise ScanError(f"{self._source.shown} cannot be read: the server does not give parts of an object")
        return answer["Body"]

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


@functools.lru_cache(maxsize=HEADS)
def _head(source: Source) -> bytes:
    with io.BufferedReader(ObjectStream(source, min(HEAD_BYTES, source.size)), HEAD_BYTES) as stream:
        return stream.read()


def _look(bucket: str, key: str) -> Source | None:
    """An object as it is now; None where there is none."""
    url = f"s3://{bucket}/{key}"
    with _explained(url):
        from botocore.exceptions import ClientError

        try:
            # Not a HEAD request: its refusals give no reason.
            answer = _client().get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
            answer["Body"].read()
        except ClientError as error:
            code = _code(error.response["Error"])
            if code == "NoSuchKey":
                return None
            if code == "InvalidRange":  # not one byte
                return Source(url, 0, "empty")
            raise
    # Some servers give an empty object whole.
    size = answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"]
    return Source(url, int(size), answer["ETag"].strip('"'))


def _matching(url: str, bucket: str, pattern: str) -> list[Source]:
    """The objects that match a pattern, or the one whose key it is to the letter."""
    if pattern.endswith("/"):
        pattern += "**"
    prefix = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    # No need to page through what lies deeper than the pattern reaches.
    delimiter = {} if "/" in pattern[len(prefix) :] or "**" in pattern else {"Delimiter": "/"}
    found, parts = [], pattern.split("/")
    for entry in _listing(url, bucket, prefix, **delimiter):
        key = entry["Key"]
        source = Source(f"s3://{bucket}/{key}", entry["Size"], entry["ETag"].strip('"'))
        if key == pattern:
            return [source]
        # Consoles and Hadoop mark a folder by an empty object.
        marker = source.size == 0 and key.endswith(("/", "_$folder$"))
        if not marker and _matches(key.split("/"), parts):
            found.append(source)
    return found


def _listing(url: str, bucket: str, prefix: str, **options: str) -> Iterator[dict]:
    with _explained(url):
        for page in _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **options):
            yield from page.get("Contents", ())


def _matches(parts: list[str], pattern: list[str]) -> bool:
    """Whether the parts of a key match those of a pattern."""
    if not parts or not pattern:
        return not parts and not pattern
    shown = parts[0][:1] not in (".", "_")
    if pattern[0] == "**":
        deeper = shown and _matches(parts[1:], pattern)
        return deeper or _matches(parts, pattern[1:] or ["*"])
    wanted = shown or parts[0][0] == pattern[0][:1]
    return wanted and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _split(name: str) -> tuple[str, str]:
    """Bucket and key of a URL; the key is "" for the bucket itself."""
    match = re.match(r"s3[an]?://([^/]*)/?(.*)\Z", name, re.IGNORECASE | re.DOTALL)
    if match is None or not match[1]:
        raise ScanError(f"{name} names no bucket; write s3://bucket/key")
    return match[1], match[2]


# -- boto3, imported when the first S3 name comes ------------------------------------------------------------------------


@functools.cache
def _client() -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise ScanError("s3:// inputs need boto3, which is not installed: pip install boto3") from None
    try:
        return boto3.Session().client("s3", config=Config(connect_timeout=CONNECT_SECONDS))
    except (BotoCoreError, OSError, ValueError) as error:
        raise ScanError(f"S3 cannot be used as AWS is configured here: {error}") from None


def _broken_connection() -> tuple[type[Exception], ...]:
    from botocore.exceptions import ConnectionError, HTTPClientError, IncompleteReadError
    from urllib3.exceptions import HTTPError

    return ConnectionError, HTTPClientError, IncompleteReadError, HTTPError, OSError


@contextmanager
def _explained(url: str, broken_too: bool = True) -> Iterator[None]:
    """Says in one sentence what boto3 and S3 report."""
    _client()  # first of all, since without boto3 its errors cannot be imported
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except _broken_connection() as error:
        if not broken_too:
            raise
        raise ScanError(_unreachable(url, error)) from None
    except ClientError as error:
        raise ScanError(_refusal(url, error.response["Error"])) from None
    except BotoCoreError as error:
        raise ScanError(_trouble(url, error)) from None


def _refusal(url: str, error: dict) -> str:
    code = _code(error)
    if code in REASONS:
        return REASONS[code].format(url=url)
    if code in CREDENTIALS_REFUSED:
        return f"{url}: S3 does not accept the AWS credentials ({code}); renew them, e.g. by `aws configure`"
    return f"{url} cannot be read: S3 answers {code} ({error.get('Message', 'no reason')})"


def _code(error: dict) -> str:
    code = error.get("Code", "?")
    return BARE_CODES.get(code, code)


def _unreachable(url: str, error: Exception) -> str:
    from botocore.exceptions import SSLError

    endpoint = urlsplit(_client().meta.endpoint_url)
    host = f"{endpoint.hostname}:{endpoint.port}" if endpoint.port else endpoint.hostname
    if isinstance(error, SSLError):
        reason = " ".join(str(error.kwargs.get("error")).split())
        return f"{url}: there is no secure connection to {host} ({reason}); AWS_CA_BUNDLE can name authorities to trust"
    return f"{url}: S3 does not answer at {host}; check the network, the region and AWS_ENDPOINT_URL"


def _trouble(url: str, error: Exception) -> str:
    from botocore.exceptions import NoCredentialsError, ParamValidationError

    if isinstance(error, NoCredentialsError):
        return f"{url}: there are no AWS credentials; set them as boto3 finds them, e.g. by `aws configure`"
    if isinstance(error, ParamValidationError):
        return f"{url}: there can be no bucket of that name"
    return f"{url} cannot be read: {' '.join(str(error).split())}"
