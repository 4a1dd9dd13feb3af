"""Decide posts as they come, one JSON object a line: ``tail -F posts.jsonl | python stream.py hosting-provider``."""

import json
import sys

import tsclassify as ts

clf, policy = ts.load(), ts.Policy.load(sys.argv[1])
clf.warm_up()
for line in sys.stdin:
    try:
        decision = clf.decide(json.loads(line), policy)
    except (ValueError, ts.InputError) as error:
        print(json.dumps({"error": str(error)}), file=sys.stderr, flush=True)
        continue
    if decision.tier != "none" or decision.review:
        found = [finding.category for finding in decision.findings]
        print(json.dumps({"id": decision.id, "tier": decision.tier, "findings": found}), flush=True)
