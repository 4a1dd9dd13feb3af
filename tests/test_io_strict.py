"""The strict reading of a line, case by case and against two other parsers."""

from __future__ import annotations

import json
import random

import msgspec
import numpy as np
import pytest

from tsclassify.io.blocks import Block
from tsclassify.io.lines import LineScanner, reject_record
from tsclassify.io.strict import MAX_DEPTH, Fields, LineFault, parse_line
from work import n_calls

FIELDS = Fields(meta=("surface",))
SIGNALS = frozenset(["specific", "imminent"])


def reason(line: bytes) -> str:
    """Why a line is refused; empty when it is accepted."""
    try:
        parse_line(line, FIELDS)
    except LineFault as fault:
        return fault.reason
    return ""


ACCEPTED = [
    b'{"text":"a"}',
    b' \t{ "text" : "a" , "n" : [ ] , "o" : { } } \r',
    b'{"text":"","id":null}',
    b'{"text":"\\ud83d\\ude00 \\u0000 \\/ \\"","id":-0.5E+3}',
    '{"ключ":"значение","text":"😀"}'.encode(),
    b'{"text":"a","x":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}",
    b'{"text":"a","n":1e999999,"m":' + b"9" * 5000 + b"}",
    b'{"text":"a","nested":{"k":1,"k":2}}',
    b'{"text":"a","signals":{"specific":true,"imminent":null}}',
    b'{"te\\u0078t":"a"}',
    b'{"text":"a","x":"\x7f"}',
]
REFUSED = {
    "not_json": [
        b"",
        b"zorp",
        b'{"text":"a"',
        b'{"text":"a",}',
        b'{"text":"a"} {}',
        b"{'text':'a'}",
        b'{"text":"a","n":01}',
        b'{"text":"a","n":+1}',
        b'{"text":"a","n":1.}',
        b'{"text":"a","n":.5}',
        b'{"text":"a","n":1e}',
        b'{"text":"a","n":NaN}',
        b'{"text":"a","n":-Infinity}',
        b'{"text":"a","n":0x10}',
        b'{"text":"a\x00"}',
        b'{"text":"a\tb"}',
        b'{"text":"\\x41"}',
        b'{"text":"\\u12g4"}',
        b'{"text":"a","b":tru}',
        b'{"text":"a","b":[1 2]}',
        b'{"text":"a","b":[}]',
        b'{"text":"a"}\x0b',
        b'{"text":"a"}\x00',
        b'\xef\xbb\xbf{"text":"a"}',
        '{"text":"a","n":１}'.encode(),
    ],
    "not_utf8": [
        b'{"text":"\xff"}',
        b'{"text":"\xc0\xaf"}',
        b'{"text":"\xed\xa0\x80"}',
        b'{"text":"\xf4\x90\x80\x80"}',
    ],
    "not_object": [b"[]", b'"text"', b"1", b"null"],
    "no_text": [b"{}", b'{"id":"a"}', b'{"text":null}'],
    "wrong_type": [
        b'{"text":1}',
        b'{"text":["a"]}',
        b'{"text":"a","id":true}',
        b'{"text":"a","actor":{}}',
        b'{"text":"a","at":[]}',
        b'{"text":"a","signals":[]}',
        b'{"text":"a","signals":{"specific":1}}',
    ],
    "duplicate_name": [
        b'{"text":"a","text":"b"}',
        b'{"text":"a","te\\u0078t":"b"}',
        b'{"text":"a","z":1,"z":1}',
        b'{"text":"a","signals":{"specific":true,"specific":false}}',
    ],
    "lone_surrogate": [b'{"text":"\\ud800"}', b'{"text":"\\udc00\\ud800"}', b'{"text":"a","x":{"\\udfff":1}}'],
    "too_deep": [b'{"text":"a","x":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", b"[" * 100_000],
}


@pytest.mark.parametrize("line", ACCEPTED)
def test_line_is_accepted(line: bytes) -> None:
    assert reason(line) == ""


@pytest.mark.parametrize(("expected", "line"), [(name, line) for name, lines in REFUSED.items() for line in lines])
def test_line_is_refused_with_its_reason(expected: str, line: bytes) -> None:
    assert reason(line) == expected


def test_line_longer_than_the_limit_is_refused() -> None:
    line = b'{"text":"' + b"a" * 100 + b'"}'
    assert parse_line(line, FIELDS, max_line=len(line)).text == "a" * 100
    with pytest.raises(LineFault, match="too_long"):
        parse_line(line, FIELDS, max_line=len(line) - 1)


def test_numbers_and_spans_are_kept_as_written() -> None:
    line = '{"é":1,"id": 1.50e+07 ,"text":"ö"}'.encode()
    item = parse_line(line, FIELDS)
    start, end = item.spans["id"]
    assert line[start:end] == b"1.50e+07"
    assert item.values["id"] == "1.50e+07"
    assert line[item.close : item.close + 1] == b"}"


@pytest.mark.parametrize(
    "line",
    [
        b"{" * 99 + b'"' + b'\\"' * 1_000_000,
        b"[" * 4_000_000,
        b'{"a":' * 1_000_000,
        b'{"text":"' + b"\\u0041" * 500_000 + b'"}',
        b'"' * 4_000_000,
        b'{"text":"a",' + b",".join(b'"k%d":1' % k for k in range(100_000)) + b"}",
    ],
    ids=["quotes", "arrays", "objects", "escapes", "strings", "names"],
)
def test_hostile_line_takes_work_in_proportion_to_its_length(line: bytes) -> None:
    assert n_calls(lambda: reason(line)) < 2 * len(line)


# -- the compiled scanner against the strict parser, and the strict parser against two others ---------------

_BASES = [
    b'{"id":"a1","text":"the zorp said \\"hi\\" \\u00e9 \\ud83d\\ude00 ok","n":-1.5e+10,"d":[1,[2,{"x":null}],true],'
    b'"surface":"chat"}',
    '{ "id" : 17 , "text" : "naïve 😀 ünïcode \\n\\t\\\\", "actor":"u1","tenant":null, "at":"2021","e":{} }\r'.encode(),
    b'{"text":"","signals":{"specific":true}}',
    b'{"text":"plain","tsclassify":{"tier":"none"},"z":0}',
    b'{"text":"a","n":[0,-0,1.0,1e5,1E-5,0.5e+3,123456789012345678901234567890]}',
]
_PARTS = [bytes([c]) for c in b'"\\{}[],:0-.e+/1a \t\r\x00\x1f\x7f\xff'] + [
    b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"\\u", b"\\ud800", b"\\udc00",
    b"\\u0000", b"true", b"nul", b"NaN", b'"text":', b'"id":1,', b'"text":"b",', b"\\u0074ext", b'"signals":{},',
    b'"tsclassify":1,', b"\\/", b"\\x",
]  # fmt: skip


def mutated(rng: random.Random) -> bytes:
    """A good line after none to five cuts, insertions, doublings and nestings."""
    line = bytearray(rng.choice(_BASES))
    for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, 5])):
        kind, at = rng.randrange(7), rng.randrange(len(line) + 1)
        if kind == 0:
            line[at:at] = rng.choice(_PARTS)
        elif kind == 1:
            del line[at : at + rng.randrange(1, 6)]
        elif kind == 2 and line:
            line[min(at, len(line) - 1)] = rng.randrange(256)
        elif kind == 3:
            del line[at:]
        elif kind == 4:
            other = rng.randrange(len(line) + 1)
            line[at:at] = line[min(at, other) : max(at, other)][:40]
        elif kind == 5:
            depth = rng.choice([5, 62, 63, 64, 65, 70])
            line[at:at] = b"[" * depth + b"]" * depth if rng.random() < 0.8 else b'{"a":' * depth + b"1" + b"}" * depth
        else:
            line[at:at] = rng.choice([b"a", b"[1,", b"7", b"\xc3\xa9", b"\\u00e9"]) * rng.choice([50, 500])
    return bytes(line).replace(b"\n", b" ")


