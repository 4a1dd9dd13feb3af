"""What the summary names: figures that pass a stated limit by more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tsclassify.evaluation.tables import Problem, Table

__all__ = ["LIMITS", "find_problems"]

LIMITS: Final[Mapping[str, float]] = {
    "mean_gap": 0.02,
    "largest_gap": 0.10,
    "flip_share": 0.005,
    "group_shift": 0.03,
    "ece_excess": 0.02,
    "ece_p": 0.001,
    "auc_drop": 0.05,
    "ap_kept_mid": 0.90,
    "false_alarms_added_mid": 0.002,
    "few_positives": 30,
}
"""The limits. Gaps, flips, calibration and robustness: the project's release gates; the others are ours."""


def find_problems(tables: Mapping[str, Table]) -> tuple[Problem, ...]:
    """All problems in the tables of one report, the gravest kind first."""
    problems: list[Problem] = []
    for check, name in (
        (_group_bias, "swap_groups"),
        (_swaps, "swaps"),
        (_identity, "identity"),
        (_calibration, "ranking"),
        (_robustness, "disguises"),
        (_few, "ranking"),
    ):
        if name in tables:
            problems += check(tables[name])
    return tuple(problems)


def _group_bias(table: Table) -> list[Problem]:
    """One problem per swap list: every group whose name moves scores, with the category it moves most."""
    worst: dict[str, dict[str, tuple[float, str]]] = {}
    for row in table:
        surely = row["shift_low"] > 0 or row["shift_high"] < 0
        groups = worst.setdefault(row["swap"], {})
        size = abs(row["shift"])
        if row["n_posts"] < 2 or not surely or not size > max(LIMITS["group_shift"], groups.get(row["group"], (0,))[0]):
            continue
        side = "raises" if row["shift"] > 0 else "lowers"
        source = "templates" if row["source"] == "templates" else "rows of the data"
        groups[row["group"]] = (
            size,
            f"'{row['group']}' {side} the {row['category']} score by {size:.2f} ({row['n_posts']} posts, {source})",
        )
    out = []
    for name, groups in worst.items():
        if groups:
            told = [text for _, text in sorted(groups.values(), reverse=True)]
            limit = f"against the same posts about others (limit {LIMITS['group_shift']:.2f})"
            out.append(Problem("bias", f"Bias in {name} swaps: naming {_and(told)}, {limit}.", "swap_groups"))
    return out


def _swaps(table: Table) -> list[Problem]:
    """One problem per swap list and source: its largest gap, the categories whose mean gap is wide, and flips."""
    out = []
    for name, source in dict.fromkeys((row["swap"], row["source"]) for row in table):
        rows = table.where(swap=name, source=source)
        wide = [row for row in rows if row["category"] != "decision" and row["mean_gap"] > LIMITS["mean_gap"]]
        faults = [f"a mean score gap of {row['mean_gap']:.3f} in {row['category']}" for row in wide]
        if faults:
            faults[-1] += f" (limit {LIMITS['mean_gap']:.2f})"
        for row in rows:
            if row["category"] != "decision":
                continue
            if row["largest_gap"] > LIMITS["largest_gap"]:
                faults.append(f"a largest gap of {row['largest_gap']:.2f} (limit {LIMITS['largest_gap']:.2f})")
            if row["flip_share"] > LIMITS["flip_share"]:
                faults.append(
                    f"{row['flips']:,} of {row['n_pairs']:,} decisions flipped ({row['flip_share']:.1%}; limit "
                    f"{LIMITS['flip_share']:.1%})"
                )
        if faults:
            where = "templates" if source == "templates" else "rows of the data"
            out.append(Problem("neutrality", f"Neutrality: {name} swaps in {where} show {_and(faults)}.", "swaps"))
    return out


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _identity(table: Table) -> list[Problem]:
    """One problem per category and kind of AUC, with every group below."""
    out = []
    for category in dict.fromkeys(row["category"] for row in table):
        rows = table.where(category=category)
        for name, meaning in (
            ("bpsn_auc", "innocent posts that name the group score too high"),
            ("bnsp_auc", "violent posts that name the group score too low"),
            ("subgroup_auc", "posts that name the group are ranked worse among themselves"),
        ):
            below = [row for row in rows if row[f"{name}_high"] < row["overall_auc"] - LIMITS["auc_drop"]]
            if not below:
                continue
            below.sort(key=lambda row: float(row[name]))
            told = ", ".join(f"'{row['group']}' {row[name]:.2f}" for row in below)
            title = {"bpsn_auc": "BPSN", "bnsp_auc": "BNSP", "subgroup_auc": "subgroup"}[name]
            overall = f"{below[0]['overall_auc']:.2f} overall"
            message = f"Ranking of {category}: {title} AUC is {told} against {overall}: {meaning}."
            out.append(Problem("identity_ranking", message, "identity"))
    return out


def _calibration(table: Table) -> list[Problem]:
    out = []
    for row in table:
        if row.get("ece") is None or row["category"] == "macro":
            continue
        if row["ece_p"] <= LIMITS["ece_p"] and row["ece"] - row["ece_expected"] > LIMITS["ece_excess"]:
            too = "high" if row["mean_score"] > row["positive_share"] else "low"
            at = f" at the stated prior {row['prior']:.3g}" if row["prior"] is not None else ""
            out.append(
                Problem(
                    "miscalibration",
                    f"Calibration: {row['category']} scores are off by {row['ece']:.3f} on average{at}, where a "
                    f"calibrated model would show {row['ece_expected']:.3f} on these rows; scores are too {too} "
                    f"overall (mean score {row['mean_score']:.3f}, share of positives {row['positive_share']:.3f}).",
                    "ranking",
                )
            )
    return out


def _robustness(table: Table) -> list[Problem]:
    """One problem for AP lost and one for false alarms added, over all kinds of disguise."""
    rows = table.where(strength="mid", category="macro")
    lost = [f"{row['disguise']} {row['ap_kept']:.0%}" for row in rows if row["ap_kept"] < LIMITS["ap_kept_mid"]]
    added = [
        f"{row['disguise']} {row['false_alarms_added']:.2%}"
        for row in rows
        if row["false_alarms_added"] > LIMITS["false_alarms_added_mid"]
    ]
    out = []
    if lost:
        limit = f"(limit {LIMITS['ap_kept_mid']:.0%})"
        message = f"Robustness: average precision kept under mid-strength disguise is low: {', '.join(lost)} {limit}."
        out.append(Problem("robustness", message, "disguises"))
    if added:
        limit = f"(limit {LIMITS['false_alarms_added_mid']:.1%})"
        message = f"Robustness: disguising innocent posts adds false alarms: {', '.join(added)} {limit}."
        out.append(Problem("robustness", message, "disguises"))
    return out


def _few(table: Table) -> list[Problem]:
    few = [
        row["category"]
        for row in table
        if row["n_positive"] is not None and row["n_positive"] < LIMITS["few_positives"]
    ]
    if not few:
        return []
    message = (
        f"Few positives: {', '.join(few)} have fewer than {LIMITS['few_positives']:.0f}; their figures say little."
    )
    return [Problem("few_positives", message, "ranking")]
