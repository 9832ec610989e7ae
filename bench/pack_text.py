"""Packs a text as the drivers do before their first pass, and nothing else.

    python bench/pack_text.py data.csv --cache-dir DIR [--max-bad-rows 1]

Columns of numbers, no header.
"""

from __future__ import annotations

import argparse
import json

from drivers.packing.cache import pack
from drivers.packing.contents import PackContents
from drivers.packing.formats.options import InputOptions
from drivers.packing.sources import find_sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data")
    parser.add_argument("--cache-dir", required=True)
    parser.add_argument("--max-bad-rows", type=int, default=0, help="Default: %(default)s")
    options = parser.parse_args()
    contents = PackContents(max_bad_rows=options.max_bad_rows)
    manifest = pack(find_sources([options.data]), InputOptions(header="no"), contents, options.cache_dir).manifest
    print(json.dumps({"rows": manifest.n_rows, "columns": len(manifest.columns), "rejected": manifest.n_rejected}))


if __name__ == "__main__":
    main()
