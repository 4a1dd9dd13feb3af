"""Readers of the public files as they are: encodings, missing headers, stray carriage returns, repeated rows.

Each reader yields every record of a file in file order; ``tsclassify.data.corpus`` drops repetitions. Texts are
whole, with white space as the source has it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tsclassify.data.registry import PublicFile

__all__ = ["Record", "read_records"]

# Wikipedia talk pages hold comments longer than the 131,072 characters that csv allows by default.
csv.field_size_limit(10_000_000)


class Record(NamedTuple):
    """One record of a public file: its text, the source's own label, and the source's own id (or empty)."""

    text: str
    label: str
    key: str = ""


def read_records(file: PublicFile, content: bytes) -> Iterator[Record]:
    """Read the records of one public file.

    Parameters
    ----------
    file
        Entry of the registry; its name chooses the reader.
    content
        Bytes of the file, already checked.
    """
    return _READERS[file.name](content, file.path_here)


def _table(
    content: bytes, *, tabs: bool = False, is_quoted: bool = True, encoding: str = "utf-8"
) -> Iterator[list[str]]:
    text = content.decode(encoding)
    if "\n" in text and "\r" in text.replace("\r\n", ""):
        # dynahate writes carriage returns inside unquoted fields, which csv would take for the end of a row.
        text = text.replace("\r\n", "\n").replace("\r", "\v")
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
    )


def _named(rows: Iterator[list[str]]) -> Iterator[dict[str, str]]:
    names = next(rows)
    return (dict(zip(names, row, strict=True)) for row in rows)


def _columns(text: str, label: str, *, tabs: bool = False) -> Callable[[bytes, str], Iterator[Record]]:
    """Reader of a table with a header, its text in one column and its label in another."""

    def read(content: bytes, path: str) -> Iterator[Record]:
        return (Record(row[text], row[label]) for row in _named(_table(content, tabs=tabs)))

    return read


def _flags(row: dict[str, str], names: Sequence[str]) -> str:
    return "+".join(name for name in names if row[name] in ("1", "1.0")) or "none"


def _threatgram101(content: bytes, path: str) -> Iterator[Record]:
    return (Record(reply["reply"], str(reply["Label"])) for reply in json.loads(content))


def _hatemoji_build(content: bytes, path: str) -> Iterator[Record]:
    for row in _named(_table(content)):
        yield Record(row["text"], row["type"] if row["label_gold"] == "1" else "none")


def _hatemoji_check(content: bytes, path: str) -> Iterator[Record]:
    for row in _named(_table(content)):
        yield Record(row["text"], ("hate" if row["label_gold"] == "1" else "nothate") + f"/{row['functionality']}")


def _gab_hate_corpus(content: bytes, path: str) -> Iterator[Record]:
    for row in _named(_table(content, tabs=True)):
        yield Record(row["text"], _flags(row, ("hd", "cv", "vo")))


def _implicit_hate(content: bytes, path: str) -> Iterator[Record]:
    # the second file gives the kinds of the posts that the first one calls implicit_hate
    for row in _named(_table(content, tabs=True)):
        yield Record(row["post"], row["class"] if "class" in row else f"implicit_hate/{row['implicit_class']}")


def _goemotions(content: bytes, path: str) -> Iterator[Record]:
    # no header, and quotation marks are part of the text
    for text, emotions, key in _table(content, tabs=True, is_quoted=False):
        yield Record(text, emotions, key)


def _disaster_tweets(content: bytes, path: str) -> Iterator[Record]:
    if path.endswith("train.csv"):
        yield from (
            Record(row["text"], "Relevant" if row["target"] == "1" else "Not Relevant")
            for row in _named(_table(content))
        )
        return
    # rows end in a bare carriage return; read as latin-1 it holds the same texts as train.csv, byte for byte
    rows = _named(csv.reader(io.StringIO(content.decode("latin-1"), newline="")))
    yield from (Record(row["text"], row["choose_one"]) for row in rows)


def _convabuse(content: bytes, path: str) -> Iterator[Record]:
    # the header repeats one name, so rows are read by position; ratings run from 1 (not abusive) to -3
    rows = _table(content)
    names = next(rows)
    ratings = [(at, name.split(".")[1]) for at, name in enumerate(names) if "_is_abuse." in name]
    user, example = names.index("user"), names.index("example_id")
    for row in rows:
        yield Record(row[user], ",".join(sorted(level for at, level in ratings if row[at] == "1")), row[example])


def _jigsaw(content: bytes, path: str) -> Iterator[Record]:
    names = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
    for row in _named(_table(content)):
        if row["comment_text"] != "#NAME?":  # what a spreadsheet made of a comment that starts with "="
            yield Record(row["comment_text"], _flags(row, names), row.get("id", ""))


def _dynahate(content: bytes, path: str) -> Iterator[Record]:
    return (Record(row["text"], "hate" if row["label"] == "1" else "nothate") for row in _named(_table(content)))


def _crisislex(content: bytes, path: str) -> Iterator[Record]:
    # the header's names begin with blanks; the text is the second column, how far it informs the last
    rows = _table(content)
    next(rows)
    return (Record(row[1], row[-1], row[0].strip("'")) for row in rows)


def _havoc(content: bytes, path: str) -> Iterator[Record]:
    # two texts a row, of which the label speaks of the first only
    for row in _named(_table(content, tabs=True, is_quoted=False)):
        yield Record(row["Prefix"], "+".join(re.findall(r"\w+", row["PrefixLab"])))
        yield Record(row["Suffix"], "unlabelled")


def _misogyny_eacl21(content: bytes, path: str) -> Iterator[Record]:
    for row in _named(_table(content)):
        levels = (row["level_1"], row["level_2"], row["level_3"])
        yield Record(row["body"], "/".join(level for level in levels if level), row["entry_id"])


def _tatoeba(content: bytes, path: str) -> Iterator[Record]:
    # one sentence a line; the file's name ends in the code of its language
    language = path.rpartition(".")[2]
    return (Record(line, language) for line in content.decode("utf-8").split("\n"))


def _ubuntu_irc(content: bytes, path: str) -> Iterator[Record]:
    # what is no message, "[time] <nick> words", is of the server: who comes and goes, notices
    for line in content.decode("utf-8").split("\n"):
        message = re.match(r"\[\d\d:\d\d\] <[^>]*> (.+)", line)
        if message:
            yield Record(message[1], "")


def _sgd_dialogues(content: bytes, path: str) -> Iterator[Record]:
    for dialogue in json.loads(content):
        yield from (Record(turn["utterance"], turn["speaker"]) for turn in dialogue["turns"])


def _ag_news(content: bytes, path: str) -> Iterator[Record]:
    return (Record(description, topic) for topic, _, description in _table(content))


_READERS: dict[str, Callable[[bytes, str], Iterator[Record]]] = {
    "ag_news": _ag_news,
    "civil_comments_sample": _columns("text", "label"),
    "conda": _columns("utterance", "intentClass"),
    "convabuse": _convabuse,
    "crisislex_t26": _crisislex,
    "crisislex_t6": _crisislex,
    "davidson": _columns("tweet", "class"),
    "disaster_tweets": _disaster_tweets,
    "dynahate": _dynahate,
    "edos": _columns("text", "label_category"),
    "gab_hate_corpus": _gab_hate_corpus,
    "goemotions": _goemotions,
    "hatemoji_build": _hatemoji_build,
    "hatemoji_check": _hatemoji_check,
    "hatexplain": _columns("comment", "label"),
    "havoc": _havoc,
    "implicit_hate": _implicit_hate,
    "jigsaw": _jigsaw,
    "measuring_hate_speech": _columns("text", "label"),
    "misogyny_eacl21": _misogyny_eacl21,
    "sgd_dialogues": _sgd_dialogues,
    "social_sentinel": _columns("text", "flag"),
    "tatoeba": _tatoeba,
    "threatgram101": _threatgram101,
    "ubuntu_irc": _ubuntu_irc,
    "xstest": _columns("prompt", "type"),
}
