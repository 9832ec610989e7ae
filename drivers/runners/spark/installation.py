"""Where Spark is on this machine, and what it is set to already."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator

from drivers.runners.staging import pieces
from jobs.errors import ScanError

USUAL_PLACES = ("/usr/lib/spark", "/usr/local/spark", "/usr/local/lib/spark", "/opt/spark")


def find_spark_submit() -> str:
    """$SPARK_HOME/bin/spark-submit, the one on the PATH, that of pyspark in this Python, or one at a usual place.

    :raises ScanError: when there is none
    """
    home = os.environ.get("SPARK_HOME")
    if home:
        found = shutil.which("spark-submit", path=os.path.join(home, "bin"))
        if found is None:
            raise ScanError(f"SPARK_HOME is {home}, where there is no bin/spark-submit")
        return found
    package = importlib.util.find_spec("pyspark")
    places = [*(package and package.submodule_search_locations or []), *USUAL_PLACES]
    found = shutil.which("spark-submit") or shutil.which(
        "spark-submit", path=os.pathsep.join(os.path.join(place, "bin") for place in places)
    )
    if found is None:
        raise ScanError("-r spark needs Spark: pip install pyspark, or set SPARK_HOME")
    return found


def site_settings(submit: str) -> set[str]:
    """The names of what spark-defaults.conf sets."""
    folder = os.environ.get("SPARK_CONF_DIR") or os.path.join(spark_home(submit), "conf")
    try:
        with open(os.path.join(folder, "spark-defaults.conf"), encoding="utf-8", errors="replace") as f:
            lines = [line.split("=")[0].split() for line in f]
    except OSError:  # there is none
        return set()
    return {words[0] for words in lines if words and not words[0].startswith("#")}


def spark_home(submit: str) -> str:
    """The folder of Spark to which a spark-submit belongs."""
    home = os.environ.get("SPARK_HOME") or os.path.dirname(os.path.dirname(os.path.realpath(submit)))
    package = importlib.util.find_spec("pyspark")
    # pip puts a spark-submit beside python, too.
    if not os.path.isdir(os.path.join(home, "jars")) and package and package.submodule_search_locations:
        return package.submodule_search_locations[0]
    return home


def libraries(home: str) -> tuple[str, int]:
    """A name for Spark's libraries as they are, and their bytes."""
    jars = _jars(home)
    named = "\n".join(f"{entry.name} {entry.stat().st_size}" for entry in jars)
    return hashlib.sha256(named.encode()).hexdigest()[:16], sum(entry.stat().st_size for entry in jars)


def libraries_zip(home: str, folder: str) -> Iterator[bytes]:
    """The bytes of a zip of Spark's libraries, made in a folder."""
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".zip") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for entry in _jars(home):
                archive.write(entry.path, entry.name)
        file.flush()
        yield from pieces(file.name)


def _jars(home: str) -> list[os.DirEntry[str]]:
    return sorted(
        (entry for entry in os.scandir(os.path.join(home, "jars")) if entry.name.endswith(".jar")), key=lambda e: e.name
    )
