# ruff: noqa: E501
"""Write docs/model.md from docs/figures/{quality,ablation,errors}.json and the shipped bundle's manifest.

Run from the repository root: ``python benchmarks/model_page.py``
"""

from __future__ import annotations

import json
from pathlib import Path

FIGURES = Path("docs/figures")

HEAD = """# The model: what was tried, what it measures, what it gets wrong

This page is written by `benchmarks/model_page.py` from stored runs (`docs/figures/`). `benchmarks/quality.py` measures the
shipped bundle beside the baseline on the same rows. All figures are on rows that no model saw in training:
`dev` is the held-out split of the sources that may be trained on, `eval` are rows of sources that may only measure.

## How it is trained

1. **Rows.** Labelled rows of `use = train` sources and posts written for this project. To them come, for training only,
   *contrasts*: minimal pairs, a post with violence or hate and a twin without that shares most of its words
   (`seeds/contrasts.jsonl`), and *further* rows: public texts of the same sources of which a teacher was unsure or which
   a model scored high, read once by language-model readers under the guideline of the first rows
   (`seeds/labels/further.tsv`). Both were written and read without sight of dev rows. *Found* rows are public texts that a
   bundle took for violence, or that were drawn at random (`seeds/labels/found.tsv`); *everyday* and *composed* posts are
   our own. Texts of some everyday sources count as free of every category, unread. Dev rows, their near copies, excluded
   texts and public test sets are left out (`tsclassify/training/training_set.py`).
2. **Soft labels.** Small transformers (MiniLM, 384 dimensions, six layers) were fine-tuned and scored all other texts of the
   same sources; the mean of two is kept by text hash in `seeds/labels/teacher.npz` (`tsclassify/training/teacher.py`). One had
   seen the labelled rows; the other in two passes the labelled rows, the contrasts but the last 2,400, and the further
   rows. Neither has seen the found rows or the sources that were added with them. One source's own label counts beside them by a stated share (`trust` in
   `seeds/training.toml`).
3. **Features.** Words, pairs, skip pairs, pieces of words, negated words, post flags, and *cue chains*: the words of a post
   that belong to a group of the lexicon (first person, intent, violence, weapon, place, time, negation, report ...), in order,
   the rest skipped, as pairs and triples of group names. Names, political sides and identity groups are one word each. A
   word also has its *skeleton*, itself without vowels, so that dropped vowels hide less. The article before a name or a
   side goes.
4. **Fit.** Logistic heads with soft targets and a ridge of its own strength each, by dual coordinate ascent; inverse
   document frequency scales the columns in training and is folded into the weights; minimal pairs add a ranking loss; a
   disguised copy of each labelled row adds a little.
5. **Source heads.** The sources' own labels have another sense than ours and are noisier, but there are many more of them.
   For each of {n_source_heads} such labels a head is fitted under a strong ridge on the texts of its source; a small logistic regression on
   logits of rows that neither has seen gives each category its own head and, with weights of at least 0, source heads
   (`stack` in `seeds/training.toml`). Gab's `hd` and `cv`, the labels nearest to the model case, have a stated least weight,
   which costs a little elsewhere (below). It was set with the figures of the Gab test in sight, and cross-validation would
   have given `hd` none, so those two figures are not blind. A sum of linear heads is one linear head: scoring and
   explaining pay nothing for it. Weights are rounded to int8 with one scale per head.
6. **Passages.** How the logit of a post comes of that of the whole post and that of its strongest window is fitted on
   out-of-fold logits of labelled posts, and of some of them put within innocent text of the same fold.
7. **Calibration.** Strictly rising piecewise linear maps of out-of-fold logits of the rounded heads; thresholds are
   measured on the same out-of-fold scores, without the rows that were added for training only: those are harder than what
   the dev rows stand for. Bands of signals are measured on all labelled rows but the composed ones.
"""


def number(value: object) -> str:
    """Three places, or a dash."""
    return f"{value:.3f}" if isinstance(value, float) and value == value else "-"


