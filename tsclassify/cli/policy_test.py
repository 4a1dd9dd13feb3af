"""One policy under ``policy test``: its cases, mutants, baseline and labelled rows, told as they come."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tsclassify.policy import Policy
    from tsclassify.policy.baseline import Baseline, TierMeasure
    from tsclassify.policy.cases import CaseResult

__all__ = ["Run"]

_MAX_HITS = 20


class Run:
    """The tests of one policy.

    Parameters
    ----------
    policy
        The policy.
    classifier
        The model, or None.
    verbose
        Whether to name every case, and what cases do not touch.

    Attributes
    ----------
    problems
        What fails the run, in a few words, to how often.
    """

    def __init__(self, policy: Policy, classifier: Any, *, verbose: bool) -> None:
        self.policy, self.classifier, self.is_verbose = policy, classifier, verbose
        self.problems: Counter[str] = Counter()
        self._results: list[CaseResult] = []
        self._words: list[str] = []
        self._baseline: Baseline | None = None
        self._measures: list[TierMeasure] = []
        self._rows = ""

    def _problem(self, n: int, what: str) -> None:
        self.problems[what] += n

    def cases(self) -> None:
        """Run the cases, and tell what they do not touch."""
        from tsclassify.policy.cases import run_cases
        from tsclassify.policy.coverage import coverage

        self._results = run_cases(self.policy, classifier=self.classifier)
        states = Counter(result.state for result in self._results)
        for result in self._results:
            self._echo_case(result)
        self._words.append(f"{states['pass']} of {len(self._results)} cases pass")
        told = {"fail": "fail", "todo": "todo", "promote": "todo that pass", "skip": "not run (no bundle)"}
        self._words[0] += "".join(f", {states[state]} {words}" for state, words in told.items() if states[state])
        self._problem(states["fail"], "failed")
        self._problem(states["promote"], "todo that pass")
        covered = coverage(self.policy, self._results)
        missing = covered.untouched() if self.classifier is not None else []
        if missing and self.is_verbose:
            click.echo("".join(f"  not touched: {place}\n" for place in missing), nl=False)
        if self.classifier is not None:
            n_read = sum(bool(read) for _, read in covered.tiers.values())
            self._words.append(f"{n_read} of {len(covered.tiers)} tiers reached through the model")

    def _echo_case(self, result: CaseResult) -> None:
        state = result.state
        if state == "fail":
            click.echo(f"  FAIL ({result.by}) {result.name}: {'; '.join(result.differences)}")
        elif state == "promote":
            click.echo(f"  PASSES, and says todo: {result.name}; take the todo away")
        elif state == "todo":
            click.echo(f"  todo: {result.name}: {'; '.join(result.differences)} ({result.todo})")
        elif self.is_verbose:
            words = f"skip, {result.skipped}" if result.skipped else f"pass ({result.by})"
            click.echo(f"  {words}: {result.name}" + (f" -> {result.tier}" if result.tier else ""))

    def mutants(self) -> None:
        """Change each rule in turn; tell what no case notices, and stable tiers with cases of one side only."""
        from tsclassify.policy.coverage import coverage
        from tsclassify.policy.mutants import survivors

        alive, total = survivors(self.policy, classifier=self.classifier)
        for mutant in alive:
            click.echo(f"  survives: {mutant.label}")
            if mutant.example:
                click.echo(f"    a case that tells it: {{name: ..., {mutant.example}}}")
        self._words.append(f"{len(alive)} of {total} mutants survive")
        self._problem(len(alive), "surviving")
        one_sided = coverage(self.policy, self._results).one_sided
        for tier in one_sided:
            click.echo(f"  one-sided: tiers.{tier} is stable, and has no passing case at it or none milder than it")
        self._problem(len(one_sided), "stable without cases of both sides")

    def baseline(self, suite: str | None) -> None:
        """Try innocent posts, and tell those that the policy acts on and does not list."""
        from tsclassify.policy.baseline import innocent_posts, run_baseline

        found = self._baseline = run_baseline(self.policy, self.classifier, innocent_posts(suite))
        for hit in found.new[: None if self.is_verbose else _MAX_HITS]:
            click.echo(f"  acts on an innocent post ({hit.kind}, {hit.tier}): {' '.join(hit.text.split())[:100]}")
        for text in found.stale:
            click.echo(f"  known hit that is none: {' '.join(text.split())[:100]}")
        n_looked = sum(not hit.acts for hit in found.hits)
        n_known = sum(bool(hit.reason) for hit in found.hits)
        self._words.append(
            f"of {found.n_posts} innocent posts it acts on {len(found.new) + n_known} ({n_known} known), "
            f"a person looks at {n_looked}"
        )
        self._problem(len(found.new), "new on the baseline")
        self._problem(len(found.stale), "known hits that are none")

    def labelled(self, rows: str) -> None:
        """Measure the tiers on labelled rows, and tell which do not keep the precision that they state."""
        from tsclassify.policy.baseline import measure_tiers

        self._rows, self._measures = rows, measure_tiers(self.policy, self.classifier, rows)
        for one in self._measures:
            shares = [
                f"{name} {'-' if share is None else f'{share:.3f}'}"
                for name, share in (("precision", one.precision), ("recall", one.recall))
            ]
            broken = "" if one.keeps_word else f", below the {one.stated:g} that it states"
            click.echo(f"  measured: {one.tier}: {one.n_items:,} rows, {', '.join(shares)}{broken}")
        self._problem(sum(not one.keeps_word for one in self._measures), "below their stated precision")

    def summary(self) -> None:
        """One line for the whole policy."""
        click.echo(f"{self.policy.name} {self.policy.version}: {'; '.join(self._words)}")

    def update(self, *, todo: bool, measured: bool) -> None:
        """Write what was found into the file.

        Parameters
        ----------
        todo
            The ``todo`` of tests, and the known hits.
        measured
            What was measured on labelled rows.
        """
        from tsclassify.policy.rewrite import with_known_hits, with_measured, with_todos

        path = Path(self.policy.place)
        text = before = path.read_text(encoding="utf-8")
        if todo:
            text = with_todos(text, self._todos())
            if self._baseline is not None:
                text = with_known_hits(text, self._known_hits(self._baseline))
        if measured:
            text = with_measured(text, self._figures())
        if text != before:
            path.write_text(text, encoding="utf-8", newline="")
            click.echo(f"  written: {path}")

    def _todos(self) -> dict[str, str | None]:
        model = self.classifier.info.name
        todos: dict[str, str | None] = {}
        for result in self._results:
            if result.state == "promote":
                todos[result.name] = None
            elif result.state == "fail" and result.by == "model":
                todos[result.name] = f"{model} says {result.tier}"
        return todos

    def _known_hits(self, found: Baseline) -> list[tuple[str, str]]:
        model = self.classifier.info.name
        return [(hit.text, hit.reason or f"{model} takes it for {hit.tier}") for hit in found.hits if hit.acts]

    def _figures(self) -> dict[str, dict[str, float | str]]:
        info = self.classifier.info
        figures: dict[str, dict[str, float | str]] = {}
        for one in self._measures:
            shares = {"precision": one.precision, "recall": one.recall}
            if self._baseline is not None:
                shares["per_10k"] = self._baseline.per_10k(one.tier)
            on = f"{one.n_items} of the labelled rows in {Path(self._rows).name} ({info.name} {info.sha256[:12]})"
            figures[one.tier] = {name: round(share, 3) for name, share in shares.items() if share is not None} | {
                "on": on
            }
        return figures
