"""Scores of a batch of texts, one column per category or signal."""

from __future__ import annotations

import html
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import InputError, needs
from tsclassify.records import SignalBand, Truth

if TYPE_CHECKING:
    import pandas
    import pyarrow

__all__ = ["Scores"]

_HTML_ROWS = 20
_EVEN_ODDS: Final = np.float32(0.5)


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
    index
        The pandas index of the texts, when they came as a series; None otherwise.
    """

    categories: tuple[str, ...]
    probabilities: NDArray[np.float32]
    priors: Mapping[str, float] = field(default_factory=dict)
    bands: Mapping[str, SignalBand] = field(default_factory=dict)
    model_sha256: str = ""
    index: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        try:
            values = np.ascontiguousarray(self.probabilities, dtype=np.float32)
        except (TypeError, ValueError):
            got = type(self.probabilities).__name__
            raise InputError(f"scores: probabilities must be an array of numbers, got {got}") from None
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
        put(made, "index", None)
        return made

    def __len__(self) -> int:
        return int(self.probabilities.shape[0])

    @overload
    def __getitem__(self, wanted: str) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, wanted: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, wanted: slice) -> Scores: ...
    def __getitem__(self, wanted: str | int | slice) -> NDArray[np.float32] | dict[str, float] | Scores:
        """The column of a category, the row of one text, or the scores of a slice of the texts.

        Returns
        -------
        NDArray or dict or Scores
            For a name float32, shape (n,); for a number the row as plain floats by category; for a slice the scores
            of those texts.

        Raises
        ------
        InputError
            When there is no such category, or `wanted` is none of these.
        IndexError
            When there is no such row.
        """
        if isinstance(wanted, str):
            return self.probabilities[:, self._column(wanted)]
        if isinstance(wanted, slice):
            return replace(
                self,
                probabilities=self.probabilities[wanted],
                index=None if self.index is None else self.index[wanted],
            )
        try:
            number = operator.index(wanted)
        except TypeError:
            raise InputError(
                f"scores: key must be a category, a row number or a slice, got {type(wanted).__name__}"
            ) from None
        return dict(zip(self.categories, self.probabilities[number].tolist(), strict=True))

    def __iter__(self) -> Iterator[dict[str, float]]:
        """The rows, each as plain floats by category."""
        for row in self.probabilities:
            yield dict(zip(self.categories, row.tolist(), strict=True))

    def _column(self, category: str) -> int:
        try:
            return self.categories.index(category)
        except ValueError:
            names = ", ".join(self.categories)
            raise InputError(f"scores: category must be one of {names}, got {category!r}") from None

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Texts that, more likely than not, belong to some category: bool (n,). A policy decides with more care."""
        flagged: NDArray[np.bool_] = np.any(self.probabilities >= _EVEN_ODDS, axis=1)
        return flagged

    def states(self, signal: str) -> NDArray[np.int8]:
        """Truth values of one signal, by its band: int8 of ``Truth``, shape (n,).

        Raises
        ------
        InputError
            When the column has no band, as categories have none.
        """
        if not isinstance(signal, str) or signal not in self.bands:
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
        if not isinstance(prior, Mapping | float | int):
            raise InputError(f"at_prior: prior must be a number or one per column, got {type(prior).__name__}")
        wanted = dict(prior) if isinstance(prior, Mapping) else dict.fromkeys(self.categories, prior)
        for category in wanted:
            self._column(category)
        values = self.probabilities.astype(np.float64)
        priors = dict(self.priors)
        for category, new in wanted.items():
            if not isinstance(new, float | int) or not 0.0 < new < 1.0:
                raise InputError(f"at_prior: prior of {category} must lie in (0, 1), got {new!r}")
            if category not in self.priors:
                raise InputError(f"at_prior: {category} must state a prior, got none")
            old = self.priors[category]
            column = values[:, self._column(category)]
            ratio = (new / (1.0 - new)) / (old / (1.0 - old))
            values[:, self._column(category)] = column * ratio / (column * ratio + (1.0 - column))
            priors[category] = float(new)
        return replace(self, probabilities=values.astype(np.float32), priors=priors)

    def as_taxonomy(self, name: str) -> dict[str, tuple[NDArray[np.float32], str]]:
        """The scores under the names of another taxonomy, by a shipped crosswalk.

        Parameters
        ----------
        name
            A crosswalk or a word of its name: ``"perspective"``, ``"openai"``, ``"azure"``, ``"jigsaw"``,
            ``"mlcommons"`` or ``"eu-dsa"``.

        Returns
        -------
        dict
            Their category to its scores, float32 (n,), and what theirs is to ours: ``exact``; ``broader``, so that
            it holds posts that the scores miss; or ``narrower``, so that the scores count too many. Where several
            of ours fall under one of theirs, the largest score counts. Categories without a counterpart are left
            out.

        Raises
        ------
        InputError
            When there is no such crosswalk, or the columns are signals.

        Examples
        --------
        >>> values = np.array([[0.1, 0.0, 0.7, 0.0, 0.0, 0.2, 0.3]], dtype=np.float32)
        >>> from tsclassify.taxonomy import CATEGORIES
        >>> threat, relation = Scores(CATEGORIES, values).as_taxonomy("perspective")["THREAT"]
        >>> round(float(threat[0]), 1), relation
        (0.7, 'broader')
        """
        from tsclassify.crosswalk import RELATIONS, find_crosswalk

        entries = [entry for entry in find_crosswalk(name).entries if entry.ours in self.categories]
        if not entries:
            raise InputError("as_taxonomy: columns must be categories, got signals")
        named: dict[str, tuple[NDArray[np.float32], str]] = {}
        for theirs in dict.fromkeys(entry.theirs for entry in entries):
            rows = [entry for entry in entries if entry.theirs == theirs]
            relation = min((entry.relation for entry in rows), key=RELATIONS.index)
            if relation != "none":
                columns = [self._column(entry.ours) for entry in rows if entry.relation == relation]
                named[theirs] = self.probabilities[:, columns].max(axis=1), relation
        return named

    def to_dicts(self) -> list[dict[str, float]]:
        """One dict of plain floats a text."""
        return list(self)

    def to_dict(self) -> dict[str, Any]:
        """Column name to a list of n floats."""
        return {name: self.probabilities[:, k].tolist() for k, name in enumerate(self.categories)}

    @needs("Scores.to_pandas")
    def to_pandas(self) -> pandas.DataFrame:
        """A data frame of n rows and K float32 columns, under the index that the texts had."""
        import pandas as pd

        return pd.DataFrame(self.probabilities.copy(), columns=list(self.categories), index=self.index)

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
