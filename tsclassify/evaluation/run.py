"""``evaluate``: one call from a model and labelled rows to the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify import metrics
from tsclassify._version import __version__
from tsclassify.errors import InputError, needs
from tsclassify.evaluation import core, fairness, inputs, robustness
from tsclassify.evaluation.bootstrap import bootstrap, interval
from tsclassify.evaluation.decided import DECISION_NOTE, SIGNAL_NOTE, decision_rows, signal_rows
from tsclassify.evaluation.disguise import DISGUISES, STRENGTHS
from tsclassify.evaluation.labelled import MISSING, LabelledData, from_columns, read_columns
from tsclassify.evaluation.models import ModelAdapter, as_scorer
from tsclassify.evaluation.outcomes import decision_codes, limits, points
from tsclassify.evaluation.problems import find_problems
from tsclassify.evaluation.report import Report
from tsclassify.evaluation.suites import NOTE as SUITE_NOTE
from tsclassify.evaluation.suites import SUITES, Suite, load_suite, suite_rows
from tsclassify.evaluation.swaps import SWAP_LISTS, load_swaps, row_counterfactuals, template_counterfactuals
from tsclassify.evaluation.tables import Table
from tsclassify.progress import Progress

__all__ = ["evaluate"]

_SLICE_BOOT: Final = 300


@needs("evaluate")
def evaluate(
    model: Any,
    dataset: Any,
    *,
    policy: Any = None,
    slices: Sequence[str] | Mapping[str, Callable[[str], object]] = (),
    suites: str | Path | Suite | Iterable[str | Path | Suite] | None = None,
    swaps: str | Path | Iterable[str | Path] = SWAP_LISTS,
    disguises: bool = True,
    peers: Mapping[str, Any] | None = None,
    categories: Sequence[str] | None = None,
    groups: str | None = None,
    prevalence: float | Mapping[str, float] | None = None,
    seed: int = 0,
    n_boot: int = 1000,
    show_text: bool = False,
    n_errors: int = 10,
    max_rows: int = 5000,
    threads: int | None = None,
    progress: bool | None = None,
    fields: Mapping[str, str] | None = None,
) -> Report:
    """Measure a model on labelled posts.

    Parameters
    ----------
    model
        Anything with ``score(texts)``: a ``Classifier``, or an adapter of ``tsclassify.evaluate``
        (``from_sklearn``, ``from_dicts``, ``from_callable``).
    dataset
        Labelled rows: a ``datasets.Dataset``, a data frame, a sequence of mappings, or the path of a JSONL, CSV,
        TSV or Parquet file; see ``read_labelled`` for the fields. Missing labels are left out per category.
    policy
        A ``Policy``, or the name or path of one: its thresholds and decisions are measured. None measures
        the operating points that the bundle states, and acts at even odds.
    slices
        Fields of the rows to slice by, besides ``source``, ``language`` and length; or a mapping of a name to
        a function from the text to the slice's value.
    suites
        Functional suites: ``"violence"``, paths of CSV files in HateCheck's layout, or ``Suite`` objects.
        None takes the shipped one; ``()`` none.
    swaps
        Swap lists by name or path; ``()`` none.
    disguises
        Whether to measure disguised rows.
    peers
        Name to other models, measured on the same rows with the same draws.
    categories
        Categories to measure; None for all that the model scores and the rows label.
    groups
        Field whose equal values belong together (author, thread): the bootstrap resamples whole groups.
    prevalence
        Share of positives in the stream for which alerts are counted: one number, or one per category. None
        takes the prior that the model states, else 0.01.
    seed, n_boot
        Seed, and number of bootstrap draws (at most 300 for slices). Figures depend on nothing else.
    show_text
        Whether the tables of errors hold texts and the words that raised the score. Off by default: a report
        travels further than the data may.
    n_errors
        Errors shown per category and kind.
    max_rows
        Most rows that are disguised or swapped per set; above it a seeded sample is taken.
    threads
        Threads of the bootstrap; figures do not depend on it.
    progress
        Progress bar on stderr: True, False, or None for when it is a terminal.
    fields
        Names in the data, by the name that is meant: ``{"text": "body"}``.

    Returns
    -------
    Report
        Tables, plots and named problems.

    Raises
    ------
    InputError
        When the data has no text or labels, the model scores none of the labelled categories, or returns
        scores of another shape.
    """
    scorer = as_scorer(model)
    if policy is not None:
        from tsclassify.policy import as_policy

        policy = as_policy(policy)
    columns = read_columns(dataset, fields)
    data = from_columns(columns, categories=_wanted(categories, scorer))
    if not len(data):
        raise InputError("evaluate: dataset must have at least one row, got none")
    if n_boot < 1:
        raise InputError(f"evaluate: n_boot must be at least 1, got {n_boot!r}")
    with Progress(progress) as bar:
        run = _Run(scorer, data, policy, seed, n_boot, threads, bar)
        run.signals = _signal_gold(columns, scorer)
        return run.report(
            slices=slices,
            suites=_suites(suites, scorer),
            swaps=(swaps,) if isinstance(swaps, str | Path) else tuple(swaps),
            disguises=disguises,
            peers=dict(peers or {}),
            groups=groups,
            prevalence=prevalence,
            show_text=show_text,
            n_errors=n_errors,
            max_rows=max_rows,
        )


def _wanted(categories: Sequence[str] | None, scorer: ModelAdapter) -> tuple[str, ...]:
    if categories is None:
        return scorer.categories
    unknown = [name for name in categories if name not in scorer.categories]
    if unknown:
        raise InputError(f"evaluate: category must be one of {', '.join(scorer.categories)}, got {unknown[0]!r}")
    return tuple(categories)


def _suites(suites: str | Path | Suite | Iterable[str | Path | Suite] | None, scorer: ModelAdapter) -> list[Suite]:
    if suites is None:
        shipped = [load_suite(name) for name in SUITES]
        return [suite for suite in shipped if set(suite.categories) & set(scorer.categories)]
    several = [suites] if isinstance(suites, str | Path | Suite) else suites
    return [suite if isinstance(suite, Suite) else load_suite(suite) for suite in several]


def _signal_gold(columns: Mapping[str, Sequence[Any]], scorer: ModelAdapter) -> LabelledData | None:
    """Signal labels of the same rows; None when the model has no signals or the rows state none."""
    if not callable(getattr(scorer.model, "signals", None)):
        return None
    gold = from_columns(columns, signals=True, require_labels=False)
    return gold if (gold.gold != MISSING).any() else None


class _Run:
    """State of one evaluation: scores of the main model on the rows, and thresholds."""

    def __init__(
        self,
        scorer: ModelAdapter,
        data: LabelledData,
        policy: Any,
        seed: int,
        n_boot: int,
        threads: int | None,
        bar: Progress,
    ) -> None:
        self.scorer, self.data, self.policy = scorer, data, policy
        self.signals: LabelledData | None = None
        self.seed, self.n_boot, self.threads, self.bar = seed, n_boot, threads, bar
        self.columns = [scorer.categories.index(name) for name in data.categories]
        act, review = limits(scorer, policy)
        self.act_all, self.review_all = act, review
        self.act = [act[k] for k in self.columns]
        self.priors = [scorer.priors.get(name) for name in data.categories]

    def _score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.scorer.score(texts)[:, self.columns]

    def report(
        self,
        *,
        slices: Sequence[str] | Mapping[str, Callable[[str], object]],
        suites: list[Suite],
        swaps: tuple[str | Path, ...],
        disguises: bool,
        peers: dict[str, Any],
        groups: str | None,
        prevalence: float | Mapping[str, float] | None,
        show_text: bool,
        n_errors: int,
        max_rows: int,
    ) -> Report:
        data, bar = self.data, self.bar
        scores = self.scorer.score(data.texts, progress=bar.stage("scoring", len(data)))[:, self.columns]
        rates = inputs.rates(prevalence, data.categories, self.scorer.priors)
        measured = core.measure(
            data,
            scores,
            points(self.scorer, self.policy, data.categories),
            self.priors,
            groups=inputs.group_numbers(data, groups),
            n_boot=self.n_boot,
            seed=self.seed,
            threads=self.threads,
            progress=bar.stage("intervals", self.n_boot),
        )
        tables: dict[str, Table] = {}

        def add(name: str, title: str, note: str, rows: Iterable[Mapping[str, Any]]) -> None:
            entries = tuple(rows)
            if entries:
                tables[name] = Table(name, title, note, entries)

        add("ranking", "Ranking and calibration", RANKING_NOTE, core.ranking_rows(measured))
        add("operating_points", "Operating points and alerts", ALERT_NOTE, core.point_rows(measured, rates))
        columns = inputs.slice_columns(data, slices, self.scorer.model)
        add("decisions", "Decisions under the policy", DECISION_NOTE, decision_rows(self.scorer, self.policy, data))
        if self.signals is not None:
            add("signals", "Signals", SIGNAL_NOTE, signal_rows(self.scorer, data, self.signals))
        add("slices", "Slices", SLICE_NOTE, self._slices(measured, columns))
        tables["confusion"] = core.confusion_table(measured, self.act)
        pairs = core.pairs_table(data, scores)
        if pairs is not None:
            tables["pairs"] = pairs
        if swaps:
            for name, table in self._swap_tables(swaps, max_rows).items():
                add(name, *_SWAP_TITLES[name], table)
            identity = fairness.identity_table(data, scores, load_swaps("identity").terms())
            if identity is not None:
                tables["identity"] = identity
        if disguises:
            add("disguises", "Disguised posts", robustness.NOTE, self._disguised(scores, max_rows))
        add("suites", "Functional suites", SUITE_NOTE, self._suite_rows(suites))
        if peers:
            add("peers", "Peers", PEER_NOTE, self._peers(peers, measured))
        errors = core.error_rows(measured, self.act, per_kind=n_errors, model=self.scorer.model, show_text=show_text)
        add("errors", "Worst errors", ERROR_NOTE, errors)
        meta = {
            "model": self.scorer.name,
            "model_sha256": self.scorer.info.sha256 if self.scorer.info else "",
            "policy": getattr(self.policy, "name", None),
            "policy_version": getattr(self.policy, "version", None),
            "data_sha256": data.sha256,
            "n_items": len(data),
            "categories": list(data.categories),
            "act_thresholds": dict(zip(data.categories, self.act, strict=True)),
            "prevalence": rates,
            "seed": self.seed,
            "n_boot": self.n_boot,
            "groups": groups,
            "version": __version__,
        }
        return Report(meta, tables, core.curves(measured), find_problems(tables))

    def _slices(self, measured: core.Measured, columns: Mapping[str, NDArray[np.object_]]) -> list[dict[str, Any]]:
        advance = self.bar.stage("slices", len(columns))
        rows = []
        for name, column in columns.items():
            rows += core.slice_rows(
                measured,
                {name: column},
                self.act,
                n_boot=min(self.n_boot, _SLICE_BOOT),
                seed=self.seed,
                threads=self.threads,
            )
            advance(1)
        return rows

    def _sample(self, max_rows: int) -> NDArray[np.int64]:
        n = len(self.data)
        if n <= max_rows:
            return np.arange(n)
        return np.sort(np.random.default_rng(self.seed).choice(n, max_rows, replace=False))

    def _swap_tables(self, swaps: tuple[str | Path, ...], max_rows: int) -> dict[str, list[dict[str, Any]]]:
        advance = self.bar.stage("swaps", len(swaps))
        # decisions rest on every category the model scores, tables on the labelled ones
        decide = decision_codes(self.scorer, self.policy)
        chosen = self._sample(20 * max_rows)
        ids, texts = [self.data.ids[i] for i in chosen], [self.data.texts[i] for i in chosen]
        out: dict[str, list[dict[str, Any]]] = {"swaps": [], "swap_groups": [], "swap_examples": []}
        for name in swaps:
            swap_list = load_swaps(name)
            counterfactuals = template_counterfactuals(swap_list) + row_counterfactuals(
                swap_list, ids, texts, limit=max(1, max_rows // 10)
            )
            swapped = fairness.swap_tables(
                swap_list, counterfactuals, self.scorer.categories, self.scorer.score, decide
            )
            for key, rows in swapped.items():
                out[key] += rows
            advance(1)
        return out

    def _disguised(self, scores: NDArray[np.float32], max_rows: int) -> list[dict[str, Any]]:
        chosen = self._sample(max_rows)
        n_runs = len(DISGUISES) * len(STRENGTHS)
        advance = self.bar.stage("disguises", n_runs)

        def score(texts: Sequence[str]) -> NDArray[np.float32]:
            result = self._score(texts)
            advance(1)
            return result

        return robustness.disguise_rows(self.data.take(chosen), scores[chosen], self.act, score, seed=self.seed)

    def _suite_rows(self, suites: list[Suite]) -> list[dict[str, Any]]:
        rows = []
        for suite in suites:
            scores = self.scorer.score([case.text for case in suite.cases])
            rows += suite_rows(suite, scores, self.scorer.categories, self.act_all, self.review_all)
        return rows

    def _peers(self, peers: dict[str, Any], measured: core.Measured) -> list[dict[str, Any]]:
        advance = self.bar.stage("peers", len(peers))
        rows = []
        for name, model in peers.items():
            scorer = as_scorer(model, name=name)
            shared = [name for name in self.data.categories if name in scorer.categories]
            if not shared:
                raise InputError(f"peers: {name} must score one of {', '.join(self.data.categories)}, got none")
            theirs = scorer.score(self.data.texts)
            here = [self.data.categories.index(category) for category in shared]
            there = [scorer.categories.index(category) for category in shared]
            other = bootstrap(
                self.data.gold[:, here],
                theirs[:, there],
                n_draws=self.n_boot,
                seed=self.seed,
                threads=self.threads,
            )
            for position, (k, category) in enumerate(zip(here, shared, strict=True)):
                known = self.data.gold[:, k] >= 0
                gold = self.data.gold[known, k] == 1
                row: dict[str, Any] = {"peer": name, "category": category, "n_positive": int(gold.sum())}
                for figure, function in (("ap", metrics.average_precision), ("auc", metrics.roc_auc)):
                    ours = function(gold, measured.scores[known, k])
                    their = function(gold, theirs[known, there[position]])
                    drawn = getattr(measured.draws, figure)[:, k] - getattr(other, figure)[:, position]
                    low, high = interval(drawn)
                    row |= {
                        figure: ours,
                        f"peer_{figure}": their,
                        f"{figure}_difference": ours - their,
                        f"{figure}_difference_low": low,
                        f"{figure}_difference_high": high,
                    }
                rows.append(row)
            advance(1)
        return rows


RANKING_NOTE: Final = (
    "AP: area under precision and recall. AUC: chance that a positive scores above a negative. ECE: mean "
    "distance of score and share of positives over 15 bins, on rows weighted to the stated prior where the "
    "model states one; 'ECE expected' is what a perfectly calibrated model would show on these rows, 'ECE p' "
    "how often it would show as much. Intervals: 95 %, bootstrap over rows."
)
ALERT_NOTE: Final = (
    "A category acts at score >= threshold. Alerts per 10,000 posts = 10,000 x (recall x prevalence + "
    "false-alarm rate x (1 - prevalence)), with recall and false-alarm rate measured on these rows and the "
    "prevalence stated in the row; 'of which true' is the first term. Rows that were picked because they are "
    "hard make the false-alarm rate, and so the alerts, larger than on a live stream. Shares with fewer than "
    "ten successes or failures carry Wilson intervals, all others bootstrap intervals."
)
SLICE_NOTE: Final = (
    "Per slice with at least 20 rows: AP depends on the share of positives in the slice, AUC and recall do "
    "not. Recall and false alarms are taken at the act threshold."
)
PEER_NOTE: Final = (
    "Both models on the same rows and the same bootstrap draws; the difference is ours minus theirs, with its "
    "paired 95 % interval."
)
ERROR_NOTE: Final = (
    "Innocent posts with the highest scores and violent ones with the lowest, at the act threshold, by id. "
    "Texts are shown only where the caller asks for them."
)
_SWAP_TITLES: Final = {
    "swaps": (
        "Counterfactual swaps",
        "The same post about another side, name, group or company. Gap: distance of two scores, over all pairs of "
        "counterfactuals of a post. The row 'decision' pools all categories and counts pairs whose decision differs.",
    ),
    "swap_groups": (
        "What naming a group does",
        "Mean shift of the score against the median of the others; 0 means that the name changes nothing.",
    ),
    "swap_examples": (
        "Widest swaps",
        "Our own templates in full, real rows by id.",
    ),
}
