"""The command line with the fakes instead of the shipped model and policies: ``python batch_main.py score ...``."""

from __future__ import annotations

import sys
import time

import tsclassify.batch
from batch_fakes import QuickClassifier, fake_policy
from tsclassify.cli import main


class Slow(QuickClassifier):
    """Takes a while for every block, so that a signal finds the job at work."""

    def measure_utf8(self, data, offsets):
        time.sleep(0.1)
        return super().measure_utf8(data, offsets)


if __name__ == "__main__":
    tsclassify.batch.load_model = lambda name: Slow() if name == "slow" else QuickClassifier()
    tsclassify.batch.load_policy = lambda name: None if name is None else fake_policy()
    sys.exit(main(sys.argv[1:]))
