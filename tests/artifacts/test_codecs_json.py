"""json/1, bytes/1 and text/1: plain values and the records of those that are not plain."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sematic_airflow_provider.artifacts.codecs.json import TAG, from_json, is_plain, to_json, why_not
from sematic_airflow_provider.artifacts.codecs.registry import codec_for, codec_named
from sematic_airflow_provider.artifacts.digest import canonical_json
from sematic_airflow_provider.artifacts.local_store import LocalStore
from sematic_airflow_provider.artifacts.repository import Repository
from sematic_airflow_provider.errors import ArtifactError, NoCodecError
from tests.contracts.codec_contract import CodecContract


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(LocalStore(tmp_path), inline_limit=0)


class TestJson(CodecContract):
    codec = "json/1"
    header = "import datetime, decimal, fractions, pathlib, uuid, zoneinfo"

    def same(self, one: Any, other: Any) -> bool:
        return super().same(one, other) and getattr(one, "tzinfo", None) == getattr(other, "tzinfo", None)

    sources = (
        "None", "True", "1", "1.0", "'text ü'", "[1, [2.5, None]]", "{'b': 1, 'a': {'c': []}}", "(1, 'x')", "{3, 1, 2}", "frozenset({'a', 'b', 'c'})",
        "[b'\\x00\\xff']", "{1: 'a', (2, 3): 'b'}", "{'$type': 'not a tag'}", "datetime.date(2013, 1, 1)", "datetime.timedelta(days=-1, microseconds=5)",
        "datetime.datetime(2013, 1, 1, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))", "datetime.time(1, 2, 3, 4)",
        "datetime.datetime(2013, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'), fold=1)", "datetime.datetime(2013, 1, 1, fold=1)",
        "10**5000", "-7**9000", "decimal.Decimal('1.10')", "uuid.UUID(int=5)", "float('inf')", "1e308", "10**30",
        "complex(1.5, -0.0)", "range(0, 10**20, 3)", "fractions.Fraction(-1, 3)", "pathlib.PurePosixPath('a/b')", "pathlib.PureWindowsPath('c:/x')",
        "datetime.time(2, 30, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'), fold=1)", "datetime.time(2, 30, tzinfo=datetime.timezone.utc)",
        "datetime.datetime(2013, 1, 1, tzinfo=datetime.timezone.utc)",
        "datetime.datetime(2013, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1), 'MEZ'))",
    )  # fmt: skip


class TestDeclared(CodecContract):
    """Values of classes that declare their fields."""

    codec = "json/1"
    header = "from tests.artifacts.declared_samples import *\nfrom tests.artifacts.declared_samples import Rich"
    sources = (
        "Colour.RED", "Colour.ALSO_RED", "Colour.GREEN", "Level.HIGH", "Kind.B", "Right.READ | Right.RUN", "Right.ALL", "Right(0)", "Mode.R | Mode.X",
        "Mode(64) | Mode.W", "Point(1, 'y')", "Pair(left=1, right=Pair(2, None))", "rich(1, 2)",
        "Plain(1, [1, (2,)])", "Frozen('x', Plain(5))", "Slotted(1)", "Strict(a=1, b=2.5)", "Child(1, [2], {'a': 1, 'z': 2})", "Surprising(3, 2)",
        "with_cache(3)", "Box(5)", "Box[int](5)", "Outer(Point(1, 2), {Colour.RED, Colour.GREEN}, {Level.HIGH: Plain(1), Level.LOW: Plain(0)})",
        "Model(a=1)", "Model(a=1, b='b')", "Model(a=1, inner=Plain(2))", "Doubling(a=4)", "Open(a=1, b=[1], z=2)", "Secretive(a=1)", "with_secret(1, 5)",
        "IntModel(content=1)", "[Plain(1), {'k': Level.LOW}]",
    )  # fmt: skip

    def same(self, one: Any, other: Any) -> bool:
        kept = getattr(one, "model_fields_set", None) == getattr(other, "model_fields_set", None)
        # sorted: two equal sets may list their members in different orders
        return kept and super().same(one, other) and sorted(repr(one)) == sorted(repr(other))


class TestForeignScalars(CodecContract):
    """Dates of pendulum, and scalars of NumPy and pandas inside of other values."""

    codec = "json/1"
    header = "import datetime, numpy as np, pandas as pd, pendulum, zoneinfo"
    sources = (
        "pendulum.datetime(2013, 1, 1, 5)",
        "pendulum.datetime(2013, 10, 27, 2, 30, tz='Europe/Berlin', fold=1)",
        "pendulum.parse('2020-01-01T00:00:00.5+05:30')",
        "pendulum.naive(2013, 1, 1)", "pendulum.DateTime(2013, 1, 1, tzinfo=datetime.timezone.utc)", "pendulum.date(2013, 1, 1)", "pendulum.time(1, 2)",
        "pendulum.duration(years=1, months=2, days=-3, microseconds=4)", "datetime.datetime(2013, 1, 1, tzinfo=pendulum.timezone('Asia/Tokyo'))",
        "pd.Timestamp('2013-01-01 00:00:00.123456789')", "pd.Timestamp(2013, 1, 1)", "pd.Timestamp('2013-10-27 01:30', tz='UTC').tz_convert('Europe/Berlin')",
        "pd.Timestamp(2013, 1, 1, tz=datetime.timezone.utc)", "pd.Timedelta('1ns')", "pd.Timedelta(-5, 'D').as_unit('s')", "[pd.NA, pd.NaT]",
        "[np.float64(0.1), np.float32(0.1), np.float16('-inf')]", "{'b': np.bool_(True), 'n': np.int64(2**62), 'u': np.uint8(3)}",
        "[np.datetime64('2013-01-01'), np.datetime64('NaT', 'ns'), np.timedelta64(3, 's'), np.timedelta64(5)]",
    )  # fmt: skip

    def same(self, one: Any, other: Any) -> bool:
        if isinstance(one, (list, dict)):
            pairs = (
                zip(one.values(), other.values(), strict=True)
                if isinstance(one, dict)
                else zip(one, other, strict=True)
            )
            return type(one) is type(other) and all(type(a) is type(b) and repr(a) == repr(b) for a, b in pairs)
        zones = [type(getattr(value, "tzinfo", None)) for value in (one, other)]
        return super().same(one, other) and repr(one) == repr(other) and zones[0] is zones[1]


class TestBytes(CodecContract):
    codec = "bytes/1"
    sources = ("b''", "b'\\x00\\xff'", "bytes(range(256)) * 1000")
    any_bytes_are_valid = True


class TestText(CodecContract):
    codec = "text/1"
    sources = ("'x' * 1025", "'ü' * 600", "'日本\\r\\n' * 1_000_000")

    def test_bytes_of_something_else_give_a_clear_error(self, repository: Repository) -> None:
        self.check_junk(repository, [b"\xff" * 2000, "日".encode()[:2]])


def test_stored_bytes_and_long_text_are_what_cat_prints(repository: Repository) -> None:
    for value, stored in ((b"raw \x00", b"raw \x00"), ("ü" * 2000, ("ü" * 2000).encode())):
        assert repository.store.get(repository.save(value).digest) == stored


@pytest.mark.parametrize(
    ("value", "codec"), [("x" * 1024, "json/1"), ("ü" * 512, "json/1"), ("ü" * 513, "text/1"), (["x" * 2000], "json/1")]
)
def test_text_that_a_ref_can_carry_stays_json(value: Any, codec: str) -> None:
    found = codec_for(value)
    assert found is not None
    assert found.name == codec


@pytest.mark.parametrize("value", [bytearray(b"x"), memoryview(b"x")])
def test_bytes_of_other_types_are_refused_as_their_type_would_be_lost(repository: Repository, value: Any) -> None:
    with pytest.raises(NoCodecError, match=type(value).__name__):
        repository.save(value)


def test_text_that_is_no_text_is_refused(repository: Repository) -> None:
    for text in ("\ud800", "\ud800" * 3000):
        with pytest.raises(NoCodecError):
            repository.save(text)


_nanosecond_range = st.datetimes().filter(lambda time: 1700 < time.year < 2200)
_keys = st.text(max_size=5)
_leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8) | st.dates() | st.complex_numbers()
    | st.timedeltas() | st.decimals() | st.fractions() | st.uuids() | st.datetimes(timezones=st.none() | st.timezones()) | st.times()
)  # fmt: skip
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=15,
)


def _alike(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_alike, one, other))
    return repr(one) == repr(other) or one == other


@given(_values)
def test_any_plain_value_comes_back_type_by_type(value: Any) -> None:
    assert _alike(from_json(json.loads(canonical_json(to_json(value)))), value)


@given(st.dictionaries(_keys | st.integers(), _values, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[Any, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json(to_json(dict(items))) == canonical_json(to_json(value))


@given(
    st.floats(width=32),
    st.integers(-(2**31), 2**31 - 1),
    _nanosecond_range,
)
def test_scalars_of_numpy_and_pandas_come_back_to_the_bit(number: float, whole: int, time: dt.datetime) -> None:
    for value in (
        np.float32(number),
        np.float64(number),
        np.int32(whole),
        pd.Timestamp(time),
        pd.Timestamp(time, tz="UTC"),
        np.datetime64(time),
    ):
        back = from_json(json.loads(canonical_json(to_json([value]))))[0]
        assert type(back) is type(value)
        assert repr(back) == repr(value)


@given(
    _nanosecond_range,
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", 1, -1.5]),
    st.sampled_from([0, 1]),
)
def test_dates_of_pendulum_come_back(time: dt.datetime, zone: Any, fold: int) -> None:
    value = pendulum.instance(time.replace(fold=fold), tz=zone)
    back = from_json(json.loads(canonical_json(to_json(value))))
    assert (type(back), repr(back), back.fold, back.utcoffset()) == (
        type(value),
        repr(value),
        value.fold,
        value.utcoffset(),
    )


def test_digests_do_not_depend_on_the_hash_seed_or_on_insertion_order(tmp_path: Path) -> None:
    """Hundreds of sets and dicts, filled in another order in each process."""
    code = """