def independent_answer(line: bytes) -> bool:
    """Is it a JSON object with a text, by the standard library and by msgspec?"""

    def refuse(name: str) -> None:
        raise ValueError(name)

    answers = []
    try:
        value = json.loads(line.decode(), parse_constant=refuse, parse_int=str, parse_float=str)
        answers.append(isinstance(value, dict) and isinstance(value.get("text"), str))
    except (ValueError, RecursionError):
        answers.append(False)
    try:
        raw = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        line.decode()
        answers.append(isinstance(msgspec.json.decode(raw.get("text", b"0")), str))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answers.append(False)
    # msgspec reads a lone surrogate as a fault and does not look into raw values for bytes that are no UTF-8.
    return answers[0] and (answers[1] or b"\\u" in line)


def same_answers(n_lines: int, seed: int) -> tuple[int, int]:
    """Scan mutated lines both ways; returns how many were accepted and refused."""
    rng = random.Random(seed)  # noqa: S311
    fast = LineScanner(FIELDS, SIGNALS, small_bytes=0)
    strict = LineScanner(FIELDS, SIGNALS, small_bytes=1 << 40)
    n_accepted = n_refused = 0
    for _ in range(0, n_lines, 500):
        lines = [mutated(rng) for _ in range(500)]
        data = b"".join(line + b"\n" for line in lines)
        block = Block(data, 0, len(data), 1, 500)
        one, other = fast.scan(block), strict.scan(block)
        for name in ("lines", "spans", "offsets", "data"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert one.signals == other.signals
        assert one.n_blank == other.n_blank
        assert [reject_record("x", block, refused) for refused in one.refused] == [
            reject_record("x", block, refused) for refused in other.refused
        ]
        assert len(one) + len(one.refused) + one.n_blank == 500
        for line in one.lines[:, 3].tolist():
            assert independent_answer(lines[line])
        for refused in one.refused:
            if refused.fault.reason in ("not_json", "not_utf8", "not_object", "no_text"):
                assert not independent_answer(lines[refused.line])
        n_accepted += len(one)
        n_refused += len(one.refused)
    return n_accepted, n_refused


def test_scanner_and_strict_parser_agree_on_mutated_lines() -> None:
    n_accepted, n_refused = same_answers(5_000, seed=1)
    assert n_accepted > 800
    assert n_refused > 2_000


@pytest.mark.slow
def test_scanner_and_strict_parser_agree_on_a_hundred_thousand_mutated_lines() -> None:
    n_accepted, n_refused = same_answers(100_000, seed=2)
    assert n_accepted > 16_000
    assert n_refused > 40_000


def test_rejected_line_can_be_rebuilt_and_its_record_is_plain_ascii() -> None:
    data = b'{"text":1,"esc":"\x1b[2J\xe2\x80\xae"}\n{"text":"\xff"}\n'
    block = Block(data, 100, len(data), 7, 2)
    scanned = LineScanner(FIELDS).scan(block)
    records = [json.loads(reject_record("in.jsonl", block, refused)) for refused in scanned.refused]
    assert [record["line"] for record in records] == [7, 8]
    assert records[0]["raw"].encode() == data.split(b"\n")[0]
    assert reject_record("in.jsonl", block, scanned.refused[0]).isascii()
    assert b"\x1b" not in reject_record("in.jsonl", block, scanned.refused[0])
    import base64

    assert base64.b64decode(records[1]["raw_base64"]) == data.split(b"\n")[1]
    assert records[1]["offset"] == 100 + data.index(b"\n") + 1


def test_signal_that_the_model_lacks_is_refused() -> None:
    data = b'{"text":"a","signals":{"zorp":true}}\n'
    scanned = LineScanner(FIELDS, SIGNALS).scan(Block(data, 0, len(data), 1, 1))
    assert [refused.fault.reason for refused in scanned.refused] == ["unknown_signal"]
