"""Removes what killed runs have left: temporary folders, folders on HDFS, applications on YARN, half packed tables.

python drivers/clean.py --dry-run        only say what there is
python drivers/clean.py
python drivers/clean.py --packs          packed tables too, here and on HDFS; the next run packs again
python drivers/clean.py --packs --cloud-tmp-dir s3://BUCKET/tmp/      and those on S3

The next run does the same, as far as it comes by; runs that go on keep what is theirs.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from drivers.app import ERROR, OK, run_program
from drivers.options import Parser
from drivers.packing.cache import default_cache_dir
from drivers.packing.unfinished import half_packs, inside, old_copies, remove_half_pack
from drivers.runners.leftovers import Swept, default_folder, left_by_killed_runs, n_alive, sweep
from drivers.wording import count
from jobs.errors import ScanError


@dataclass(frozen=True)
class Thing:
    """Something to remove: its name, and what removes it, which gives False where there was nothing."""

    name: str
    remove: Callable[[], bool]


def make_parser() -> Parser:
    parser = Parser(description=__doc__.splitlines()[0] if __doc__ else None, allow_abbrev=False)
    parser.add_argument("--cache-dir", metavar="DIR", help="the cache of the runs; Default: ~/.cache/scanlearn")
    parser.add_argument("--packs", action="store_true", help="remove packed tables too: of the cache, on HDFS, on S3")
    parser.add_argument("--hadoop-bin", metavar="FILE", help="the hadoop command for these; Default: as a run finds it")
    parser.add_argument("--hadoop-tmp-dir", metavar="URL", help="where they are; Default: hdfs:///tmp/scanlearn-USER")
    parser.add_argument("--cloud-tmp-dir", metavar="URI", help="where they are on S3; without it those there stay")
    parser.add_argument("--region", metavar="NAME", help="of the bucket; Default: as boto3 finds it")
    parser.add_argument("--forget", action="store_true", help="what cannot be removed is forgotten: its cluster is no more")
    parser.add_argument("--dry-run", action="store_true", help="say what there is, and remove nothing")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(resume=None, runner=None)
    return parser


def run(options: argparse.Namespace) -> int:
    cache_dir = os.path.abspath(options.cache_dir or default_cache_dir())
    leftovers, things, n_unseen = default_folder(cache_dir), list(unfinished(cache_dir)), 0
    if options.packs:
        things += packs_in_cache(cache_dir, n_alive(leftovers))
        for place in PACKS_ELSEWHERE:
            try:
                things += place(options)
            except ScanError as error:
                n_unseen += 1
                print(f"not looked at: {error}")
    if options.dry_run:
        names = [*left_by_killed_runs(leftovers), *(thing.name for thing in things)]
        print("\n".join([*(f"is there: {name}" for name in names), f"{count(len(names), 'thing')} to remove"]))
        return ERROR if n_unseen else OK
    swept = sweep(leftovers, None, print, options.forget)
    remove(things, swept)
    print(f"{count(swept.n_removed, 'thing')} removed" + (f", {swept.n_kept} not" if swept.n_kept else ""))
    return ERROR if swept.n_kept or n_unseen else OK


def remove(things: Iterable[Thing], swept: Swept) -> None:
    """Removes things, says what, and counts them."""
    for thing in things:
        try:
            if thing.remove():
                swept.n_removed += 1
                print(f"removed {thing.name}")
        except (ScanError, OSError) as error:
            swept.n_kept += 1
            print(f"could not be removed: {error}")


def unfinished(cache_dir: str) -> Iterator[Thing]:
    """What killed packings have left in the cache."""
    for path in half_packs(cache_dir):
        yield Thing(path, partial(remove_half_pack, path))
    for path in old_copies(cache_dir):
        yield Thing(path, partial(_remove_file, path))


def packs_in_cache(cache_dir: str, n_runs: int) -> Iterator[Thing]:
    """The packed tables of the cache."""
    packs = [path for path in inside(os.path.join(cache_dir, "packs")) if os.path.isdir(path) and ".partial" not in path]
    if packs and n_runs:
        print(f"{count(n_runs, 'run')} of this cache {'goes' if n_runs == 1 else 'go'} on, so its packed tables stay")
        return
    for path in packs:
        yield Thing(path, partial(_remove_tree, path))


def packs_on_hdfs(options: argparse.Namespace) -> Iterator[Thing]:
    """The packed tables and the code of this user's runs on HDFS, where there is a Hadoop."""
    from drivers.runners.hadoop.command import hadoop_binary, use_binary
    from drivers.runners.hadoop.files import HadoopFileSystem
    from drivers.runners.hadoop.runner import packed_and_code

    use_binary(options.hadoop_bin)
    try:
        files = HadoopFileSystem(hadoop_binary())
    except ScanError:
        if options.hadoop_tmp_dir:
            raise
        return
    for url in packed_and_code(files, options.hadoop_tmp_dir):
        yield Thing(url, partial(files.remove, url))


def packs_on_s3(options: argparse.Namespace) -> Iterator[Thing]:
    """The packed tables and the code below a folder on S3."""
    if not options.cloud_tmp_dir:
        return
    from drivers.runners.aws.clients import region_or_default
    from drivers.runners.aws.s3_files import S3Files
    from drivers.runners.emr.options import home_of
    from drivers.runners.switches import Switches

    home = home_of(Switches("emr", [f"--cloud-tmp-dir={options.cloud_tmp_dir}"]))
    files = S3Files(region_or_default(options.region))
    found = (re.match(rf"{re.escape(home)}(packs|code)/[^/]+/", uri) for uri in files.below(home))
    for folder in dict.fromkeys(match[0] for match in found if match):
        yield Thing(folder, partial(_remove_on_s3, files, folder))


# One a place where runs leave packed tables for the next one, besides the cache.
PACKS_ELSEWHERE: list[Callable[[argparse.Namespace], Iterator[Thing]]] = [packs_on_hdfs, packs_on_s3]


def _remove_file(path: str) -> bool:
    os.remove(path)
    return True


def _remove_on_s3(files: Any, folder: str) -> bool:
    return files.remove(folder) > 0


def _remove_tree(path: str) -> bool:
    shutil.rmtree(path)
    return True


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
