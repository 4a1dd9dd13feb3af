"""The facade: a bundle, loaded, that scores, explains and decides."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.decision import Decision
from tsclassify.errors import BundleError, InputError
from tsclassify.features.scorer import PassageMix, Scorer
from tsclassify.features.texts import encode_texts, has_other_script
from tsclassify.items import check_item, label_of, parse_at
from tsclassify.model.bundle import model_info, read_bundle
from tsclassify.model.calibration import calibrate, for_one, prepared, stack_calibrations
from tsclassify.model.explain import Attribution
from tsclassify.model.trained import TrainedModel
from tsclassify.model.wordclasses import lexicon_from_mapping
from tsclassify.policy import Decider, ItemColumns, as_policy
from tsclassify.policy.facts import check_fields
from tsclassify.records import Explanation, ModelInfo, Piece, Truth
from tsclassify.resources import shipped
from tsclassify.scores import Scores
from tsclassify.taxonomy import CATEGORIES, SIGNALS

if TYPE_CHECKING:
    from tsclassify.policy import Breaker, Policy

__all__ = ["Classifier", "load", "locate_bundle"]

DEFAULT_BUNDLE: Final = "en-v1"

_N_CATEGORIES: Final = len(CATEGORIES)
_SEVEN: Final = slice(_N_CATEGORIES)
_ADDED: Final = slice(_N_CATEGORIES, None)
_FINDING_PIECES: Final = 5
_DECIDERS: Final = 16
"""Policies at work that are kept, each with its cache."""
_RESERVED: Final = frozenset({"text", "id", "actor", "tenant", "at", "signals"})


def load(path: str | os.PathLike[str] | None = None) -> Classifier:
    """Load a bundle.

    Parameters
    ----------
    path
        Bundle folder, or the name of a shipped bundle; the shipped ``en-v1`` when left out. With ``@`` and the first
        digits of its hash behind the name, as results carry it, no other is taken.

    Raises
    ------
    BundleError
        When the bundle is missing, has another hash, or is altered, truncated or newer than this code.

    Examples
    --------
    >>> clf = load()
    >>> round(float(clf.score(["see you at the picnic"])["incitement"][0]), 1)
    0.0
    """
    if not isinstance(path, str | os.PathLike | None):
        raise BundleError(f"load: bundle must be a folder or a name, got {type(path).__name__}")
    name, mark, digits = os.fspath(path or DEFAULT_BUNDLE).rpartition("@")
    if not mark or Path(os.fspath(path or "")).is_dir():
        name, digits = os.fspath(path or DEFAULT_BUNDLE), ""
    folder = locate_bundle(name)
    model, sha256 = read_bundle(folder)
    if not sha256.startswith(digits):
        raise BundleError(f"load: {name} must have the hash {digits[:64]!r}, got {sha256[:12]}")
    made = Classifier(model, sha256)
    made.source = os.fspath(folder.resolve()) if Path(name).is_dir() else name
    return made


@functools.lru_cache(maxsize=4)
def _reopened(source: str, sha256: str) -> Classifier:
    """The classifier of a pickle, read once in a process."""
    return load(f"{source}@{sha256}")


def locate_bundle(path: str | os.PathLike[str] | None = None) -> Path:
    """Folder of a bundle, from a path or the name of a shipped one.

    Raises
    ------
    BundleError
        When there is no such folder.
    """
    name = os.fspath(path) if path is not None else DEFAULT_BUNDLE
    folder = Path(name)
    if folder.is_dir():
        return folder
    if folder.name != name:
        raise BundleError(f"load: bundle must be a folder, got no folder {name!r}")
    return shipped("models", name)


class Classifier:
    """A loaded model. Build one with ``load``.

    Scores do not depend on the order, number or grouping of texts, nor on threads: they are the same bits.

    Parameters
    ----------
    model
        Arrays and figures of a bundle.
    sha256
        The bundle's hash.
    """

    def __init__(self, model: TrainedModel, sha256: str) -> None:
        if not isinstance(model, TrainedModel):
            raise InputError(
                f"classifier: model must be a TrainedModel, got {type(model).__name__}", hint="use ts.load"
            )
        self.model = model
        self.source: str | None = None
        """Folder or shipped name that it was loaded from; None for a model in memory."""
        self.info: ModelInfo = model_info(model, sha256)
        self._scorer = Scorer(
            model.spec,
            lexicon_from_mapping(model.lexicon),
            model.weights,
            model.weight_scales,
            model.bias,
            model.wide_signal_weights(),
            model.signal_scales,
            model.signal_bias,
            passages=PassageMix.from_rows(model.passages),
            signal_passages=PassageMix.from_rows(model.signal_passages),
        )
        # one map for all lanes: seven categories, the language head, then added categories
        first, added = ({name: a[part] for name, a in model.calibration.items()} for part in (_SEVEN, _ADDED))
        parts = [first, model.language_calibration, *([added] if model.added else [])]
        stacked = stack_calibrations(parts)
        self._turn = np.array([1] * _N_CATEGORIES + [-1] + [1] * len(model.added), dtype=np.float32)
        """Turns the language head's logit from "another language" to "a tested one"."""
        self._heads = model.heads()
        self._calibration = prepared(stacked)
        self._calibrated_one = for_one(stacked)
        self._signal_calibration = prepared(model.signal_calibration)
        self._signals_calibrated_one = for_one(model.signal_calibration)
        bands = [self.info.signal_bands[name] for name in SIGNALS]
        self._signal_no = np.array([band.no_below for band in bands], dtype=np.float32)
        self._signal_yes = np.array([band.yes_from for band in bands], dtype=np.float32)
        self._priors = {name: self.info.priors[name] for name in model.categories}
        self._deciders: dict[Policy, Decider] = {}

    def __repr__(self) -> str:
        return f"Classifier({self.info.name!r}, sha256={self.info.sha256[:12]!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """By path and hash, so that a pickle is small and no other model is ever taken for this one."""
        if self.source is None:
            raise InputError("classifier: model must lie in a bundle to be pickled, got one in memory")
        return _reopened, (self.source, self.info.sha256)

    def __copy__(self) -> Classifier:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Classifier:
        return self

    def warm_up(self) -> None:
        """Load the compiled kernels now, so that no later call waits for them; seconds on a new machine, else less.

        A process scores its first 48 texts without compiled code, since loading it takes 0.6 s.
        """
        data, offsets = encode_texts(["warm up"])
        self._scorer.warm_up()
        self.measure_utf8(data, offsets)
        self.signals_utf8(data, offsets, np.zeros(1, dtype=np.int64))

    @property
    def categories(self) -> tuple[str, ...]:
        """Category names, in column order."""
        return self.info.categories

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Signal names, in column order."""
        return self.info.signals

    # -- scoring ------------------------------------------------------------------------------------

    def score(self, texts: Sequence[str]) -> Scores:
        """Score texts in every category.

        Parameters
        ----------
        texts
            n texts; any sequence of ``str``, or a pandas series, whose index is kept. Not a bare ``str``.

        Returns
        -------
        Scores
            Calibrated probabilities, float32, shape (n, K): the seven categories, then those of one's own.

        Raises
        ------
        InputError
            When `texts` is a bare string, or an element is no text or holds a lone surrogate.
        """
        if type(texts) is list and len(texts) == 1 and type(texts[0]) is str:
            try:
                text = texts[0].encode()
            except UnicodeEncodeError:
                pass  # refused in words below
            else:
                made = self._calibrated_one((self._scorer.logits_one(text) * self._turn).tolist())
                del made[_N_CATEGORIES]  # that of the language head
                row = np.array([made], dtype=np.float32)
                return Scores.unchecked(self.info.categories, row, self._priors.copy(), {}, self.info.sha256)
        data, offsets = encode_texts(texts)
        return replace(self._scores(self.score_utf8(data, offsets)), index=_index_of(texts))

    def score_utf8(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score n texts laid end to end, as in an Arrow string array.

        Parameters
        ----------
        data
            UTF-8 bytes of all texts.
        offsets
            int64, shape (n + 1,): text i is ``data[offsets[i]:offsets[i + 1]]``.

        Returns
        -------
        NDArray
            float32, shape (n, K).
        """
        return self._columns(calibrate(self._calibration, self._scorer.logits(data, offsets) * self._turn))

    def _columns(self, lanes: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scores of the categories, without the language head's; shape (n, K)."""
        columns = lanes[:, _SEVEN].astype(np.float32)
        if not self.model.added:
            return columns
        return np.concatenate([columns, lanes[:, _N_CATEGORIES + 1 :].astype(np.float32)], axis=1)

    def measure_utf8(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """Scores and language of n texts in one pass.

        Returns
        -------
        tuple
            float32 (n, K) scores, and int8 (n,) ``Truth`` of "reads as a tested language".
        """
        logits = self._scorer.logits(data, offsets) * self._turn
        if len(logits) == 1:
            made = self._calibrated_one(logits[0].tolist())
            is_native = made.pop(_N_CATEGORIES)
            row = np.array([made], dtype=np.float32)
            return row, self._languages(np.array([is_native]), data, offsets)
        probabilities = calibrate(self._calibration, logits)
        return self._columns(probabilities), self._languages(probabilities[:, _N_CATEGORIES], data, offsets)

    def _languages(
        self, native: NDArray[np.floating], data: NDArray[np.uint8], offsets: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        """Truth of "reads as a tested language": true also where no passage has words enough to tell."""
        band = self.model.language_band
        language = np.full(len(native), Truth.UNKNOWN, dtype=np.int8)
        language[native < band.no_below] = Truth.FALSE
        language[native >= band.yes_from] = Truth.TRUE
        language[has_other_script(data, offsets)] = Truth.FALSE
        return language

    def signals(self, texts: Sequence[str]) -> Scores:
        """Score texts for every signal; each column carries the band in which it is unknown.

        Returns
        -------
        Scores
            float32, shape (n, 14); ``states(name)`` gives truth values.
        """
        data, offsets = encode_texts(texts)
        rows = np.arange(len(offsets) - 1, dtype=np.int64)
        return replace(self._signal_scores(self.signals_utf8(data, offsets, rows)), index=_index_of(texts))

    def signals_utf8(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Signal scores of chosen rows: float32, shape (len(rows), 14)."""
        logits = self._scorer.signal_logits(data, offsets, rows)
        if len(logits) == 1:
            return np.array([self._signals_calibrated_one(logits[0, : len(SIGNALS)].tolist())], dtype=np.float32)
        return calibrate(self._signal_calibration, logits[:, : len(SIGNALS)]).astype(np.float32)

    def signal_states_utf8(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> dict[str, NDArray[np.int8]]:
        """Truth values of all signals: computed for `rows`, unknown elsewhere; each int8, shape (n,)."""
        columns = np.full((len(SIGNALS), len(offsets) - 1), Truth.UNKNOWN, dtype=np.int8)
        if len(rows):
            # what ``Scores.states`` says, for all signals at once
            scores = self.signals_utf8(data, offsets, rows)
            states = (scores >= self._signal_no).view(np.int8)
            states[scores >= self._signal_yes] = Truth.TRUE
            columns[:, rows] = states.T
        return dict(zip(SIGNALS, columns, strict=True))

    def language(self, texts: Sequence[str]) -> NDArray[np.int8]:
        """Truth of "reads as a language that the model was tested on", per text.

        A text is in another language when one of its passages is. One without words (names of accounts, emoji,
        numbers, addresses) is in none, which needs no other reader.
        """
        return self.measure_utf8(*encode_texts(texts))[1]

    def _scores(self, probabilities: NDArray[np.float32]) -> Scores:
        return Scores(self.info.categories, probabilities, priors=self._priors.copy(), model_sha256=self.info.sha256)

    def _signal_scores(self, probabilities: NDArray[np.float32]) -> Scores:
        priors = {name: self.info.priors[name] for name in SIGNALS if name in self.info.priors}
        return Scores(
            SIGNALS, probabilities, priors=priors, bands=self.info.signal_bands, model_sha256=self.info.sha256
        )

    # -- explaining ---------------------------------------------------------------------------------

    def explain(self, text: str, category: str) -> Explanation:
        """Say exactly which words make up a score.

        Parameters
        ----------
        text
            One text.
        category
            A category or a signal.

        Returns
        -------
        Explanation
            ``bias + sum(p.contribution for p in pieces) == logit`` to 1e-4; spans lie in `text`.
        """
        if not isinstance(category, str) or category not in self._heads:
            names = ", ".join(self._heads)
            raise InputError(f"explain: category must be one of {names}, got {category!r}")
        data, offsets = encode_texts([text])
        attribution = Attribution(self._scorer, text, self._heads)
        bias, pieces = attribution.pieces(category)
        start, end = attribution.passage(category)
        table, column = self._heads[category]
        if table == 0:
            row = self._scorer.logits(data, offsets)[0]
            logits = row.tolist()
            score = self._calibrated_one((row * self._turn).tolist())[column]
        else:
            logits = self._scorer.signal_logits(data, offsets, np.zeros(1, dtype=np.int64))[0, : len(SIGNALS)].tolist()
            score = self._signals_calibrated_one(logits)[column]
        return Explanation(
            category=category,
            bias=bias,
            logit=logits[column],
            score=float(np.float32(score)),
            pieces=pieces,
            text=text,
            start=start,
            end=end,
        )

    # -- deciding -----------------------------------------------------------------------------------

    def decide(self, item: Mapping[str, Any], policy: Policy | str | os.PathLike[str]) -> Decision:
        """Decide one item by a policy; the same as ``decide_many([item], policy)[0]``.

        Parameters
        ----------
        item
            ``text`` and, if known, ``id``, ``actor``, ``tenant``, ``at`` (ISO 8601 or a datetime, in UTC where it
            states no offset, or seconds since 1970),
            ``signals`` (name to bool or None: overrides), and any metadata the policy asks for.
        policy
            The policy, or what ``Policy.load`` takes.

        Raises
        ------
        InputError
            When the item has no text, or a field has the wrong type.
        """
        return self.decide_many([item], policy)[0]

    def decide_many(
        self,
        items: Iterable[Mapping[str, Any]],
        policy: Policy | str | os.PathLike[str],
        *,
        breaker: Breaker | None = None,
        at_s: Sequence[float] | NDArray[np.float64] | None = None,
    ) -> list[Decision]:
        """Decide items by a policy, in order.

        Parameters
        ----------
        items
            As in ``decide``.
        policy
            The policy, or what ``Policy.load`` takes.
        breaker
            ``Breaker(policy.guards)``, kept from call to call: it withholds actions once a guard has tripped, and
            such a decision has ``mode="review_only"``. Without it no guard is applied; in shadow mode none is.
        at_s
            When each decision is made, in seconds, for the guard on actions per hour; it rests when None.

        Raises
        ------
        InputError
            When an item has no text, a field has the wrong type, or the times do not fit the items.
        """
        if isinstance(items, Mapping | str | bytes) or not isinstance(items, Iterable):
            raise InputError(f"decide_many: items must be a sequence of mappings, got {type(items).__name__}")
        if not (breaker is None or callable(getattr(breaker, "admit", None))):
            raise InputError(f"decide_many: breaker must be a Breaker, got {type(breaker).__name__}")
        rows = list(items)
        decider = self.decider(policy)
        columns = self.item_columns(rows, decider.policy)
        result = decider.decide(columns)
        read: dict[int, Attribution] = {}

        def attribution(row: int) -> Attribution:
            if row not in read:
                read.clear()
                read[row] = Attribution(self._scorer, rows[row]["text"], self._heads)
            return read[row]

        def pieces(row: int, category: str) -> tuple[Piece, ...]:
            return attribution(row).rising(category, _FINDING_PIECES)

        def passage(row: int, category: str) -> tuple[int, int, str]:
            start, end = attribution(row).passage(category)
            return start, end, rows[row]["text"][start:end]

        decisions = [decider.record(result, columns, row, pieces=pieces, passage=passage) for row in range(len(rows))]
        if breaker is None or result.mode != "enforce":
            return decisions
        held = breaker.admit(result.acts, at_s)
        return [
            decision.held_for_review() if is_held else decision
            for decision, is_held in zip(decisions, held.tolist(), strict=True)
        ]

    def item_columns(self, items: Sequence[Mapping[str, Any]], policy: Policy | str | os.PathLike[str]) -> ItemColumns:
        """Everything a policy may ask about items, as columns; see ``Decider.read``.

        Raises
        ------
        InputError
            When an item has no text, or a field has the wrong type.
        """
        for position, item in enumerate(items):
            check_item(position, item)
        decider = self.decider(policy)
        facts = decider.policy.document.facts
        if facts:
            check_fields(facts, items, _RESERVED)

        def fields(names: Collection[str], rows: NDArray[np.intp]) -> dict[str, NDArray[np.object_]]:
            return {name: np.array([item.get(name) for item in items] + [None], dtype=object)[:-1] for name in names}

        data, offsets = encode_texts([item["text"] for item in items])
        return decider.read(
            self,
            data,
            offsets,
            {position: item["signals"] for position, item in enumerate(items) if item.get("signals")},
            fields,
            ids=[None if item.get("id") is None else str(item["id"]) for item in items],
            actors=[label_of(item.get("actor")) for item in items],
            tenants=[label_of(item.get("tenant")) for item in items],
            ats=[parse_at(position, item.get("at")) for position, item in enumerate(items)],
            text_sha256s=[hashlib.sha256(item["text"].encode()).hexdigest() for item in items],
        )

    def decider(self, policy: Policy | str | os.PathLike[str]) -> Decider:
        """A policy at work under this model: thresholds resolved, with a cache of what it decided.

        Parameters
        ----------
        policy
            A policy, or what ``Policy.load`` takes: a file is read again when it has changed.

        Raises
        ------
        PolicyError
            When the policy has faults, or asks for what the bundle cannot reach.
        """
        loaded = as_policy(policy)
        decider = self._deciders.get(loaded)
        if decider is None:
            if len(self._deciders) >= _DECIDERS:
                self._deciders.clear()
            decider = self._deciders[loaded] = Decider(loaded, self.info)
        return decider


def _index_of(texts: object) -> Any:
    """The index of a pandas series; None for all other sequences, whose ``index`` is a method."""
    index = getattr(texts, "index", None)
    return None if callable(index) else index
