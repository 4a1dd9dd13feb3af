"""``tsclassify policy``: check, analyze, test, compare, show, and the JSON Schema."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tsclassify.errors import BundleError, GateError, PolicyError, TsclassifyError
from tsclassify.terminal import plain

if TYPE_CHECKING:
    from tsclassify.policy import Policy
    from tsclassify.policy.analysis import Remark
    from tsclassify.policy.compare import Comparison, GoldComparison
    from tsclassify.policy.thresholds import Thresholds
    from tsclassify.records import ModelInfo

__all__ = ["command"]

_WIDTH = 80
_MOVES = 5

_MODEL = click.option("--model", "bundle", metavar="BUNDLE", help="Bundle name or folder; the shipped one if left out.")
_AS_OF = click.option("--as-of", metavar="DATE", help="The version in force on this date; the newest if left out.")


@click.group()
def command() -> None:
    """Check, analyze, test, compare or show policies.

    Example: tsclassify policy test hosting-provider
    """


def _classifier(bundle: str | None) -> Any:
    """The classifier; None when none was asked for and none is shipped."""
    from tsclassify.classifier import load

    try:
        return load(bundle) if bundle is not None else load()
    except BundleError:
        if bundle is not None:
            raise
        return None


def _info(classifier: Any, *policies: Policy) -> ModelInfo:
    """What the bundle states; the stand-in does for policies whose thresholds are numbers."""
    from tsclassify.policy.cases import stand_in
    from tsclassify.policy.schema import OperatingPointAsked

    if classifier is not None:
        info: ModelInfo = classifier.info
        return info
    rules = [rule for policy in policies for rule in policy.categories.values()]
    if any(isinstance(asked, OperatingPointAsked) for rule in rules for asked in (rule.review, rule.act)):
        raise BundleError("policy: operating points must be looked up in a bundle, got none", hint="give --model")
    return stand_in(*policies)


@command.command()
@click.argument("policies", nargs=-1, required=True, metavar="POLICY...")
@_AS_OF
@_MODEL
@click.option("--no-model", is_flag=True, help="Do not look up operating points in a bundle.")
@click.option("--strict", is_flag=True, help="Fail on warnings that the file does not argue.")
def check(policies: tuple[str, ...], as_of: str | None, bundle: str | None, no_model: bool, strict: bool) -> None:
    """Report every fault of policy files, each with its line, and warn of rules that nothing reaches.

    POLICY is the name of a shipped pack, a file, or a folder of versions. Exit status 1 when a file has faults, or has
    changed since its version was locked; with --strict, 3 when a warning is not argued in its file.

    Example: tsclassify policy check my-policy.yaml
    """
    from tsclassify.policy import Policy
    from tsclassify.policy.analysis import remarks
    from tsclassify.policy.lock import lock_of
    from tsclassify.policy.thresholds import resolve

    classifier = None if no_model else _classifier(bundle)
    n_faults, broken, n_warnings = 0, 0, 0
    for name in policies:
        try:
            policy = Policy.load(name, as_of=as_of)
            thresholds = None if classifier is None else resolve(policy, classifier.info)
            changed = lock_of(policy.place).fault(policy)
            if changed:
                raise PolicyError(changed, hint="give the file a new version, and run `tsclassify policy lock`")
        except PolicyError as error:
            click.echo(str(error), err=True)
            n_faults += len(error.faults) or 1
            broken += 1
            continue
        click.echo(
            f"{policy.name} {policy.version}: no faults; {_counted(len(policy.categories), 'categories', 'category')}, "
            f"{_counted(len(policy.tiers), 'tiers')}, {_counted(len(policy.contexts), 'exceptions')}, "
            f"{_counted(len(policy.tests), 'tests')}, file {policy.sha256[:12]}"
        )
        if thresholds is not None:
            _echo_thresholds(thresholds)
        told = remarks(policy, None if classifier is None else classifier.info)
        for remark in told:
            _echo_remark(remark)
        n_warnings += sum(not remark.reason for remark in told)
    if broken:
        plural = "s" if n_faults != 1 else ""
        raise TsclassifyError(
            f"policy check: files must have no faults, got {n_faults} fault{plural} in {broken} of {len(policies)}"
        )
    if strict and n_warnings:
        raise GateError(
            f"policy check: every warning must be argued in the file, got {n_warnings} that {_are(n_warnings)} not",
            hint="mend the rule, or add the warning to argued with a reason",
        )


def _counted(n: int, many: str, one: str = "") -> str:
    return f"{n} {(one or many.removesuffix('s')) if n == 1 else many}"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _echo_thresholds(thresholds: Thresholds) -> None:
    for (category, level), note in sorted(thresholds.notes.items()):
        value = thresholds[category][0 if level == "review" else 1]
        click.echo(f"  {category}.{level}: {'never acts' if value is None else f'{value:.3f}'}, {note}")


def _echo_remark(remark: Remark) -> None:
    if remark.reason:
        click.echo(f"  argued ({remark.warning}) {remark.place}: {remark.reason}")
        return
    click.echo(f"  warning ({remark.warning}) {remark.place}: {remark.message}")
    if remark.example:
        click.echo(f"    for example: {remark.example}")


@command.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="[NEW]", required=False)
@click.option("--old-as-of", metavar="DATE", help="The version of OLD in force on this date.")
@click.option("--new-as-of", metavar="DATE", help="The version of NEW in force on this date.")
@_MODEL
@click.option("--no-model", is_flag=True, help="Read operating points as if every one were reached.")
def analyze(
    old: str, new: str | None, old_as_of: str | None, new_as_of: str | None, bundle: str | None, no_model: bool
) -> None:
    """Prove or refute claims over all possible items: what two versions of a policy decide differently.

    With OLD and NEW: whether one is never milder than the other, and whether both decide every item the same. With
    OLD alone: which tiers never hold together. A claim that is refuted comes with the plainest item that refutes it.
    The ladder is not analysed.

    Example: tsclassify policy analyze hosting-provider hosting-provider --old-as-of 2021-01-10
    """
    from tsclassify.policy import Policy
    from tsclassify.policy.analysis import proofs
    from tsclassify.policy.cases import stand_in

    before = Policy.load(old, as_of=old_as_of)
    after = None if new is None else Policy.load(new, as_of=new_as_of)
    classifier = None if no_model else _classifier(bundle)
    given = [before] if after is None else [before, after]
    info = stand_in(*given) if no_model or classifier is None else classifier.info
    for proof in proofs(before, after, info):
        click.echo(f"{'proved' if proof.is_proved else 'refuted'}: {proof.claim}")
        if proof.example:
            click.echo(f"  {proof.example}")


@command.command()
@click.argument("policies", nargs=-1, required=True, metavar="POLICY...")
@_AS_OF
@_MODEL
@click.option("--no-model", is_flag=True, help="Skip the cases that need a model, and the baseline.")
@click.option("--no-mutation", is_flag=True, help="Run the cases only.")
@click.option("--no-baseline", is_flag=True, help="Do not try innocent posts.")
@click.option("--baseline", "suite", metavar="FILE", help="Innocent posts (TSV); the shipped suite if left out.")
@click.option("--labelled", metavar="FILE", help="Labelled rows (JSONL) on which tiers keep the precision they state.")
@click.option("--update-todo", is_flag=True, help="Write the todo of tests and the known hits into the file.")
@click.option("--update-measured", is_flag=True, help="Write what --labelled measures into the file.")
@click.option("-v", "--verbose", is_flag=True, help="Name every case, and what cases do not touch.")
def test(
    policies: tuple[str, ...],
    as_of: str | None,
    bundle: str | None,
    no_model: bool,
    no_mutation: bool,
    no_baseline: bool,
    suite: str | None,
    labelled: str | None,
    update_todo: bool,
    update_measured: bool,
    verbose: bool,
) -> None:
    """Run the cases in policy files, then change each rule in turn and see whether a case notices.

    A case with a text goes through the model, unless it says what is given. One that the model gets wrong says so
    (todo); once it passes, the run fails until the todo goes. A changed rule that no case notices is a surviving
    mutant: add a case for it. An innocent post of the baseline on which the policy acts has to be listed under
    known_hits. Exit status 3 when a case fails, a todo passes, a mutant survives, a hit is new, a stable tier lacks
    cases of both sides, or a tier does not keep the precision that it states.

    Example: tsclassify policy test hosting-provider app-store
    """
    from tsclassify.cli.policy_test import Run
    from tsclassify.policy import Policy

    classifier = None if no_model else _classifier(bundle)
    if (update_todo or update_measured) and classifier is None:
        raise BundleError("policy test: texts must be scored by a bundle, got none", hint="give --model")
    if update_measured and labelled is None:
        raise TsclassifyError(
            "policy test: --update-measured must have rows to measure on, got none", hint="--labelled"
        )
    problems: Counter[str] = Counter()
    for name in policies:
        run = Run(Policy.load(name, as_of=as_of), classifier, verbose=verbose)
        run.cases()
        if not no_mutation:
            run.mutants()
        if classifier is not None and not no_baseline:
            run.baseline(suite)
        if classifier is not None and labelled is not None:
            run.labelled(labelled)
        run.summary()
        run.update(todo=update_todo, measured=update_measured)
        problems.update(run.problems)
    if problems.total() and not update_todo:
        others = "".join(f", {n} {what}" for what, n in problems.items() if n and what not in ("failed", "surviving"))
        raise GateError(
            f"policy test: every case must pass and no mutant survive, got {problems['failed']} failed and "
            f"{problems['surviving']} surviving{others}",
            hint="a surviving mutant needs a case that tells it from the policy" if problems["surviving"] else "",
        )


@command.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--on", "items", required=True, type=click.Path(exists=True, dir_okay=False), help="Scored JSONL.")
@click.option("--old-as-of", metavar="DATE", help="The version of OLD in force on this date.")
@click.option("--new-as-of", metavar="DATE", help="The version of NEW in force on this date.")
@_MODEL
@click.option("--rescore", is_flag=True, help="Score the texts anew, also where scores are in the file.")
@click.option("--examples", default=4, show_default=True, type=click.IntRange(0, 100), help="Ids to name per change.")
@click.option("--all", "every", is_flag=True, help="Also show findings by category, and what differs in the files.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(
    old: str,
    new: str,
    items: str,
    old_as_of: str | None,
    new_as_of: str | None,
    bundle: str | None,
    rescore: bool,
    examples: int,
    every: bool,
    as_json: bool,
) -> None:
    """Show who would be treated differently under another policy.

    Lines have scores, as `tsclassify score` writes them; with --rescore they need a text. Gold labels (`gold`: list of
    categories, or an annotation `code`) give precision and recall.

    Example: tsclassify policy diff hosting-provider hosting-provider --old-as-of 2021-01-10 --on scored.jsonl
    """
    from tsclassify.policy import Policy
    from tsclassify.policy.compare import compare, read_scored

    before, after = Policy.load(old, as_of=old_as_of), Policy.load(new, as_of=new_as_of)
    classifier = _classifier(bundle)
    info = _info(classifier, before, after)
    if rescore and classifier is None:
        raise BundleError("policy diff: texts must be scored by a bundle, got none", hint="give --model")
    wider = _widest_review(before, after, info)
    scored = read_scored(items, wider, item_columns=classifier.item_columns if rescore else None)
    found = compare(before, after, scored, info, n_examples=examples)
    if as_json:
        click.echo(json.dumps(found.to_dict()))
    else:
        _print_diff(before, after, found, info, every=every)


def _widest_review(before: Policy, after: Policy, info: ModelInfo) -> Policy:
    """The later policy with every review threshold at zero, so that signals are known wherever either one asks."""
    categories = {**before.categories, **after.categories}
    open_rules = {name: rule.model_copy(update={"review": 0.0}) for name, rule in categories.items()}
    return after.replaced(after.document.model_copy(update={"categories": open_rules}))


def _signed(difference: int) -> str:
    return f"{difference:+,}" if difference else "0"


def _print_diff(before: Policy, after: Policy, found: Comparison, info: ModelInfo, *, every: bool) -> None:
    n = max(found.n_items, 1)
    differ = found.stricter + found.milder
    click.echo(f"before: {before.name} {before.version}   after: {after.name} {after.version}")
    click.echo(f"{found.n_items:,} items, scored by {info.name} {info.sha256[:12]}.")
    click.echo(
        f"{differ:,} ({differ / n:.1%}) are treated differently: {found.stricter:,} more strictly, "
        f"{found.milder:,} more mildly."
    )
    rows = [(name, *pair) for name, pair in found.tiers.items()]
    rows += [("= with actions", *found.acting), ("= a person looks", *found.reviews)]
    _echo_rows("Items in each tier", ("tier", "before", "after", "change"), [
        (name, f"{was:,}", f"{now:,}", _signed(now - was)) for name, was, now in rows
    ])  # fmt: skip
    ranks = list(found.tiers)
    for words, is_stricter in (("more strictly", True), ("more mildly", False)):
        moves = [move for move in found.moves if (ranks.index(move.after) < ranks.index(move.before)) is is_stricter]
        shown = moves if every else moves[:_MOVES]
        left = f" ({len(moves) - len(shown)} further changes)" if len(moves) > len(shown) else ""
        _echo_rows(f"Treated {words}{left}", ("change", "items", "for example"), [
            (f"{move.before} > {move.after}", f"{move.n_items:,}", ", ".join(move.examples)) for move in shown
        ], text=(0, 2))  # fmt: skip
    if found.gold is not None:
        _echo_gold(found.gold)
    if not every:
        click.echo(f"\n{len(found.keys)} keys differ in the files; --all shows them, and findings by category")
        return
    levels = [(name, *(f"{count:,}" for count in counts)) for name, counts in found.levels.items()]
    head = ("category", "review before", "after", "act before", "after")
    _echo_rows("Findings by category", head, levels)
    keys = [(key, was or "-", now or "-") for key, was, now in found.keys]
    _echo_rows("What differs in the files", ("key", "before", "after"), keys, text=(0, 1, 2))


def _echo_rows(
    title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, text: tuple[int, ...] = (0,)
) -> None:
    """A table of at most 80 columns; those of `text` stand to the left, and the widest of them is cut where it must."""
    if not rows:
        return
    cells = [tuple(plain(cell) for cell in row) for row in (head, *rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(head))]
    while sum(widths) + 2 * len(widths) > _WIDTH:
        widest = max(text, key=lambda place: widths[place])
        widths[widest] -= 1
    click.echo(f"\n{title}")
    for row in cells:
        parts = [_fitted(cell, widths[place], place in text) for place, cell in enumerate(row)]
        click.echo(f"  {'  '.join(parts)}".rstrip())


def _fitted(cell: str, width: int, is_text: bool) -> str:
    cut = cell if len(cell) <= width else f"{cell[: max(width - 1, 0)]}\u2026"
    return cut.ljust(width) if is_text else cut.rjust(width)


def _echo_gold(gold: GoldComparison) -> None:
    click.echo(
        f"\nActing against gold labels ({gold.n_labelled:,} labelled, {gold.n_positive:,} in a category that acts)"
    )
    for name in ("precision", "recall"):
        was, now = ("-" if share is None else f"{share:.3f}" for share in getattr(gold, name))
        click.echo(f"  {name:<10} {was} before, {now} after")
    click.echo(f"  newly acted on {gold.n_added:,}, right {gold.n_added_right:,}; "
               f"no longer acted on {gold.n_dropped:,}, right {gold.n_dropped_right:,}")  # fmt: skip


@command.command()
@click.argument("policy", metavar="POLICY")
@click.option("--on", "items", required=True, type=click.Path(exists=True, dir_okay=False), help="Scored JSONL.")
@click.option("--gold", type=click.Path(exists=True, dir_okay=False), help="Labels that came in later: JSONL with id.")
@_AS_OF
@_MODEL
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def shadow(policy: str, items: str, gold: str | None, as_of: str | None, bundle: str | None, as_json: bool) -> None:
    """Show which tiers and categories fire together, and how often they are right, before they decide.

    Lines have scores, as `tsclassify score` writes them. Tiers that are experimental or on test are counted as they
    would fire. Labels (`gold`: list of categories, or an annotation `code`) stand in the lines, or come in later.

    Example: tsclassify policy shadow social-platform --on decided.jsonl --gold labels.jsonl
    """
    from tsclassify.policy import Policy
    from tsclassify.policy.compare import read_scored
    from tsclassify.policy.overlap import overlap

    loaded = Policy.load(policy, as_of=as_of)
    info = _info(_classifier(bundle), loaded)
    found = overlap(loaded, read_scored(items, loaded, gold=gold), info)
    if as_json:
        click.echo(json.dumps(found.to_dict()))
        return
    click.echo(f"{loaded.name} {loaded.version} on {found.n_items:,} items, scored by {info.name} {info.sha256[:12]}")
    states = {f"tier: {tier.id}": tier.maturity for tier in loaded.tiers}
    _echo_rows("What fires", ("", "items", "alone", "would", "right", "maturity"), [
        (one.name, f"{one.n_items:,}", f"{one.n_alone:,}", f"{one.n_would:,}",
         "-" if one.precision is None else f"{one.precision:.0%} of {one.n_labelled:,}", states.get(one.name, ""))
        for one in found.firings
    ], text=(0, 5))  # fmt: skip
    pairs = sorted(found.together.items(), key=lambda pair: -pair[1])
    fires = {one.name: one.n_items for one in found.firings}
    _echo_rows("What fires together", ("", "items", "of the first", "of the second"), [
        (f"{first} + {second}", f"{n:,}", f"{n / fires[first]:.0%}", f"{n / fires[second]:.0%}")
        for (first, second), n in pairs[:20]
    ])  # fmt: skip


@command.command()
@click.argument("policy", metavar="POLICY")
@_AS_OF
@_MODEL
@click.option("--no-model", is_flag=True, help="Show operating points as they are asked.")
@click.option("--html", "as_html", is_flag=True, help="Print one HTML page that needs nothing else.")
def show(policy: str, as_of: str | None, bundle: str | None, no_model: bool, as_html: bool) -> None:
    """Print a policy as a page to read; Markdown when the output is not a terminal.

    Example: tsclassify policy show community > community.md
    """
    from tsclassify.policy import Policy
    from tsclassify.policy.page import html_page, page
    from tsclassify.policy.thresholds import resolve

    loaded = Policy.load(policy, as_of=as_of)
    classifier = None if no_model else _classifier(bundle)
    thresholds = resolve(loaded, classifier.info) if classifier is not None else None
    text = html_page(loaded, thresholds) if as_html else page(loaded, thresholds)
    if not as_html and sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text))
    else:
        click.echo(text, nl=False)


@command.command()
@click.argument("folder", metavar="[FOLDER]", required=False, type=click.Path(exists=True, file_okay=False))
@click.option("--again", is_flag=True, help="Lock changed files under their version, which no record carries yet.")
def lock(folder: str | None, again: bool) -> None:
    """Write the version and the hash of every policy in a folder to its policies.lock.

    A locked version keeps its hash: a file that has changed needs a new version first. FOLDER is that of the shipped
    packs if left out; a folder of versions in it belongs to the same lock.

    Example: tsclassify policy lock policies/
    """
    from pathlib import Path

    from tsclassify.policy import Policy
    from tsclassify.policy.lock import LOCK_NAME, Lock, files_under
    from tsclassify.policy.shelf import shipped_folder

    place = shipped_folder() if folder is None else Path(folder)
    before = Lock.read(place / LOCK_NAME)
    policies = [Policy.load(path) for path in files_under(place)]
    if not policies:
        raise PolicyError(f"policy lock: folder must hold policies, got none in {place}")
    after = before.with_policies(policies, again=again)
    after.write()
    new = len(after.hashes) - len(before.hashes)
    click.echo(f"{after.path}: {len(after.hashes)} versions locked, {new} of them new")


@command.command(name="list")
@click.argument("folder", metavar="[FOLDER]", required=False, type=click.Path(exists=True, file_okay=False))
@click.option("--as-of", metavar="DATE", help="Say which versions are in force on this date.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
def list_(folder: str | None, as_of: str | None, as_json: bool) -> None:
    """List policies with their versions, dates, and whether they are locked.

    FOLDER is that of the shipped packs if left out. The last column is what a record carries, and what Policy.load
    takes.

    Example: tsclassify policy list --as-of 2021-01-10
    """
    import datetime as dt
    from pathlib import Path

    from tsclassify.policy import Policy
    from tsclassify.policy.lock import files_under, lock_of
    from tsclassify.policy.shelf import shipped_folder

    try:
        day = None if as_of is None else dt.date.fromisoformat(as_of)
    except ValueError:
        raise PolicyError(f"policy list: as-of must be a date such as 2021-01-10, got {as_of!r}") from None
    rows = []
    for path in files_under(shipped_folder() if folder is None else Path(folder)):
        policy = Policy.load(path)
        since, until = policy.effective.since, policy.effective.until
        in_force = day is not None and since <= day and (until is None or day <= until)
        rows.append(
            {
                "policy": policy.name,
                "version": policy.version,
                "kind": policy.kind,
                "from": since.isoformat(),
                "until": "" if until is None else until.isoformat(),
                "mode": policy.rollout.mode,
                "lock": lock_of(path).state(policy),
                **({} if day is None else {"in_force": in_force}),
                "reference": f"{policy.name}@{policy.version}@{policy.sha256[:12]}",
            }
        )
    rows.sort(key=lambda row: (row["policy"], row["from"]))
    if as_json:
        click.echo("".join(json.dumps(row) + "\n" for row in rows), nl=False)
        return
    if not rows:
        return
    cells = [
        list(rows[0]),
        *([str(value).lower() if value is not None else "" for value in row.values()] for row in rows),
    ]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@command.command()
def schema() -> None:
    """Print the JSON Schema of policy files, for editors.

    Example: tsclassify policy schema > policy.schema.json
    """
    from tsclassify.policy.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
