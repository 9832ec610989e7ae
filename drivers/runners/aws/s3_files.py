"""What the runner emr has on S3: written whole or not at all, found again, read, removed.

boto3's transfer manager sends what is long in parts, several at a time. A part of a file that was never finished is not to
be seen among the objects, and costs; so the upload is written down as something left until it is whole.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from drivers.runners.aws.clients import client, explained, split_uri
from drivers.runners.leftovers import Leftovers
from jobs.errors import ScanError

PART_BYTES, MOST_PARTS = 8 << 20, 10_000  # S3 takes no more parts of a file
BUFFER_BYTES = 1 << 20
KEYS_A_REQUEST = 1000
BEGUN = "after-call.s3.CreateMultipartUpload"


class S3Files:
    """Files of a region, by their s3:// URIs; a `folder` is all that begins with its URI, which ends with a slash."""

    def __init__(self, region: str, leftovers: Leftovers | None = None) -> None:
        self.region, self.leftovers = region, leftovers
        self._unfinished: dict[str, tuple[str, str]] = {}  # by their names among the leftovers

    def present(self, uri: str) -> bool:
        """Whether there is such a file.

        :raises ScanError: no such bucket, or one that must not be listed
        """
        # Not a HEAD request: its refusals give no reason.
        bucket, key = split_uri(uri)
        with explained(f"{uri} could not be looked up", self.region):
            found = client("s3", self.region).list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        return any(entry["Key"] == key for entry in found.get("Contents", ()))

    def put(
        self, pieces: Iterable[bytes], uri: str, n_bytes: int = 0, advance: Callable[[int], None] = lambda n: None
    ) -> None:
        """Writes a file.

        :param n_bytes: about how many it will have, which the size of its parts depends on
        :param advance: is told of the bytes of each piece
        :raises ScanError: it is not written
        """
        from boto3.s3.transfer import TransferConfig

        bucket, key = split_uri(uri)
        part = max(PART_BYTES, -(-2 * n_bytes // MOST_PARTS))
        config = TransferConfig(multipart_threshold=part, multipart_chunksize=part, preferred_transfer_client="classic")
        source = _Pieces(pieces, advance)
        stream = io.BufferedReader(source, BUFFER_BYTES)
        with self._uploads_noted(uri), explained(f"{uri} could not be written", self.region):
            send = client("s3", self.region).upload_fileobj
            with ThreadPoolExecutor(1) as thread:
                try:
                    thread.submit(send, stream, bucket, key, Config=config).result()
                except BaseException:
                    # boto3 would read on to the end before it gives up.
                    source.is_over = True
                    raise

    def put_file(self, path: str, uri: str) -> None:
        """Writes the small file of a path here.

        :raises ScanError: it is not written
        """
        bucket, key = split_uri(uri)
        with open(path, "rb") as file, explained(f"{uri} could not be written", self.region):
            client("s3", self.region).put_object(Bucket=bucket, Key=key, Body=file)

    def read(self, uri: str) -> bytes:
        """The bytes of a file.

        :raises ScanError: it is not there, or must not be read
        """
        bucket, key = split_uri(uri)
        with explained(f"{uri} could not be read", self.region):
            return client("s3", self.region).get_object(Bucket=bucket, Key=key)["Body"].read()

    def below(self, start: str) -> list[str]:
        """The URIs that begin so, in their order.

        :raises ScanError: no such bucket, or one that must not be listed
        """
        bucket, prefix = split_uri(start)
        return [f"s3://{bucket}/{key}" for key in self._keys(bucket, prefix)]

    def remove(self, folder: str) -> int:
        """Removes all files of a folder; gives their number, which is 0 in a bucket that is gone.

        :raises ScanError: one that must not be removed
        """
        bucket, prefix = split_uri(folder)
        assert prefix.endswith("/") and prefix != "/", folder
        keys = iter(self._keys(bucket, prefix, may_be_gone=True))
        n_removed = 0
        while some := list(itertools.islice(keys, KEYS_A_REQUEST)):
            with explained(f"{folder} could not be removed", self.region):
                wanted = {"Objects": [{"Key": key} for key in some], "Quiet": True}
                answer = client("s3", self.region).delete_objects(Bucket=bucket, Delete=wanted)
            for error in answer.get("Errors", ()):
                raise ScanError(
                    f"s3://{bucket}/{error['Key']} could not be removed: {error.get('Message') or error['Code']}"
                )
            n_removed += len(some)
        return n_removed

    def abort(self, uri: str, upload: str) -> bool:
        """Gives up an upload in parts; False when there is none.

        :raises ScanError: it must not be given up
        """
        from botocore.exceptions import ClientError

        bucket, key = split_uri(uri)
        with explained(f"the upload of {uri} could not be given up", self.region):
            try:
                client("s3", self.region).abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchUpload":
                    raise
                return False
        return True

    def _keys(self, bucket: str, prefix: str, may_be_gone: bool = False) -> list[str]:
        from botocore.exceptions import ClientError

        with explained(f"s3://{bucket}/{prefix} could not be listed", self.region):
            pages = client("s3", self.region).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            try:
                return [entry["Key"] for page in pages for entry in page.get("Contents", ())]
            except ClientError as error:
                if not may_be_gone or error.response["Error"]["Code"] != "NoSuchBucket":
                    raise
                return []

    def close(self) -> None:
        """Gives up what has been begun and not ended.

        :raises ScanError: what must not be given up
        """
        for left, (uri, upload) in list(self._unfinished.items()):
            self.abort(uri, upload)
            self._forget(left)

    @contextlib.contextmanager
    def _uploads_noted(self, uri: str) -> Iterator[None]:
        """Remembers the uploads in parts that begin meanwhile, until they are whole."""
        begun: list[str] = []

        def note(parsed: dict[str, Any], **others: Any) -> None:
            upload = parsed.get("UploadId")
            if upload and self.leftovers:
                begun.append(self.leftovers.add("upload", region=self.region, uri=uri, upload=upload))
                self._unfinished[begun[-1]] = uri, upload

        events = client("s3", self.region).meta.events
        events.register(BEGUN, note)
        try:
            yield
        finally:
            events.unregister(BEGUN, note)
        for left in begun:
            self._forget(left)

    def _forget(self, left: str) -> None:
        del self._unfinished[left]
        if self.leftovers:
            self.leftovers.forget(left)


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file to read."""

    def __init__(self, pieces: Iterable[bytes], advance: Callable[[int], None]) -> None:
        self._pieces, self._advance = iter(pieces), advance
        self._left = memoryview(b"")
        self.is_over = False  # nobody wants the rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            if self.is_over:
                raise OSError("the upload was given up")
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = memoryview(piece)
            self._advance(len(piece))
        n_bytes = min(len(buffer), len(self._left))
        buffer[:n_bytes] = self._left[:n_bytes]
        self._left = self._left[n_bytes:]
        return n_bytes
