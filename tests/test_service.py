"""The example service, started by a real server on the loopback and called as a client would."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import tsclassify as ts

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("fastapi", "uvicorn", "httptools")),
    reason="the extra 'service' is not installed: pip install 'tsclassify[service]'",
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--http", "httptools"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(
        command,
        cwd=ROOT / "examples" / "service",
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            try:
                call(f"http://127.0.0.1:{port}/health")
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def call(url: str, body: Any = None) -> tuple[int, Any]:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read().decode()
    return status, json.loads(text) if text.startswith(("{", "[")) else text


TEXTS = ["see you at the picnic", "we will burn the zorp depot down tonight with all of you"]


def test_scores_are_those_of_the_library(address: str) -> None:
    status, answer = call(f"{address}/v1/score", {"texts": TEXTS})
    assert status == 200
    assert answer["scores"] == ts.load().score(TEXTS).to_dicts()


def test_a_decision_is_that_of_the_library(address: str) -> None:
    item = {"id": "7", "text": TEXTS[1], "tenant": "acme", "at": "2021-01-08T10:00:00Z"}
    status, answer = call(f"{address}/v1/decide", item)
    decision = ts.load().decide(item, "hosting-provider")
    assert (status, answer["tier"], answer["why"]) == (200, decision.tier, decision.why())


def test_comments_are_analyzed_in_the_shape_of_perspective(address: str) -> None:
    body = {"comment": {"text": TEXTS[1]}, "requestedAttributes": {"THREAT": {}, "IDENTITY_ATTACK": {}}}
    status, answer = call(f"{address}/v1alpha1/comments:analyze", body)
    assert status == 200
    assert set(answer["attributeScores"]) == {"THREAT", "IDENTITY_ATTACK"}
    threat = ts.load().score([TEXTS[1]]).as_taxonomy("perspective")["THREAT"]
    found = answer["attributeScores"]["THREAT"]
    assert (found["summaryScore"]["value"], found["relation"]) == (float(threat[0][0]), threat[1])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/score", b"{"),
        ("/v1/score", {"texts": "zorp"}),
        ("/v1/score", {"texts": []}),
        ("/v1/score", {"texts": ["zorp"] * 513}),
        ("/v1/score", {"texts": ["z" * 20_001]}),
        ("/v1/score", b'{"texts": ["\\ud800"]}'),
        ("/v1/decide", {"id": 1}),
        ("/v1/decide", {"text": "zorp", "at": "soon"}),
        ("/v1/decide", {"text": "zorp", "signals": {"zorp": True}}),
        ("/v1alpha1/comments:analyze", {"comment": {"text": "zorp"}, "requestedAttributes": {"PROFANITY": {}}}),
    ],
)
def test_a_bad_body_is_one_sentence(address: str, path: str, body: Any) -> None:
    status, answer = call(address + path, body)
    assert status == 422
    assert "\n" not in answer["error"]["message"]


def test_health_and_metrics_say_what_was_asked(address: str) -> None:
    call(f"{address}/v1/score", {"texts": TEXTS})
    call(f"{address}/zorp")
    assert call(f"{address}/health")[1]["status"] == "ok"
    _, text = call(f"{address}/metrics")
    assert 'tsclassify_requests_total{route="/v1/score",status="200"}' in text
    assert 'route="other",status="404"' in text
    assert "zorp" not in text
