"""The one zip that takes the code to the nodes: jobs/ and mrjob, the same bytes for the same files.

mrjob would ship itself in every job; inside this zip it travels once a run.
"""

from __future__ import annotations

import os
import zipfile

import jobs


def build_zip(path: str) -> None:
    """Writes the zip."""
    import mrjob

    with zipfile.ZipFile(path + ".partial", "w", zipfile.ZIP_DEFLATED) as archive:
        for package in (jobs, mrjob):
            root = os.path.dirname(os.path.abspath(str(package.__file__)))
            for name in sorted(_python_files(root)):
                # A fixed time: two runs of the same code ship the same bytes.
                entry = zipfile.ZipInfo(os.path.join(os.path.basename(root), name), date_time=(1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                with open(os.path.join(root, name), "rb") as f:
                    archive.writestr(entry, f.read())
    os.replace(path + ".partial", path)


def _python_files(root: str) -> list[str]:
    found = []
    for folder, _, names in os.walk(root):
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names if name.endswith(".py")]
    return found
