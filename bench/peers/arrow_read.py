"""What a text costs to read at all: pyarrow's own reader, with its defaults, and nothing else.

    python bench/peers/arrow_read.py data.csv

Columns of numbers, no header.
"""

from __future__ import annotations

import argparse
import json

from pyarrow import csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data")
    options = parser.parse_args()
    table = csv.read_csv(options.data, read_options=csv.ReadOptions(autogenerate_column_names=True))
    print(json.dumps({"rows": table.num_rows, "columns": table.num_columns}))


if __name__ == "__main__":
    main()
