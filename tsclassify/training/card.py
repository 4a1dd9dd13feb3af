"""What people read of a bundle: the words that weigh most, and the model card, generated from the figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tsclassify.model.trained import TrainedModel
from tsclassify.model.wordclasses import lexicon_from_mapping
from tsclassify.resources import shipped
from tsclassify.taxonomy import CATEGORIES, SIGNALS

__all__ = ["bundle_texts", "model_card", "points_table", "signals_table", "top_features"]

_SHOWN = 40


def bundle_texts(model: TrainedModel) -> dict[str, str]:
    """``top_features.tsv`` and ``CARD.md``, by file name."""
    return {"top_features.tsv": top_features(model), "CARD.md": model_card(model)}


def top_features(model: TrainedModel) -> str:
    """Words with the largest effect, as tab-separated text: category, word, logit.

    The words come from our own posts and from the lexicon; ``logit`` is what a post of that one word adds to the
    bias. Masked words are left out: they all read alike.
    """
    from tsclassify.features.hashed import HashedNgrams

    lexicon = lexicon_from_mapping(model.lexicon)
    masked = {word for word, group in lexicon.words.items() if lexicon.modes[group] == "mask"}
    words = {word for word in lexicon.words if word.isalpha()}
    with shipped("seeds", "written.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            words |= set(re.findall(r"[a-z]{3,}", json.loads(line)["text"].lower()))
    vocabulary = sorted(words - masked)
    features = HashedNgrams(model.spec, lexicon).transform(vocabulary)
    lanes = [model.heads()[name][1] for name in model.categories]
    added = (features @ model.weights[:, lanes].astype(np.float32)) * model.weight_scales[lanes]
    rows = ["category\tword\tlogit\n"]
    for column, name in enumerate(model.categories):
        order = np.argsort(-added[:, column], kind="stable")
        for row in (*order[:_SHOWN], *order[-_SHOWN // 4 :]):
            rows.append(f"{name}\t{vocabulary[row]}\t{added[row, column]:+.3f}\n")
    return "".join(rows)


def model_card(model: TrainedModel) -> str:
    """The model card in Markdown."""
    parts = [
        f"# Model card: {model.name}\n",
        "A linear model over hashed words, word pieces and cue phrases. It scores English posts in seven categories "
        "and fourteen signals; every score is a sum of weights that can be shown.\n",
        "## Intended use\n",
        "To rank and pre-sort posts for people who moderate, host or distribute user content, under a written policy. "
        "Its scores are evidence, not findings of fact: a text reads as a threat or it does not. It does not know "
        "who wrote a post, to whom, or what happened before. Not for acting on a person outside such a policy, not "
        "for predicting what a person will do, not for languages other than English.\n",
        "## What it was trained on\n",
        _data(model),
        "## Figures on held-out rows (split = dev)\n",
        _figures(model),
        "## Operating points (cross-fitted on the labelled rows)\n",
        _reached(model),
        points_table(model),
        "## Signals\n",
        signals_table(model, model.figures["signals"]),
        "## Stated priors\n",
        _priors(model),
        "## Neutrality\n",
        "Given names, family names and public persons of all sides are read as one and the same word, and so are "
        "parties with their followers, and neutral words for identity groups. A sentence therefore gets the same "
        "score whichever listed name, side or group stands in it. Slurs are not masked. A name that is not in the "
        "lists, or that is also a common word, is read as written.\n",
        "## What it gets wrong\n",
        "- It reads words, cue phrases and their order within a few tokens; it does not understand a situation. "
        "Threats and calls that it misses are mostly veiled: a place, a time or a relative is named and no violence; "
        "or they stand in one clause of a long post, or in slurs and spellings that it has not met.\n"
        "- Innocent posts that it ranks high ask for execution or a firing squad in words of law, use violent words "
        "of things, games and sport, report or condemn, or belong to a neighbouring category. Counts of errors that "
        "were read are in docs/model.md.\n"
        "- About one in six threats scores below a twin that differs in a few words and is innocent; a person gets "
        "nearly all of them right.\n"
        "- Glorification and the signals reported, condemned, joking and specific are soft: two readers agree on "
        "them less than on threats, and several signals are never called true.\n"
        "- Who does what to whom is seen only through nearby words; a quoted threat looks much like a threat.\n"
        "- Kinds of place are not masked: a threat against one building may score higher than the same against "
        "another.\n"
        "- Words with most vowels left out keep about nine tenths of the average precision; other disguises more.\n"
        "- Text that is not English scores low by default; the language head marks it, so that a policy sends it to "
        "a person instead of calling it clean. A post of one or two words tells no language.\n",
        "## Licence\n",
        "Apache-2.0 for code and weights; the data sets keep their licences, listed above.\n",
    ]
    return "\n".join(parts)


def _data(model: TrainedModel) -> str:
    seen: dict[tuple[str, str], Mapping[str, Any]] = {}
    for source in model.sources:
        seen.setdefault((source["name"], source.get("repository", "")), source)
    rows = ["| data set | from | licence | rows |", "| --- | --- | --- | --- |"]
    for source in seen.values():
        origin = source.get("repository") or "this project"
        rows.append(f"| {source['name']} | {origin} | {source['licence']} | {source['n_rows']} |")
    n = model.figures["n_rows"]
    text = (
        f"\n{n['labelled']} rows were labelled for this taxonomy by language-model annotators, one reading each "
        f"(agreement with a second reading: docs/taxonomy.md), or written with their labels for this project; "
        f"{n['stated']} of them are drawn as the held-out rows are, and scores, thresholds and priors are stated on "
        f"those; the others are hard rows and minimal pairs, for fitting only. {n['soft']} more texts of the same "
        "sources carry soft labels of a small transformer fine-tuned on labelled rows. "
        f"{_source_heads(model)}Only sources whose licence "
        "allows a trained model to be passed on were used; test sets and dev rows were left out.\n"
    )
    return "\n".join(rows) + "\n" + text


def _source_heads(model: TrainedModel) -> str:
    """A sentence on heads of the sources' own labels, where there are any."""
    stated = model.figures.get("source_heads", {})
    parts = []
    for category in CATEGORIES:
        weights = stated.get("weights", {}).get(category, {})
        shown = [
            f"{name} {weight:.2f}"
            for name, weight in sorted(weights.items(), key=lambda one: -one[1])
            if weight >= 0.005
        ]
        if shown:
            parts.append(f"{category} ({', '.join(shown)})")
    if not parts:
        return ""
    return (
        f"Of {stated['n_heads']} heads fitted on labels of the sources themselves, these add to a category, each logit "
        f"at the weight given: {'; '.join(parts)}. "
    )


