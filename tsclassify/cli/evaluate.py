"""``tsclassify evaluate``: measure a bundle on labelled data, write the report, check gates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tsclassify.evaluation import Report

__all__ = ["command"]

_RELEASE = "release"


@click.command()
@click.argument("model")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--policy", help="Policy by name or path: measure its thresholds and decisions.")
@click.option("--slice", "slices", multiple=True, metavar="FIELD", help="Field to slice by; repeat for more.")
@click.option("--suite", "suites", multiple=True, help="Suite by name or CSV in HateCheck's layout; repeat for more.")
@click.option(
    "--swaps", multiple=True, help="Swap list by name or TOML file; repeat for more. Default: the shipped ones."
)
@click.option("--peer", "peers", multiple=True, metavar="BUNDLE", help="Another bundle, measured beside it.")
@click.option("--groups", metavar="FIELD", help="Resample rows with the same value of FIELD together.")
@click.option(
    "--prevalence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of positives in the stream, for alert volume.",
)
@click.option("--fields", default="", metavar="PART=NAME,...", help="Names in the data, e.g. text=body,id=user.id.")
@click.option("--draws", default=1000, show_default=True, type=click.IntRange(1), help="Bootstrap draws.")
@click.option("--seed", default=0, show_default=True, help="Seed of every draw.")
@click.option(
    "--max-rows", default=5000, show_default=True, type=click.IntRange(1), help="Most rows that are disguised."
)
@click.option("--no-disguises", is_flag=True, help="Leave out the disguised rows.")
@click.option("--show-text", is_flag=True, help="Put texts of errors into the report.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the report as one page.")
@click.option("--json", "stored", type=click.Path(path_type=Path), help="Write the figures, to be read again.")
@click.option(
    "--fail-under",
    type=click.Path(path_type=Path),
    metavar="GATES",
    help="TOML file of gates, or 'release'; exit status 3 when one fails.",
)
def command(
    model: str,
    data: Path,
    policy: str | None,
    slices: tuple[str, ...],
    suites: tuple[str, ...],
    swaps: tuple[str, ...],
    peers: tuple[str, ...],
    groups: str | None,
    prevalence: float | None,
    fields: str,
    draws: int,
    seed: int,
    max_rows: int,
    no_disguises: bool,
    show_text: bool,
    html: Path | None,
    stored: Path | None,
    fail_under: Path | None,
) -> None:
    """Measure MODEL (a bundle) on DATA (labelled JSONL, CSV, TSV or Parquet) and print what was found.

    Example: tsclassify evaluate en-v1 dev.jsonl --policy hosting-provider --html report.html
    """
    from tsclassify.classifier import load
    from tsclassify.cli.naming import parse_fields
    from tsclassify.errors import GateError
    from tsclassify.evaluation import evaluate, read_gates
    from tsclassify.evaluation.swaps import SWAP_LISTS
    from tsclassify.resources import shipped

    gates = None
    if fail_under is not None:
        # read before the measuring, so that a fault in the file is told at once
        shipped_gates = str(fail_under) == _RELEASE and not fail_under.exists()
        gates = read_gates(shipped("seeds", "gates.toml") if shipped_gates else fail_under)
    report = evaluate(
        load(model),
        data,
        policy=policy,
        slices=slices,
        suites=suites or None,
        swaps=swaps or SWAP_LISTS,
        disguises=not no_disguises,
        peers={name: load(name) for name in peers} or None,
        groups=groups,
        prevalence=prevalence,
        seed=seed,
        n_boot=draws,
        show_text=show_text,
        max_rows=max_rows,
        fields=parse_fields(fields),
    )
    _print(report)
    for path in (html, stored):
        if path is not None:
            click.echo(f"wrote {report.save(path)}", err=True)
    if gates is not None:
        failed = report.check(gates)
        if failed:
            lines = "\n".join(f"  {gate}" for gate in failed)
            raise GateError(f"gates: all {len(gates)} must hold, got {len(failed)} that fail:\n{lines}")
        click.echo(f"all {len(gates)} gates hold", err=True)


def _print(report: Report) -> None:
    from tsclassify.cli.tables import print_table
    from tsclassify.terminal import plain

    meta = report.meta
    click.echo(plain(f"{meta['model']} on {meta['n_items']:,} posts, {meta['n_boot']} draws, seed {meta['seed']}"))
    rows = [
        (
            row["category"],
            f"{row['n_positive']:,}" if row["n_positive"] is not None else "",
            f"{row['ap']:.3f}",
            f"{row['ap_low']:.3f}–{row['ap_high']:.3f}",
            f"{row['auc']:.3f}",
            f"{row['ece']:.3f}" if "ece" in row else "",
        )
        for row in report["ranking"]
    ]
    print_table(("category", "positives", "AP", "95 % interval", "AUC", "ECE"), rows)
    if not report.problems:
        click.echo("no problem above the stated limits")
    for problem in report.problems:
        click.echo(plain(f"- {problem.message}"))
