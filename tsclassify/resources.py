"""Where shipped files are: in the repository when run from it, in the package when installed from a wheel."""

from __future__ import annotations

from pathlib import Path

from tsclassify.errors import BundleError

__all__ = ["shipped"]

_PACKAGE = Path(__file__).resolve().parent


def shipped(kind: str, *parts: str) -> Path:
    """Path of a shipped file or folder.

    Parameters
    ----------
    kind
        ``models`` or ``seeds``.
    parts
        Path below it.

    Raises
    ------
    BundleError
        When it is neither in the package nor beside it.
    """
    for root in (_PACKAGE / "_shipped" / kind, _PACKAGE.parent / kind):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise BundleError(f"{kind}: shipped file must be present, got no {'/'.join(parts)}", hint="reinstall tsclassify")
