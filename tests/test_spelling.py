"""Hostile spellings read as the plain sentence, and innocent ones as they always did."""

from __future__ import annotations

import pytest

from tsclassify.text import rules
from tsclassify.text.normalize import normalize

HOSTILE = [
    # hashtags
    ("#hangmikepence", "hang mike pence"),
    ("#killthemall now", "kill them all now"),
    ("#KILLTHEMALL", "kill them all"),
    ("#KILLThemAll", "kill them all"),
    ("#burnitdown", "burn it down"),
    ("#BurnItDown!", "burn it down !"),
    ("#shootthemall", "shoot them all"),
    ("#deathtotraitors", "death to traitors"),
    ("#lynchthemall", "lynch them all"),
    ("#hang_them_all", "hang them all"),
    ("#killthezorps", "kill the zorps"),
    ("#beheadthem", "behead them"),
    ("#stabhim", "stab him"),
    ("＃killthemall", "kill them all"),
    # words run together
    ("iwillkillyou", "i will kill you"),
    ("IWILLKILLYOU", "i will kill you"),
    ("IwillFindYou.", "i will find you"),
    ("theyshouldalldie", "they should all die"),
    ("weshouldhangthemall", "we should hang them all"),
    ("go killyourself", "go kill yourself"),
    ("bombthebuilding tonight", "bomb the building tonight"),
    ("1w1llk1lly0u", "i will kill you"),
    # entities and escapes
    ("&#75;&#105;&#108;&#108; &#116;hem", "kill them"),
    ("&#x6b;&#x69;ll them", "kill them"),
    ("&#X4B;ill", "kill"),
    ("&#75&#105ll", "kill"),
    ("k&zwnj;i&ZeroWidthSpace;l&shy;l", "kill"),
    ("k&amp;#105;ll", "kill"),
    ("d&eacute;ath", "death"),
    ("don&rsquo;t", "dont"),
    ("kill&nbsp;them&nbsp;all", "kill them all"),
    ("\\u006bill \\u0074hem", "kill them"),
    ("k\\u200bill", "kill"),
    ("%49%20%77%69%6c%6c%20%6b%69%6c%6c%20%79%6f%75", "i will kill you"),
    ("kill%20them%20all", "kill them all"),
    ("k%69%6cl", "kill"),
    ("https://x.example/%6b%69%6c%6c%20%74%68%65%6d", "<url> kill them"),
    ("I+will+kill+you", "i will kill you"),
    # tags
    ("<b>k</b>ill <i>th</i>em", "kill them"),
    ("k<!-- -->ill", "k ill"),
    ("k<!---->ill", "kill"),
    ("ki<wbr>ll", "kill"),
    ("hang<br>them", "hang them"),
    ("<p>hang</p><p>them</p>", "hang them"),
    ("<a href='zorp'>kill</a> them", "kill them"),
    ('<span style="color: red">kill</span> them', "kill them"),
    ("&lt;b&gt;k&lt;/b&gt;ill", "kill"),
    ("<kill> them", "kill them"),
    ("<b I will kill you >", "i will kill you"),
    # Markdown
    ("ha**ng** them", "hang them"),
    ("k_il_l", "kill"),
    ("ki~~ll~~", "kill"),
    ("||kill|| them", "kill them"),
    ("k||il||l", "kill"),
    ("**k**ill", "kill"),
    ("__ki__ll", "kill"),
    ("k*i*l*l them", "kill them"),
    ("k|i|l|l them", "kill them"),
    ("ki`ll` them", "kill them"),
    ("`I will kill you`", "i will kill you"),
    ("```\nhang them all\n```", "hang them all"),
    ("`x=1` kill them", "<code> kill them"),
    # letters spaced out
    ("k i l l them", "kill them"),
    ("I w i l l k i l l y o u", "i will kill you"),
    ("I. w.i.l.l k.i.l.l y.o.u", "i will kill you"),
    ("w i l l   k i l l   y o u", "will kill you"),
    ("k-i-l-l t-h-e-m", "kill them"),
    ("K I L L T H E M", "kill them"),
    ("k i l l l l them", "kill them"),
    ("🇰 🇮 🇱 🇱 them", "kill them"),
    # attached
    ("xkillx xthemx", "kill them"),
    ("xkill xthem xall", "kill them all"),
    ("killq themq allq", "kill them all"),
    ("1kill 2them 3all", "kill them all"),
    ("hang1 them2 all3", "hang them all"),
    ("kill. them. all.", "kill them all"),
    ("_kill_ _them_", "kill them"),
    ("*kill* *them*", "kill them"),
    # backwards
    ("\u202euoy llik lliw I\u202c", "i will kill you"),
    ("k\u202elli\u202c them", "kill them"),
    ("\u202emeht llik\u202c now", "kill them now"),
    ("\u2067I will kill you\u2069", "i will kill you"),
]

