"""Public data: registry, checksums, download, readers, and the annotation joined by hash."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tsclassify.cli import main
from tsclassify.cli.data import command
from tsclassify.data import corpus, files, raw, readers, registry
from tsclassify.errors import DataError, InputError
from tsclassify.resources import shipped
from tsclassify.taxonomy import parse_code

_REPOSITORY = Path(__file__).resolve().parents[1]

# Unique texts per source after normalization of white space, counted once on the registered files.
_N_TEXTS = {
    "threatgram101": 14_639,
    "edos": 20_000,
    "hatemoji_build": 5_905,
    "gab_hate_corpus": 27_422,
    "implicit_hate": 21_572,
    "goemotions": 48_608,
    "hatexplain": 20_109,
    "davidson": 24_782,
    "disaster_tweets": 10_677,
    "convabuse": 1_829,
    "civil_comments_sample": 10_565,
    "jigsaw": 14_092,
    "dynahate": 38_613,
    "social_sentinel": 11_430,
    "xstest": 450,
    "hatemoji_check": 3_930,
    "conda": 6_666,
    "ag_news": 7_594,
    "measuring_hate_speech": 23_162,
    "crisislex_t6": 55_377,
    "crisislex_t26": 7_681,
    "havoc": 20_108,
    "misogyny_eacl21": 6_152,
    "tatoeba": 70_907,
    "ubuntu_irc": 40_619,
    "sgd_dialogues": 7_297,
}
# Records per source before any is dropped: what the publishers' own row counts say.
_N_RECORDS = {
    "threatgram101": 15_076,
    "edos": 20_000,
    "hatemoji_build": 5_912,
    "gab_hate_corpus": 22_036 + 5_510,
    "implicit_hate": 21_480 + 6_346,
    "goemotions": 43_410 + 5_426,
    "hatexplain": 20_109,
    "davidson": 24_783,
    "disaster_tweets": 7_613 + 10_876,
    "convabuse": 2_501,
    "civil_comments_sample": 10_000 + 567,
    "dynahate": 200_000,
    "social_sentinel": 11_455,
    "xstest": 450,
    "hatemoji_check": 3_930,
    "conda": 8_974,
    "ag_news": 7_600,
    "measuring_hate_speech": 500 + 2_000 + 2 * 20_000,
    "crisislex_t6": 60_082,
    "crisislex_t26": 8_382,
    "havoc": 2 * 10_376,
    "misogyny_eacl21": 6_567,
    "sgd_dialogues": 8_490,
}
# Sources that have no labels of their own.
_UNLABELLED = {"ubuntu_irc"}


def _file(
    content: bytes, *, name: str = "edos", path: str = "edos/a b.csv", repository: str = "owner/repo"
) -> registry.PublicFile:
    return registry.PublicFile(
        name=name,
        repository=repository,
        commit="c0ffee",
        path_there="data dir/ä#1.csv",
        path_here=path,
        n_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence="CC0",
        use="train",
        note="made for a test",
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address and folder of a web server on the loopback interface."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_address[1]}", folder
        finally:
            httpd.shutdown()
            thread.join()


def _serve(folder: Path, file: registry.PublicFile, content: bytes) -> None:
    target = folder / file.repository / file.commit / file.path_there
    target.parent.mkdir(parents=True)
    target.write_bytes(content)


# --- registry


def test_every_registered_file_has_a_sha256_a_size_and_a_known_use() -> None:
    for file in registry.registered_files():
        assert len(file.sha256) == 64
        assert int(file.sha256, 16) >= 0
        assert file.n_bytes > 0
        assert file.use in ("train", "eval")
        assert file.licence
        assert file.note


def test_every_fetchable_file_is_pinned_to_a_whole_commit() -> None:
    fetchable = [file for file in registry.registered_files() if file.is_fetchable]
    assert {len(file.commit) for file in fetchable} == {40}
    assert [file.name for file in registry.registered_files() if not file.is_fetchable] == ["social_sentinel"]


def test_paths_are_unique_and_stay_below_the_folder() -> None:
    paths = [file.path_here for file in registry.registered_files()]
    assert len(set(paths)) == len(paths)
    assert not any(path.startswith("/") or ".." in Path(path).parts for path in paths)


def test_one_data_set_has_one_use() -> None:
    uses = {(file.name, file.use) for file in registry.registered_files()}
    assert len(uses) == len(registry.source_names())


def test_url_percent_encodes_blanks_and_signs() -> None:
    assert _file(b"").url("http://h") == "http://h/owner/repo/c0ffee/data%20dir/%C3%A4%231.csv"


def test_every_data_set_has_a_reader() -> None:
    assert set(readers._READERS) == set(registry.source_names())


def test_unknown_data_set_is_named() -> None:
    with pytest.raises(InputError, match="must be in the registry, got nosuch"):
        files.files_of(["edos", "nosuch"])


def test_one_name_as_a_bare_string_is_refused() -> None:
    with pytest.raises(InputError, match="must be a list"):
        files.files_of("edos")


# --- files and download


def test_downloaded_file_is_checked_and_kept(tmp_path: Path, server: tuple[str, Path]) -> None:
    address, served = server
    file = _file(b"text,label\n")
    _serve(served, file, b"text,label\n")
    states = []
    for _ in range(2):
        files.fetch([file], root=tmp_path / "here", base_url=address, on_file=lambda _, state: states.append(state))
    assert states == ["fetched", "present"]
    assert files.read_checked(file, tmp_path / "here") == b"text,label\n"


def test_download_with_another_sha256_is_refused_and_leaves_no_file(tmp_path: Path, server: tuple[str, Path]) -> None:
    address, served = server
    file = _file(b"text,label\n")
    _serve(served, file, b"text,label\nchanged\n")
    with pytest.raises(DataError, match=r"edos/a b\.csv: downloaded file must have sha256"):
        files.fetch([file], root=tmp_path / "here", base_url=address)
    assert not [path for path in (tmp_path / "here").rglob("*") if path.is_file()]


def test_missing_page_is_one_sentence_with_the_status(tmp_path: Path, server: tuple[str, Path]) -> None:
    with pytest.raises(DataError, match="must answer with the file, got status 404"):
        files.fetch([_file(b"x")], root=tmp_path / "here", base_url=server[0])


def test_unreachable_server_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must answer with the file, got ConnectionError"):
        files.fetch([_file(b"x")], root=tmp_path, base_url="http://127.0.0.1:9", timeout=5)


def test_altered_file_here_is_replaced_by_a_fetch(tmp_path: Path, server: tuple[str, Path]) -> None:
    address, served = server
    file = _file(b"right")
    _serve(served, file, b"right")
    (tmp_path / "edos").mkdir()
    (tmp_path / file.path_here).write_bytes(b"wrong")
    files.fetch([file], root=tmp_path, base_url=address)
    assert (tmp_path / file.path_here).read_bytes() == b"right"


def test_offline_folder_is_never_downloaded_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: tuple[str, Path]
) -> None:
    address, served = server
    file = _file(b"right")
    _serve(served, file, b"right")
    monkeypatch.setenv("TSCLASSIFY_DATA", str(tmp_path / "offline"))
    with pytest.raises(DataError, match="file must be present") as caught:
        files.fetch([file], base_url=address)
    assert "unset TSCLASSIFY_DATA" in caught.value.hint
    assert not (tmp_path / "offline").exists()


def test_file_without_an_address_is_passed_over_with_a_word(tmp_path: Path) -> None:
    states = []
    files.fetch([_file(b"x", repository="")], root=tmp_path, on_file=lambda _, state: states.append(state))
    assert states == ["not fetchable"]


def test_one_altered_byte_is_named(tmp_path: Path) -> None:
    file = _file(b"abc")
    (tmp_path / "edos").mkdir()
    (tmp_path / file.path_here).write_bytes(b"abd")
    fault = files.check_file(file, tmp_path)
    assert fault is not None
    assert fault.message.startswith("edos/a b.csv: sha256 must be ")
    assert not fault.message.endswith(".")


def test_verify_names_each_missing_file_once(tmp_path: Path) -> None:
    n_good, faults = files.verify(["hatemoji_build"], root=tmp_path)
    assert n_good == 0
    assert len(faults) == 3
    assert all("file must be present" in fault.message for fault in faults)


def test_verify_counts_an_unfetchable_file_only_when_named(tmp_path: Path) -> None:
    assert "social_sentinel" not in " ".join(str(fault) for fault in files.verify(root=tmp_path)[1])
    _, faults = files.verify(["social_sentinel"], root=tmp_path)
    assert "not fetched by users" in faults[0].hint


# --- readers, on content made here


def test_carriage_return_inside_an_unquoted_field_does_not_end_the_row() -> None:
    file = _file(b"", name="dynahate")
    records = list(readers.read_records(file, b"text,label,split\none\rtwo,1,train\nthree,0,train\n"))
    assert [raw.normalize_space(record.text) for record in records] == ["one two", "three"]
    assert [record.label for record in records] == ["hate", "nothate"]


def test_quotation_marks_belong_to_a_goemotions_text() -> None:
    records = list(readers.read_records(_file(b"", name="goemotions"), b'"a" b\t27\tx1\n"c\t1,2\tx2\n'))
    assert [(record.text, record.label, record.key) for record in records] == [
        ('"a" b', "27", "x1"),
        ('"c', "1,2", "x2"),
    ]


def test_rows_that_end_in_a_bare_carriage_return_are_read() -> None:
    content = 'choose_one,text\rRelevant,"a\nb"\rNot Relevant,\x89\r'.encode("latin-1")
    records = list(readers.read_records(_file(b"", name="disaster_tweets", path="d/x-DFE.csv"), content))
    assert [(record.label, record.text) for record in records] == [("Relevant", "a\nb"), ("Not Relevant", "\x89")]


def test_row_with_a_missing_field_is_an_error_not_a_shift() -> None:
    with pytest.raises(ValueError, match="zip"):
        list(readers.read_records(_file(b""), b"text,label_category\nonly one field\n"))


def _read(name: str, content: str, path: str = "") -> list[readers.Record]:
    return list(readers.read_records(_file(b"", name=name, path=path), content.encode("utf-8")))


def test_only_messages_of_a_chat_log_are_texts_and_none_keeps_its_time_or_nick() -> None:
    lines = ("=== zorp has joined #blick", "[04:46] <zorp> blick: try <this>", "[04:47] -zorp:#blick- a notice")
    assert [record.text for record in _read("ubuntu_irc", "\n".join((*lines, "[04:48] <zorp> ")))] == [
        "blick: try <this>"
    ]


def test_a_sentence_of_tatoeba_is_labelled_with_the_language_of_its_file() -> None:
    for path, language in (("tatoeba/tatoeba.fin-eng.fin", "fin"), ("tatoeba/tatoeba.fin-eng.eng", "eng")):
        assert _read("tatoeba", 'one "zorp"\n', path)[0] == readers.Record('one "zorp"', language)


def test_both_texts_of_a_havoc_row_are_read_and_the_label_stays_with_the_first() -> None:
    content = "Prefix\tSuffix\tPrefixLab\n\"zorp\tblick\t['none', 'intent']\n"
    assert [record[:2] for record in _read("havoc", content)] == [('"zorp', "none+intent"), ("blick", "unlabelled")]


def test_tweets_of_crisislex_are_read_under_a_header_whose_names_begin_with_blanks() -> None:
    content = 'tweet id, tweet, label\n\'12\',"zorp, ""blick""",off-topic\n'
    assert _read("crisislex_t6", content) == [readers.Record('zorp, "blick"', "off-topic", "12")]


