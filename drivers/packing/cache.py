"""Packs kept on disk, found again by what they were made of.

A pack is a copy of the user's data: its folder has mode 0700. It is written under a temporary name and renamed when it is
whole, so a killed packing leaves nothing that looks whole; what it leaves is removed by the next one.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import pyarrow as pa

from drivers.packing.contents import PackContents
from drivers.packing.formats import open_table
from drivers.packing.formats.options import InputOptions
from drivers.packing.kinds import TEXT
from drivers.packing.manifest import DICTIONARIES, FORMAT_VERSION, MANIFEST, SAMPLE, Dictionaries, Manifest
from drivers.packing.pack import BLOCKS, INDEX, REJECTS, Progress, write_pack
from drivers.packing.stores import store_of
from drivers.packing.stores.source import Source
from drivers.paths import check_folder
from jobs.blocks import BLOCK_LINE, REFERENCE_LINE, Block, BlocksFile, read_line
from jobs.errors import BadRecord, ScanError
from jobs.kernels.sample import SampleStatistics

DEFAULT_CACHE_BYTES = 20 << 30


def default_cache_dir() -> str:
    """$XDG_CACHE_HOME/scanlearn, or ~/.cache/scanlearn."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "scanlearn")


@dataclass
class Pack:
    """A whole pack: its blocks on disk, or where a cluster reads them, at `url`; all else on disk."""

    folder: str
    manifest: Manifest
    options: InputOptions
    was_cached: bool
    is_partial: bool = False  # only the first chunk of its table
    url: str | None = None
    read_url: Callable[[str], Iterator[bytes]] | None = None  # the lines there

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    @property
    def blocks(self) -> str:
        return self.path(BLOCKS)

    @property
    def index(self) -> str:
        return self.path(INDEX)

    @property
    def name(self) -> str:
        """A name for its content, for where its lines are brought."""
        return f"{os.path.basename(self.folder)}-{self.manifest.fingerprint}"

    @property
    def n_bytes(self) -> int:
        """About the bytes of its blocks."""
        if self.url is None:
            return os.path.getsize(self.blocks)
        return self.manifest.n_rows * sum(4 if kind == TEXT else 8 for kind in self.manifest.kinds)

    def read(self, columns: Sequence[str], only: Collection[tuple[int, int]] | None = None) -> Iterator[Block]:
        """The blocks, or `only` those of some (part, number), and some of their columns, in the order in which they lie."""
        file = BlocksFile(self.blocks) if self.url is None else None
        try:
            for line in self._lines():
                part, number = line.split(b" ", 3)[1:3] if line.startswith((BLOCK_LINE, REFERENCE_LINE)) else (b"", b"")
                if part and (only is None or (int(part), int(number)) in only):
                    yield read_line(line.rstrip(b"\t\r\n"), columns, file)
        finally:
            if file is not None:
                file.close()

    def _lines(self) -> Iterator[bytes]:
        if self.url is None:
            with open(self.index, "rb") as f:
                yield from f
        else:
            assert self.read_url is not None
            yield from self.read_url(self.url)

    @property
    def rejects(self) -> str | None:
        """The file of rejected rows, None when there are none."""
        return self.path(REJECTS) if self.manifest.n_rejected else None

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """The texts of each column of text, by code."""
        with open(self.path(DICTIONARIES), "rb") as f:
            return Dictionaries.from_line(f.read()).texts

    def sample(self) -> SampleStatistics:
        """The bottom-k sample of its rows."""
        with open(self.path(SAMPLE), "rb") as f:
            return SampleStatistics.from_line(f.read())


