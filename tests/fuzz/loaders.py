"""Fuzz targets for what is loaded from files: policies, bundles, exports of a ledger.

Cases are small, so that a million take minutes, and many are *sealed*: changed first and then given true hashes, as a
careful forger would, so that they reach what lies behind the check of the hashes.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.mutate import mutated
from tests.fuzz.target import Target, Unavailable
from tests.fuzz.trees import ODD, mutated_tree
from tsclassify.errors import BundleError, InputError, LedgerError, PolicyError

__all__ = ["bundle", "ledger", "policy"]

POLICY = {
    "policy": "zorp-house",
    "version": "2026.01.0",
    "kind": "platform",
    "effective": {"from": "2026-01-01"},
    "source": {"title": "House rules", "clause": "no threats", "url": "https://example.org/", "date": "2026-01-01"},
    "clauses": {"R.1": "no threats"},
    "languages": {"tested": ["en"], "otherwise": "review"},
    "categories": {
        "violent_threat": {"review": 0.3, "act": 0.8, "clause": "R.1"},
        "incitement": {"review": {"recall": 0.9}, "act": {"precision": 0.9}, "clause": "R.1"},
    },
    "tiers": [
        {
            "id": "urgent",
            "when": {"all": [{"act": "violent_threat"}, {"signal": "imminent"}]},
            "do": ["hide"],
            "within": "1h",
        },
        {"id": "violation", "when": {"any": [{"act": "violent_threat"}, {"act": "incitement"}]}, "do": ["hide"]},
    ],
    "contexts": [
        {
            "id": "game",
            "when": {"meta": "surface", "in": ["game"]},
            "lowers": {"violation": "none"},
            "floor": {"urgent": "review"},
        },
        {
            "id": "joke",
            "when": {"signal": "joking"},
            "lowers": {"violation": "review"},
            "unless": {"signal": "specific"},
        },
    ],
    "actions": {"hide": {"scope": "item", "says": "the post is hidden"}},
    "ladder": {"window": "90d", "steps": [{"id": "warn", "when": {"count": "violation", "at_least": 1}}]},
    "guards": {"max_share_of_items": 0.02},
    "rollout": {"mode": "enforce"},
}


_HEADER = ("seq", "kind", "at", "known", "id", "actor", "tenant", "tier", "basis", "ref")


def _folder(name: str) -> Path:
    """A folder in memory, where there is such a place, until the process ends."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-", dir=place))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _words(tree: Any) -> list[str]:
    """Keys and strings of a tree."""
    if isinstance(tree, dict):
        return [word for key, value in tree.items() for word in (str(key), *_words(value))]
    if isinstance(tree, list):
        return [word for value in tree for word in _words(value)]
    return [tree] if isinstance(tree, str) else []


def policy() -> Target:
    """A policy is refused with its faults, or loaded and then decides any item; nothing else comes of any bytes."""
    from tests.policy_fakes import INFO as info
    from tsclassify.policy import Decider, ItemColumns, Policy
    from tsclassify.records import Truth
    from tsclassify.resources import shipped
    from tsclassify.taxonomy import CATEGORIES, SIGNALS

    scores = np.linspace(0, 1, 6 * len(CATEGORIES), dtype=np.float32).reshape(6, -1)
    states = np.array([0, 1, 2, 0, 1, 2], np.int8)
    surfaces = np.array(["game", None, "", 1, True, ["game"]], dtype=object)
    columns = ItemColumns(
        CATEGORIES, scores, dict.fromkeys(SIGNALS, states), np.full(6, Truth.TRUE, np.int8), {"surface": surfaces}
    )
    packs = [path.read_bytes() for path in sorted(shipped("seeds", "policies").rglob("*.yaml"))]
    text = json.dumps(POLICY, indent=1)
    blocks = "\n".join(f"{key}: {json.dumps(value)}" for key, value in POLICY.items())
    corpus = [
        text.encode(),
        blocks.encode(),
        b"policy: zorp\nversion: 1.0.0\nkind: community\ntiers:\n- id: a\n  when: {act: hate}\n",
    ]
    words = sorted({*_words(POLICY), *CATEGORIES, *SIGNALS, "review", "all", "any", "not", "if_missing", "precision"})
    counts: Counter[str] = Counter()

    def make(rng: random.Random) -> bytes:
        chance = rng.random()
        if chance < 0.45:
            return json.dumps(mutated_tree(rng, POLICY, words)).encode()
        # A whole pack has twenty kilobytes, which costs as much as fifty small ones.
        return mutated(rng, packs, longest=40_000) if chance < 0.452 else mutated(rng, corpus, longest=4000)

    def check(case: bytes) -> None:
        try:
            loaded = Policy.parse(case)
            decider = Decider(loaded, info)
        except PolicyError as error:
            if not str(error):
                raise AssertionError("a refusal without a reason") from error
            return
        counts["loaded"] += 1
        result = decider.decide(columns)
        for row in range(6):
            result.name(row)

    return Target(corpus, check, make=make, group=8, counts=counts)