def test_levels_of_a_misogyny_label_are_joined_and_empty_ones_left_out() -> None:
    content = 'entry_id,body,level_1,level_2,level_3\nx1,"zorp\nblick",No,None,\nx2,zorp,Yes,Treatment,Threat\n'
    assert [record.label for record in _read("misogyny_eacl21", content)] == ["No/None", "Yes/Treatment/Threat"]


def test_every_turn_of_a_dialogue_is_a_text() -> None:
    content = '[{"turns": [{"speaker": "USER", "utterance": "zorp"}, {"speaker": "SYSTEM", "utterance": "blick"}]}]'
    assert [record[:2] for record in _read("sgd_dialogues", content)] == [("zorp", "USER"), ("blick", "SYSTEM")]


# --- labels and written posts


def test_label_keys_and_ids_are_unique_and_codes_parse() -> None:
    rows = corpus.labels()
    assert len(rows) == 27_934
    assert len({row.sha256 for row in rows}) == len({row.id for row in rows}) == len(rows)
    for row in rows:
        parse_code(row.code)
        if row.second_code:
            parse_code(row.second_code)
    assert Counter(row.use for row in rows) == {"train": 26_153, "eval": 1_781}
    assert sum(bool(row.second_code) for row in rows) == 1_158


def test_no_source_is_both_train_and_eval() -> None:
    uses = {(row.source, row.use) for row in corpus.labels()}
    assert len({source for source, _ in uses}) == len(uses)
    registered = {file.name: file.use for file in registry.registered_files()}
    for source, use in uses:
        assert registered.get(corpus._REGISTERED.get(source, source), use) == use


