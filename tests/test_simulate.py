"""Error rates of a review over simulated tenants, and the simulator itself."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from tsclassify.cli import main
from tsclassify.errors import InputError
from tsclassify.ledger import Tally
from tsclassify.ledger.moments import DAY, micros
from tsclassify.policy import Policy
from tsclassify.review import Tenant, simulate
from tsclassify.review.observed import daily
from tsclassify.review.simulate import simulate_days
from tsclassify.review.trend import MATERIAL_RATIO, alpha_of_look, trend
from tsclassify.standing import Ledger
from tsclassify.standing.history import load

T0 = dt.datetime(2021, 1, 4, tzinfo=dt.UTC)
PROVIDER = Policy.load("hosting-provider")
WEEK = dt.timedelta(days=7)
ALPHA = alpha_of_look(0.05, WEEK, "always_valid")
WINDOW, BASELINE = 28, 84


def looks(tenant: Tenant, *, first: int, last: int, rng: np.random.Generator) -> list[tuple[int, bool, bool]]:
    """Day of each weekly look with whether an increase, and whether a growth, was shown."""
    days = simulate_days(tenant, last, rng)
    found = []
    for look in range(first, last + 1, 7):
        part = slice(look - WINDOW - BASELINE, look)
        items, violations = days.items[part], days.violations[part]
        rate = trend(violations, items, BASELINE, alpha=ALPHA)
        volume = trend(violations, np.ones(items.size), BASELINE, alpha=ALPHA)
        found.append(
            (
                look,
                rate is not None and rate.low > 1 and rate.value >= MATERIAL_RATIO,
                volume is not None and volume.low > 2,
            )
        )
    return found


def false_alarms(n_tenants: int, seed: int) -> float:
    """Share of steady tenants with an alarm within a year of weekly looks; traffic from 100 to 10,000 items a day."""
    rng = np.random.default_rng(seed)
    alarms = 0
    for _ in range(n_tenants):
        tenant = Tenant(items_per_day=float(10 ** rng.uniform(2, 4)), rate=float(10 ** rng.uniform(-2.5, -1.5)))
        alarms += any(fired for _, fired, _ in looks(tenant, first=112, last=112 + 364, rng=rng))
    return alarms / n_tenants


def detections(n_tenants: int, seed: int) -> float:
    """Share of tenants whose doubled rate is found within eight weeks, at ten or more violations a week before."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(n_tenants):
        a_day = float(10 ** rng.uniform(np.log10(10 / 7), 2))
        tenant = Tenant(items_per_day=a_day * 100 * 7 / 6.33, rate=0.01, change_day=140, rate_factor=2.0)
        hits += any(fired for _, fired, _ in looks(tenant, first=140, last=140 + 56, rng=rng))
    return hits / n_tenants


def tenfold(n_tenants: int, seed: int) -> tuple[int, int]:
    """Tenants with an increase, and with a growth, after their traffic grew tenfold at a constant rate."""
    rng = np.random.default_rng(seed)
    increase = growth = 0
    for _ in range(n_tenants):
        tenant = Tenant(items_per_day=float(10 ** rng.uniform(2.3, 3.5)), rate=0.01, change_day=140, volume_factor=10.0)
        after = looks(tenant, first=147, last=140 + 56, rng=rng)
        increase += any(fired for _, fired, _ in after)
        growth += any(fired for _, _, fired in after)
    return increase, growth


def test_steady_tenants_hardly_ever_raise_an_alarm() -> None:
    assert false_alarms(40, seed=1) <= 0.05


def test_a_doubled_rate_is_found_within_eight_weeks() -> None:
    assert detections(60, seed=2) >= 0.9


def test_tenfold_volume_is_growth_and_never_an_increase() -> None:
    increase, growth = tenfold(50, seed=3)
    assert increase == 0
    assert growth >= 47


@pytest.mark.slow
def test_error_rates_over_two_thousand_tenants() -> None:
    assert false_alarms(2000, seed=11) <= 0.05
    assert detections(2000, seed=12) >= 0.9
    increase, growth = tenfold(2000, seed=13)
    assert increase == 0
    assert growth >= 1900


