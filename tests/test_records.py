"""Records: every value comes back bit for bit, and a hostile line is a BadRecord, never another error or a wrong array."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import math
import zlib
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import jobs.mr_scan  # noqa: F401  (its records are checked too)
from jobs.errors import BadRecord
from jobs.records import Record, _classes, array_field, readable

fuzz = settings(max_examples=150, deadline=None, derandomize=True)


@dataclass
class Leaf(Record):
    """A record inside a record."""

    n: int
    values: np.ndarray = array_field("<f8", 1)


@dataclass
class Everything(Record):
    """One field of each kind."""

    flag: bool
    count: int
    ratio: float
    text: str
    leaf: Leaf
    items: list
    table: dict
    matrix: np.ndarray = array_field("<f8", 2)
    whole: np.ndarray = array_field("<i8", 1)
    keys: np.ndarray = array_field("<u8", 1)
    mask: np.ndarray = array_field("|b1", 1)
    nothing: Optional[Leaf] = None  # noqa: UP045


@dataclass
class Other(Record):
    """Another kind than Everything."""

    n: int = 0


def sample(**changes: Any) -> Everything:
    values: dict[str, Any] = {
        "flag": True,
        "count": 2**53 + 1,
        "ratio": 0.1,
        "text": 'a "b"\t\\ \u00e9\n',
        "leaf": Leaf(-7, np.array([1.5, -0.0])),
        "items": [1, "two", None, [3.0], np.array([[1, 2]])],
        "table": {"a": 1, "b c": {"d": np.array([0.5])}},
        "matrix": np.arange(6.0).reshape(2, 3),
        "whole": np.array([2**62 + 1, -(2**63)]),
        "keys": np.array([2**64 - 1], np.uint64),
        "mask": np.array([True, False]),
    }
    return Everything(**{**values, **changes})


def identical(a: Any, b: Any) -> bool:
    """Equal in type and in every bit, by walking both."""
    if isinstance(a, np.ndarray):
        return type(b) is np.ndarray and (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, Record):
        return type(a) is type(b) and identical(vars(a), vars(b))
    if isinstance(a, dict):
        return type(b) is dict and list(a) == list(b) and all(identical(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(b) is list and len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, float):
        return type(b) is float and (a.hex() == b.hex() or (a != a and b != b))
    return type(a) is type(b) and a == b


def signed(header: Any, payload: bytes = b"") -> str:
    """A line with a correct checksum around any header, as an enemy or another version would write it."""
    text = header if isinstance(header, str) else json.dumps(header, separators=(",", ":")).replace(" ", "\\u0020")
    body = f"{text} {base64.b64encode(payload).decode()}"
    return f"scanlearn1 {zlib.crc32(body.encode()):08x} {body}"


def leaf_header(dtype: Any = "<f8", shape: Any = (1,), n: Any = 1, name: Any = "Leaf") -> dict:
    return {"$record": name, "fields": {"n": n, "values": {"$array": dtype, "shape": shape}}}


# -- there and back -----------------------------------------------------------------------------------------------------


def test_a_record_comes_back():
    record = sample(nothing=Leaf(0, np.zeros(0)))
    assert identical(Everything.from_line(record.to_line()), record)
    assert identical(Everything.from_line(record.to_line().encode() + b"\r\n"), record)


def test_the_line_is_ascii_without_tab_or_newline_and_of_four_pieces():
    line = sample(text="\t\n\r \x00\x7f\u2028\U0001f600 ", table={" \t\n": 1}).to_line()
    assert line.isascii()
    assert not set(line) & set("\t\n\r")
    assert len(line.split(" ")) == 4


SPECIAL = [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072009e-308, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 0.1]


@pytest.mark.parametrize("value", SPECIAL)
def test_special_floats_come_back_in_every_place(value):
    record = sample(
        ratio=value, items=[value, [value]], table={"x": value}, leaf=Leaf(0, [value]), matrix=np.full((2, 2), value)
    )
    assert identical(Everything.from_line(record.to_line()), record)


def test_the_payload_of_a_nan_comes_back():
    quiet = np.array([0x7FF8000000000123, 0xFFF0000000000001], np.uint64).view(np.float64)
    assert Leaf.from_line(Leaf(0, quiet).to_line()).values.tobytes() == quiet.tobytes()


@pytest.mark.parametrize("value", [0, -1, 2**53 + 1, 2**63, -(2**200), True])
def test_integers_of_any_size_come_back(value):
    record = sample(items=[value], count=int(value))
    assert identical(Everything.from_line(record.to_line()), record)


texts = st.text(st.characters(codec=None), max_size=20)  # lone surrogates, controls and all
numbers = st.floats() | st.integers() | st.integers(-(2**70), 2**70) | st.booleans() | st.none() | texts
arrays = st.one_of(
    *(
        hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
        for dtype in ("<f8", "<f4", "<i8", "<i4", "<u8", "|u1", "|b1")
    )
)
trees = st.recursive(
    numbers | arrays, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


@fuzz
@given(trees, texts, st.integers(), st.floats(), hnp.arrays("<f8", hnp.array_shapes(min_dims=2, max_dims=2, min_side=0)))
def test_anything_comes_back(tree, text, count, ratio, matrix):
    record = sample(items=[tree], table={"k": tree, text: 1}, text=text, count=count, ratio=ratio, matrix=matrix)
    back = Everything.from_line(record.to_line())
    assert identical(back, record)
    assert back.md5() == record.md5()


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (0, 0)])
def test_empty_arrays_keep_their_shape(shape):
    record = sample(items=[np.zeros(shape)], matrix=np.zeros(shape if len(shape) == 2 else (0, 0)))
    assert Everything.from_line(record.to_line()).items[0].shape == shape


def test_arrays_come_back_whatever_their_order_in_memory_and_can_be_written():
    matrix = np.asfortranarray(np.arange(12.0).reshape(3, 4))[::2, ::-1]
    back = Everything.from_line(sample(matrix=matrix, items=[matrix.astype(">f8")]).to_line())
    np.testing.assert_array_equal(back.matrix, matrix)
    np.testing.assert_array_equal(back.items[0], matrix)
    back.matrix[0, 0] = 9


def test_two_records_never_share_an_array():
    line = sample().to_line()
    one, two = Everything.from_line(line), Everything.from_line(line)
    one.matrix[:] = -1
    assert two.md5() == sample().md5()


def test_md5_tells_records_apart_by_one_bit():
    assert sample().md5() == sample().md5()
    md5s = {
        sample(**change).md5()
        for change in (
            {},
            {"ratio": math.nextafter(0.1, 1)},
            {"count": 2**53},
            {"flag": False},
            {"matrix": np.arange(6.0).reshape(3, 2)},
            {"leaf": Leaf(-7, np.array([1.5, 0.0]))},
        )
    }
    assert len(md5s) == 6


def test_numbers_of_numpy_become_plain_ones():
    record = sample(count=np.int64(3), ratio=np.float32(0.5), items=[np.float64(0.1), np.int32(4)])
    assert type(record.count) is int and type(record.ratio) is float
    assert identical(Everything.from_line(record.to_line()).items, [0.1, 4])
    assert type(sample(ratio=3).ratio) is float


# -- fields of the wrong kind -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"count": 1.0}, {"count": "1"}, {"count": True}, {"count": None}, {"flag": 1}, {"flag": None}, {"ratio": "0.1"},
        {"ratio": None}, {"ratio": True}, {"ratio": 1j}, {"text": 1}, {"text": None}, {"text": b"x"},
        {"matrix": [1.0, 2.0]}, {"matrix": 1.0}, {"whole": [[1]]}, {"mask": True},
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_refused(change):
    with pytest.raises(BadRecord, match=next(iter(change))):
        sample(**change)


@pytest.mark.parametrize("cls", sorted(_classes.values(), key=lambda cls: cls.__name__), ids=lambda cls: cls.__name__)
def test_every_record_checks_its_numbers(cls):
    """Also those whose module evaluates its annotations."""
    values = {f.name: _value_for(f) for f in dataclasses.fields(cls)}
    for f in dataclasses.fields(cls):
        if f.type in ("int", int, "float", float, "str", str, "bool", bool):
            with pytest.raises(BadRecord, match=rf"{f.name} must be"):
                cls(**{**values, f.name: 1j})


def _value_for(f):
    if "dtype" in f.metadata:
        return np.zeros((1,) * f.metadata["ndim"])
    name = f.type if isinstance(f.type, str) else f.type.__name__
    plain = {"int": 1, "float": 1.0, "str": "x", "bool": True}
    if name in plain:
        return plain[name]
    return object.__new__(_classes[name]) if name in _classes else None


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array(["a"]), np.array([None]), 1j, b"bytes", np.datetime64("now")])
def test_what_cannot_travel_is_refused_before_it_leaves(value):
    with pytest.raises(TypeError):
        sample(items=[value]).to_line()


# -- hostile lines ------------------------------------------------------------------------------------------------------

LINE = sample().to_line()


def refused_or_right(line: str | bytes) -> None:
    """BadRecord, or the very record: nothing else may come of a line."""
    try:
        record = Everything.from_line(line)
    except BadRecord:
        return
    assert identical(record, sample())


def test_the_error_shows_the_line():
    with pytest.raises(BadRecord, match="cut short or damaged.*scanlearn1"):
        Everything.from_line(LINE[:-3])
    with pytest.raises(BadRecord, match="'hello'"):
        Everything.from_line("hello")


def test_a_line_cut_anywhere_is_refused():
    for end in range(len(LINE)):
        with pytest.raises(BadRecord):
            Everything.from_line(LINE[:end])


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_a_flipped_byte_anywhere_is_refused(flip):
    for place in range(len(LINE)):
        data = bytearray(LINE.encode())
        data[place] ^= flip
        with pytest.raises(BadRecord):
            Everything.from_line(bytes(data))


@fuzz
@given(st.text(min_size=1, max_size=5), st.integers(0, len(LINE)))
def test_text_put_into_a_line_is_refused(text, place):
    line = LINE[:place] + text + LINE[place:]
    if line.rstrip("\t\r\n") == LINE:
        return
    with pytest.raises(BadRecord):
        Everything.from_line(line)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\t\n"])
def test_the_end_of_the_line_does_not_matter(end):
    assert identical(Everything.from_line(LINE + end), sample())


@fuzz
@given(st.text() | st.binary() | st.text().map("scanlearn1 ".__add__))
@example("")
@example(b"")
@example("scanlearn1")
@example("scanlearn1 00000000 {} ")
@example("scanlearn1 x y z")
@example("scanlearn1 \u0661 y z")
@example("scanlearn2" + LINE[10:])
@example(LINE + " " + LINE)
@example(b"\xff\xfe\x00")
def test_foreign_text_is_refused(text):
    with pytest.raises(BadRecord):
        Record.from_line(text)


@fuzz
@given(trees.filter(lambda tree: not isinstance(tree, np.ndarray)).map(readable), st.binary(max_size=20))
def test_any_header_with_a_right_checksum_is_refused(header, payload):
    try:
        text = json.dumps(header, separators=(",", ":")).replace(" ", "\\u0020")
    except (TypeError, ValueError):
        return
    with pytest.raises(BadRecord):
        Record.from_line(signed(text, payload))


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.just(10**400)
    | st.just("<f8")
    | st.just("Leaf")
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$array", "$record", "$dict", "$float", "shape", "fields", "n"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@fuzz
@given(
    junk, st.sampled_from(["dtype", "shape", "n", "name", "$dict", "$float", "$record", "fields"]), st.binary(max_size=16)
)
def test_a_header_with_nonsense_anywhere_is_refused(value, place, payload):
    """Built from the right pieces with one of them wrong, and a right checksum."""
    if place in ("dtype", "shape", "n", "name"):
        header: Any = leaf_header(**{place: value})
    elif place == "fields":
        header = {"$record": "Leaf", "fields": value}
    else:
        header = leaf_header(n={place: value, "fields": {"n": 1}})
    try:
        record = Leaf.from_line(signed(header, payload))
    except BadRecord:
        return
    assert type(record) is Leaf and type(record.n) is int
    assert record.values.dtype == np.dtype("<f8") and record.values.ndim == 1


@pytest.mark.parametrize(
    "shape",
    [
        [-1], [-1, -1], [2**62], [2**62, 0], [10**30], [0, 10**30], [1] * 100, [1.0], [True], ["1"], [[1]], [None], 1, None,
        "1", {"a": 1}, [2], [0], [],
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_the_payload_are_refused(shape):
    with pytest.raises(BadRecord):
        Leaf.from_line(signed(leaf_header(shape=shape), bytes(8)))


@pytest.mark.parametrize(
    "dtype",
    [
        "O", "|O", "object", "S8", "<U2", "V8", "M8[s]", "<m8", "c16", "f8,f8", "(2,)f4", ",", "(", "i8;", "nonsense", "",
        None, 8, ["<f8"], [["a", "<f8"]], {"names": ["a"], "formats": ["O"]}, {"a": ["O", 0]}, True,
    ],
)  # fmt: skip
def test_dtypes_other_than_numbers_are_refused(dtype):
    with pytest.raises(BadRecord):
        Leaf.from_line(signed(leaf_header(dtype=dtype), bytes(8)))


def test_arrays_that_overlap_or_leave_a_rest_are_refused():
    with pytest.raises(BadRecord, match="longer"):
        Leaf.from_line(signed(leaf_header(), bytes(9)))
    with pytest.raises(BadRecord, match="longer"):
        Leaf.from_line(signed(leaf_header(shape=[2]), bytes(8)))


@pytest.mark.parametrize("depth", [100, 10_000, 200_000])
@pytest.mark.parametrize(
    "opening, closing", [("[", "]"), ('{"$dict":{"a":', "}}"), ('{"$record":"Leaf","fields":{"n":', "}}")]
)
def test_deep_nesting_is_refused(depth, opening, closing):
    with pytest.raises(BadRecord):
        Record.from_line(signed(opening * depth + "1" + closing * depth))


@pytest.mark.parametrize(
    "header, message",
    [
        (leaf_header(name="Leaves"), "unknown kind 'Leaves'"),
        (leaf_header(name="os.system"), "unknown kind"),
        (leaf_header(name="__init__"), "unknown kind"),
        ({"$record": "Leaf", "fields": {"n": 1}}, "other fields"),
        ({"$record": "Leaf", "fields": {"n": 1, "values": 1, "more": 2}}, "other fields"),
        ({"$record": "Leaf"}, "cannot be decoded"),
        ({"$dict": 5}, "cannot be decoded"),
        ({"$dict": {"a": 1}}, "dict"),
        ([1, 2], "list"),
        ("NaN", "float"),
        ("1e400", "float"),
        ("9" * 5000, "cannot be decoded"),
        ("{", "cannot be decoded"),
        ("", "cannot be decoded"),
    ],
)
def test_headers_that_are_no_record_are_refused(header, message):
    with pytest.raises(BadRecord, match=message):
        Record.from_line(signed(header))


def test_another_record_than_the_expected_one_is_refused():
    with pytest.raises(BadRecord, match="a record of Other where one of Everything should be"):
        Everything.from_line(Other(1).to_line())
    assert Record.from_line(Other(1).to_line()) == Other(1)


def test_a_field_that_holds_another_record_than_its_own_is_refused():
    @dataclass
    class Holder(Record):
        leaf: Leaf

    with pytest.raises(BadRecord, match="leaf must be a record of Leaf"):
        Holder.from_line(signed({"$record": "Holder", "fields": {"leaf": {"$record": "Other", "fields": {"n": 1}}}}))
    with pytest.raises(BadRecord, match="leaf must be a record of Leaf"):
        Holder.from_line(signed({"$record": "Holder", "fields": {"leaf": None}}))


# -- the readable form ---------------------------------------------------------------------------------------------------


@dataclass
class Plain(Record):
    """What model.json and the ledger are made of."""

    name: str
    n: int
    ratio: float
    leaf: Leaf
    names: list
    matrix: np.ndarray = array_field("<f8", 2)
    keys: np.ndarray = array_field("<u8", 1)
    mask: np.ndarray = array_field("|b1", 1)


@fuzz
@given(
    texts.filter(lambda text: text.isprintable()),
    st.integers(),
    st.floats(),
    hnp.arrays("<f8", hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=4)),
    hnp.arrays("<u8", st.integers(0, 4)),
    hnp.arrays("<f8", st.integers(0, 4)),
)
@example("NaN", 2**63, -0.0, np.array([[5e-324, -np.inf]]), np.array([2**64 - 1], np.uint64), np.zeros(0))
def test_the_readable_form_comes_back(name, n, ratio, matrix, keys, values):
    record = Plain(name, n, ratio, Leaf(1, values), ["a", "NaN"], matrix, keys, keys % 2 == 1)
    text = json.dumps(record.to_json(), allow_nan=False)
    back = Plain.from_json(json.loads(text))
    # A NaN has one spelling, so it may come back with another payload.
    for r in (record, back):
        r.matrix[np.isnan(r.matrix)], r.leaf.values[np.isnan(r.leaf.values)] = np.nan, np.nan
    assert identical(back, record)


def test_the_readable_form_spells_what_json_cannot():
    text = readable({"a": [math.nan, math.inf, -math.inf, 0.1], 5: np.array([[np.nan]]), "n": np.float64(2)})
    assert text == {"a": ["NaN", "Infinity", "-Infinity", 0.1], "5": [["NaN"]], "n": 2.0}


GOOD = Plain("x", 1, 0.5, Leaf(1, [2.0]), [], [[1.0]], np.array([3], np.uint64), [True]).to_json()


@pytest.mark.parametrize(
    "path, value",
    [
        (["n"], 1.5), (["n"], "1"), (["n"], None), (["ratio"], "x"), (["ratio"], 10**400), (["ratio"], None), (["name"], 1),
        (["matrix"], [1.0]), (["matrix"], [[1.0], [2.0, 3.0]]), (["matrix"], [["x"]]), (["matrix"], None),
        (["matrix"], {"a": 1}), (["keys"], [-1]), (["keys"], [2**64]), (["leaf"], None), (["leaf"], 3), (["leaf"], {}),
        (["leaf", "n"], "x"), (["leaf", "values"], [[1.0]]), (["more"], 1),
    ],
)  # fmt: skip
def test_a_readable_form_that_does_not_fit_is_refused(path, value):
    values = copy.deepcopy(GOOD)
    place = values
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(BadRecord):
        Plain.from_json(values)


@pytest.mark.parametrize("values", [None, [], "x", 1, {}, {"n": 1}])
def test_a_readable_form_without_its_fields_is_refused(values):
    with pytest.raises(BadRecord, match="exactly the fields"):
        Plain.from_json(values)