def test_written_posts_are_whole() -> None:
    rows = corpus.written_rows()
    assert len(rows) == 2_997
    assert len({row.text for row in rows}) == len({row.id for row in rows}) == len(rows)
    assert Counter(row.split for row in rows) == {"train": 2_566, "dev": 431}
    for row in rows:
        parse_code(row.code)


def test_posts_of_one_pair_lie_in_one_split() -> None:
    splits: dict[int, set[str]] = {}
    for row in corpus.written_rows():
        if row.pair is not None:
            splits.setdefault(row.pair, set()).add(row.split)
    assert {len(found) for found in splits.values()} == {1}


def test_written_posts_share_no_text_with_annotated_ones() -> None:
    assert not {row.sha256 for row in corpus.written_rows()} & {label.sha256 for label in corpus.labels()}


def test_contrasts_are_pairs_of_violence_or_hate_and_none() -> None:
    pairs: dict[int | None, list[corpus.AnnotatedRow]] = {}
    rows = corpus.contrast_rows()
    for row in rows:
        pairs.setdefault(row.pair, []).append(row)
    assert len({row.text for row in rows}) == len({row.id for row in rows}) == len(rows) > 5_000
    assert {(row.split, row.use, row.source) for row in rows} == {("train", "train", "contrasts")}
    for pair in pairs.values():
        found = [parse_code(row.code)[0] for row in pair]
        violence, hate = [any(one[:5]) for one in found], [bool(one[5]) for one in found]
        assert violence == [True, False] or (violence == [False, False] and hate == [True, False])


