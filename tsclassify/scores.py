"""Scores of a batch of texts, one column per category or signal."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError, needs
from tsclassify.records import SignalBand, Truth

if TYPE_CHECKING:
    import pandas
    import pyarrow

__all__ = ["Scores"]

_HTML_ROWS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Calibrated probabilities of `n` texts in `K` categories (or signals).

    Attributes
    ----------
    categories
        K column names.
    probabilities
        float32, shape (n, K), in [0, 1], calibrated at ``priors``; read-only.
    priors
        Column to the share of positives at which its scores are calibrated.
    bands
        Signals only: column to the band in which a signal is unknown.
    model_sha256
        Hash of the bundle that made them.
    """

    categories: tuple[str, ...]
    probabilities: NDArray[np.float32]
    priors: Mapping[str, float] = field(default_factory=dict)
    bands: Mapping[str, SignalBand] = field(default_factory=dict)
    model_sha256: str = ""

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.probabilities, dtype=np.float32)
        if values.ndim != 2 or values.shape[1] != len(self.categories):
            raise InputError(
                f"scores: probabilities must have shape (n, {len(self.categories)}), got {np.shape(self.probabilities)}"
            )
        # the least and the largest are not a number when any value is none
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            raise InputError("scores: probabilities must lie in [0, 1] and not be NaN")
        values = values.view()
        values.flags.writeable = False
        object.__setattr__(self, "probabilities", values)

    @classmethod
    def unchecked(
        cls,
        categories: tuple[str, ...],
        probabilities: NDArray[np.float32],
        priors: Mapping[str, float],
        bands: Mapping[str, SignalBand],
        model_sha256: str,
    ) -> Scores:
        """Scores of an array that a calibration has just made and nobody else holds; for calls of microseconds."""
        made = object.__new__(cls)
        probabilities.flags.writeable = False
        put = object.__setattr__
        put(made, "categories", categories)
        put(made, "probabilities", probabilities)
        put(made, "priors", priors)
        put(made, "bands", bands)
        put(made, "model_sha256", model_sha256)
        return made

    def __len__(self) -> int:
        return int(self.probabilities.shape[0])

    def __getitem__(self, category: str) -> NDArray[np.float32]:
        """The column of one category: float32, shape (n,)."""
        return self.probabilities[:, self._column(category)]

    def _column(self, category: str) -> int:
        try:
            return self.categories.index(category)
        except ValueError:
            names = ", ".join(self.categories)
            raise InputError(f"scores: category must be one of {names}, got {category!r}") from None

    def states(self, signal: str) -> NDArray[np.int8]:
        """Truth values of one signal, by its band: int8 of ``Truth``, shape (n,).

        Raises
        ------
        InputError
            When the column has no band, as categories have none.
        """
        if signal not in self.bands:
            raise InputError(f"scores: column must be a signal with a band, got {signal!r}")
        values = self[signal]
        band = self.bands[signal]
        state = np.full(len(values), Truth.UNKNOWN, dtype=np.int8)
        state[values < np.float32(band.no_below)] = Truth.FALSE
        state[values >= np.float32(band.yes_from)] = Truth.TRUE
        return state

    def at_prior(self, prior: float | Mapping[str, float]) -> Scores:
        """The same evidence for a stream where violence is rarer or more frequent.

        Parameters
        ----------
        prior
            Share of positives in the stream, in (0, 1): one number for all columns, or one per column
            (columns left out keep theirs).

        Returns
        -------
        Scores
            Posterior odds multiplied by (new prior odds / stated prior odds), per column.

        Raises
        ------
        InputError
            When a prior is outside (0, 1), or a column states none.

        Notes
        -----
        Source: Saerens, Latinne and Decaestecker 2002, Neural Computation 14(1), equation 2.4.
        """
        wanted = dict(prior) if isinstance(prior, Mapping) else dict.fromkeys(self.categories, prior)
        for category in wanted:
            self._column(category)
        values = self.probabilities.astype(np.float64)
        priors = dict(self.priors)
        for category, new in wanted.items():
            if not 0.0 < new < 1.0:
                raise InputError(f"at_prior: prior of {category} must lie in (0, 1), got {new!r}")
            if category not in self.priors:
                raise InputError(f"at_prior: {category} must state a prior, got none")
            old = self.priors[category]
            column = values[:, self._column(category)]
            ratio = (new / (1.0 - new)) / (old / (1.0 - old))
            values[:, self._column(category)] = column * ratio / (column * ratio + (1.0 - column))
            priors[category] = float(new)
        return Scores(
            categories=self.categories,
            probabilities=values.astype(np.float32),
            priors=priors,
            bands=self.bands,
            model_sha256=self.model_sha256,
        )

    def to_dict(self) -> dict[str, Any]:
        """Column name to a list of n floats."""
        return {name: self.probabilities[:, k].tolist() for k, name in enumerate(self.categories)}

    @needs("Scores.to_pandas")
    def to_pandas(self) -> pandas.DataFrame:
        """A data frame of n rows and K float32 columns."""
        import pandas as pd

        return pd.DataFrame(self.probabilities.copy(), columns=list(self.categories))

    @needs("Scores.to_arrow")
    def to_arrow(self) -> pyarrow.Table:
        """An Arrow table of n rows and K float32 columns."""
        import pyarrow as pa

        columns = [pa.array(np.ascontiguousarray(self.probabilities[:, k])) for k in range(len(self.categories))]
        return pa.table(columns, names=list(self.categories))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.categories)
        body = []
        for row in range(min(len(self), _HTML_ROWS)):
            cells = "".join(
                f'<td style="background:rgba(220,60,40,{float(p) * 0.6:.2f})">{float(p):.3f}</td>'
                for p in self.probabilities[row]
            )
            body.append(f"<tr><th>{row}</th>{cells}</tr>")
        more = f"<p>{len(self) - _HTML_ROWS} more rows</p>" if len(self) > _HTML_ROWS else ""
        return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{more}"
