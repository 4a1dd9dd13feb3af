"""The ledger that callers open: the record, and what is computed from it."""

from __future__ import annotations

import datetime as dt
import os

from tsclassify.ledger.ledger import EventLog
from tsclassify.policy import Policy, as_policy
from tsclassify.standing.queue import QueueItem, queue
from tsclassify.standing.standing import Standing, standing

__all__ = ["Ledger"]


class Ledger(EventLog):
    """Append-only record in one SQLite file, with standings and the review queue; open it with `Ledger.open`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Ledger.open(pathlib.Path(folder.name) / "ledger.db") as ledger:
    ...     _ = ledger.attestation("report", True, tenant="acme", at="2021-01-08T10:00:00Z")
    ...     len(ledger), ledger.verify().is_sound
    (1, True)
    >>> folder.cleanup()
    """

    def standing(
        self,
        subject: str,
        policy: Policy | str | os.PathLike[str],
        *,
        at: dt.datetime | str,
        of: str | None = None,
        tenant: str | None = None,
    ) -> Standing:
        """Strikes, due and taken steps of an account or a tenant; see `standing.standing`."""
        return standing(self, subject, as_policy(policy), at=at, of=of, tenant=tenant)

    def queue(
        self,
        policy: Policy | str | os.PathLike[str],
        *,
        at: dt.datetime | str,
        tenant: str | None = None,
        limit: int | None = None,
    ) -> tuple[QueueItem, ...]:
        """Items that a person has to look at, by deadline and priority; see `queue.queue`."""
        return queue(self, as_policy(policy), at=at, tenant=tenant, limit=limit)