def test_further_labels_are_of_train_sources_and_parse() -> None:
    rows = corpus.labels("further")
    assert len({row.sha256 for row in rows}) == len({row.id for row in rows}) == len(rows) > 5_000
    assert {(row.split, row.use) for row in rows} == {("train", "train")}
    train = {file.name for file in registry.registered_files() if file.use == "train"}
    assert {corpus._REGISTERED.get(row.source, row.source) for row in rows} <= train
    for row in rows:
        parse_code(row.code)


def test_rows_added_for_training_are_none_of_those_that_measure() -> None:
    known = {label.sha256 for label in corpus.labels()} | {row.sha256 for row in corpus.written_rows()}
    assert not known & {label.sha256 for label in corpus.labels("further")}
    added = corpus.contrast_rows() + corpus.everyday_rows()
    assert not known & {row.sha256 for row in added}
    keys = {raw.exclusion_key(row.text) for row in added}
    assert not keys & {raw.exclusion_key(row.text) for row in corpus.written_rows(split="dev")}
    assert not keys & raw.exclusions()


def test_found_labels_are_of_train_sources_in_two_splits_and_of_no_text_labelled_before() -> None:
    rows = corpus.labels("found")
    assert len({row.sha256 for row in rows}) == len({row.id for row in rows}) == len(rows) >= 8_962
    train = {file.name for file in registry.registered_files() if file.use == "train"}
    assert {row.source for row in rows} <= train
    assert {row.use for row in rows} == {"train"}
    assert {row.split for row in rows} == {"train", "dev"}
    before = corpus.labels() + corpus.labels("further")
    assert not {row.sha256 for row in rows} & {row.sha256 for row in before}
    assert not {row.id for row in rows} & {row.id for row in before}
    for row in rows:
        parse_code(row.code)