def _figures(model: TrainedModel) -> str:
    rows = ["| category | average precision | calibration error | positives of rows |", "| --- | --- | --- | --- |"]
    for name in CATEGORIES:
        row = model.figures["dev"][name]
        rows.append(f"| {name} | {row['ap']:.3f} | {row['ece']:.3f} | {row['n_positive']} of {row['n_items']} |")
    return "\n".join(rows) + "\n"


def _reached(model: TrainedModel) -> str:
    """Says plainly what recall is left at a precision of 0.95."""
    parts = []
    for name in CATEGORIES[:3]:
        recalls = [point.recall for point in model.operating_points[name] if point.precision >= 0.95]
        parts.append(f"{name} {max(recalls):.2f}" if recalls else f"{name} none")
    return f"Recall that is left at a precision of at least 0.95: {', '.join(parts)}.\n"


def points_table(model: TrainedModel) -> str:
    """Operating points of every category, in Markdown."""
    rows = [
        "| category | threshold | precision (95 %) | recall (95 %) | positives |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in model.categories:
        for p in model.operating_points.get(name, ()):
            rows.append(
                f"| {name} | {p.threshold:.3f} | {p.precision:.3f} ({p.precision_low:.2f} to {p.precision_high:.2f}) "
                f"| {p.recall:.3f} ({p.recall_low:.2f} to {p.recall_high:.2f}) | {p.n_positive} |"
            )
    return "\n".join(rows) + "\n"


def signals_table(model: TrainedModel, figures: Mapping[str, Mapping[str, float]] | None = None) -> str:
    """Bands of the signals, in Markdown, with what was measured where it is known."""
    rows = ["| signal | average precision | false below | true from |", "| --- | --- | --- | --- |"]
    for name in SIGNALS:
        band = model.signal_bands[name]
        yes = f"{band.yes_from:.3f}" if band.yes_from <= 1.0 else "never"
        no = f"{band.no_below:.3f}" if band.no_below > 0.0 else "never"
        measured = f"{figures[name]['ap']:.3f}" if figures else "as the base's card says"
        rows.append(f"| {name} | {measured} | {no} | {yes} |")
    return "\n".join(rows) + "\n\nBetween the two a signal is unknown. Measured on labelled posts that reach review.\n"


def _priors(model: TrainedModel) -> str:
    stated = ", ".join(f"{name} {model.priors[name]:.3f}" for name in CATEGORIES)
    head = "| random sample of | rows | " + " | ".join(CATEGORIES) + " |"
    rows = [head, "| --- |" + " --- |" * (len(CATEGORIES) + 1)]
    for source, shares in model.figures["random_sample_share"].items():
        cells = " | ".join(f"{shares[name]:.3f}" for name in CATEGORIES)
        rows.append(f"| {source} | {int(shares['n_items'])} | {cells} |")
    return (
        f"Scores are probabilities at these shares of positives, those of the labelled rows: {stated}. Those rows were "
        "picked for being violent; in a live stream positives are far rarer, and `Scores.at_prior` re-expresses a "
        "score for it. Shares in random samples:\n\n" + "\n".join(rows) + "\n"
    )