import random, sys
from sematic_airflow_provider.artifacts.codecs.json import to_json
from sematic_airflow_provider.artifacts.digest import canonical_json, digest_bytes
from tests.artifacts.declared_samples import Colour, Holder, Level, Open, Right
shape, order = random.Random(7), random.Random(int(sys.argv[1]))
def mixed(items):
    items = list(items); order.shuffle(items); return items
def leaf():
    return shape.choice([shape.random(), shape.randrange(10**9), str(shape.random()), Colour.GREEN, Level.LOW, Right.READ | Right.RUN, b'x', (1, 'a'), None])
for n in range(300):
    keys = list(dict.fromkeys(leaf() for _ in range(9)))
    texts = [str(shape.random()) for _ in range(9)]
    value = [set(mixed(keys)), dict(mixed(zip(keys, range(9)))), dict(mixed(zip(texts, range(9)))), Holder(frozenset(mixed(texts)))]
    value.append(Open(a=1, **dict(mixed(zip(texts, keys)))))
    print(digest_bytes(canonical_json(to_json(value))))
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, seed],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        ).stdout
        for seed in ("0", "1", "4321")
    }
    assert len(outputs) == 1
    assert len(set(outputs.pop().split())) == 300


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1), ([1], (1,)), ({1}, [1]), (None, "null"), ("", b"")]
)
def test_values_of_different_types_have_different_digests(repository: Repository, one: Any, other: Any) -> None:
    assert repository.save(one).digest != repository.save(other).digest