def test_random_draws_and_second_readings_are_of_labelled_texts() -> None:
    labelled = {label.sha256 for name in ("annotated", "further", "found") for label in corpus.labels(name)}
    own = {row.sha256 for row in corpus.everyday_rows()}
    asked = {label.sha256: label.split for name in ("annotated", "found") for label in corpus.labels(name)}
    for sha256, code in corpus.read_again().items():
        assert sha256 in own or asked[sha256] == "train"
        parse_code(code)
    picked = {label.sha256 for label in corpus.labels("found") if label.picked.startswith("rand_")}
    assert picked <= set(corpus.drawn())
    assert set(corpus.drawn()) <= labelled
    assert set(corpus.drawn().values()) <= set(registry.source_names())


def test_everyday_posts_are_whole_and_their_pairs_are_no_others() -> None:
    rows = corpus.everyday_rows()
    assert len({row.text for row in rows}) == len({row.id for row in rows}) == len(rows) > 4_500
    assert {(row.split, row.use, row.source) for row in rows} == {("train", "train", "everyday")}
    assert all(row.picked for row in rows)
    pairs: dict[int, list[corpus.AnnotatedRow]] = {}
    for row in rows:
        parse_code(row.code)
        if row.pair is not None:
            pairs.setdefault(row.pair, []).append(row)
    assert sum(len(pair) == 2 for pair in pairs.values()) > 1_150
    assert max(map(len, pairs.values())) == 2
    others = (*corpus.written_rows(), *corpus.contrast_rows())
    assert not set(pairs) & {row.pair for row in others}
    assert not {row.id for row in rows} & {row.id for row in others}


def test_exclusion_key_ignores_case_blanks_and_signs() -> None:
    assert raw.exclusion_key("The  quick, brown fox!") == raw.exclusion_key("the QUICK brown-fox")
    assert len(raw.exclusions()) == 31_692


def test_no_written_post_is_excluded() -> None:
    assert not [row.id for row in corpus.written_rows() if raw.exclusion_key(row.text) in raw.exclusions()]


def test_written_posts_have_the_schema_of_annotated_ones_without_public_data() -> None:
    from tsclassify.data import load_written
    from tsclassify.taxonomy import CATEGORIES, SIGNALS

    rows = load_written(split="dev")
    assert len(rows) == 431
    assert set(rows.column_names) >= {"id", "text", "code", "pair", "sha256", *CATEGORIES, *SIGNALS}
    first = rows[0]
    assert tuple(first[name] for name in CATEGORIES) == parse_code(first["code"])[0]


def test_unknown_split_is_refused() -> None:
    from tsclassify.data import load_annotated

    with pytest.raises(InputError, match="split must be train or dev, got 'test'"):
        load_annotated(split="test")


# --- language posts and example posts


def _jsonl(*parts: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in shipped("seeds", *parts).read_text(encoding="utf-8").splitlines()]


