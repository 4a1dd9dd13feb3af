"""Which rows a model is trained on, with what labels and weights; nothing that measures the model is among them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.data import (
    annotated_rows,
    composed_rows,
    contrast_rows,
    drawn,
    english_rows,
    everyday_rows,
    exclusion_key,
    exclusions,
    found_rows,
    further_rows,
    raw_rows,
    read_again,
    registered_files,
    written_rows,
)
from tsclassify.data.corpus import AnnotatedRow
from tsclassify.errors import DataError
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES, SIGNALS, parse_code
from tsclassify.training.soft import read_soft_labels, soft_key

__all__ = [
    "HeldOut",
    "TrainingSet",
    "build_training_set",
    "gold_columns",
    "minimal_pairs",
    "reread",
    "source_labels",
    "trusting",
]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Labelled texts that are only reported on.

    Attributes
    ----------
    ids, picked
        Id of each text's label, and how it was chosen.
    texts
        The n texts.
    categories, signals
        bool, shapes (n, 7) and (n, 14).
    """

    ids: tuple[str, ...]
    picked: tuple[str, ...]
    texts: tuple[str, ...]
    categories: NDArray[np.bool_]
    signals: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Rows to fit on, gold rows first, and the rows that are only reported on.

    Attributes
    ----------
    texts
        n training texts: read and labelled first (``n_gold``), then texts with a teacher's soft labels.
    categories, signals
        float32, shapes (n, 7) and (n, 14), in [0, 1].
    weights
        float32, shape (n,).
    groups
        Fold key of each gold row, shape (n_gold,): rows that are nearly the same text, or one minimal pair,
        share it.
    n_gold
        Rows with labels of readers.
    n_judged
        How many of them, the first, are not composed: those that signals are calibrated on.
    n_stated
        How many of them, the first, are drawn as the dev rows are: those that scores are calibrated and thresholds
        stated on. The others, hard ones picked or written for training, would shift them.
    picked
        How each gold row was chosen; ``rand_<source>`` for a row drawn at random from a whole source, whichever
        reading it comes from: priors of ordinary streams are stated on those.
    pairs
        (higher, lower, head) of minimal pairs among the gold rows.
    dev, dev_categories, dev_signals
        Texts of ``split = dev`` and their labels, bool.
    found_dev
        Look-alikes and random draws held out (``found_rows(split="dev")``): harder and more ordinary than the dev rows.
    sources
        One mapping per public file that rows came from, with the number of rows.
    """

    texts: tuple[str, ...]
    categories: NDArray[np.float32]
    signals: NDArray[np.float32]
    weights: NDArray[np.float32]
    groups: NDArray[np.int64]
    n_gold: int
    n_judged: int
    n_stated: int
    picked: tuple[str, ...]
    pairs: tuple[tuple[int, int, int], ...]
    dev: tuple[str, ...]
    dev_categories: NDArray[np.bool_]
    dev_signals: NDArray[np.bool_]
    found_dev: HeldOut
    sources: tuple[Mapping[str, Any], ...]


def gold_columns(rows: Sequence[AnnotatedRow]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Category and signal labels of annotated rows: bool, shapes (n, 7) and (n, 14)."""
    parsed = [parse_code(row.code) for row in rows]
    categories = np.array([one for one, _ in parsed], dtype=np.bool_).reshape(len(rows), len(CATEGORIES))
    signals = np.array([one for _, one in parsed], dtype=np.bool_).reshape(len(rows), len(SIGNALS))
    return categories, signals


def reread(row: AnnotatedRow) -> AnnotatedRow:
    """The row with attributes and context of its second reading, where there is one (``read_again``).

    Categories stay as first read. Attributes are of violence: they are taken where both readings see some, or
    neither does.
    """
    again = read_again().get(row.sha256)
    if again is None:
        return row
    categories, attributes, _ = row.code.split("/")
    _, other, context = again.split("/")
    return replace(row, code=f"{categories}/{other if (attributes == '-') == (other == '-') else attributes}/{context}")


