"""The model card and the top words of a bundle of one's own."""

from __future__ import annotations

from tsclassify.model.trained import TrainedModel
from tsclassify.training.card import points_table, signals_table, top_features

__all__ = ["bundle_texts"]


def bundle_texts(model: TrainedModel) -> dict[str, str]:
    """``top_features.tsv`` and ``CARD.md``, by file name."""
    return {"top_features.tsv": top_features(model), "CARD.md": _card(model)}


def _card(model: TrainedModel) -> str:
    base = model.figures["base"]
    parts = [
        f"# Model card: {model.name}\n",
        f"A model of one's own, from {base['name']} ({base['sha256'][:12]}). Intended use, limits and neutrality are "
        f"those of {base['name']}, whose card says them; what follows is what own labels changed.\n",
        "## Categories of its own\n",
        "\n".join(f"- `{name}`: {meaning}" for name, meaning in model.added.items()) + "\n"
        if model.added
        else "None.\n",
        "## Labels and figures\n",
        _figures(model),
        "## Operating points\n",
        points_table(model),
        "## Signals\n",
        f"As in {base['name']}.\n",
        signals_table(model),
        "## Stated priors\n",
        "Scores are probabilities at these shares of positives: "
        f"{', '.join(f'{name} {model.priors[name]:.4f}' for name in model.categories)}. Those of the categories above "
        "are those of the own rows; where a live stream holds fewer, `Scores.at_prior` re-expresses a score.\n",
        "## Licence\n",
        f"That of {base['name']} for what comes from it; the own rows keep the licence that their owner gives.\n",
    ]
    return "\n".join(parts)


def _figures(model: TrainedModel) -> str:
    rows = []
    if "fit" in model.figures:
        rows = [
            "Each row scored by heads that were fitted without it; 95 % intervals.\n",
            "| category | average precision | of the base | difference | calibration error | positives of rows |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
    for name, row in model.figures.get("fit", {}).items():
        known = "base_ap" in row
        base = f"{row['base_ap']:.3f}" if known else "new"
        gain = f"{row['gain']:+.3f} ({row['gain_low']:+.3f} to {row['gain_high']:+.3f})" if known else ""
        rows.append(
            f"| {name} | {row['ap']:.3f} ({row['ap_low']:.2f} to {row['ap_high']:.2f}) | {base} | {gain} "
            f"| {row['ece']:.3f} | {row['n_positive']} of {row['n_items']} |"
        )
    if "calibrated" in model.figures:
        rows += [
            "Scores calibrated anew, the heads as they were.\n",
            "| category | calibration error before | after | average precision | positives of rows |",
            "| --- | --- | --- | --- | --- |",
        ]
    for name, row in model.figures.get("calibrated", {}).items():
        rows.append(
            f"| {name} | {row['ece_before']:.3f} | {row['ece']:.3f} | {row['ap']:.3f} "
            f"| {row['n_positive']} of {row['n_items']} |"
        )
    kept = ", ".join(model.figures.get("kept", {}))
    return "\n".join(rows) + (f"\n\nAs in the base, for want of labels: {kept}.\n" if kept else "\n")
