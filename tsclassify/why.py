"""Why a decision came out as it did, in sentences: rendered from the record alone, so it reads the same years later.

Only the passage that a finding rests on is not in the record: it is shown as long as the decision is at hand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tsclassify.records import Truth
from tsclassify.wording import READS_AS, duration_words, joined, quoted, signal_says

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tsclassify.decision import Action, ContextNote, Decision, Finding, TraceNode
    from tsclassify.records import Piece

__all__ = ["why"]

_N_WORDS = 5
_LONGEST_PASSAGE = 300
"""Code points of a passage that are shown."""

_BAND = re.compile(r"([0-9.]+) in \[([0-9.]+), ([0-9.]+)\)")
"""How a trace writes a score between the two thresholds."""


def words_of(pieces: Iterable[Piece], n: int = _N_WORDS) -> list[str]:
    """The words that raised a score most, at most `n`; a word inside one that is already named is left out."""
    chosen: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (-piece.contribution, piece.start)):
        if piece.contribution <= 0 or not piece.text.strip():
            continue
        overlaps = any(piece.start < other.end and other.start < piece.end for other in chosen)
        repeats = any(piece.text.casefold() == other.text.casefold() for other in chosen)
        if not overlaps and not repeats:
            chosen.append(piece)
        if len(chosen) == n:
            break
    return [quoted(piece.text) for piece in chosen]


def _leaf_words(leaf: TraceNode) -> str:
    """What a leaf of a trace says, as a clause of a sentence."""
    kind, _, name = leaf.label.partition(": ")
    if kind == "signal":
        return signal_says(name, leaf.state.name.lower())
    if kind == "meta":
        got, _, asked = leaf.detail.partition("; asked for ")
        return f"the field {name} was {got} (the policy asks for {asked})"
    if leaf.detail == "language not tested":
        return "nothing can be told of a text in this language"
    if leaf.state is Truth.FALSE:
        return "no category that it asks for reached its threshold"
    band = _BAND.fullmatch(leaf.detail)
    if band is not None:
        limits = f"a person looks from {band[2]} on and the policy acts from {band[3]}"
        return f"the score for {name} is {band[1]}, where {limits}"
    return f"the score for {name} is {leaf.detail}"


def _because(leaves: Iterable[TraceNode]) -> str:
    leaves = list(leaves)
    if any(leaf.detail == "language not tested" for leaf in leaves):
        leaves = [leaf for leaf in leaves if leaf.detail == "language not tested"]
    clauses = list(dict.fromkeys(_leaf_words(leaf) for leaf in leaves))
    # "it was not found that the text A and it was not found that the text B" reads better said once.
    for start in (
        "it was found that the text ",
        "it was not found that the text ",
        "it cannot be told whether the text ",
    ):
        alike = [clause for clause in clauses if clause.startswith(start)]
        if len(alike) > 1:
            word = "or" if "not found" in start else "and"
            ends = joined([clause.removeprefix(start) for clause in alike], word)
            at = clauses.index(alike[0])
            clauses = [clause for clause in clauses if clause not in alike]
            clauses.insert(at, start + ends)
    # Clauses have an "and" of their own inside, hence the comma before the last.
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])}, and {clauses[-1]}"


def _head(decision: Decision) -> str:
    who = f"Item {decision.id}" if decision.id is not None else "The item"
    who += f" by account {decision.actor}" if decision.actor else ""
    who += f" on {decision.tenant}" if decision.tenant else ""
    what = {
        "none": "no tier applies, and nothing is recommended",
        "review": "no tier is established, and a person has to look",
    }.get(decision.tier, f"tier {decision.tier}")
    title = f" ({decision.tier_title})" if decision.tier_title else ""
    return " ".join(part for part in (f"{who}: {what}{title}.", _outcome(decision)) if part)


def _main_reason(decision: Decision) -> str:
    """One sentence: the finding that weighed most, or why a person looks without one."""
    if not decision.findings:
        if decision.language is not Truth.TRUE:
            return "Main reason: the language of the text is not known to be one that the model was tested in."
        return "Main reason: no category reached the score from which a person looks."
    top = decision.findings[0]
    reads = READS_AS.get(top.category, f"belongs to {top.category}")
    words = words_of(top.pieces, 3)
    return f"Main reason: the text {reads}" + (f", by {joined(words)}." if words else ".")


def _policy(decision: Decision) -> str:
    text = f"Decided by the policy {decision.policy_name}, version {decision.policy_version}"
    if decision.policy_as_of:
        text += f" (asked for as of {decision.policy_as_of})"
    text += f", which puts into rules: {decision.source_title}." if decision.source_title else "."
    if decision.mode == "shadow":
        text += " The policy runs in shadow mode: this was recorded, and nothing was done."
    return text


def _finding(finding: Finding) -> str:
    reads = READS_AS.get(finding.category, f"belongs to {finding.category}")
    text = f"The text {reads}: {finding.category} scored {finding.score:.3f}"
    if finding.level == "act":
        text += f", and the policy acts from {finding.threshold:.3g}"
    elif finding.act_threshold is None:
        text += f"; from {finding.threshold:.3g} a person looks, and the policy never acts on this category alone"
    else:
        text += f"; from {finding.threshold:.3g} a person looks, and from {finding.act_threshold:.3g} the policy acts"
    text += f" (clause {finding.clause})." if finding.clause else "."
    if finding.basis:
        text += f" The threshold is an operating point: {finding.basis}."
    if finding.passage.strip():
        text += f" The passage it rests on: {_passage(finding.passage)}."
    words = words_of(finding.pieces)
    return text + (
        f" Words that raised the score most: {', '.join(words)}." if words else " No single word stands out."
    )


def _passage(text: str) -> str:
    return quoted(text if len(text) <= _LONGEST_PASSAGE else f"{text[: _LONGEST_PASSAGE - 1]}…")


def _clauses(findings: Iterable[Finding]) -> list[str]:
    told = {finding.clause: finding.clause_text for finding in findings if finding.clause and finding.clause_text}
    return [f"Clause {name}: {text}." for name, text in told.items()]


def _tiers(decision: Decision) -> list[str]:
    """The tier that was chosen and the more severe ones that were not."""
    rows = []
    for node in decision.trace:
        name = node.label.removeprefix("tier: ")
        leaves = node.children[0].reasons() if node.children else ()
        if node.state is Truth.TRUE:
            more = [leaf for leaf in leaves if not leaf.label.startswith(("act: ", "review: "))]
            if more:
                rows.append(f"The condition for {name} holds, as {_because(more)}.")
            if name != decision.tier:
                rows.append(f"The tier {name} would apply, but an exception lowered it.")
        elif node.state is Truth.UNKNOWN:
            ends = ", so a person has to look" if decision.review else ""
            rows.append(f"Whether {name} applies is open, as {_because(leaves)}{ends}.")
        elif any(leaf.label.startswith("signal") for leaf in leaves):
            rows.append(f"The tier {name} does not apply, as {_because(leaves)}.")
        if name == decision.tier:
            break
    return rows


def _context(note: ContextNote) -> str:
    """A sentence on an exception that was established, open or defeated."""
    name = f"{note.id} ({note.title})" if note.title else note.id
    if note.state is Truth.TRUE:
        did = (
            f"it lowered {note.from_tier} to {note.to_tier}" if note.effect == "lowered" else "it had nothing to lower"
        )
        return f"Exception {name} holds, as {_because(note.trace[0].reasons())}; {did}."
    if note.state is Truth.UNKNOWN:
        open_parts = [node for node in note.trace if node.state is Truth.UNKNOWN] or list(note.trace)
        cause = _because(leaf for node in open_parts for leaf in node.reasons())
        ends = "excuses nothing, and a person looks" if note.effect == "review" else "excuses nothing"
        return f"Exception {name} is open, as {cause}; what is open {ends}."
    return f"Exception {name} does not count here, as {_because(note.trace[1].reasons())}."


def _contexts(notes: Iterable[ContextNote]) -> list[str]:
    told, absent = [], []
    for note in notes:
        if note.state is Truth.FALSE and (len(note.trace) < 2 or note.trace[0].state is Truth.FALSE):
            absent.append(f"{note.id} ({note.title})" if note.title else note.id)
        else:
            told.append(_context(note))
    if absent:
        told.append(f"Exceptions considered and not established: {'; '.join(absent)}.")
    return told


def _action(action: Action) -> str:
    text = action.says or action.id
    needs = []
    if "humans" in action.needs:
        n = action.needs["humans"]
        needs.append("one person has to agree first" if n == 1 else f"{n} people have to agree first")
    if "evidence" in action.needs:
        needs.append(f"{action.needs['evidence']} items have to be listed as evidence")
    return f"{text} ({joined(needs)})" if needs else text


def _outcome(decision: Decision) -> str:
    if decision.mode == "review_only":
        withheld = "; ".join(_action(action) for action in decision.withheld)
        return f"A guard against a bad release withheld all actions, and a person has to look. Withheld: {withheld}."
    if not decision.actions:
        return "A person has to look; nothing is done to the item until then." if decision.review else ""
    seconds = decision.actions[0].within_s
    time = f" within {duration_words(seconds)}" if seconds is not None else ""
    if decision.mode == "shadow":
        return f"It would be recommended{time}: {'; '.join(_action(action) for action in decision.actions)}."
    texts = []
    if decision.due:
        texts.append(f"Due{time}: {'; '.join(_action(action) for action in decision.due)}.")
    if decision.proposed:
        waits = "until a person has looked" if decision.review and not decision.proceeds else "for people to agree"
        proposed = "; ".join(_action(action) for action in decision.proposed)
        texts.append(f"Proposed{time}, and waits {waits}: {proposed}.")
    if decision.review and decision.proceeds:
        texts.append("A person looks afterwards, as an exception is open and the policy lets the actions go ahead.")
    return " ".join(texts)


def why(decision: Decision) -> str:
    """The paragraphs of ``Decision.why()``.

    Parameters
    ----------
    decision
        A full record.

    Returns
    -------
    str
        Paragraphs separated by a line break: the outcome with what is due or proposed, the main reason, then the
        policy, findings, tiers, exceptions, what would have changed it, what made it.
    """
    rows = [_head(decision), _main_reason(decision), _policy(decision)]
    rows += [_finding(finding) for finding in decision.findings]
    if not decision.findings:
        rows.append("No category reached the score from which a person looks.")
    if decision.language is not Truth.TRUE:
        state = "is not one" if decision.language is Truth.FALSE else "could not be told to be one"
        rows.append(f"The language of the text {state} that the model was tested in.")
    if decision.findings:
        rows += [*_clauses(decision.findings), *_tiers(decision), *_contexts(decision.contexts)]
    rows.append(decision.change)
    if decision.tier != "none" and decision.appeal:
        rows.append(f"This is a recommendation made by software. {decision.appeal}.")
    hashes = f"policy file {decision.policy_sha256[:12]}, model {decision.model_name} {decision.model_sha256[:12]}"
    hashes += f", text {decision.text_sha256[:12]}" if decision.text_sha256 else ""
    rows.append(f"Made by: {hashes}. A score is a calibrated probability at the model's stated share of such posts.")
    return "\n".join(row for row in rows if row)
