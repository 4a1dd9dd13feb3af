"""Normalization: what it removes, what it leaves, and that every span leads back to the original."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsclassify.text.normalize import MAX_TOKENS, normalize
from tsclassify.text.rules import MAX_WORD
from tsclassify.text.table import char_table

PIECES = [
    "kill", "K1LL", "k!ll", "k i l l", "k.i.l.l", "zoooorp", "zорp", "привет", "𝐤𝐢𝐥𝐥", "ｂａｄ", "e\u0301", "\u200b",
    "\u0336", "#ZorpBlick", "@user_1", "http://x.y/z", "a.b@c.org", "12,345", "3pm", "ar15s", "don’t", "&amp;", "&#39;",
    "\"", "?!", "...", "🔫", "👍🏽", "🇺🇸", " ", "  ", "\n", "\t", "\x00", "$hit", "a$$", "f**k", "<url>", "<b>",
    "ﷺ", "½",
    "com", ".com", "www.", "1", "0", "s", "I", "A", "-", "_", "'", "7" * 50,
    "the", "The", "Alice", "Bob", "Red", "fans", "dont", "you",
    "&#75;", "&#x6b;ill", "&zwnj;", "&eacute;", "&amp;#107;", "%6b%69ll", "%20", "%", "a%20b", "https://x.y/%6b%69%6c%6c",
    "\\u200b", "\\u006b", "k+", "<i>", "</i>", "<br>", "<a", "href=", "'x'>", "<!--", "-->", "<b", ">", ">>", "<code>",
    "**", "*", "__", "~~", "||", "ha**ng**", "k_il_l", "`", "```", "foo()", "x=1", "-rf", "<@123>", "<#1>", "<:a:1>",
    ":kill:", ":", "<emoji>", "mailto:", "a@b.c", ".them@x.org", "#killthemall", "#hangmikezorp", "#", "iwillkillyou",
    "killyourself", "xkillx", "xthemx", "xkill", "1kill", "2them", "all3", "RT", "\u202e", "\u202c", "lliw", "🇰", "🇮",
    "“", "”", "«", "\u00a0",
]  # fmt: skip

posts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join),
)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("I WILL Find You", "i will find you"),
        ("ｆｕｌｌ ｗｉｄｔｈ", "full width"),
        ("𝐛𝐨𝐥𝐝 ⓒⓘⓡⓒⓛⓔ 🅱ig", "bold circle big"),
        ("résumé naïve Łódź", "resume naive lodz"),
        ("z\u200bo\u200dr\u2060p b\u0336l\u0336i\u0336ck", "zorp blick"),
        ("\u202eproz\u202c", "zorp"),
        ("don't dont don’t don´t don&#39;t", "dont dont dont dont dont"),
        ("rock &amp; roll &lt;url&gt;", "rock roll <url>"),
        ("see https://x.y/a?b=1 or www.zorp.net, blick.com/a", "see <url> or <url> <url>"),
        ("@zorp_1: mail a.b@c.co.uk", "<user> mail <email>"),
        ("142,460 or 10:30 or 3.5", "<num> or <num> or <num>"),
        ("#StopTheZorp now", "stop the zorp now"),
        ('what?! no!!! "so"', 'what ? ! no ! " so "'),
        ("🔫🔫 👍🏽", "🔫 👍"),
        ("", ""),
        (" \t\r\n\x00", ""),
    ],
)
def test_writing_variants_become_one_form(written: str, normal: str) -> None:
    assert normalize(written).text == normal


@pytest.mark.parametrize("word", ["привет", "κόσμε".replace("ό", "ο"), "нет", "שלום", "中文", "안녕"])
def test_word_of_another_script_stays_itself(word: str) -> None:
    assert normalize(word).text == word
    assert not normalize(word).is_disguised


def test_lookalike_letters_fold_only_beside_latin_ones() -> None:
    mixed = normalize("zоrр вlick")  # Cyrillic o, p and v-like b
    assert mixed.text == "zorp blick"
    assert mixed.is_disguised


@pytest.mark.parametrize(
    ("written", "disguised"),
    [
        ("z0rp", True),
        ("z o r p", True),
        ("z\u200borp", True),
        ("𝐳𝐨𝐫𝐩", True),
        ("zorp", False),
        ("U.S.A.", False),
        ("é", False),
    ],
)
def test_disguise_is_told(written: str, disguised: bool) -> None:
    assert normalize(written).is_disguised is disguised


@settings(max_examples=400)
@given(posts)
def test_normalizing_twice_changes_nothing(text: str) -> None:
    once = normalize(text).text
    assert normalize(once).text == once


@pytest.mark.parametrize("after", ["zorp", "st", "$orp", "@b.org", "'s", "k1ll"])
@pytest.mark.parametrize("count", [MAX_WORD - 1, MAX_WORD, MAX_WORD + 1, 480])
def test_long_run_of_digits_before_letters_is_normalized_once_and_for_all(count: int, after: str) -> None:
    once = normalize("7" * count + after).text
    assert normalize(once).text == once


def test_digits_that_a_word_can_hold_stay_part_of_it() -> None:
    assert normalize("7" * (MAX_WORD - 1) + "zorp").text == "7" * (MAX_WORD - 1) + "z orp"
    assert normalize("7" * MAX_WORD + "zorp").text == "<num> zorp"


@settings(max_examples=300)
@given(posts)
def test_spans_rise_and_lie_in_the_original(text: str) -> None:
    last = (0, 0)
    for token in normalize(text).tokens:
        assert 0 <= token.start < token.end <= len(text)
        # Two tokens may share one character that expands, such as a fraction, and those read backwards their place.
        assert last[1] - 1 <= token.start or last == (token.start, token.end)
        last = (token.start, token.end)


def test_span_of_a_word_is_the_word_as_written() -> None:
    text = "we will K\u200b1LL  z.o.r.p, @you"
    spans = [text[token.start : token.end] for token in normalize(text).tokens]
    assert spans == ["we", "will", "K\u200b1LL", "z.o.r.p", "@you"]


def test_very_long_posts_are_read_up_to_a_bound() -> None:
    assert len(normalize("zorp " * 40_000).tokens) == MAX_TOKENS
    assert len(normalize("ab" * 100_000).tokens) > 1000


@pytest.mark.parametrize("n", [MAX_WORD - 1, MAX_WORD, MAX_WORD + 1, MAX_WORD + 2, 3 * MAX_WORD, 5 * MAX_WORD + 2])
def test_a_spaced_out_letter_beyond_the_longest_word_normalizes_once(n: int) -> None:
    """A run that is cut at the longest word leaves one letter, which must not be spaced out once more."""
    for text in ("c " * n, "zz " + "c " * n + "zz", "c " * n + "o r"):
        once = normalize(text).text
        assert normalize(once).text == once


@pytest.mark.parametrize("written", ["х1ϵ", "т34б", "к1ӏӏ", "ч3ловек"])
def test_a_digit_in_a_word_without_a_latin_letter_stays(written: str) -> None:
    """Folded it would be the only Latin letter, and the others would be folded the next time."""
    once = normalize(written).text
    assert [c for c in once if c.isdigit()] == [c for c in written if c.isdigit()]
    assert normalize(once).text == once


def test_table_is_a_fixed_point() -> None:
    table = char_table()
    index, entries = table.index.tolist(), table.entries.tolist()
    targets = {entry >> 8 for entry in entries if not entry & 24 and entry >> 8}
    for target in targets:
        entry = entries[index[target >> 8] * 256 + (target & 255)]
        assert not entry & 24
        assert entry >> 8 in (0, target)
