"""Records: the values that travel between machines and onto disk.

A record is a dataclass of arrays, numbers, strings, and other records. It has two forms. The *line* is what travels:

    scanlearn1 CRC32 HEADER PAYLOAD

one line of ASCII without tabs, where HEADER is JSON holding the record's name and fields, each array in it a placeholder
of dtype and shape; PAYLOAD is the base64 of all arrays, little-endian and in C order; and CRC32 covers both. Numbers come
back bit for bit. The *readable* form (`to_json`) is plain JSON with shortest round-trip floats, NaN and infinities as
strings. Neither can carry code: a line names one of the record classes that this program defines, nothing else.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
import re
import zlib
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from jobs.errors import BadRecord

FORMAT = "scanlearn1"
_SCALARS = {"int": int, "float": float, "str": str, "bool": bool}
_DTYPES = frozenset(np.dtype(code).newbyteorder("<").str for code in "?bhilqBHILQefd")
# No array without elements has more rows or columns: nothing else would bound them, and whoever walks over them.
_LONGEST_EMPTY = 2**20
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_classes: dict[str, type[Record]] = {}

RecordT = TypeVar("RecordT", bound="Record")


def array_field(dtype: str, ndim: int) -> Any:
    """Declares an array field of a record: its little-endian dtype ("<f8", "<i8", "<u8", ...) and number of axes."""
    return field(metadata={"dtype": np.dtype(dtype), "ndim": ndim})


@dataclass
class Record:
    """Base of all records; subclasses are dataclasses too and are found by their class name."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _classes[cls.__name__] = cls

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            value, kind = getattr(self, f.name), _type_name(f)
            if "dtype" in f.metadata:
                value = np.asarray(value, dtype=f.metadata["dtype"])
                if value.ndim != f.metadata["ndim"]:
                    raise BadRecord(
                        f"{type(self).__name__}.{f.name} must have {f.metadata['ndim']} axes, it has {value.ndim}"
                    )
                setattr(self, f.name, value)
            elif kind == "float" and type(value) is not float:
                if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)):
                    raise BadRecord(f"{type(self).__name__}.{f.name} must be a number, not {value!r}")
                setattr(self, f.name, float(value))
            elif kind in _SCALARS and type(value) is not _SCALARS[kind]:
                if not (kind == "int" and isinstance(value, np.integer)):
                    raise BadRecord(f"{type(self).__name__}.{f.name} must be of type {kind}, not {value!r}")
                setattr(self, f.name, int(value))
            elif kind in _classes and not isinstance(value, _classes[kind]):
                raise BadRecord(f"{type(self).__name__}.{f.name} must be a record of {kind}, not {value!r}")

    # -- the line ----------------------------------------------------------------------------------------------------

    def to_line(self) -> str:
        """The record as one line of ASCII, without the newline."""
        payload: list[bytes] = []
        header = json.dumps(_encode(self, payload), separators=(",", ":"), allow_nan=False)
        # With these separators a space can only stand inside a string, where its escape means the same.
        body = f"{header.replace(' ', chr(92) + 'u0020')} {base64.b64encode(b''.join(payload)).decode('ascii')}"
        return f"{FORMAT} {zlib.crc32(body.encode('ascii')):08x} {body}"

    @classmethod
    def from_line(cls: type[RecordT], line: str | bytes) -> RecordT:
        """Reads a line back.

        :raises BadRecord: a line that is foreign, cut short, damaged, or another record than this class
        """
        text = line.decode("latin-1") if isinstance(line, bytes) else line
        # Hadoop streaming ends a line that has a key only by a tab; a record holds none.
        pieces = text.rstrip("\t\r\n").split(" ")
        shown = repr(text if len(text) <= 60 else text[:60] + "...")
        if pieces[0] != FORMAT:
            raise BadRecord(f"this is not a {FORMAT} record: {shown}")
        if len(pieces) != 4:
            raise BadRecord(f"a record of {len(pieces)} pieces instead of 4, so cut short or damaged: {shown}")
        _, crc, header, payload = pieces
        try:
            intact = crc == f"{zlib.crc32(f'{header} {payload}'.encode('ascii')):08x}"
        except ValueError:
            intact = False
        if not intact:
            raise BadRecord(f"a record that does not match its checksum, so cut short or damaged: {shown}")
        try:
            buffer = _Payload(base64.b64decode(payload, validate=True))
            record = _decode(json.loads(header), buffer)
            buffer.finish()
        except BadRecord as error:
            raise BadRecord(f"{_cut(str(error), 200)}: {shown}") from None
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError) as error:
            raise BadRecord(f"a record that cannot be decoded ({_cut(str(error), 200)}): {shown}") from None
        if not isinstance(record, cls):
            raise BadRecord(f"a record of {type(record).__name__} where one of {cls.__name__} should be: {shown}")
        return record

    def md5(self) -> str:
        """The fingerprint of the record: equal records, bit for bit, and only they, have the same."""
        return hashlib.md5(self.to_line().encode("ascii"), usedforsecurity=False).hexdigest()

    # -- the readable form -------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values, for people and other programs."""
        return {f.name: readable(getattr(self, f.name)) for f in dataclasses.fields(self)}

    @classmethod
    def from_json(cls: type[RecordT], values: dict[str, Any]) -> RecordT:
        """Reads the readable form back; array fields are restored by their declared dtype.

        :raises BadRecord: when a field is absent, unknown or of another type
        """
        names = {f.name for f in dataclasses.fields(cls)}
        if not isinstance(values, dict) or set(values) != names:
            raise BadRecord(f"{cls.__name__} needs exactly the fields {', '.join(sorted(names))}")
        arguments = {}
        try:
            for f in dataclasses.fields(cls):
                value = values[f.name]
                if "dtype" in f.metadata or _type_name(f) == "float":
                    value = _restore_special(value)
                elif _type_name(f) in _classes:
                    value = _classes[_type_name(f)].from_json(value)
                else:
                    _check_type(cls, f, value)
                arguments[f.name] = value
            return cls(**arguments)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise BadRecord(f"{cls.__name__} cannot be read: {error}") from None