def test_a_value_that_holds_itself_is_refused(repository: Repository) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NoCodecError, match="holding itself"):
        repository.save(loop)


def test_what_has_no_form_is_told_with_its_place() -> None:
    from tests.artifacts.declared_samples import Holder

    assert "object has no JSON form" in (why_not([object()]) or "")
    assert "field content of Holder: builtins.object" in (why_not(Holder([object()])) or "")
    assert why_not([1]) is None


@pytest.mark.parametrize(
    "value",
    [dt.datetime(2013, 1, 1, tzinfo=dt.timezone.utc), (1,), {1}, float("nan"), {"$type": 1}, object(), [np.float64(1)]],
)
def test_tagged_values_are_not_plain(value: Any) -> None:
    try:
        form = to_json(value)
    except NoCodecError:
        return
    assert not is_plain(form, value)


_SAMPLES = "tests.artifacts.declared_samples"
_HOSTILE = [
    *({TAG: "fields", "class": name, "value": {}} for name in ("os:system", "subprocess:Popen", "builtins:eval", "../x:y", "a:" + "b." * 10**5, "", 5)),
    {TAG: "fields"},
    *({TAG: "fields", "class": f"{_SAMPLES}:{name}", "value": {}} for name in ("Plain.__init__", "Colour", "_T", "with_cache", "Plain")),
    {TAG: "fields", "class": f"{_SAMPLES}:Plain", "value": []},
    {TAG: "fields", "class": f"{_SAMPLES}:FromDict", "value": {"a": 1}},
    {TAG: "fields", "class": f"{_SAMPLES}:Model", "value": {"a": 1, "b": 1, "inner": None, "$unset": 3}},
    {TAG: "fields", "class": f"{_SAMPLES}:Model", "value": {"a": 1, "b": 1, "inner": None, "$private": {"x": 1}}},
    {TAG: "enum"},
    {TAG: "enum", "class": "os:system", "name": "x"},
    {TAG: "enum", "class": f"{_SAMPLES}:Colour", "name": []},
    {TAG: "enum", "class": f"{_SAMPLES}:Colour", "name": "mro"},
    {TAG: "enum", "class": f"{_SAMPLES}:Right", "names": 5},
    {TAG: "enum", "class": f"{_SAMPLES}:Right", "names": [], "rest": 512},
    {TAG: []}, {TAG: "nothing"}, {TAG: "int", "value": "z"}, {TAG: "int"}, {TAG: "float", "value": {}},
    {TAG: "decimal", "value": "x"}, {TAG: "uuid", "value": ""}, {TAG: "bytes", "value": "é"},
    {TAG: "dict", "value": [[[1], 2]]}, {TAG: "dict", "value": 5}, {TAG: "set", "value": [[1]]}, {TAG: "set", "value": "ab"},
    {TAG: "datetime"}, {TAG: "datetime", "value": "x"},
    *({TAG: "datetime", "value": "2013-01-01", "zone": zone} for zone in ("../../etc/passwd", "Europe", "No/Where", 5)),
    {TAG: "datetime", "value": "2013-01-01", "offset": [10**30, None]},
    {TAG: "datetime", "value": "2013-01-01", "pendulum_offset": ["x", 1]},
    {TAG: "datetime", "value": "2013-01-01", "pendulum_zone": "../x"},
    {TAG: "timedelta", "value": f"{10**20},0,0"}, {TAG: "fraction", "value": "1/0"}, {TAG: "fraction", "value": "1e999999999"},
    {TAG: "range", "value": "1,2,0"}, {TAG: "complex", "value": "1j"}, {TAG: "pendulum.duration", "parts": {"x": 1}}, {TAG: "pendulum.duration", "parts": 5},
    {TAG: "pandas.timestamp", "value": "now", "unit": "s"}, {TAG: "pandas.timestamp", "value": 1, "unit": "Y"},
    {TAG: "pandas.timedelta", "value": 10**40, "unit": "s"},
    {TAG: "numpy.object", "value": 1}, {TAG: "numpy.float64", "value": "1"}, {TAG: "numpy.int8", "value": 300}, {TAG: "numpy.f8,f8", "value": 1.0},
    {TAG: "numpy.float128", "value": 1.0}, {TAG: "numpy.datetime64[99Q]", "value": 1}, {TAG: "numpy.datetime64[s]", "value": 10**40}, {TAG: "numpy."},
]  # fmt: skip


