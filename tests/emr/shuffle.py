"""Keys and values of Hadoop Streaming: where a line is cut, which reducer a key goes to, and in which order keys come.

The rules are those of Streaming's text records, HashPartitioner, KeyFieldBasedPartitioner and KeyFieldBasedComparator.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# A key, and its value, None where lines are keys alone.
Pair = tuple[bytes, bytes | None]

KEY_SPECIFICATION = re.compile(r"(\d+)(?:\.(\d+))?([nr]*)(?:,(\d+)(?:\.(\d+))?([nr]*))?$")
NUMBER = re.compile(rb"-?(\d+(\.\d*)?|\.\d+)")


def split_pair(line: bytes, separator: bytes = b"\t", n_key_fields: int = 1) -> Pair:
    """Key and value of a line. A line with fewer separators is all key, with an empty value: written out again it has
    a separator at its end."""
    place = -1
    for _ in range(n_key_fields):
        place = line.find(separator, place + 1 if place < 0 else place + len(separator))
        if place < 0:
            return line, b""
    return line[:place], line[place + len(separator) :]


def join_pair(pair: Pair, separator: bytes = b"\t") -> bytes:
    return pair[0] if pair[1] is None else pair[0] + separator + pair[1]


# -- parts of keys --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeyPart:
    """`-k FIELD[.CHARACTER][nr][,FIELD[.CHARACTER][nr]]`, counted from 1; an end of 0 is the end of key or field."""

    first_field: int = 1
    first_character: int = 1
    last_field: int = 0
    last_character: int = 0
    numeric: bool = False
    reverse: bool = False

    def of(self, key: bytes, separator: bytes) -> bytes | None:
        """This part of a key, None where the key has no such field."""
        fields = key.split(separator)
        starts = [0]
        for field in fields:
            starts.append(starts[-1] + len(field) + len(separator))
        if self.first_field > len(fields) or starts[self.first_field - 1] + self.first_character > len(key):
            return None
        start = starts[self.first_field - 1] + self.first_character - 1
        if not 0 < self.last_field <= len(fields):
            return key[start:]
        length = self.last_character or len(fields[self.last_field - 1])
        return key[start : starts[self.last_field - 1] + length]


def key_parts(options: str) -> list[KeyPart]:
    """The parts that options such as "-k2,2nr -k1" name.

    :raises ValueError: a -k that is none
    """
    words = re.sub(r"-k\s+", "-k", options).split()
    everywhere = "".join(word[1:] for word in words if word in ("-n", "-r", "-nr"))
    parts = []
    for word in words:
        if word.startswith("-k"):
            found = KEY_SPECIFICATION.match(word[2:])
            if not found:
                raise ValueError(f"Invalid -k argument {word}. Must be of the form -k pos1,[pos2]")
            flags = (found[3] or "") + (found[6] or "") or everywhere
            numbers = int(found[1]), int(found[2] or 1), int(found[4] or 0), int(found[5] or 0)
            parts.append(KeyPart(*numbers, "n" in flags, "r" in flags))
    if not parts and words:
        parts.append(KeyPart(numeric="n" in everywhere, reverse="r" in everywhere))
    return parts


# -- partitions -----------------------------------------------------------------------------------------------------------


def java_hash(data: bytes, seed: int) -> int:
    """31 h + b over signed bytes, in 32 bits."""
    value = seed
    for byte in data:
        value = (31 * value + (byte - 256 if byte > 127 else byte)) & 0xFFFFFFFF
    return value


def partitioner(name: str | None, conf: Mapping[str, str]) -> Callable[[bytes, int], int]:
    """The function (key, number of reducers) -> reducer.

    :raises KeyError: a class that is not known here
    """
    if name is None or name.endswith(".HashPartitioner"):
        return lambda key, n: (java_hash(key, 1) & 0x7FFFFFFF) % n
    if not name.endswith(".KeyFieldBasedPartitioner"):
        raise KeyError(name)
    separator = conf.get("mapreduce.map.output.key.field.separator", "\t").encode()
    parts = key_parts(conf.get("mapreduce.partition.keypartitioner.options", ""))
    if "num.key.fields.for.partition" in conf:
        parts = [KeyPart(last_field=int(conf["num.key.fields.for.partition"]))]

    def partition(key: bytes, n: int) -> int:
        value = 0
        for part in parts or [KeyPart()]:
            value = java_hash(part.of(key, separator) or b"", value)
        return (value & 0x7FFFFFFF) % n

    return partition


# -- order ----------------------------------------------------------------------------------------------------------------


@functools.total_ordering
class Reversed:
    """Compares the other way round."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: Reversed) -> bool:
        return other.value < self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reversed) and other.value == self.value


def sort_key(comparator: str | None, conf: Mapping[str, str]) -> Callable[[bytes], Any]:
    """What keys are sorted by: their bytes, or parts of them.

    :raises KeyError: a comparator that is not known here
    """
    if comparator is None or comparator.endswith(".Text$Comparator"):
        return lambda key: key
    if not comparator.endswith(".KeyFieldBasedComparator"):
        raise KeyError(comparator)
    separator = conf.get("mapreduce.map.output.key.field.separator", "\t").encode()
    parts = key_parts(conf.get("mapreduce.partition.keycomparator.options", "")) or [KeyPart()]

    def of_part(part: KeyPart, key: bytes) -> Any:
        text = part.of(key, separator)
        value = _number(text or b"") if part.numeric else text or b""
        comparable = (text is not None, value)  # a key without the field comes first
        return Reversed(comparable) if part.reverse else comparable

    return lambda key: [of_part(part, key) for part in parts]


def _number(text: bytes) -> Decimal:
    found = NUMBER.match(text)
    return Decimal(found.group().decode()) if found else Decimal(0)