def readable(value: Any) -> Any:
    """Plain JSON values for a record, array, number or container of them; NaN and infinities become strings."""
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, np.ndarray):
        return readable(value.tolist())
    if isinstance(value, (list, tuple)):
        return list(value) if _are_texts(value) else [readable(item) for item in value]
    if isinstance(value, dict):
        return {str(key): readable(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _are_texts(values: Any) -> bool:
    """Whether they are texts all, of which a recipe may have very many."""
    return set(map(type, values)) == {str}


def _type_name(f: Any) -> str:
    """The declared type of a field; it is no string where a module evaluates its annotations."""
    if isinstance(f.type, str):
        return f.type
    return f.type.__name__ if isinstance(f.type, type) else re.sub(r"\w+\.", "", str(f.type))


def _check_type(cls: type, f: Any, value: Any) -> None:
    """Holds what came from outside to the declared type of its field; of numbers, texts and records the constructor does.

    :raises BadRecord: a value of another type
    """
    if "dtype" in f.metadata:
        # An array of floats is none of counts, whatever it holds.
        fits = isinstance(value, np.ndarray) and np.can_cast(value.dtype, f.metadata["dtype"], "same_kind")
        kind = f"array of {f.metadata['dtype']}"
    else:
        kind = _type_name(f)
        fits = kind in _SCALARS or kind in _classes or _is_of(value, kind)
    if not fits:
        raise BadRecord(f"{cls.__name__}.{f.name} must be of type {kind}, not {_cut(repr(value), 60)}")


def _is_of(value: Any, kind: str) -> bool:
    """Whether a value is of a type, as the fields of records spell theirs: Optional[str], list[int], dict[str, str]."""
    outer, _, inner = kind.partition("[")
    inner = inner[:-1]
    if outer == "Optional":
        return value is None or _is_of(value, inner)
    if outer == "list":
        return isinstance(value, list) and (not inner or all(_is_of(item, inner) for item in value))
    if outer == "dict":
        _, _, inner = inner.partition(", ")
        return isinstance(value, dict) and (not inner or all(_is_of(item, inner) for item in value.values()))
    if outer in _SCALARS:
        return type(value) is _SCALARS[outer]
    return outer == "Any" or isinstance(value, _classes.get(outer, Record))


def _restore_special(value: Any) -> Any:
    if isinstance(value, list):
        return [_restore_special(item) for item in value]
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


def _encode(value: Any, payload: list[bytes]) -> Any:
    if isinstance(value, Record):
        fields = {f.name: _encode(getattr(value, f.name), payload) for f in dataclasses.fields(value)}
        return {"$record": type(value).__name__, "fields": fields}
    if isinstance(value, np.ndarray):
        dtype = value.dtype.newbyteorder("<")
        if dtype.str not in _DTYPES:
            raise TypeError(f"arrays of {value.dtype} do not travel")
        payload.append(np.ascontiguousarray(value, dtype=dtype).tobytes())
        return {"$array": dtype.str, "shape": list(value.shape)}
    if isinstance(value, (list, tuple)):
        return list(value) if _are_texts(value) else [_encode(item, payload) for item in value]
    if isinstance(value, dict):
        return {"$dict": {str(key): _encode(item, payload) for key, item in value.items()}}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": readable(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"values of {type(value).__name__} do not travel")


def _decode(value: Any, payload: _Payload) -> Any:
    if isinstance(value, list):
        return value if _are_texts(value) else [_decode(item, payload) for item in value]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return payload.take(value["$array"], value["shape"])
    if "$float" in value:
        return _SPECIAL[value["$float"]]
    if "$dict" in value:
        return {key: _decode(item, payload) for key, item in value["$dict"].items()}
    cls = _classes.get(value["$record"])
    if cls is None:
        raise BadRecord(f"a record of the unknown kind {value['$record']!r}")
    fields = value["fields"]
    if set(fields) != {f.name for f in dataclasses.fields(cls)}:
        raise BadRecord(f"a record of {cls.__name__} with other fields, so of another version of scanlearn")
    arguments = {name: _decode(fields[name], payload) for name in fields}
    for f in dataclasses.fields(cls):
        _check_type(cls, f, arguments[f.name])
    return cls(**arguments)


class _Payload:
    """Hands out the arrays of a line one after another and checks that they fill it exactly."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def take(self, dtype_name: str, shape: list[int]) -> np.ndarray:
        is_shape = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
        if dtype_name not in _DTYPES or not is_shape:
            raise BadRecord(f"an array of dtype {dtype_name!r} and shape {shape!r}")
        dtype = np.dtype(dtype_name)
        count = math.prod(shape)
        if count == 0 and max(shape) > _LONGEST_EMPTY:
            raise BadRecord("an array of a size that none has")
        end = self.offset + count * dtype.itemsize
        if end > len(self.data):
            raise BadRecord("an array longer than the record's payload")
        values = np.frombuffer(self.data, dtype, count, self.offset).reshape(shape).copy()
        self.offset = end
        return values

    def finish(self) -> None:
        if self.offset != len(self.data):
            raise BadRecord("a payload longer than the record's arrays")


def _cut(text: str, width: int) -> str:
    text = " ".join(text.split()) if "\n" in text else text
    return text if len(text) <= width else text[:width] + "..."
