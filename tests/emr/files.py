"""The file systems of a cluster: S3, and HDFS in a local folder, as Hadoop sees them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

S3_SCHEMES = ("s3", "s3a", "s3n")


class FileError(Exception):
    """What Hadoop says of a path that it cannot use."""


@dataclass(frozen=True)
class InputFile:
    """A file that a step reads: its URI and its size in bytes."""

    uri: str
    size: int


@dataclass(frozen=True)
class Entry:
    """A file, or a folder where `size` is None."""

    uri: str
    size: int | None

    @property
    def name(self) -> str:
        return self.uri.rstrip("/").rpartition("/")[2]


class S3:
    """Buckets; a folder is a prefix that has keys below it."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def read(self, uri: str) -> bytes:
        bucket, key = _bucket_and_key(uri)
        with _refusals_of_s3(uri):
            return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, uri: str, data: bytes) -> None:
        bucket, key = _bucket_and_key(uri)
        with _refusals_of_s3(uri):
            self.client.put_object(Bucket=bucket, Key=key, Body=data)

    def entry(self, uri: str) -> Entry | None:
        bucket, key = _bucket_and_key(uri.rstrip("/"))
        below = False
        for name, size in self._keys(bucket, key):
            if name == key and key:
                return Entry(uri.rstrip("/"), size)
            below = below or not key or name.startswith(key + "/")
        return Entry(uri.rstrip("/"), None) if below else None

    def children(self, uri: str) -> list[Entry]:
        bucket, key = _bucket_and_key(uri.rstrip("/"))
        prefix = key + "/" if key else ""
        found: dict[str, int | None] = {}
        for name, size in self._keys(bucket, prefix):
            first, slash, _ = name[len(prefix) :].partition("/")
            if first and not first.endswith("_$folder$"):
                found[first] = None if slash else size
        return [Entry(f"{uri.rstrip('/')}/{name}", size) for name, size in sorted(found.items())]

    def _keys(self, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
        with _refusals_of_s3(f"s3://{bucket}"):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    yield item["Key"], item["Size"]


class Local:
    """HDFS: URIs below a local folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, uri: str) -> bytes:
        return self.path(uri).read_bytes()

    def write(self, uri: str, data: bytes) -> None:
        path = self.path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def entry(self, uri: str) -> Entry | None:
        path = self.path(uri)
        if not path.exists():
            return None
        return Entry(uri.rstrip("/") or "/", None if path.is_dir() else path.stat().st_size)

    def children(self, uri: str) -> list[Entry]:
        entries = (self.entry(f"{uri.rstrip('/')}/{path.name}") for path in sorted(self.path(uri).iterdir()))
        return [entry for entry in entries if entry]

    def path(self, uri: str) -> Path:
        inside = re.sub(r"^hdfs:(//[^/]*)?", "", uri)
        return self.root / (inside if uri.startswith(("/", "hdfs:")) else f"user/hadoop/{inside}").lstrip("/")


class Disk(Local):
    """The disk of the node; its /home/hadoop is elsewhere on the machine that runs the tests."""

    def path(self, uri: str) -> Path:
        name = re.sub(r"^file:(//)?", "", uri)
        inside = re.sub("^/home/hadoop(/|$)", "", name)
        return self.root / inside if inside != name or not name.startswith("/") else Path(name)


class Files:
    """All file systems by the scheme of a URI; one without a scheme lies on HDFS."""

    def __init__(self, s3_client: Any, hdfs: Path, home: Path) -> None:
        self.s3 = S3(s3_client)
        self.hdfs = Local(hdfs)
        self.disk = Disk(home)

    def of(self, uri: str) -> S3 | Local:
        scheme = uri.partition(":")[0] if has_scheme(uri) else "hdfs"
        if scheme in S3_SCHEMES:
            return self.s3
        if scheme in ("hdfs", "file"):
            return self.hdfs if scheme == "hdfs" else self.disk
        raise FileError(f'No FileSystem for scheme "{scheme}"')

    def read(self, uri: str) -> bytes:
        return self.of(uri).read(uri)

    def write(self, uri: str, data: bytes) -> None:
        self.of(uri).write(uri, data)

    def exists(self, uri: str) -> bool:
        return self.of(uri).entry(uri) is not None

    def inputs(self, specification: str, recursive: bool = False) -> list[InputFile]:
        """The files of one `-input`: paths between commas, each with a pattern or not. A folder means the files right
        in it; names that begin with _ or . are no input.

        :raises FileError: nothing there, or a folder in a folder
        """
        found: list[InputFile] = []
        for path in _split_outside_braces(specification):
            matches = [entry for entry in self._matches(path) if not _is_hidden(entry)]
            if not matches:
                raise FileError(
                    f"Input Pattern {path} matches 0 files" if _is_pattern(path) else f"Input path does not exist: {path}"
                )
            for match in matches:
                found += [InputFile(match.uri, match.size)] if match.size is not None else self._below(match, recursive)
        return found

    def _below(self, folder: Entry, recursive: bool) -> list[InputFile]:
        found = []
        for entry in self.of(folder.uri).children(folder.uri):
            if _is_hidden(entry):
                continue
            if entry.size is not None:
                found.append(InputFile(entry.uri, entry.size))
            elif recursive:
                found += self._below(entry, recursive)
            else:
                raise FileError(f"Not a file: {entry.uri}")
        return found

    def _matches(self, path: str) -> list[Entry]:
        if not _is_pattern(path):
            entry = self.of(path).entry(path)
            return [entry] if entry else []
        return sorted({e for one in _without_braces(path) for e in self._glob(one)}, key=lambda entry: entry.uri)

    def _glob(self, pattern: str) -> list[Entry]:
        root, names = _root_and_names(pattern)
        places = [Entry(root, None)]
        for name in names:
            files = self.of(root)
            if _is_pattern(name):
                # Hadoop negates with ^, as the shell does with !.
                matches = re.compile(fnmatch.translate(name.replace("[^", "[!"))).match
                places = [e for place in places if place.size is None for e in files.children(place.uri) if matches(e.name)]
            else:
                below = (files.entry(f"{place.uri.rstrip('/')}/{name}") for place in places if place.size is None)
                places = [entry for entry in below if entry]
        return places


def has_scheme(uri: str) -> bool:
    """Whether a URI names its file system; one slash will do, as in file:/bin/bash."""
    return re.match(r"\w+:/", uri) is not None


@contextmanager
def _refusals_of_s3(uri: str) -> Iterator[None]:
    """:raises FileError: S3 does not want to"""
    try:
        yield
    except ClientError as error:
        raise FileError(f"{error.response['Error']['Code']}: {uri}") from None


def _bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def _root_and_names(path: str) -> tuple[str, list[str]]:
    """s3://bucket/a/* is s3://bucket and [a, *]."""
    root = re.match(r"\w+://[^/]*|/|", path)
    assert root
    return root.group() or "/user/hadoop", [name for name in path[root.end() :].split("/") if name]


def _is_pattern(path: str) -> bool:
    return re.search(r"[*?\[{]", path) is not None


def _is_hidden(entry: Entry) -> bool:
    return entry.name.startswith(("_", "."))


def _split_outside_braces(paths: str) -> list[str]:
    return re.findall(r"(?:\{[^}]*\}|[^,{])+", paths)


def _without_braces(pattern: str) -> list[str]:
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if not braces:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [whole for choice in braces.group(1).split(",") for whole in _without_braces(before + choice + after)]
