"""What is made of hostile posts does nothing: pages in a real browser, terminals and spreadsheets by their bytes."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import tsclassify as ts
from tsclassify.cli import main
from tsclassify.standing import Ledger

OWN = "document.documentElement.setAttribute('data-owned','1')"
HOSTILE = (
    f"kill <script>{OWN}</script> them",
    f'<img src=x onerror="{OWN}"> shoot',
    f'"><svg onload="{OWN}"><a href="javascript:{OWN}">kill</a>',
    f"'><body onload='{OWN}'></style></title></textarea><script>{OWN}</script> shoot",
    f"</span><iframe srcdoc='<script>parent.{OWN}</script>'></iframe> kill",
    f"<style>@import 'http://127.0.0.1:9/x'</style><meta http-equiv=refresh content='0;url=javascript:{OWN}'> kill",
    "\u202eneht llik\u2066 \x1b[2J\x1b]0;owned\x07 kill \u2028 &lt;script&gt; &#60;img&#62;",
    "=cmd|'/c calc'!A0 kill",
)
ACTIVE = re.compile(
    r"<(script|iframe|img|object|embed|link|meta[^>]*refresh|base|form)\b|\son[a-z]+=|javascript:", re.I
)


def browser() -> str:
    """The browser's name; the test is skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    pytest.skip("no Chromium on the path")


def shown(page: Path, profile: Path) -> str:
    """The document of a page after a browser has loaded it and run what can run."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += ["--virtual-time-budget=2000", f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run([browser(), *options], capture_output=True, timeout=120, check=True)
    return done.stdout.decode("utf-8", "replace")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Everything that the library makes into HTML, made of hostile posts, names and fields."""
    folder = tmp_path_factory.mktemp("pages")
    classifier, policy = ts.load(), ts.Policy.load("hosting-provider")
    made = {f"explanation {k}": classifier.explain(text, "hate")._repr_html_() for k, text in enumerate(HOSTILE)}
    made["scores"] = classifier.score(list(HOSTILE))._repr_html_()
    name = HOSTILE[0]
    with Ledger.open(folder / "l.db") as ledger:
        for k, text in enumerate(HOSTILE):
            item = {"id": text, "text": f"i will kill you {k}", "actor": text, "tenant": name}
            ledger.record(classifier.decide(item | {"at": f"2021-01-0{k + 1}T10:00:00Z"}, policy))
        review = ts.review_platform(ledger, policy, tenant=name, at="2021-01-20T00:00:00Z")
    made["review"] = review.html()
    made["review in a notebook"] = review._repr_html_()
    rows = [
        {"id": f"{text}{k}", "text": text, "violent_threat": k % 2 == 0, "source": HOSTILE[k % 3]}
        for k, text in enumerate(HOSTILE * 4)
    ]
    report = ts.evaluate(classifier, rows, n_boot=5, disguises=False, swaps=(), suites=(), show_text=True)
    made["report"] = report.save(folder / "report.html").read_text(encoding="utf-8")
    made["report in a notebook"] = report._repr_html_()
    return made


def test_the_browser_would_run_such_a_post_where_it_is_not_escaped(tmp_path: Path) -> None:
    for k, text in enumerate(HOSTILE[:3]):
        page = tmp_path / f"{k}.html"
        page.write_text(f"<!doctype html><meta charset=utf-8><p>{text}</p>", encoding="utf-8")
        assert "data-owned" in shown(page, tmp_path / "profile").split(">", 2)[1], k


def test_pages_of_hostile_posts_run_nothing_in_a_browser(pages: dict[str, str], tmp_path: Path) -> None:
    whole = "".join(f"<section>{page}</section>" for page in pages.values())
    for name, page in {"all": f"<!doctype html><meta charset=utf-8>{whole}", "report": pages["report"]}.items():
        path = tmp_path / f"{name}.html"
        path.write_text(page, encoding="utf-8")
        document = shown(path, tmp_path / "profile")
        assert len(document) > len(page) // 3
        root = re.search(r"<html[^>]*>", document)
        assert root is not None
        assert "data-owned" not in root[0], name


def test_pages_of_hostile_posts_hold_no_active_markup(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        tags = " ".join(re.findall(r"<[^>]*>", page))
        found = ACTIVE.search(tags)
        assert found is None, (name, found)
    texts = html.unescape(re.sub(r"<[^>]*>", "", pages["explanation 0"]))
    assert "<script>" in texts


@pytest.mark.parametrize("text", HOSTILE)
def test_a_terminal_gets_no_control_character_of_a_post(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ([], ["--json"]):
        assert main(["explain", *more, "--", text]) == 0
        said = "".join(capsys.readouterr())
        assert [c for c in said if (ord(c) < 32 and c not in "\n\t") or c in "\x7f\x9b\u202e\u2066\u2028\u2029"] == []


def test_a_spreadsheet_gets_no_formula_of_a_post(tmp_path: Path) -> None:
    frame = ts.load().score(list(HOSTILE)).to_pandas()
    cells = [cell for row in csv.reader(io.StringIO(frame.to_csv())) for cell in row]
    assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]


def test_a_statement_of_hostile_posts_is_json_without_control_characters() -> None:
    policy = ts.Policy.load("hosting-provider")
    for text in HOSTILE:
        decision = ts.load().decide({"id": text, "text": text, "at": "2021-01-08T10:00:00Z"}, policy)
        written = json.dumps(decision.to_dict(), ensure_ascii=True)
        assert not [c for c in written if ord(c) < 32]