def test_language_posts_of_the_two_files_are_disjoint_and_unique() -> None:
    train, heldout = _jsonl("language", "train.jsonl"), _jsonl("language", "heldout.jsonl")
    texts = [post["text"] for post in train + heldout]
    assert len(set(texts)) == len(texts)
    assert {post["split"] for post in train} == {"train"}
    assert {post["split"] for post in heldout} == {"dev"}
    assert len({post["lang"] for post in train}) >= 25
    assert sum(post["lang"] == "en" for post in heldout) >= 100


def test_some_heldout_languages_are_never_trained_on() -> None:
    trained = {post["lang"] for post in _jsonl("language", "train.jsonl")}
    assert len({post["lang"] for post in _jsonl("language", "heldout.jsonl")} - trained) >= 15


# --- on the public files


@pytest.fixture(scope="module")
def annotated(public_data: Path) -> list[corpus.AnnotatedRow]:
    return corpus.annotated_rows(root=public_data)


def test_registered_files_are_here_as_registered(public_data: Path) -> None:
    n_good, faults = files.verify(root=public_data)
    assert not [fault.message for fault in faults]
    assert n_good == len(registry.registered_files())


def test_registered_addresses_lead_to_the_registered_files(
    public_data: Path, tmp_path: Path, server: tuple[str, Path]
) -> None:
    address, served = server
    chosen = files.files_of(["hatexplain", "hatemoji_build", "jigsaw", "xstest"])
    for file in chosen:
        target = served / file.repository / file.commit / file.path_there
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(public_data / file.path_here)
    files.fetch(chosen, root=tmp_path / "here", base_url=address)
    assert files.verify(["hatexplain", "hatemoji_build", "jigsaw", "xstest"], root=tmp_path / "here") == (16, [])


@pytest.mark.parametrize("source", sorted(_N_TEXTS))
def test_source_yields_the_counted_texts_once_each(source: str, public_data: Path) -> None:
    rows = list(raw.raw_rows(source, root=public_data))
    assert len(rows) == _N_TEXTS[source]
    assert len({row.text for row in rows}) == len({row.id for row in rows}) == len(rows)
    assert all(row.text == raw.normalize_space(row.text) and row.text for row in rows)
    assert (len({row.label for row in rows}) > 1) == (source not in _UNLABELLED)
    if source in _N_RECORDS:
        assert sum(1 for _ in raw.records(source, public_data)) == _N_RECORDS[source]


def test_jigsaw_keeps_a_cased_copy_of_every_comment_that_has_one(public_data: Path) -> None:
    records = [(record.key, raw.normalize_space(record.text)) for record in raw.records("jigsaw", public_data)]
    cased_ids = {key for key, text in records if key and text != text.lower()}
    lower_copies = {text for key, text in records if key in cased_ids and text == text.lower()}
    kept = {row.text for row in raw.raw_rows("jigsaw", root=public_data)}
    # numbers, so that a failing assertion shows no text
    n_copies, n_kept = len(lower_copies), len(kept & lower_copies)
    assert (n_copies, n_kept) == (206, 0)


def test_all_annotated_texts_of_training_sources_are_found_again(
    annotated: list[corpus.AnnotatedRow],
) -> None:
    found = corpus.coverage(annotated)
    lost = {key: counts.n_labels - counts.n_found for key, counts in found.items() if counts.n_labels > counts.n_found}
    assert [source for source, use in lost if use == "train"] == []
    # these were annotated from files that are not in the registry
    assert {source for source, use in lost if use == "eval"} == {
        "cad",
        "conda",
        "hatemoderate",
        "tweeteval_emoji",
        "tweeteval_hate",
        "tweeteval_offensive",
        "youtoxic",
    }
    differs = Counter(row.source for row in annotated if raw.text_sha256(row.text) != row.sha256)
    assert differs == {"jigsaw": 52}


