"""How often is a review wrong? Error rates of the rate and volume indicators over simulated tenants.

Run: python benchmarks/review.py [--tenants 2000] [--seed 1]
Steady tenants are looked at weekly for a year. Doubled ones have ten violations a week or more before, and eight
weeks to be found. Tenfold ones keep their rate. Bursty ones draw each day's rate anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import numpy as np

from tsclassify.review.simulate import Tenant, simulate_days
from tsclassify.review.trend import MATERIAL_RATIO, trend

WINDOW, BASELINE = 28, 84
ALPHA = 0.05 / 53


def looks(tenant: Tenant, first: int, last: int, rng: np.random.Generator) -> Iterator[tuple[bool, bool]]:
    days = simulate_days(tenant, last, rng)
    for look in range(first, last + 1, 7):
        part = slice(look - WINDOW - BASELINE, look)
        items, violations = days.items[part], days.violations[part]
        rate = trend(violations, items, BASELINE, alpha=ALPHA)
        volume = trend(violations, np.ones(items.size), BASELINE, alpha=ALPHA)
        yield (
            rate is not None and rate.low > 1 and rate.value >= MATERIAL_RATIO,
            volume is not None and volume.low > 2,
        )


def share(name: str, tenants: list[Tenant], first: int, last: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = np.array([np.any(list(looks(tenant, first, last, rng)), axis=0) for tenant in tenants])
    increase, growth = found.mean(axis=0)
    print(json.dumps({"case": name, "tenants": len(tenants), "increase": increase, "growth": growth}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tenants", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng, n = np.random.default_rng(arguments.seed), arguments.tenants
    weekly = 10 ** rng.uniform(1, 2.5, n)
    items = weekly / 0.01 / 6.33
    steady = [Tenant(items_per_day=value) for value in items]
    share("steady, one year", steady, 112, 476, arguments.seed)
    bursty = [Tenant(items_per_day=value, bursts=0.3) for value in items]
    share("steady in bursts, one year", bursty, 112, 476, arguments.seed)
    double = [Tenant(items_per_day=value, change_day=140, rate_factor=2) for value in items]
    share("rate doubled, eight weeks", double, 140, 196, arguments.seed)
    tenfold = [Tenant(items_per_day=value, change_day=140, volume_factor=10) for value in items]
    share("volume tenfold, eight weeks", tenfold, 147, 196, arguments.seed)


if __name__ == "__main__":
    main()