def test_bursts_do_not_ruin_the_error_rate() -> None:
    rng = np.random.default_rng(4)
    tenant = Tenant(items_per_day=2000, rate=0.01, bursts=0.3)
    alarms = [any(fired for _, fired, _ in looks(tenant, first=112, last=476, rng=rng)) for _ in range(40)]
    assert np.mean(alarms) <= 0.1


def test_a_review_sees_the_days_that_were_simulated(tmp_path: Path) -> None:
    tenant = Tenant(items_per_day=50, rate=0.1)
    for every_item in (True, False):
        with Ledger.open(tmp_path / f"{every_item}.db") as ledger:
            ledger.record_many(simulate(tenant, PROVIDER, name="t", start=T0, n_days=20, seed=5, every_item=every_item))
            history = load(ledger, "t", "tenant", PROVIDER, at=micros(T0 + dt.timedelta(days=30)))
        first = micros(T0) // DAY
        expected = simulate_days(tenant, 20, np.random.default_rng(5), first=first)
        seen = daily(history, first + 20)
        assert seen.items.tolist() == expected.items.tolist()
        assert seen.violations.tolist() == expected.violations.tolist()


def test_the_same_seed_gives_the_same_events() -> None:
    one, two = (list(simulate(Tenant(), PROVIDER, name="t", start=T0, n_days=10, seed=1)) for _ in range(2))
    assert one == two
    assert one != list(simulate(Tenant(), PROVIDER, name="t", start=T0, n_days=10, seed=2))
    assert any(isinstance(event, Tally) for event in one)


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(InputError, match=r"rate must be in \[0, 1\], got 2"):
        Tenant(rate=2)


def test_simulate_record_review_through_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    events, book, page = (str(tmp_path / name) for name in ("e.jsonl", "l.db", "page.html"))
    assert main(["simulate", "--days", "60", "--seed", "3", "-o", events]) == 0
    assert main(["ledger", "record", book, events]) == 0
    assert main(["ledger", "verify", book]) == 0
    assert "chain sound" in capfd.readouterr().out
    arguments = ["--tenant", "acme", "--policy", "hosting-provider", "--as-of", "2021-03-01"]
    assert main(["review", book, *arguments, "-o", page]) == 0
    assert "finding:" in capfd.readouterr().out
    assert Path(page).read_text().startswith("<!doctype html>")
    assert main(["review", book, *arguments, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["tenant"] == "acme"
    standing = ["ledger", "standing", book, "acme", "--policy", "hosting-provider", "--at", "2021-03-01T00:00:00Z"]
    assert main(standing) == 0
    assert "acme (tenant) under hosting-provider" in capfd.readouterr().out
    assert main(["ledger", "export", book, "-o", str(tmp_path / "x.jsonl")]) == 0
    assert main(["ledger", "import", str(tmp_path / "m.db"), str(tmp_path / "x.jsonl")]) == 0
    assert main(["ledger", "verify", str(tmp_path / "e.jsonl")]) == 1
    assert "not SQLite" in capfd.readouterr().err


def test_a_broken_line_is_named_by_its_number(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    events = tmp_path / "e.jsonl"
    events.write_text('{"kind":"tally","n_items":3,"at":"2021-01-04T00:00:00Z"}\nno\n')
    assert main(["ledger", "record", str(tmp_path / "l.db"), str(events)]) == 1
    assert "e.jsonl:2: line must be a JSON object" in capfd.readouterr().err


def test_verify_ends_with_three_and_names_the_row(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    path = tmp_path / "l.db"
    with Ledger.open(path) as ledger:
        ledger.record_many(Tally(n_items=n, at=T0, tenant="t") for n in range(5))
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER event_no_update")
    raw.execute("UPDATE event SET at = 1 WHERE seq = 4")
    raw.commit()
    raw.close()
    assert main(["ledger", "verify", str(path)]) == 3
    assert "row 4" in capfd.readouterr().err