INNOCENT = [
    # hashtags and long words that are one
    ("#hangout", "hangout"),
    ("#coachella", "coachella"),
    ("#zorpblick", "zorpblick"),
    ("#ShootYourShot", "shoot your shot"),
    ("#MAGAForever", "maga forever"),
    ("#metoo", "metoo"),
    ("@killthemall hi", "<user> hi"),
    ("@hangmikepence", "<user>"),
    ("therapist notification understanding", "therapist notification understanding"),
    ("however somebody background", "however somebody background"),
    ("Killarney Hangzhou", "killarney hangzhou"),
    ("Donaudampfschiff", "donaudampfschiff"),
    ("Huddersfield Wolverhampton", "huddersfield wolverhampton"),
    ("hahahahaha", "hahahahaha"),
    # signs that are no escapes
    ("R&D; AT&T", "r d at t"),
    ("100% sure 50%", "<num> sure <num>"),
    ("fish & chips", "fish chips"),
    ("Tom &Jerry", "tom jerry"),
    ("C:\\users\\me", "c users me"),
    ("https://de.example/wiki/%D0%9A%D0%B8%D0%B5%D0%B2", "<url>"),
    ("https://news.example.org/2024/01/man-threatens-to-kill-mayor", "<url>"),
    ("https://x.example/a%20man%20threatens%20to%20kill", "<url>"),
    ("example.com/kill-them", "<url>"),
    # tags that are none
    ("I <3 you", "i <num> you"),
    ("a < b", "a  b"),
    ("x<y and y>z", "x y and y  z"),
    ("-> next", "next"),
    ("<url> <user> <num> <email> <code> <emoji>", "<url> <user> <num> <email> <code> <emoji>"),
    # Markdown that is none
    ("sh**t f**k bl*ck*", "sh**t f**k bl*ck"),
    ("snake_case_name", "snake case name"),
    ("*yes* and _no_", "yes and no"),
    ("2 * 3 * 4", "<num> <num> <num>"),
    ("he|l", "hell"),
    ("f(x) = a*b*c", "f x a*b*c"),
    ("take\\over hong_kong", "take over hong kong"),
    ("a U.S. court", "a u  s court"),
    ("assassinations and specifications", "assassinations and specifications"),
    ("Polen taten wollen", "polen taten wollen"),
    # chat
    ("<@123456789> hello", "<user> hello"),
    ("<@!42> <@&43> <#44>", "<user> <user> <user>"),
    ("<:kill:123456> ok", "<emoji> ok"),
    ("<a:kill:123456>", "<emoji>"),
    ("<t:1700000000:R>", "<num>"),
    (":kill: :gun:", "<emoji> <emoji>"),
    ("at 10:30:20", "at <num>"),
    ("note: kill the lights", "note kill the lights"),
    # addresses
    ("kill.them.all@example.org", "<email>"),
    ("mailto:kill.them@example.org?subject=kill%20them", "<email>"),
    ("write to a_b+c@x.example.com, please", "write to <email> please"),
    # code
    ("run `kill -9 1234` twice", "run <code> twice"),
    ("`foo()` fails", "<code> fails"),
    ("`git rm -rf build`", "<code>"),
    ("don`t", "dont"),
    # letters and digits that stand alone or belong
    ("a b c d e f g", "a b  c d  e f  g"),
    ("U.S.A. and U.K.", "usa and u k"),
    ("J. R. R. Smith", "j  r  r smith"),
    ("mp4 3pm A.B. h2o", "mp4 3pm a b h2o"),
    ("5mins 10mins 15mins", "5mins 10mins 15mins"),
    ("1st 2nd 3rd", "1st 2nd 3rd"),
    ("10am 11am 12pm", "10am 11am 12pm"),
    ("192.168.0.1 v1.2.3 +1 (555) 010-9999", "<num> v1 <num> <num> <num> <num> <num>"),
    ("2-methylpropane C6H12O6", "<num> methylpropane c6h12o6"),
    ("🇺🇸 🇩🇪", "🇺🇸 🇩🇪"),
    ("skills spells stalls", "skills spells stalls"),
    ("she shall share", "she shall share"),
]