def minimal_pairs(rows: Sequence[AnnotatedRow], categories: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Minimal pairs of written posts: (row with violence, its innocent twin, category that tells them apart)."""
    members: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        if row.pair is not None:
            members.setdefault(row.pair, []).append(number)
    found: list[tuple[int, int, int]] = []
    for _, pair in sorted(members.items()):
        if len(pair) != 2:
            continue
        first, second = pair
        if categories[first, :5].any() == categories[second, :5].any():
            continue
        higher, lower = (first, second) if categories[first, :5].any() else (second, first)
        found.extend((higher, lower, int(k)) for k in np.flatnonzero(categories[higher, :5]))
    return found


def build_training_set(config: Mapping[str, Any], *, data_root: str | os.PathLike[str] | None = None) -> TrainingSet:
    """Gather the rows of ``use = train`` sources.

    Left out: rows of ``split = dev`` and whatever has the same letters and digits in its first hundred, texts
    that measure models elsewhere (``exclusions``), the public test sets named in the configuration, and every
    source marked ``eval``.

    Parameters
    ----------
    config
        The table ``rows`` of ``seeds/training.toml``.
    data_root
        Folder of the public files.

    Raises
    ------
    DataError
        When a public file is missing or altered, or no row is left.
    """
    rows = annotated_rows(root=data_root, use="train") + written_rows()
    held_out = {line for line in shipped("seeds", "labels", "hold_out.txt").read_text("ascii").split("\n") if line}
    dev = [row for row in rows if row.split == "dev"]
    found = found_rows(root=data_root)
    found_dev = [row for row in found if row.split == "dev"]
    shut = {exclusion_key(row.text) for row in (*dev, *found_dev)} | exclusions()
    stated = [
        row for row in rows if row.split == "train" and row.id not in held_out and exclusion_key(row.text) not in shut
    ]
    if not stated:
        raise DataError("training set: rows must not be empty, got none")
    weights = [config["written_weight"] if row.source == "written" else 1.0 for row in stated]
    gold = list(stated)
    known = shut | {exclusion_key(row.text) for row in stated}
    n_judged = len(gold)
    composed = composed_rows()
    for some, weight, is_public in (
        ([row for row in found if row.split == "train"], config["found_weight"], True),
        (further_rows(root=data_root), config["further_weight"], True),
        (contrast_rows(), config["contrast_weight"], False),
        (everyday_rows(), config["everyday_weight"], False),
        (composed, config["composed_weight"], False),
    ):
        # the two posts of one of our pairs may begin with the same hundred letters
        barred = known if is_public else shut
        added = [row for row in some if weight > 0 and exclusion_key(row.text) not in barred]
        known |= {exclusion_key(row.text) for row in added}
        gold += added
        weights += [weight] * len(added)
        n_judged = n_judged if some is composed else len(gold)
    gold = [reread(row) for row in gold]
    categories, signals = gold_columns(gold)
    pairs = minimal_pairs(gold, categories)
    group_of: dict[str, int] = {}
    names = (exclusion_key(row.text) if row.pair is None else f"pair {row.pair}" for row in gold)
    groups = np.array([group_of.setdefault(name, len(group_of)) for name in names], dtype=np.int64)
    soft_texts, soft, soft_weights, counts = _soft_rows(config, known, data_root)
    dev_categories, dev_signals = gold_columns(dev)
    return TrainingSet(
        texts=(*(row.text for row in gold), *soft_texts),
        categories=np.concatenate([categories.astype(np.float32), soft[:, : len(CATEGORIES)]]),
        signals=np.concatenate([signals.astype(np.float32), soft[:, len(CATEGORIES) :]]),
        weights=np.concatenate([np.array(weights, dtype=np.float32), soft_weights]),
        groups=groups,
        n_gold=len(gold),
        n_judged=n_judged,
        n_stated=len(stated),
        picked=tuple(f"rand_{drawn()[row.sha256]}" if row.sha256 in drawn() else row.picked for row in gold),
        pairs=tuple(pairs),
        dev=tuple(row.text for row in dev),
        dev_categories=dev_categories,
        dev_signals=dev_signals,
        found_dev=_held_out(found_dev),
        sources=_provenance(gold, counts),
    )


def _held_out(rows: Sequence[AnnotatedRow]) -> HeldOut:
    ids, picked, texts = (tuple(getattr(row, name) for row in rows) for name in ("id", "picked", "text"))
    return HeldOut(ids, picked, texts, *gold_columns(rows))


def _soft_rows(
    config: Mapping[str, Any], shut: set[str] | frozenset[str], data_root: str | os.PathLike[str] | None
) -> tuple[list[str], NDArray[np.float32], NDArray[np.float32], dict[str, int]]:
    """Texts that have no reader's label: their soft labels and weights, and how many came from each source."""
    texts: list[str] = []
    values: list[NDArray[np.float32]] = []
    weights: list[float] = []
    counts: dict[str, int] = {}
    if config["soft_labels"]:
        labels = dict(read_soft_labels(shipped("seeds", *config["soft_labels"].split("/"))))
        for source in sorted({file.name for file in registered_files() if file.use == "train"}):
            trust = [rule for rule in config.get("trust", ()) if rule["source"] == source]
            weight = max((rule["weight"] for rule in trust), default=config["soft_weight"])
            for row in english_rows(source, root=data_root):
                value = labels.pop(soft_key(row.text), None)
                if value is not None and exclusion_key(row.text) not in shut:
                    texts.append(row.text)
                    values.append(trusting(value, row.label, trust))
                    weights.append(weight)
                    counts[source] = counts.get(source, 0) + 1
    n_heads = len(CATEGORIES) + len(SIGNALS)
    known = set(texts)
    for rule in config.get("ordinary", ()):
        for text in _ordinary_texts(rule, shut, data_root):
            if text not in known:
                known.add(text)
                texts.append(text)
                values.append(np.zeros(n_heads, dtype=np.float32))
                weights.append(rule["weight"])
                counts[rule["source"]] = counts.get(rule["source"], 0) + 1
    for source in config.get("unread_sources", ()):
        for row in english_rows(source, root=data_root):
            if row.text not in known and exclusion_key(row.text) not in shut:
                known.add(row.text)
                texts.append(row.text)
                values.append(np.zeros(n_heads, dtype=np.float32))
                weights.append(0.0)
                counts[source] = counts.get(source, 0) + 1
    stacked = np.array(values, dtype=np.float32).reshape(len(texts), n_heads)
    return texts, stacked, np.array(weights, dtype=np.float32), counts


def _ordinary_texts(
    rule: Mapping[str, Any], shut: set[str] | frozenset[str], data_root: str | os.PathLike[str] | None
) -> list[str]:
    """Texts of an everyday source, evenly spread, that count as free of every category, unread.

    So few of them are not that a wrong label costs less than what the others teach of ordinary language.
    """
    texts = [row.text for row in english_rows(rule["source"], root=data_root) if exclusion_key(row.text) not in shut]
    n = min(rule["n"], len(texts))
    return [texts[k * len(texts) // n] for k in range(n)]


def trusting(value: NDArray[np.float32], label: str, trust: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
    """A teacher's soft label drawn towards the source's own label by the share that it is trusted.

    Parameters
    ----------
    value
        Soft labels, shape (21,), in [0, 1].
    label
        The source's own label; several stand joined by ``+``.
    trust
        Rules of that source: ``label`` means ``category`` and counts for ``share`` of the target, in [0, 1].
    """
    mixed = value.copy()
    for rule in trust:
        k = CATEGORIES.index(rule["category"])
        mixed[k] += rule["share"] * (float(rule["label"] in label.split("+")) - mixed[k])
    return mixed


def source_labels(
    texts: Sequence[str], heads: Sequence[Mapping[str, Any]], *, data_root: str | os.PathLike[str] | None = None
) -> NDArray[np.int8]:
    """The sources' own labels of training texts.

    Parameters
    ----------
    texts
        The n texts; no other text of a source is looked at.
    heads
        What is asked: a ``source``, and a regular expression ``label`` that its label must hold.
    data_root
        Folder of the public files.

    Returns
    -------
    ndarray
        int8, shape (n, H): 1 or 0, and -1 for a text that the source does not have.
    """
    labels = np.full((len(texts), len(heads)), -1, dtype=np.int8)
    place = {text: number for number, text in enumerate(texts)}
    for source in sorted({head["source"] for head in heads}):
        asked = [(j, re.compile(head["label"])) for j, head in enumerate(heads) if head["source"] == source]
        for row in raw_rows(source, root=data_root):
            number = place.get(row.text)
            if number is not None:
                for j, pattern in asked:
                    labels[number, j] = pattern.search(row.label) is not None
    return labels


def _provenance(gold: Sequence[AnnotatedRow], soft: Mapping[str, int]) -> tuple[Mapping[str, Any], ...]:
    annotated: dict[str, int] = {}
    for row in gold:
        name = "civil_comments_sample" if row.source == "civil_comments" else row.source
        annotated[name] = annotated.get(name, 0) + 1
    files = [
        {
            "name": file.name,
            "repository": file.repository,
            "commit": file.commit,
            "path": file.path_there,
            "sha256": file.sha256,
            "licence": file.licence,
            "use": file.use,
            "n_rows": annotated.get(file.name, 0) + soft.get(file.name, 0),
        }
        for file in registered_files()
        if file.use == "train" and (file.name in annotated or file.name in soft)
    ]
    own = [
        {"name": name, "licence": "Apache-2.0", "use": "train", "n_rows": annotated[name]}
        for name in ("written", "contrasts", "everyday", "composed")
        if name in annotated
    ]
    return (*files, *own)