def quality(data: dict) -> list[str]:  # type: ignore[type-arg]
    """Tables of the acceptance figures."""
    models = data["models"]
    names = list(models)
    lines = ["## Ranking", "", "Average precision (chance is the share of positives).", ""]
    lines += ["| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for part in ("dev", "eval"):
        keys = [key for key in models["ours"][part] if key != "macro"]
        for key in (*keys, "macro"):
            shown = f"**{part} macro**" if key == "macro" else f"{part} {key}"
            lines.append(f"| {shown} | " + " | ".join(number(models[name][part].get(key)) for name in names) + " |")
    for key, shown in (
        ("edos_category_1", "EDOS test, category 1 (highest of threat, call and wish)"),
        ("gab_hd", "Gab test, hd"),
        ("gab_cv", "Gab test, cv (highest of threat and call)"),
        ("gab_cv_wish", "Gab test, cv (highest of threat, call and wish)"),
    ):
        shown += f", {data['public_positives'][key.removesuffix('_wish')]} positives"
        lines.append(f"| {shown} | " + " | ".join(number(models[name].get(key)) for name in names) + " |")
    for key, count, shown in (
        ("pairs", "n_pairs", "minimal pairs in the right order"),
        ("facility_pairs", "n_facility_pairs", "facility pairs in the right order (facility head)"),
    ):
        n = models["ours"]["order"][count]
        cells = " | ".join(number(float(models[name]["order"][key])) for name in names)
        lines.append(f"| {shown}, n = {n} | {cells} |")
    for part in ("dev", "eval"):
        low, high = data[f"{part}_gain_interval"]
        gain = models["ours"][part]["macro"] - models["baseline"][part]["macro"]
        lines += ["", f"Gain over the baseline, {part} macro: {gain:+.3f} (95 % bootstrap {low:+.3f} to {high:+.3f})."]
        if "teacher" in models:
            gap = models["teacher"][part]["macro"] - models["baseline"][part]["macro"]
            lines[-1] += f" That is {gain / gap:.0%} of the way to the teacher."
    lines += ["", "## Acting on innocent posts", ""]
    acts = ", ".join(f"{name} {value:.2f}" for name, value in data["act_thresholds"].items())
    lines += [f"At the act thresholds of `hosting-provider` ({acts}), any of them reached:", ""]
    lines += ["| texts | n | share that acts |", "| --- | --- | --- |"]
    for name, row in data["false_alarms"].items():
        lines.append(f"| {name} | {row['n']} | {row['share']:.3%} |")
    lines += ["", "| category | recall on dev rows there | precision |", "| --- | --- | --- |"]
    for name, value in data["recall_at_act"].items():
        lines.append(f"| {name} | {value:.3f} | {number(data['precision_at_act'].get(name))} |")
    lines += ["", "## Disguise, mid strength", "", "| disguise | macro AP kept | innocent rows newly acting |"]
    lines += ["| --- | --- | --- |"]
    for name, row in data["disguised"].items():
        lines.append(f"| {name} | {row['kept']:.1%} | {row['added_alarms']:.2%} |")
    lines += ["", "## Swaps", "", "Largest gap over the categories that may act, per sentence.", ""]
    lines += ["| swap | sentences | mean gap | largest gap | decisions that flip |", "| --- | --- | --- | --- | --- |"]
    for name, row in data["swaps"].items():
        lines.append(f"| {name} | {row['n']} | {row['mean_gap']:.4f} | {row['largest_gap']:.3f} | {row['flips']:.2%} |")
    lines += ["", "A facility is not masked: a hospital and a stadium may differ, and do.", ""]
    if data.get("identity"):
        lines += ["## Posts that name an identity group", ""]
        lines += [
            "ROC AUC on dev rows: of the posts that name the group; of positives elsewhere against innocent posts that "
            "name it (BPSN, low when the name alone raises scores); of positives that name it against innocent posts "
            "elsewhere (BNSP, low when the name lowers them), with 95 % intervals. Source: Borkan et al. 2019.",
            "",
        ]
        lines += ["| group | category | positive | innocent | subgroup | BPSN | BNSP | all |", "| --- |" + " --- |" * 7]
        for row in data["identity"]:
            aucs = " | ".join(
                f"{row[key]:.3f} ({row[key + '_low']:.3f}-{row[key + '_high']:.3f})"
                for key in ("subgroup_auc", "bpsn_auc", "bnsp_auc")
            )
            lines.append(
                f"| {row['group']} | {row['category']} | {row['n_positive']} | {row['n_negative']} | {aucs} "
                f"| {row['overall_auc']:.3f} |"
            )
        lines.append("")
    lines += ["## Calibration", "", "| category | expected calibration error on dev rows |", "| --- | --- |"]
    lines += [f"| {name} | {value:.4f} |" for name, value in data["ece"].items()]
    return [*lines, ""]


def ablation(rows: list[dict]) -> list[str]:  # type: ignore[type-arg]
    """The table of what was tried."""
    lines = ["## What was tried", ""]
    lines.append(
        "Each row was trained on four fifths of the training rows and chosen by macro average precision on the fifth "
        "(cv); dev and eval are reported, not used. Pairs: share of minimal pairs in the right order, about 75 of each."
    )
    group = ""
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            lines += ["", f"**{group[0].upper()}{group[1:]}**", ""]
            lines += ["| tried | cv | dev | eval | pairs cv | pairs dev |", "| --- | --- | --- | --- | --- | --- |"]
        cells = " | ".join(number(row.get(key)) for key in ("cv", "dev", "eval", "pairs_cv", "pairs_dev"))
        lines.append(f"| {row['what']} | {cells} |")
    return [*lines, ""]


def curve(rows: list[dict]) -> list[str]:  # type: ignore[type-arg]
    """Learning curve: the settings of the first round with fewer rows."""
    lines = [
        "## How it grows with rows",
        "",
        "Measured with the settings of the first round, before contrasts and further",
    ]
    lines[-1] += " rows; what those add stands in the tables above."
    lines += ["", "| labelled rows | soft labels | dev macro | eval macro |"]
    lines.append("| --- | --- | --- | --- |")
    lines += [f"| {row['labelled']} | {row['soft']} | {row['dev']:.3f} | {row['eval']:.3f} |" for row in rows]
    return [*lines, ""]


def errors(data: dict) -> list[str]:  # type: ignore[type-arg]
    """Errors, sorted by kind, in our own words."""
    lines = ["## What it gets wrong", ""]
    lines += [f"- {sentence}" for sentence in data.get("summary", [])]
    lines += ["", data["how"], ""]
    for part in data["parts"]:
        lines += [f"**{part['title']}**", "", "| kind | of the errors read |", "| --- | --- |"]
        lines += [f"| {kind} | {count} |" for kind, count in part["kinds"]]
        lines.append("")
    return lines


def main() -> None:
    manifest = json.loads(Path("models/en-v1/manifest.json").read_text(encoding="utf-8"))
    parts = [HEAD.replace("{n_source_heads}", str(manifest["figures"]["source_heads"]["n_heads"]))]
    for name, render in (("quality", quality), ("ablation", ablation), ("learning_curve", curve), ("errors", errors)):
        file = FIGURES / f"{name}.json"
        if file.exists():
            parts.append("\n".join(render(json.loads(file.read_text(encoding="utf-8")))))  # type: ignore[operator]
    Path("docs/model.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