@pytest.mark.parametrize(("written", "plain"), HOSTILE)
def test_hostile_spelling_reads_as_the_plain_sentence(written: str, plain: str) -> None:
    assert normalize(written).text == plain


@pytest.mark.parametrize(
    "written",
    [
        "I w i l l k i l l y o u", "xkill xthem xall", "1kill 2them 3all", "\u202ellik\u202c", "ki**ll**",
        "<b>k</b>ill", "&#75;ill", "%6b%69ll", "k\\u200bill",
    ],
)  # fmt: skip
def test_hostile_spelling_is_told_as_disguise(written: str) -> None:
    assert normalize(written).is_disguised


@pytest.mark.parametrize(
    "written",
    [
        "3pm", "mp4", "U.S.A.", "a b c d e f g", "J. R. R. Smith", "555-0100", "192.168.0.1", "v1.2.3", "#killthemall",
        "don&#39;t", "<b>bold</b> move", "5mins 10mins 15mins", "2-methylpropane", "a U.S. court", "go\\to",
    ],
)  # fmt: skip
def test_innocent_spelling_is_no_disguise(written: str) -> None:
    assert not normalize(written).is_disguised


@pytest.mark.parametrize(
    ("written", "quoted"),
    [
        ("> hang them all\nNo. We don't.", "hang them all"),
        (">> hang\n> them\nno", "hang them"),
        ('he said "we will hang you" today', '" we will hang you "'),
        ("he said \u201cwe will hang you\u201d today", '" we will hang you "'),
        ("a \u00abwe will hang you\u00bb b", '" we will hang you "'),
        ('a "peaceful" protest', ""),
        ('12" wide and 10" high', ""),
        ("a > b and c > d", ""),
        ("-> we go on", ""),
        ("RT @zorp: we will hang you", "<user> we will hang you"),
        ("RT if you agree", ""),
    ],
)
def test_quotes_are_marked(written: str, quoted: str) -> None:
    tokens = normalize(written).tokens
    assert " ".join(token.text for token in tokens if token.flags & rules.QUOTED) == quoted


def test_quote_and_what_follows_it_begin_a_sentence() -> None:
    tokens = normalize('he said "we will hang you" and left').tokens
    assert [token.text for token in tokens if token.flags & rules.STARTS] == ["he", '"', "and"]


@pytest.mark.parametrize(
    ("written", "places"),
    [
        ("a #hangthem!", ["a", "hang", "them", "!"]),
        ("iwill\u200bkillyou", ["i", "will", "kill", "you"]),
        ("w i l l k i l l", ["w i l l", "k i l l"]),
        ("<b>k</b>ill them", ["k</b>ill", "them"]),
        ("k&#105;ll %6b%69ll", ["k&#105;ll", "%6b%69ll"]),
        ("xkillx xthemx", ["xkillx", "xthemx"]),
        ("don'tkillthem", ["don't", "kill", "them"]),
    ],
)
def test_places_lead_back_to_what_was_written(written: str, places: list[str]) -> None:
    assert [written[token.start : token.end] for token in normalize(written).tokens] == places


@pytest.mark.parametrize(("written", "plain"), INNOCENT)
def test_innocent_spelling_reads_as_written(written: str, plain: str) -> None:
    assert normalize(written).text == plain