@pytest.mark.parametrize("record", _HOSTILE, ids=lambda record: str(record)[:60])
def test_crafted_records_are_refused(record: Any) -> None:
    for form in (
        record,
        [record],
        {"k": record},
        {TAG: "tuple", "value": [record]},
        {TAG: "dict", "value": [[1, record]]},
    ):
        with pytest.raises((ValueError, ArtifactError)):
            from_json(json.loads(json.dumps(form)))


_tags = st.sampled_from(
    [record[TAG] for record in _HOSTILE if isinstance(record[TAG], str)]
    + ["tuple", "frozenset", "date", "time", "pandas.NA", "pendulum.datetime"]
)
_classes = st.sampled_from(
    [
        f"{_SAMPLES}:{name}"
        for name in ("Plain", "Slotted", "Point", "Model", "Open", "Right", "Colour", "Mode", "Secretive")
    ]
)
_junk_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.sampled_from(["1", "a", "RED", "2013-01-01", "s", "1,2,3"])
)
_junk = st.recursive(
    _junk_leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "b", "x", "y", "$unset", "$extra", "$private", "content"]) | _keys, inner, max_size=4
        )
        | st.fixed_dictionaries(
            {TAG: _tags},
            optional={
                "value": inner,
                "class": _classes | st.text(max_size=12),
                "name": inner,
                "names": inner,
                "rest": inner,
                "zone": inner,
                "offset": inner,
                "pendulum_zone": inner,
                "pendulum_offset": inner,
                "fold": inner,
                "unit": inner,
                "parts": inner,
            },
        )
    ),
    max_leaves=12,
)


