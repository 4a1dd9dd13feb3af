"""``tsclassify data``: list, fetch and verify the public data files."""

from __future__ import annotations

from pathlib import Path

import click

from tsclassify.errors import DataError

__all__ = ["command"]

_USE = click.option("--use", type=click.Choice(["train", "eval"]), help="Only files of this use.")
_ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the files; TSCLASSIFY_DATA or the user's cache when not given.",
)


@click.group("data")
def command() -> None:
    """List, fetch or verify the public data files.

    Example: tsclassify data fetch edos goemotions

    The files come from public repositories, each pinned to a commit and checked by sha256. With TSCLASSIFY_DATA set,
    the files of that folder are used and nothing is downloaded.
    """


@command.command("list")
@click.argument("names", nargs=-1)
@_USE
@click.option("--notes", is_flag=True, help="Print what the labels of each data set mean.")
def list_files(names: tuple[str, ...], use: str | None, notes: bool) -> None:
    """List data sets with use, size, licence and origin.

    Example: tsclassify data list --use train
    """
    from tsclassify.data.files import files_of

    chosen = files_of(names, use=use)
    for name in dict.fromkeys(file.name for file in chosen):
        files = [file for file in chosen if file.name == name]
        size = sum(file.n_bytes for file in files) / 1e6
        count = f"{len(files)} file" + ("s" if len(files) > 1 else "")
        origins = dict.fromkeys(
            f"{file.repository}@{file.commit[:12]}" if file.is_fetchable else "not fetched" for file in files
        )
        origin = next(iter(origins)) + (f" and {len(origins) - 1} more" if len(origins) > 1 else "")
        click.echo(f"{name:<22} {files[0].use:<5} {count:>8} {size:6.1f} MB  {files[0].licence}  {origin}")
        if notes:
            for note in dict.fromkeys(file.note for file in files):
                click.echo(f"    {note}")


@command.command("fetch")
@click.argument("names", nargs=-1)
@_USE
@_ROOT
def fetch_files(names: tuple[str, ...], use: str | None, root: Path | None) -> None:
    """Download files that are not there yet; each is checked by sha256.

    Example: tsclassify data fetch --use train
    """
    from tsclassify.data.files import fetch, files_of
    from tsclassify.data.registry import PublicFile

    counts: dict[str, int] = {}

    def tell(file: PublicFile, state: str) -> None:
        counts[state] = counts.get(state, 0) + 1
        if state == "fetched":
            click.echo(f"fetched {file.path_here} ({file.n_bytes / 1e6:.1f} MB)", err=True)
        elif state == "not fetchable":
            click.echo(f"{file.path_here} has no public address: {file.note}", err=True)

    folder = fetch(files_of(names, use=use), root=root, on_file=tell)
    click.echo(", ".join(f"{n} {state}" for state, n in counts.items()) + f" in {folder}")


@command.command("verify")
@click.argument("names", nargs=-1)
@_USE
@_ROOT
def verify_files(names: tuple[str, ...], use: str | None, root: Path | None) -> None:
    """Check files against the registry; name each that is missing or altered.

    Example: tsclassify data verify edos
    """
    from tsclassify.data.files import data_folder, verify

    n_good, faults = verify(names, use=use, root=root)
    if faults:
        raise DataError("\n".join(fault.message for fault in faults), hint=faults[0].hint)
    click.echo(f"{n_good} files as registered in {data_folder(root)}")
