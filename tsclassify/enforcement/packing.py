"""How a body lies in the file: compressed against a fixed text that holds what most decisions have in common.

A decision with its trace is two kilobytes of JSON, nearly all of it names; packed, it is a tenth of that, and
recording is bound by neither the disk nor the hash.
"""

from __future__ import annotations

import threading
import zlib
from typing import Final

import zstandard

__all__ = ["pack", "unpack"]

_MAX_BODY: Final = 16 << 20
"""Bytes of a body: a damaged length must not ask for all memory."""

# Part of the file format of schema 1: changing one byte makes every packed body unreadable. The most frequent
# text comes last, where zstd reaches it with the shortest offsets.
_COMMON: Final = (
    b'"removal":{"item":"notice":"deadline_at":"items":["step":"formal","suspend","by":"tenant","provider",'
    b'"author","note":"","source":"","invented":true,"outcome":"granted","denied","open","action":"approve",'
    b'"control":"open_reports","holds":null,"value":"reason":"appeal granted"'
    b'"facility","emergency","severe","violation","warn","review","none","notify_tenant","escalate",'
    b'"refer_law_enforcement","scope":"tenant","within_s":86400,"needs":{"humans":1,"evidence":10}}],'
    b'{"category":"violent_threat","level":"act","score":0.9,"threshold":0.8,"clause":"AUP.violence","pieces":['
    b'{"text":"","start":0,"end":0,"contribution":1.0,"kind":"word"},{"text":"","start":0,"end":0,'
    b'"contribution":1.0,"kind":"phrase"}]},{"category":"incitement","level":"review"'
    b'{"id":"reported_or_condemned","state":1,"effect":"none","from_tier":"","to_tier":""},'
    b'{"id":"fiction_or_game","state":0,"effect":"lowered","from_tier":"violation","to_tier":"review"},'
    b'{"id":"hyperbole","state":0,"effect":"none","from_tier":"","to_tier":""}],"trace":[{"label":"emergency",'
    b'"state":0,"detail":"","children":[{"label":"all","state":0,"detail":"","children":[{"label":'
    b'"act: violent_threat","state":0,"detail":"0.012 < 0.800","children":[]},{"label":"act: facility_threat",'
    b'"state":0,"detail":"0.001 < 0.600","children":[]},{"label":"act: incitement","state":0,"detail":'
    b'"0.003 >= 0.300","children":[]},{"label":"signal: specific","state":1,"detail":"unknown","children":[]},'
    b'{"label":"signal: imminent","state":1,"detail":"unknown","children":[]}]}]},{"label":"any","state":2,'
    b'"detail":"","children":[]}]}],"scores":{"violent_threat":0.01,"facility_threat":0.01,"incitement":0.01,'
    b'"harm_wish":0.01,"glorification":0.01,"hate":0.01,"abuse":0.01},"signals":{"target_person":"unknown",'
    b'"target_group":"unknown","target_facility":"unknown","severe":"unknown","specific":"unknown",'
    b'"imminent":"unknown","conditional":"unknown","veiled":"unknown","reported":"unknown",'
    b'"condemned":"unknown","joking":"unknown","fictional":"unknown","lawful":"unknown",'
    b'"self_directed":"unknown"},"policy_name":"hosting-provider","policy_version":"2021.07.0",'
    b'"policy_sha256":"","model_name":"en-v1","model_sha256":"","actor":"","tenant":"","at":"2021-01-08T10:00:00Z",'
    b'"language":2,"source_sha256":"","text_sha256":"","mode":"enforce","recorded_at":null,"change":"","tier_title":"",'
    b'"source_title":"","source_date":"","source_url":"","appeal":"","withheld":[]}'
    b'{"id":"","tier":"none","actions":[],"review":false,"findings":[],"contexts":[],"trace":['
)
_DICTIONARY: Final = zstandard.ZstdCompressionDict(_COMMON, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


# Without this every call would read the dictionary anew.
_DICTIONARY.precompute_compress(level=-1)


class _ToolsOfThread(threading.local):
    """One compressor and one decompressor for each thread, made on first use: zstd's own are not to be shared."""

    packer: zstandard.ZstdCompressor | None = None
    unpacker: zstandard.ZstdDecompressor | None = None


_Tools: Final = _ToolsOfThread()


def pack(body: bytes | bytearray) -> bytes:
    """The packed form of a body."""
    if _Tools.packer is None:
        _Tools.packer = zstandard.ZstdCompressor(
            level=-1, dict_data=_DICTIONARY, write_checksum=False, write_dict_id=False
        )
    packed: bytes = _Tools.packer.compress(body)
    return packed + zlib.crc32(packed).to_bytes(4, "big")


def unpack(packed: bytes) -> bytes:
    """The body of a packed form.

    Raises
    ------
    ValueError
        When it is damaged: a byte of it was altered.
    """
    if _Tools.unpacker is None:
        _Tools.unpacker = zstandard.ZstdDecompressor(dict_data=_DICTIONARY)
    # zstd reads some altered frames (an unused bit, another table for the same lengths) as the same body; the
    # checksum notices those too.
    frame, checksum = packed[:-4], packed[-4:]
    if zlib.crc32(frame).to_bytes(4, "big") != checksum:
        raise ValueError("packed body is damaged")
    try:
        if not 0 <= zstandard.frame_content_size(frame) <= _MAX_BODY:
            raise ValueError("packed body is damaged")
        body: bytes = _Tools.unpacker.decompress(frame)
    except zstandard.ZstdError:
        raise ValueError("packed body is damaged") from None
    return body