@settings(max_examples=2000, deadline=2000)
@given(_junk)
def test_any_json_gives_a_value_or_the_error_of_an_artifact(record: Any) -> None:
    with suppress(ValueError, ArtifactError):
        from_json(record)


@settings(max_examples=500, deadline=2000)
@given(st.integers(0, 2**32))
def test_damaged_bytes_give_a_value_or_the_error_of_an_artifact(seed: int) -> None:
    """Bits of real artifacts, flipped."""
    from tests.artifacts.declared_samples import Colour, Model, Outer, Plain, Point

    value = [
        Outer(Point(1, 2), {Colour.RED}, {}),
        Model(a=1, inner=Plain(2)),
        {1: 2.5},
        pendulum.datetime(2013, 1, 1),
        pd.Timestamp(5),
        (np.float32(1),),
    ]
    data = bytearray(canonical_json(to_json(value)))
    chance = random.Random(seed)
    for _ in range(chance.randrange(1, 5)):
        data[chance.randrange(len(data))] = (
            chance.choice(b'{}[]",:0159aeZ$') if chance.random() < 0.7 else chance.randrange(256)
        )
    with suppress(ValueError, ArtifactError):
        codec_named("json/1").decode(memoryview(data))


@pytest.mark.parametrize(
    "text", ["[" * 100_000 + "]" * 100_000, "[" * 900 + "]" * 900, '{"a":' * 5000 + "1" + "}" * 5000, "9" * 10**6]
)
def test_json_that_is_nested_or_long_beyond_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"nested|digits"):
        codec_named("json/1").decode(memoryview(text.encode()))


def test_the_deepest_value_that_can_be_stored_can_be_loaded() -> None:
    value: Any = 1
    for _ in range(199):
        value = {1: value}
    assert from_json(json.loads(canonical_json(to_json(value)))) == value
    assert math.isinf(from_json(to_json(float("inf"))))