def pack(
    sources: list[Source],
    options: InputOptions,
    contents: PackContents | None = None,
    cache_dir: str | None = None,
    cache_bytes: int = DEFAULT_CACHE_BYTES,
    progress: Progress = lambda n_bytes: None,
) -> Pack:
    """The pack of these sources: from the cache where it is there, else made now.

    :raises ScanError: input that cannot be packed; a cache folder that cannot be written
    """
    contents = contents or PackContents()
    cache_dir = os.path.abspath(cache_dir or default_cache_dir())
    folder = folder_of(cache_dir, sources, options, contents)
    try:
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        with locked(folder + ".lock"):
            manifest = read_manifest(folder)
            # A pack made under a larger allowance of bad rows is not what this call asks for.
            if manifest is not None and manifest.n_rejected <= contents.max_bad_rows:
                os.utime(folder)
                return Pack(folder, manifest, options, True)
            growing = folder + ".partial"
            shutil.rmtree(growing, ignore_errors=True)
            os.mkdir(growing, mode=0o700)
            try:
                manifest = write_pack(open_table(sources, options), sources, contents, growing, progress)
                same_as_before(sources)
                shutil.rmtree(folder, ignore_errors=True)
                os.rename(growing, folder)
            except BaseException:
                shutil.rmtree(growing, ignore_errors=True)
                raise
    except OSError as error:
        raise ScanError(
            f"the cache folder {cache_dir} cannot be used ({error.strerror}); give another by --cache-dir"
        ) from None
    # What parsing needed would otherwise stay with this process, and with the tasks that it forks.
    pa.default_memory_pool().release_unused()
    _evict(os.path.dirname(folder), cache_bytes, keep=folder)
    return Pack(folder, manifest, options, False)


def find_pack(
    sources: list[Source], options: InputOptions, contents: PackContents, cache_dir: str | None = None
) -> Pack | None:
    """The pack of these sources where it is in the cache."""
    folder = folder_of(os.path.abspath(cache_dir or default_cache_dir()), sources, options, contents)
    manifest = read_manifest(folder)
    if manifest is None or manifest.n_rejected > contents.max_bad_rows:
        return None
    return Pack(folder, manifest, options, True)


def preview(sources: list[Source], options: InputOptions, contents: PackContents, folder: str) -> Pack:
    """A pack of the first chunk alone, in a folder of the caller's."""
    reader = open_table(sources, options)
    manifest = write_pack(reader, sources, dataclasses.replace(contents, first_chunk=True), folder)
    is_partial = len(sources) > 1 or sum(1 for _ in islice(reader.chunks(sources[0]), 2)) > 1
    return Pack(folder, manifest, options, False, is_partial)


def folder_of(
    cache_dir: str, sources: list[Source], options: InputOptions, contents: PackContents, where: str | None = None
) -> str:
    """The folder of a pack in the cache; `where`: the place below which a cluster has its blocks, None for here.

    :raises ScanError: a cache folder whose path mrjob would not take as it stands
    """
    check_folder(cache_dir, "cache folder", "--cache-dir")
    return os.path.join(cache_dir, "packs", _key(sources, options, contents, where))


def _key(sources: list[Source], options: InputOptions, contents: PackContents, where: str | None) -> str:
    files = [(source.path, source.size, source.version) for source in sources]
    made_of = [FORMAT_VERSION, files, dataclasses.astuple(options), contents.chosen, contents.hashed, contents.sample_rows]
    if where is not None:
        made_of.append(where)
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:24]


def read_manifest(folder: str) -> Manifest | None:
    """The manifest of a pack that is whole; None without one."""
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as f:
            return Manifest.from_line(f.read())
    except (OSError, BadRecord):
        return None


def same_as_before(sources: list[Source]) -> None:
    """:raises ScanError: a file that has changed since it was found"""
    for source in sources:
        if store_of(source.path).version(source) != source.version:
            raise ScanError(f"{source.shown} changed while it was being read; run again when it is complete")


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Holds other processes off the same pack; the system lets go of the lock when a process dies."""
    with open(path, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def _evict(folder: str, limit: int, keep: str) -> None:
    """Removes the packs used longest ago until the rest, but always `keep`, fit in `limit` bytes."""
    packs = []
    for entry in os.scandir(folder):
        if entry.is_dir() and not entry.name.endswith(".partial"):
            size = sum(inside.stat().st_size for inside in os.scandir(entry.path))
            packs.append((entry.stat().st_mtime, size, entry.path))
    total = sum(size for _, size, _ in packs)
    for _, size, path in sorted(packs):
        if total <= limit:
            return
        if path != keep:
            shutil.rmtree(path, ignore_errors=True)
            total -= size
