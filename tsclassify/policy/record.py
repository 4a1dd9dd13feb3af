"""The full record of one decision: findings, exceptions, a trace of every condition, and what would have changed it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.decision import Action, ContextNote, Decision, Finding, TraceNode
from tsclassify.policy.change import Trials, smallest_change
from tsclassify.policy.conditions import Act, Age, FactLeaf, Meta, Range, Review, Score
from tsclassify.policy.outcome import Facts, Outcome
from tsclassify.policy.schema import Needs, Tier
from tsclassify.records import Truth
from tsclassify.wording import duration_words

if TYPE_CHECKING:
    from tsclassify.policy.columns import DecisionColumns, ItemColumns
    from tsclassify.policy.load import Policy
    from tsclassify.policy.thresholds import Thresholds
    from tsclassify.records import ModelInfo, Piece

__all__ = ["Trial", "decision", "shown_score"]


def shown_score(score: float, *thresholds: float | None) -> str:
    """A score with as many decimals (2 to 6) as it takes to fall on its own side of the thresholds.

    Examples
    --------
    >>> shown_score(0.7996, 0.799), shown_score(0.91, 0.8)
    ('0.7996', '0.91')
    """
    # Scores are float32: 0.7 is stored as 0.69999999 and must not read as 0.69.
    score, thresholds = round(score, 6), tuple(limit if limit is None else round(limit, 6) for limit in thresholds)
    for decimals in range(2, 7):
        # Cut, do not round: 0.7961 must not read as the 0.80 that it did not reach.
        cut = math.floor(score * 10**decimals + 1e-9) / 10**decimals
        if all(limit is None or (cut >= limit) == (score >= limit) for limit in thresholds):
            break
    return f"{cut:.{decimals}f}"


_TRUTHS: Final = (Truth.FALSE, Truth.UNKNOWN, Truth.TRUE)
_TRUTH_WORDS: Final = ("false", "unknown", "true")


def _row(column: Any, row: int) -> Any:
    return None if column is None else column[row]


@dataclass(slots=True, eq=False)
class Trial:
    """What is known of the decision of all items with the same facts, under the same thresholds.

    Attributes
    ----------
    outcome, numbers
        What comes of them, and the same as ``Outcome.numbers``.
    nodes
        Number of a condition (``id``) to its node in the trace, where it rests on signals alone.
    changes
        What other facts would have led to.
    recommended
        The tier with its actions, and how the decision may be contested.
    """

    outcome: Outcome | None = None
    numbers: NDArray[np.int16] | None = None
    nodes: dict[int, TraceNode] = field(default_factory=dict)
    changes: Trials = field(default_factory=Trials)
    recommended: tuple[Tier | None, tuple[Action, ...], str] | None = None


class _Tracer:
    """Writes the trace of a condition for one row.

    Nodes that rest on signals alone are the same for all items with the same truths, so the trial keeps them; leaves
    that rest on scores are made once for a row.
    """

    def __init__(
        self,
        facts: Facts,
        scores: dict[str, float],
        thresholds: Thresholds,
        fields: Callable[[str], Any],
        trial: Trial,
    ) -> None:
        self.facts, self.scores, self.thresholds, self.fields = facts, scores, thresholds, fields
        self.kept = trial.nodes
        self.leaves: dict[tuple[str, str], TraceNode] = {}

    def node(self, condition: Any) -> TraceNode:
        # a policy holds its conditions, so no other one ever gets this number
        kept = self.kept.get(id(condition))
        if kept is not None:
            return kept
        made, rests_on_signals = self._made(condition)
        if rests_on_signals:
            self.kept[id(condition)] = made
        return made

    def _made(self, condition: Any) -> tuple[TraceNode, bool]:
        operator = condition.operator
        if operator:
            children = tuple([self.node(part) for part in condition.parts])
            states = [child.state for child in children]
            state = min(states) if operator == "all" else max(states)
            made = TraceNode(operator, _TRUTHS[2 - states[0]] if operator == "not" else state, "", children)
            return made, all(id(part) in self.kept for part in condition.parts)
        if isinstance(condition, FactLeaf):
            state = _TRUTHS[int(self.facts.leaf(condition)[0])]
            value = self.fields(condition.field)
            got = "not given" if value is None else str(value)[:60]
            kind = "score" if isinstance(condition, Score) else "meta"
            return TraceNode(f"{kind}: {condition.field}", state, f"{got}; asked for {_asked(condition)}"), False
        kind = "act" if isinstance(condition, Act) else "review" if isinstance(condition, Review) else "signal"
        children = tuple([self.leaf(kind, name) for name in getattr(condition, kind)])
        if len(children) == 1:
            return children[0], kind == "signal"
        return TraceNode("any", max([child.state for child in children]), "", children), kind == "signal"

    def leaf(self, kind: str, name: str) -> TraceNode:
        """The node of one category or signal."""
        made = self.leaves.get((kind, name))
        if made is None:
            if bool(self.facts.untested[0]):
                state = Truth.UNKNOWN
            elif kind == "signal":
                known = self.facts.signals.get(name)
                state = Truth.UNKNOWN if known is None else _TRUTHS[int(known[0])]
            else:
                level = int(self.facts.levels[name][0])
                state = _TRUTHS[level if kind == "act" else min(2 * level, 2)]
            detail = state.name.lower() if kind == "signal" else self.compared(name, kind)
            made = self.leaves[kind, name] = TraceNode(f"{kind}: {name}", state, detail)
        return made

    def compared(self, category: str, kind: str) -> str:
        """The comparison that a category leaf rests on."""
        if bool(self.facts.untested[0]):
            return "language not tested"
        review, act = self.thresholds[category]
        level = int(self.facts.levels[category][0])
        score = shown_score(self.scores[category], review, act)
        if kind == "review":
            return f"{score} {'>=' if level else '<'} {review:.3g}"
        if level == 2:
            return f"{score} >= {act:.3g}"
        if level == 0:
            return f"{score} < {review:.3g}"
        return f"{score} in [{review:.3g}, {'1], never acts' if act is None else f'{act:.3g})'}"


def _asked(leaf: FactLeaf) -> str:
    """What a leaf over a field asks for, in a few words."""
    if isinstance(leaf, Meta):
        return ", ".join(str(value) for value in leaf.values)
    if isinstance(leaf, Score):
        return f"{leaf.act:g} or more" + (f", a person from {leaf.review:g}" if leaf.review is not None else "")
    if isinstance(leaf, (Range, Age)):
        return " and ".join(f"{word} {end}" for word, end in zip(("at least", "below"), leaf.ends, strict=True) if end)
    raise TypeError(f"record: leaf must be over a field, got {type(leaf).__name__}")


def _findings(
    policy: Policy,
    facts: Facts,
    scores: dict[str, float],
    thresholds: Thresholds,
    pieces: Callable[[str], tuple[Piece, ...]],
    passage: Callable[[str], tuple[int, int, str]],
) -> tuple[Finding, ...]:
    found = []
    for category, rule in policy.categories.items():
        level = int(facts.levels[category][0])
        if not level:
            continue
        review, act = thresholds[category]
        name = "act" if level == 2 else "review"
        start, end, words = passage(category)
        finding = Finding(
            category=category,
            level=name,
            score=scores[category],
            threshold=act if level == 2 and act is not None else review,
            clause=rule.clause,
            pieces=pieces(category),
            clause_text=policy.clauses.get(rule.clause, ""),
            act_threshold=act,
            basis=thresholds.notes.get((category, name), ""),
            start=start,
            end=end,
            passage=words,
        )
        found.append((-level, -scores[category] / max(finding.threshold, 1e-9), category, finding))
    return tuple(finding for *_, finding in sorted(found, key=lambda entry: entry[:3]))


def _needs(*parts: Needs) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for part in parts:
        for name, amount in part.amounts().items():
            amounts[name] = max(amount, amounts.get(name, 0))
    return amounts


def _contexts(policy: Policy, outcome: Outcome, tracer: _Tracer) -> tuple[ContextNote, ...]:
    """Every exception with what it did to the most severe tier that is true."""
    names = policy.tier_names
    code = int(outcome.code[0])
    true_tiers = [tier.id for tier in policy.tiers if tier.is_live and outcome.tiers[tier.id][0] == Truth.TRUE]
    first = true_tiers[0] if true_tiers else "review"
    notes = []
    for context in policy.contexts:
        when, holds = _TRUTHS[int(outcome.when[context.id][0])], _TRUTHS[int(outcome.holds[context.id][0])]
        touches = first in context.lowers and names.index(first) <= code
        effect, to_tier = "none", ""
        if when is Truth.TRUE and holds is Truth.FALSE:
            effect = "defeated"
        elif holds is Truth.TRUE and touches and names.index(first) < code:
            effect, to_tier = "lowered", names[code]
        elif holds is Truth.UNKNOWN and touches and first in (*true_tiers, "review") and bool(outcome.review[0]):
            effect = "review"
        conditions = (context.when,) if context.unless is None else (context.when, context.unless)
        notes.append(
            ContextNote(
                id=context.id,
                state=holds,
                effect=effect,
                from_tier=first if effect == "lowered" else "",
                to_tier=to_tier,
                title=context.title or "",
                trace=tuple(tracer.node(condition) for condition in conditions),
            )
        )
    return tuple(notes)


def _appeal(policy: Policy) -> str:
    if policy.appeals is None:
        return ""
    time = duration_words(int(policy.appeals.open_for.total_seconds()))
    text = f"It may be contested within {time}"
    text += f": {policy.appeals.contact}" if policy.appeals.contact else ""
    return text if policy.appeals.reviewer == "anyone" else f"{text}. Someone other than the person who decided answers"


def _standing(tier: Tier) -> str:
    return "" if tier.is_live else f"{tier.maturity}: recorded only"


def _recommended(policy: Policy, name: str) -> tuple[Tier | None, tuple[Action, ...], str]:
    """The tier of a name with its actions, and how a decision may be contested."""
    tier = next((tier for tier in policy.tiers if tier.id == name), None)
    within = None if tier is None or tier.within is None else int(tier.within.total_seconds())
    actions = tuple(
        Action(
            id=action,
            scope=policy.actions[action].scope,
            within_s=within,
            needs=_needs(policy.actions[action].needs),
            says=policy.actions[action].says,
            internal=policy.actions[action].internal,
        )
        for action in (() if tier is None else tier.do)
    )
    return tier, actions, _appeal(policy)


def _proceeds(policy: Policy, notes: tuple[ContextNote, ...], trace: tuple[TraceNode, ...], name: str) -> bool:
    """Whether a person looks for no other reason than exceptions that the policy lets proceed while they are open."""
    if not any(context.on_unknown == "proceed" for context in policy.contexts):
        return False
    open_ones = {note.id for note in notes if note.effect == "review"}
    severe = trace[: policy.tier_names.index(name)]
    holds = [context.on_unknown for context in policy.contexts if context.id in open_ones]
    return (
        bool(holds)
        and set(holds) == {"proceed"}
        and not any(node.state is Truth.UNKNOWN and not node.detail for node in severe)
    )


def decision(
    policy: Policy,
    info: ModelInfo,
    thresholds: Thresholds,
    only_review: Collection[str],
    facts: Facts,
    trial: Trial,
    outcome: Outcome,
    result: DecisionColumns,
    columns: ItemColumns,
    row: int,
    pieces: Callable[[int, str], tuple[Piece, ...]],
    passage: Callable[[int, str], tuple[int, int, str]],
) -> Decision:
    """The record of one row; see ``Decider.record``.

    Parameters
    ----------
    thresholds, only_review
        Under which the row was decided.
    facts, trial, outcome
        Of the row.
    """
    scores = dict(zip(columns.categories, columns.probabilities[row].tolist(), strict=True))
    signals = {name: _TRUTH_WORDS[int(states[row])] for name, states in columns.signals.items()}

    def field_of(name: str) -> Any:
        values = columns.values(name)
        return None if values is None else values[row]

    tracer = _Tracer(facts, scores, thresholds, field_of, trial)
    name = result.name(row)
    if trial.recommended is None:
        trial.recommended = _recommended(policy, name)
    tier, actions, appeal = trial.recommended
    contexts = _contexts(policy, outcome, tracer)
    trace = tuple(
        TraceNode(f"tier: {rule.id}", node.state, "" if rule.is_live else f"{rule.maturity}: recorded only", (node,))
        for rule, node in ((rule, tracer.node(rule.when)) for rule in policy.tiers)
    )
    return Decision(
        id=_row(columns.ids, row),
        actor=_row(columns.actors, row),
        tenant=_row(columns.tenants, row),
        at=_row(columns.ats, row),
        tier=name,
        actions=actions,
        review=bool(result.review[row]),
        findings=_findings(
            policy,
            facts,
            scores,
            thresholds,
            lambda category: pieces(row, category),
            lambda category: passage(row, category),
        ),
        contexts=contexts,
        trace=trace,
        scores=scores,
        signals=signals,
        language=_TRUTHS[int(columns.language[row])],
        policy_name=policy.name,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        source_sha256=policy.source_sha256,
        source_title=policy.source.title,
        source_date=policy.source.date.isoformat(),
        source_url=policy.source.url,
        model_name=info.name,
        model_sha256=info.sha256,
        text_sha256=_row(columns.text_sha256s, row) or "",
        mode=result.mode,
        change=smallest_change(policy, facts, outcome, scores, thresholds, only_review, trial.changes),
        tier_title="" if tier is None else tier.title or "",
        appeal=appeal,
        proceeds=_proceeds(policy, contexts, trace, name),
    )
