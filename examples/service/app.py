"""A service over tsclassify: scores, decisions, and comments:analyze in the shape of Perspective.

Start it with ``uvicorn app:app --http httptools``; settings are environment variables, see docs/service.md.
"""

import os
import time
from collections import Counter
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

import tsclassify as ts

MOST_TEXTS, MOST_CHARACTERS = 512, 20_000
clf = ts.load(os.environ.get("TSCLASSIFY_MODEL"))
policy = ts.Policy.load(os.environ.get("TSCLASSIFY_POLICY", "hosting-provider"))
counts: Counter[tuple[str, int]] = Counter()
seconds: Counter[str] = Counter()


@asynccontextmanager
async def warmed(app: FastAPI):
    clf.warm_up()  # no request waits for compiled code
    yield


app = FastAPI(title="tsclassify", version=ts.__version__, lifespan=warmed)


class Texts(BaseModel):
    texts: list[str] = Field(min_length=1, max_length=MOST_TEXTS)


class Item(BaseModel):
    model_config = ConfigDict(extra="allow")
    text: str = Field(max_length=MOST_CHARACTERS)


class Comment(BaseModel):
    text: str = Field(max_length=MOST_CHARACTERS)


class Analyze(BaseModel):
    comment: Comment
    requestedAttributes: dict[str, dict] = Field(min_length=1)


@app.middleware("http")
async def measured(request: Request, call_next):
    started = time.perf_counter()
    response = await call_next(request)
    place = request.scope.get("route")  # the route, never the address that a stranger wrote
    counts[getattr(place, "path", "other"), response.status_code] += 1
    seconds[getattr(place, "path", "other")] += time.perf_counter() - started
    return response


@app.exception_handler(RequestValidationError)
async def unfit(request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    return refused(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg'].lower()}")


@app.exception_handler(ts.InputError)
async def unusable(request: Request, error: ts.InputError) -> JSONResponse:
    return refused(error.message)


def refused(sentence: str) -> JSONResponse:
    return JSONResponse({"error": {"code": 422, "message": sentence}}, status_code=422)


@app.post("/v1/score")
async def score(body: Texts) -> dict:
    # ten microseconds a text: shorter than the way to another thread
    if any(len(text) > MOST_CHARACTERS for text in body.texts):
        return refused(f"body.texts: text must have at most {MOST_CHARACTERS} characters, got more")
    return {"model": clf.info.name, "scores": clf.score(body.texts).to_dicts()}


@app.post("/v1/decide")
def decide(body: Item) -> dict:  # without "async" it runs in a thread, as a decision takes a millisecond
    decision = clf.decide(body.model_dump(), policy)
    return {**decision.to_dict(), "why": decision.why()}


@app.post("/v1alpha1/comments:analyze")
async def analyze(body: Analyze) -> dict:
    named = clf.score([body.comment.text]).as_taxonomy("perspective")
    unknown = sorted(set(body.requestedAttributes) - set(named))
    if unknown:
        return refused(f"requestedAttributes: must be of {', '.join(sorted(named))}, got {len(unknown)} others")
    return {"attributeScores": {name: summary(*named[name]) for name in body.requestedAttributes}, "languages": ["en"]}


def summary(values, relation: str) -> dict:
    return {"summaryScore": {"value": float(values[0]), "type": "PROBABILITY"}, "relation": relation}


@app.get("/health")
async def health() -> dict:
    return {"status": "ok", "model": f"{clf.info.name}@{clf.info.sha256[:12]}", "policy": policy.name}


@app.get("/metrics", response_class=PlainTextResponse)
async def metrics() -> str:
    lines = ["# TYPE tsclassify_requests_total counter"]
    lines += [f'tsclassify_requests_total{{route="{r}",status="{s}"}} {n}' for (r, s), n in sorted(counts.items())]
    lines.append("# TYPE tsclassify_request_seconds_total counter")
    lines += [f'tsclassify_request_seconds_total{{route="{r}"}} {total:.6f}' for r, total in sorted(seconds.items())]
    return "\n".join(lines) + "\n"