@pytest.mark.parametrize("split", ["train", "dev"])
def test_every_found_label_meets_its_text_again(split: str, public_data: Path) -> None:
    rows = corpus.found_rows(root=public_data, split=split)
    assert [row.id for row in rows] == [label.id for label in corpus.labels("found") if label.split == split]
    # numbers, so that a failing assertion shows no text
    assert sum(raw.text_sha256(row.text) != row.sha256 for row in rows if row.source != "jigsaw") == 0


def test_only_english_sentences_of_tatoeba_serve_the_categories(public_data: Path) -> None:
    assert {row.label for row in raw.english_rows("tatoeba", root=public_data)} == {"eng"}
    assert sum(1 for _ in raw.english_rows("xstest", root=public_data)) == _N_TEXTS["xstest"]


def test_found_texts_equal_the_annotated_ones(public_data: Path, annotated: list[corpus.AnnotatedRow]) -> None:
    given = public_data.parent / "annotated.jsonl"
    if not given.is_file():
        pytest.skip("the annotated texts themselves are not beside the public data")
    texts = {}
    with given.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            texts[row["id"]] = (raw.text_sha256(row["text"]), row["source"], row["use"], row["split"], row["code"])
    assert len(annotated) == 26_303
    for row in annotated:
        assert texts[row.id] == (row.sha256, row.source, row.use, row.split, row.code), row.id
        # only jigsaw rows annotated from a wrongly decoded copy carry another text than the hashed one
        assert row.source == "jigsaw" or raw.text_sha256(row.text) == row.sha256, row.id


def test_datasets_have_one_schema_and_one_row_per_annotation(public_data: Path) -> None:
    from tsclassify.data import load_annotated, load_raw

    rows = load_annotated(root=public_data, split="dev", use="train")
    assert rows.features == load_annotated(root=public_data, split="dev", use="eval").features
    assert set(rows["split"]) == {"dev"}
    assert set(rows["use"]) == {"train"}
    assert sum(rows["facility_threat"]) > 0
    prompts = load_raw("xstest", root=public_data)
    assert prompts.column_names == ["id", "text", "source", "use", "label"]
    assert set(prompts["use"]) == {"eval"}


def test_no_tracked_file_holds_a_public_text(public_data: Path, annotated: list[corpus.AnnotatedRow]) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a git checkout, so which files are tracked is not known")
    # a text is looked for by its first 45 characters, lower-cased, white space made one blank
    width = 45
    starts = {row.text[:width].lower() for row in annotated if len(row.text) >= width}
    for source in registry.source_names():
        starts |= {row.text[:width].lower() for row in raw.raw_rows(source, root=public_data) if len(row.text) >= width}
    own = " ".join(raw.normalize_space(row.text).lower() for row in corpus.written_rows())
    starts = {start for start in starts if start not in own}
    leaks = []
    for name in filter(None, listed.stdout.split("\0")):
        path = _REPOSITORY / name
        if not path.is_file() or path.suffix in (".npz", ".png"):
            continue
        content = path.read_text(encoding="utf-8", errors="replace").lower()
        content = raw.normalize_space(content.replace("\\n", " ").replace('\\"', '"'))
        positions = (found.start() for found in re.finditer(r"(?<![0-9a-z])[^ ]", content))
        if any(content[at : at + width] in starts for at in positions):
            leaks.append(name)
    assert not leaks


# --- the command


def test_list_prints_one_line_per_data_set() -> None:
    result = CliRunner().invoke(command, ["list"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == len(registry.source_names())
    assert "not fetched" in next(line for line in result.output.splitlines() if line.startswith("social_sentinel"))


def test_verify_exits_1_and_names_the_file_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "verify", "edos", "--root", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.splitlines()[0].startswith("tsclassify: edos/edos_labelled_aggregated.csv: file must be present")
    assert "Traceback" not in error


def test_verify_exits_0_on_registered_files(public_data: Path) -> None:
    result = CliRunner().invoke(command, ["verify", "edos", "--root", str(public_data)])
    assert result.exit_code == 0
    assert result.output.startswith("1 files as registered")