def bundle() -> Target:
    """A bundle with any altered file is refused in one sentence; a forged one with true hashes, too, or it scores."""
    from tsclassify.classifier import Classifier
    from tsclassify.model.bundle import read_bundle, write_bundle
    from tsclassify.resources import shipped

    try:
        model, _ = read_bundle(shipped("models", "en-v1"))
    except BundleError as error:
        raise Unavailable(error.message) from None
    folder = _folder("bundle") / "zorp-v1"
    write_bundle(
        replace(
            model,
            name="zorp-v1",
            spec=replace(model.spec, bits=10),
            lexicon=dict(sorted(model.lexicon.items())[:8]),
            weights=model.weights[:1024],
            signal_weights=model.signal_weights[:256],
            operating_points={name: points[:2] for name, points in model.operating_points.items()},
            figures={"dev": {"hate": {"ap": 0.5}}},
            sources=model.sources[:1],
        ),
        folder,
        texts={"top_features.tsv": "category\tfeature\tweight\n", "CARD.md": "# zorp-v1\n"},
    )
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    manifest = json.loads(whole["manifest.json"])
    with np.load(io.BytesIO(whole["weights.npz"]), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    names = sorted(whole)
    words = sorted(set(_words(manifest)))[:400]
    counts: Counter[str] = Counter()

    def make(rng: random.Random) -> bytes:
        """First byte: the file that changes; second: whether the hashes are made true again."""
        chance = rng.random()
        if chance < 0.35:
            return b"m1" + json.dumps(mutated_tree(rng, manifest, words)).encode()
        if chance < 0.5:
            return b"w1" + _odd_arrays(rng, arrays)
        name = rng.choice(names)
        content = mutated(rng, [whole[name]], longest=len(whole[name]) + 1000)
        return f"{names.index(name)}{rng.randrange(2)}".encode() + content

    def check(case: bytes) -> None:
        key, sealed, content = case[:1], case[1:2] == b"1", case[2:]
        name = {b"m": "manifest.json", b"w": "weights.npz"}.get(key) or names[int(key)]
        files = whole | {name: content}
        if sealed and name != "SHA256SUMS":
            files = _sealed(files, name)
        changed = [one for one in files if files[one] != whole[one]]
        for one in changed:
            (folder / one).write_bytes(files[one])
        try:
            found, sha256 = read_bundle(folder)
            if changed and not sealed:
                raise AssertionError("an altered bundle was read")
            counts["sealed and read"] += 1
            if len(case) % 4:
                return
            classifier = Classifier(found, sha256)
            scores = classifier.score(["the zorp went to the river", "", "😀 k1ll"]).probabilities
            if not ((scores >= 0) & (scores <= 1)).all():
                raise AssertionError("a score is outside [0, 1]")
            classifier.signals(["the zorp"])
        except BundleError as error:
            if "\n" in error.message or error.message.endswith("."):
                raise AssertionError("a refusal in more than one sentence") from error
        finally:
            for one in changed:
                (folder / one).write_bytes(whole[one])

    return Target([whole["manifest.json"]], check, make=make, counts=counts)


def _sealed(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    """The files with hashes that are true after `name` was changed."""
    files = dict(files)
    if name != "manifest.json":
        manifest = json.loads(files["manifest.json"])
        manifest["files"][name] = {"bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
        files["manifest.json"] = json.dumps(manifest).encode()
    sums = {one: hashlib.sha256(content).hexdigest() for one, content in files.items() if one != "SHA256SUMS"}
    files["SHA256SUMS"] = "".join(f"{digest}  {one}\n" for one, digest in sorted(sums.items())).encode()
    return files


def _odd_arrays(rng: random.Random, arrays: dict[str, Any]) -> bytes:
    """An npz in which one or two arrays are missing, reshaped, of another type, or hold odd numbers."""
    arrays = dict(arrays)
    for _ in range(rng.randrange(1, 3)):
        name = rng.choice(sorted(arrays))
        array = arrays[name]
        kind = rng.randrange(7)
        if kind == 0:
            del arrays[name]
        elif kind == 1:
            # A number cut to three letters is none any more.
            with contextlib.suppress(ValueError), np.errstate(all="ignore"):
                # of a complex array, which an earlier change may have made, the real part
                arrays[name] = array.real.astype(rng.choice(["i1", "u1", "f4", "f8", "c8", "U3", "?", ">f8"]))
        elif kind == 2:
            arrays[name] = array[: rng.randrange(len(array) + 1)] if array.ndim else array
        elif kind == 3:
            arrays[name] = array.reshape(-1) if rng.random() < 0.5 else array[np.newaxis]
        elif kind == 4 and array.dtype.kind == "f" and array.size:
            array = array.copy()
            array.flat[rng.randrange(array.size)] = rng.choice([np.nan, np.inf, -np.inf, 1e308, -1e308, 0.0, 5e-324])
            arrays[name] = array
        elif kind == 5:
            arrays[name] = array[..., ::-1]
        else:
            arrays[f"{name}{rng.choice(['', 'x', '.', '/x'])}{rng.randrange(3)}"] = array
    buffer = io.BytesIO()
    save: Callable[..., None] = np.savez
    save(buffer, **arrays)
    return buffer.getvalue()


def ledger() -> Target:
    """An import of any bytes is refused whole, or leaves a ledger that verifies and can be read."""
    from tsclassify.standing import Ledger

    folder = _folder("ledger")
    with Ledger.open(folder / "seed.db") as seed:
        at = "2021-01-05T10:00:00+00:00"
        seed.attestation("terms", True, tenant="acme", at=at)
        seed.notice("acme", items=["1"], at=at)
        seed.removal("1", at=at, tenant="acme")
        seed.appeal("1", at=at)
        seed.human_action("take", "notice", at=at, by="zorp", tenant="acme")
        seed.export(folder / "seed.jsonl")
    Ledger.open(folder / "empty.db").close()
    whole = (folder / "seed.jsonl").read_bytes()
    rows = [json.loads(line) for line in whole.splitlines()]
    words = sorted({*_words(rows), "decision", "void", "tally", "response", "granted", "open"})
    path, database = folder / "case.jsonl", folder / "case.db"
    counts: Counter[str] = Counter()

    def make(rng: random.Random) -> bytes:
        return mutated(rng, [whole], longest=4000) if rng.random() < 0.6 else _forged_rows(rng, rows, words)

    opened: list[Ledger] = []

    def fresh() -> Ledger:
        """An empty ledger; the one of the last case where that stayed empty."""
        if opened and len(opened[0]):
            opened.pop().close()
        if not opened:
            for file in folder.glob("case.db*"):
                file.unlink()
            shutil.copyfile(folder / "empty.db", database)
            opened.append(Ledger.open(database))
        return opened[0]

    def check(case: bytes) -> None:
        path.write_bytes(case)
        into = fresh()
        try:
            into.import_(path)
        except (LedgerError, InputError):
            if len(into):
                raise AssertionError("a refused import left events") from None
            return
        counts["taken over"] += 1
        # Rows cannot be taken out again, so each has to be one that can be read.
        into.verify()
        for stored in into.events():
            if stored.at > stored.known:
                raise AssertionError("an event was known before it happened")

    return Target([whole], check, make=make, counts=counts)


def _forged_rows(rng: random.Random, rows: list[dict[str, Any]], words: list[str]) -> bytes:
    """Some rows of an export with odd columns and bodies, chained by true hashes."""
    from tsclassify.ledger.store import GENESIS, chain, digest

    before = GENESIS
    lines = []
    for number, row in enumerate([row for row in rows if rng.random() < 0.7], 1):
        row = dict(row)
        if rng.random() < 0.5:
            row["body"] = mutated_tree(rng, row["body"], words)
        if rng.random() < 0.2:
            row[rng.choice(_HEADER[1:])] = rng.choice([*words, *ODD])
        row["seq"] = number
        body = json.dumps(row["body"]).encode()
        with contextlib.suppress(TypeError, ValueError, OverflowError, UnicodeError):
            before = chain(before, tuple(row.get(name) for name in _HEADER), digest(body))
        row["hash"] = before.hex()
        rest = json.dumps({name: value for name, value in row.items() if name != "body"})
        lines.append(rest[:-1].encode() + b', "body": ' + body + b"}")
    return b"\n".join(lines) + b"\n"
