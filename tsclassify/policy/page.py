"""A policy as a page that its owner, a lawyer or a customer can read: Markdown, made from the file alone."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from tsclassify.policy.conditions import (
    Act,
    Age,
    Attested,
    Count,
    CureExpired,
    FactLeaf,
    Finding,
    Indicator,
    Meta,
    Range,
    Review,
    Score,
    Signal,
    Taken,
    Unresolved,
    categories_of,
)
from tsclassify.policy.scalars import duration_text
from tsclassify.policy.schema import Measured, OperatingPointAsked
from tsclassify.wording import READS_AS, SIGNAL_SAYS, duration_words, joined

if TYPE_CHECKING:
    import datetime as dt

    from tsclassify.policy.load import Policy
    from tsclassify.policy.thresholds import Thresholds

__all__ = ["condition_words", "html_page", "page"]


def _time(value: dt.timedelta) -> str:
    return duration_words(int(value.total_seconds()))


def condition_words(condition: Any) -> str:
    """A condition in words, brackets where they are needed."""
    operator = condition.operator
    if operator == "not":
        return f"not ({condition_words(condition.condition)})"
    if operator:
        parts = [
            f"({condition_words(part)})" if part.operator and part.operator != operator else condition_words(part)
            for part in condition.conditions
        ]
        return (" and " if operator == "all" else " or ").join(parts)
    return _leaf_words(condition)


def fact_words(leaf: FactLeaf) -> str:
    """What a leaf over a field asks, in words."""
    if isinstance(leaf, Meta):
        return f"the field {leaf.meta} is {joined([str(value) for value in leaf.values], 'or')}"
    if isinstance(leaf, Score):
        return f"{leaf.score} is {leaf.act:g} or more"
    if isinstance(leaf, (Range, Age)):
        words = [f"{word} {end}" for word, end in zip(("at least", "below"), leaf.ends, strict=True) if end]
        subject = f"the time since {leaf.meta}" if isinstance(leaf, Age) else f"the field {leaf.meta}"
        return f"{subject} is {joined(words)}"
    raise TypeError(f"page: leaf must be over a field, got {type(leaf).__name__}")


def _leaf_words(leaf: Any) -> str:
    if isinstance(leaf, Act):
        return f"{joined(leaf.act, 'or')} acts"
    if isinstance(leaf, Review):
        return f"{joined(leaf.review, 'or')} reaches review"
    if isinstance(leaf, Signal):
        return f"the text {joined([SIGNAL_SAYS[name] for name in leaf.signal], 'or')}"
    if isinstance(leaf, FactLeaf):
        return fact_words(leaf)
    if isinstance(leaf, Count):
        window = f" within {_time(leaf.within)}" if leaf.within is not None else ""
        return f"{leaf.at_least} or more strikes at {leaf.count} or above{window}"
    if isinstance(leaf, Unresolved):
        return f"{leaf.at_least} or more {leaf.unresolved} without an answer"
    if isinstance(leaf, Finding):
        return f"the platform review finds the process {leaf.finding.replace('_', ' ')}"
    if isinstance(leaf, (Indicator, Taken, Attested)):
        if isinstance(leaf, Indicator):
            return f"the review shows {leaf.indicator.replace('_', ' ')}"
        if isinstance(leaf, Taken):
            return f"{joined(leaf.taken)} taken"
        return f"{joined(leaf.attested)} attested"
    if isinstance(leaf, CureExpired):
        of = "" if leaf.cure_expired == "latest" else f" of {leaf.cure_expired}"
        return f"the time{of} to put things right is over"
    raise TypeError(f"page: leaf must be a condition, got {type(leaf).__name__}")


def _threshold(asked: Any, resolved: float | None) -> str:
    if asked is None:
        return "never"
    if isinstance(asked, OperatingPointAsked):
        name = "precision" if asked.precision is not None else "recall"
        text = f"{name} {getattr(asked, name):g}"
        return text if resolved is None else f"{resolved:.3g} ({text})"
    return f"{asked:g}"


def _categories(policy: Policy, thresholds: Thresholds | None) -> Iterator[str]:
    yield "## What it looks at"
    yield ""
    yield "| category | a text that | a person looks from | acts from | clause |"
    yield "| --- | --- | --- | --- | --- |"
    for name, rule in policy.categories.items():
        review, act = (None, None) if thresholds is None else thresholds[name]
        reads = READS_AS.get(name, name)
        yield f"| {name} | {reads} | {_threshold(rule.review, review)} | {_threshold(rule.act, act)} | {rule.clause} |"
    languages = policy.languages
    told = {"review": "go to a person", "score": "are decided by score"}
    yield ""
    yield (
        f"Tested languages: {joined(languages.tested)}. Texts in other languages {told[languages.otherwise]}; texts "
        f"whose language cannot be told {told[languages.undetermined]}."
    )
    for name, fact in policy.document.facts.items():
        kind = f"one of {joined(fact.values, 'or')}" if fact.values else f"a {fact.type}"
        yield f"- Field **{name}**: {kind}" + (f", {fact.means}." if fact.means else ".")
    for overlay in policy.document.overlays:
        changes = [
            f"{name} {level} {_threshold(getattr(rule, level), None)}"
            for name, rule in overlay.categories.items()
            for level in ("review", "act")
            if level in rule.model_fields_set
        ]
        yield f"- Where {condition_words(overlay.when)} ({overlay.id}): {joined(changes)}."


def _clauses(policy: Policy) -> Iterator[str]:
    """The map of clauses: which rules rest on each."""
    yield ""
    yield "## Clauses and the rules that rest on them"
    yield ""
    yield "| clause | what it forbids | categories | tiers and steps |"
    yield "| --- | --- | --- | --- |"
    steps = () if policy.ladder is None else policy.ladder.steps
    for name, text in policy.clauses.items():
        categories = [category for category, rule in policy.categories.items() if rule.clause == name]
        cited = [rule.id for rule in policy.tiers if rule.clause == name]
        cited += [
            tier.id for tier in policy.tiers if tier.clause is None and set(categories_of(tier.when)) & {*categories}
        ]
        cited += [f"step {step.id}" for step in steps if step.clause == name]
        rules = ", ".join(dict.fromkeys(cited))
        yield f"| {name} | {text} | {', '.join(categories) or '**no rule**'} | {rules or '-'} |"


def _measured(measured: Measured) -> str:
    words = [
        f"precision {measured.precision:.2f}" if measured.precision is not None else "",
        f"recall {measured.recall:.2f}" if measured.recall is not None else "",
        f"{measured.per_10k:g} of 10,000 ordinary posts" if measured.per_10k is not None else "",
    ]
    return f"{joined([word for word in words if word])}, on {measured.on}"


def _tiers(policy: Policy) -> Iterator[str]:
    yield ""
    yield "## Tiers, most severe first"
    for tier in policy.tiers:
        yield ""
        yield f"### {tier.id}" + (f": {tier.title}" if tier.title else "")
        yield ""
        yield f"When {condition_words(tier.when)}."
        if not tier.is_live:
            yield f"On trial ({tier.maturity}): it is recorded and decides nothing."
        if tier.measured is not None:
            yield f"Measured: {_measured(tier.measured)}."
        within = f" Within {_time(tier.within)}." if tier.within is not None else ""
        for action in tier.do:
            yield f"- {action}: {policy.actions[action].says}."
        yield (within.strip() if within else "")
    if policy.contexts:
        yield ""
        yield "## Exceptions"
        yield ""
        yield "An exception must be established to lower a tier; one that is open excuses nothing, and a person looks."
    for context in policy.contexts:
        yield ""
        yield f"### {context.id}" + (f": {context.title}" if context.title else "")
        yield ""
        unless = f", unless {condition_words(context.unless)}" if context.unless is not None else ""
        yield f"When {condition_words(context.when)}{unless}."
        yield "- " + "; ".join(f"{name} becomes {target}" for name, target in context.lowers.items()) + "."
        for name, lowest in context.floor.items():
            yield f"- Nothing falls below {lowest} while {name} holds or may hold."


def _ladder(policy: Policy) -> Iterator[str]:
    ladder = policy.ladder
    if ladder is None:
        return
    yield ""
    yield "## Steps, mildest first"
    yield ""
    yield (
        f"Strikes count for {_time(ladder.window)} by the time of the act; those of one {policy.subject} within "
        f"{_time(ladder.merge_within)} count once."
    )
    yield ""
    yield "| step | due when | needs | time to put it right | our own deadline |"
    yield "| --- | --- | --- | --- | --- |"
    for step in ladder.steps:
        needs = ", ".join(f"{amount} {name}" for name, amount in step.needs.amounts().items()) or "-"
        times = [duration_text(time) if time is not None else "-" for time in (step.cure, step.within)]
        yield f"| {step.id} | {condition_words(step.when)} | {needs} | {times[0]} | {times[1]} |"


def _review(policy: Policy) -> Iterator[str]:
    review = policy.platform_review
    if review is None:
        return
    yield ""
    yield "## Review of a whole platform"
    yield ""
    yield (
        f"Over {_time(review.window)}, against the {_time(review.baseline)} before; with fewer than "
        f"{review.min_items:,} items nothing is concluded. Looked at every {_time(review.looks.every)}."
    )
    yield ""
    yield "| indicator of trouble | limits |"
    yield "| --- | --- |"
    for name, limits in review.indicators.asked():
        said = limits.model_dump(mode="json")
        words = ", ".join(
            f"{key.replace('_', ' ')} {joined(value) if isinstance(value, list) else value}"
            for key, value in said.items()
        )
        yield f"| {name.replace('_', ' ')} | {words} |"
    yield ""
    yield f"- Effective: {condition_words(review.effective_process.effective)}."
    yield f"- Not effective: {condition_words(review.effective_process.not_effective)}."


def page(policy: Policy, thresholds: Thresholds | None = None) -> str:
    """The page.

    Parameters
    ----------
    thresholds
        Of a bundle, to show what operating points come to; without it they are shown as they are asked.

    Returns
    -------
    str
        Markdown.
    """
    source, effective = policy.source, policy.effective
    until = f" until {effective.until}" if effective.until else ""
    rows = [
        f"# {policy.name} {policy.version}",
        "",
        f"A policy of kind {policy.kind}, in force from {effective.since}{until}, in {policy.rollout.mode} mode.",
        f"It puts into rules: {source.title}, {source.url}, dated {source.date}: {source.clause}.",
        "",
        *([f"Purpose: {policy.document.purpose}.", ""] if policy.document.purpose else []),
        *_categories(policy, thresholds),
        *_clauses(policy),
        *_tiers(policy),
        *_ladder(policy),
        *_review(policy),
    ]
    if policy.appeals is not None:
        appeals = policy.appeals
        answer = f", answered within {_time(appeals.answer_within)}" if appeals.answer_within else ""
        who = "someone other than the person who decided" if appeals.reviewer == "not_the_decider" else "anyone"
        rows += ["", "## Appeals", "", f"Open for {_time(appeals.open_for)}{answer}, by {who}."]
    guards = policy.guards
    limits = []
    if guards.max_actions_per_hour is not None:
        limits.append(f"more than {guards.max_actions_per_hour:,} items acted on in an hour")
    if guards.max_share_of_items is not None:
        limits.append(f"more than {guards.max_share_of_items:.1%} of the last {guards.over_items:,} items acted on")
    if limits:
        rows += ["", "## Guards", "", f"Actions are withheld and a person looks after {joined(limits, 'or')}."]
    rows += ["", f"{len(policy.tests)} test cases. File {policy.sha256}."]
    return "\n".join(rows) + "\n"


def html_page(policy: Policy, thresholds: Thresholds | None = None) -> str:
    """The page as one HTML file that needs nothing else, for those who own the policy.

    Parameters
    ----------
    thresholds
        As for ``page``.
    """
    body = "\n".join(_html_of(page(policy, thresholds).splitlines()))
    title = html.escape(f"{policy.name} {policy.version}")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;"
    "margin:2rem auto;padding:0 1rem}"
    "h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem;border-bottom:1px solid #8886}h3{margin-bottom:.3rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}th,td{text-align:left;vertical-align:top;"
    "padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884}th{font-weight:600}p,ul{margin:.4rem 0}"
)
_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")


def _html_of(lines: list[str]) -> Iterator[str]:
    """The lines of ``page`` as HTML: headings, tables, lists and paragraphs are all that it has."""
    closing = ""
    for line in lines:
        text = _BOLD.sub(r"<strong>\1</strong>", html.escape(line, quote=False))
        kind = "table" if line.startswith("|") else "ul" if line.startswith("- ") else ""
        if closing and kind != closing:
            yield f"</{closing}>"
            closing = ""
        opens = bool(kind) and kind != closing
        if opens:
            yield f"<{kind}>"
            closing = kind
        if kind == "table":
            if not set(line) <= {"|", "-", " "}:
                cell = "th" if opens else "td"
                cells = "".join(f"<{cell}>{part.strip()}</{cell}>" for part in text.strip("|").split(" | "))
                yield f"<tr>{cells}</tr>"
        elif kind == "ul":
            yield f"<li>{text[2:]}</li>"
        elif line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            yield f"<h{level}>{text[level:].strip()}</h{level}>"
        elif line:
            yield f"<p>{text}</p>"
    if closing:
        yield f"</{closing}>"
