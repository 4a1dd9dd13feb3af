"""The bundle on disk: one folder that holds a model and everything it states about itself.

A bundle is data, never code: JSON, plain arrays and text. Every file is named in ``manifest.json`` with its
size and sha256, and ``SHA256SUMS`` adds the manifest's own (``sha256sum -c SHA256SUMS`` checks a bundle without
this library). Whatever is missing, altered, truncated, oversized or newer than this code is refused in one
sentence. The hash of the manifest is the hash of the model.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tsclassify.errors import BundleError
from tsclassify.features.spec import FeatureSpec
from tsclassify.model.arrays import pack_arrays, unpack_arrays
from tsclassify.model.soundness import CALIBRATION_PARTS, check_model
from tsclassify.model.trained import LANES, SIGNAL_LANES, TrainedModel
from tsclassify.records import ModelInfo, OperatingPoint, SignalBand
from tsclassify.taxonomy import CATEGORIES, SIGNALS

__all__ = ["BUNDLE_SCHEMA", "model_info", "read_bundle", "write_bundle"]

BUNDLE_SCHEMA: Final = 2
"""Version of the folder's layout; a bundle of version 1 was trained on posts that were not read by passage."""

_MANIFEST: Final = "manifest.json"
_SUMS: Final = "SHA256SUMS"
_REQUIRED: Final = ("weights.npz", "lexicon.tsv", "top_features.tsv", "CARD.md")
_MAX_MANIFEST_BYTES: Final = 4 << 20
_MAX_FILE_BYTES: Final = 256 << 20
_MAX_BUNDLE_BYTES: Final = 512 << 20
_ARRAYS: Final = {
    "weights": np.int8,
    "weight_scales": np.float64,
    "bias": np.float64,
    "signal_weights": np.int8,
    "signal_scales": np.float64,
    "signal_bias": np.float64,
    "passages": np.float64,
    "signal_passages": np.float64,
}
_CALIBRATIONS: Final = ("calibration", "signal_calibration", "language_calibration")


def write_bundle(model: TrainedModel, folder: str | os.PathLike[str], *, texts: Mapping[str, str]) -> str:
    """Write a bundle folder, byte for byte the same for the same model.

    Parameters
    ----------
    model
        What training returned.
    folder
        Folder to create or to replace; it appears whole or not at all.
    texts
        ``top_features.tsv`` and ``CARD.md``, as text.

    Returns
    -------
    str
        The bundle's sha256, of its manifest.

    Raises
    ------
    BundleError
        When the folder cannot be written, or exists and is not a bundle.
    """
    target = Path(folder)
    if target.exists() and not (target / _MANIFEST).is_file():
        raise BundleError(f"{target.name}: folder must be a bundle or not exist, got something else")
    files = {name: text.encode() for name, text in texts.items()}
    files["weights.npz"] = _pack(model)
    files["lexicon.tsv"] = _lexicon_text(model.lexicon).encode()
    missing = sorted(set(_REQUIRED) - set(files))
    if missing:
        raise BundleError(f"bundle: files must include {', '.join(missing)}, got none of that name")
    manifest = _manifest(model, files)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            files[_MANIFEST] = manifest
            for name, content in {**files, _SUMS: _sums({n: _sha256(c) for n, c in files.items()})}.items():
                (temporary / name).write_bytes(content)
            temporary.chmod(0o755)
            if target.exists():
                target.rename(replaced := temporary.with_name(f"{temporary.name}.replaced"))
                temporary.rename(target)
                shutil.rmtree(replaced, ignore_errors=True)
            else:
                temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise BundleError(f"{target.name}: bundle must be writable, got {error.strerror}") from error
    return _sha256(manifest)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sums(digests: Mapping[str, str]) -> bytes:
    """The text that ``sha256sum`` prints for these files, in name order."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()


def _pack(model: TrainedModel) -> bytes:
    arrays: dict[str, NDArray[Any]] = {
        name: np.ascontiguousarray(getattr(model, name), dtype=dtype) for name, dtype in _ARRAYS.items()
    }
    for group in _CALIBRATIONS:
        for name, values in sorted(getattr(model, group).items()):
            arrays[f"{group}.{name}"] = np.ascontiguousarray(values, dtype=np.float64)
    return pack_arrays(arrays)


def _lexicon_text(lexicon: Mapping[str, str]) -> str:
    lines = [f"{word}\t{name}\n" for word, name in sorted(lexicon.items())]
    return "word\tword_class\n" + "".join(lines)


def _manifest(model: TrainedModel, files: Mapping[str, bytes]) -> bytes:
    from tsclassify._version import __version__

    body = {
        "schema_version": BUNDLE_SCHEMA,
        "name": model.name,
        "code_version": __version__,
        "categories": list(model.categories),
        "signals": list(SIGNALS),
        "languages": list(model.languages),
        "features": model.spec.to_dict(),
        "priors": dict(model.priors),
        "operating_points": {
            category: [_as_dict(point) for point in points] for category, points in model.operating_points.items()
        },
        "signal_bands": {name: [band.no_below, band.yes_from] for name, band in model.signal_bands.items()},
        "language_band": [model.language_band.no_below, model.language_band.yes_from],
        "seed": model.seed,
        "config_sha256": model.config_sha256,
        "sources": [dict(source) for source in model.sources],
        "figures": model.figures,
        "files": {name: {"bytes": len(content), "sha256": _sha256(content)} for name, content in sorted(files.items())},
    }
    if model.added:
        body["added"] = dict(model.added)
    return (json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _as_dict(point: OperatingPoint) -> dict[str, float | int]:
    return {name: getattr(point, name) for name in OperatingPoint.__slots__}


def read_bundle(folder: str | os.PathLike[str]) -> tuple[TrainedModel, str]:
    """Read and check a bundle folder.

    Returns
    -------
    tuple
        The model, and the bundle's sha256.

    Raises
    ------
    BundleError
        One sentence naming the file and what is wrong with it.
    """
    path = Path(folder)
    if not path.is_dir():
        raise BundleError(f"{path.name or path}: bundle must be a folder, got no such folder")
    raw = _read_file(path, _MANIFEST, _MAX_MANIFEST_BYTES)
    manifest = _parse_manifest(path.name, raw)
    contents: dict[str, bytes] = {}
    left = _MAX_BUNDLE_BYTES
    for name, stated in _files(path.name, manifest).items():
        contents[name] = _checked_file(path, name, stated, min(left, _MAX_FILE_BYTES))
        left -= len(contents[name])
    digests = {_MANIFEST: _sha256(raw), **{name: _sha256(content) for name, content in contents.items()}}
    if _read_file(path, _SUMS, _MAX_MANIFEST_BYTES) != _sums(digests):
        raise BundleError(
            f"{path.name}/{_SUMS}: hashes must be those of the files, got others", hint="restore the bundle"
        )
    try:
        model = _build(path.name, manifest, contents)
        check_model(path.name, model)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(
            f"{path.name}/{_MANIFEST}: fields must be complete and well-typed, got a bad {error}"
        ) from error
    return model, digests[_MANIFEST]


def _read_file(path: Path, name: str, limit: int) -> bytes:
    file = path / name
    try:
        if file.is_symlink() or not file.is_file():
            raise BundleError(f"{path.name}/{name}: file must be present, got no plain file of that name")
        size = file.stat().st_size
        if size > limit:
            raise BundleError(f"{path.name}/{name}: file must be at most {limit} bytes, got {size}")
        with file.open("rb") as opened:
            return opened.read(size)
    except OSError as error:
        raise BundleError(f"{path.name}/{name}: file must be readable, got {error.strerror}") from error


def _parse_manifest(bundle: str, raw: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{bundle}/{_MANIFEST}: file must be whole JSON, got something else") from error
    if not isinstance(manifest, dict):
        raise BundleError(f"{bundle}/{_MANIFEST}: file must hold a JSON object, got {type(manifest).__name__}")
    version = manifest.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BundleError(f"{bundle}/{_MANIFEST}: schema_version must be a whole number from 1, got {version!r}")
    if version < BUNDLE_SCHEMA:
        raise BundleError(
            f"{bundle}/{_MANIFEST}: schema_version must be {BUNDLE_SCHEMA}, got {version}",
            hint="train the bundle again with this library, or use the version that wrote it",
        )
    if version > BUNDLE_SCHEMA:
        raise BundleError(
            f"{bundle}/{_MANIFEST}: schema_version must be at most {BUNDLE_SCHEMA}, got {version}",
            hint="this bundle is newer than the library; upgrade tsclassify",
        )
    return manifest


def _files(bundle: str, manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(stated, dict) for stated in files.values()):
        raise BundleError(f"{bundle}/{_MANIFEST}: files must map names to size and sha256, got something else")
    for name in files:
        if name != os.path.basename(name) or name in {"", ".", "..", _MANIFEST} or "\\" in name:
            raise BundleError(f"{bundle}/{_MANIFEST}: file names must lie in the bundle's folder, got {name!r}")
    missing = sorted(set(_REQUIRED) - set(files))
    if missing:
        raise BundleError(f"{bundle}/{_MANIFEST}: files must include {', '.join(missing)}, got no entry")
    return files


def _checked_file(path: Path, name: str, stated: Mapping[str, Any], limit: int) -> bytes:
    content = _read_file(path, name, limit)
    if len(content) != stated.get("bytes"):
        raise BundleError(f"{path.name}/{name}: size must be {stated.get('bytes')} bytes, got {len(content)}")
    digest = _sha256(content)
    if digest != stated.get("sha256"):
        raise BundleError(
            f"{path.name}/{name}: sha256 must be as the manifest states, got {digest[:12]}…",
            hint="the file was altered or damaged; restore the bundle",
        )
    return content


def _unpack(bundle: str, content: bytes, n_added: int) -> dict[str, NDArray[Any]]:
    where = f"{bundle}/weights.npz"
    dtypes: dict[str, Any] = dict(_ARRAYS)
    dtypes |= {f"{group}.{part}": np.float64 for group in _CALIBRATIONS for part in CALIBRATION_PARTS}
    arrays = unpack_arrays(where, content, dtypes)
    for name, dtype in _ARRAYS.items():
        lanes = SIGNAL_LANES if name.startswith("signal_") else LANES + n_added
        if name not in arrays or arrays[name].shape[-1:] != (lanes,):
            raise BundleError(f"{where}: {name} must be {np.dtype(dtype).name} with {lanes} lanes, got something else")
    for name, values in arrays.items():
        if values.dtype.kind == "f" and not bool(np.isfinite(values).all()):
            raise BundleError(f"{where}: {name} must be finite, got NaN or infinity")
    return arrays


def _build(bundle: str, manifest: Mapping[str, Any], contents: Mapping[str, bytes]) -> TrainedModel:
    added = manifest.get("added", {})
    if not isinstance(added, dict):
        raise BundleError(f"{bundle}/{_MANIFEST}: added must map categories to meanings, got something else")
    if tuple(manifest["categories"]) != (*CATEGORIES, *added) or tuple(manifest["signals"]) != SIGNALS:
        raise BundleError(f"{bundle}/{_MANIFEST}: categories and signals must be this library's, got others")
    spec = FeatureSpec.from_dict(manifest["features"])
    points = {
        category: tuple(OperatingPoint(**point) for point in table)
        for category, table in manifest["operating_points"].items()
    }
    arrays = _unpack(bundle, contents["weights.npz"], len(added))
    allowed = {"weights": {1 << spec.bits}, "signal_weights": {1 << bits for bits in range(8, spec.bits + 1)}}
    for name, counts in allowed.items():
        if arrays[name].ndim != 2 or arrays[name].shape[0] not in counts:
            wanted = f"{1 << spec.bits} rows" if len(counts) == 1 else f"at most {1 << spec.bits} rows, a power of two"
            raise BundleError(f"{bundle}/weights.npz: {name} must have {wanted}, got shape {arrays[name].shape}")
    rows = contents["lexicon.tsv"].decode().splitlines()[1:]
    lexicon = dict(row.split("\t") for row in rows)
    groups = {
        group: {name.split(".", 1)[1]: values for name, values in arrays.items() if name.startswith(f"{group}.")}
        for group in _CALIBRATIONS
    }
    return TrainedModel(
        name=str(manifest["name"]),
        spec=spec,
        lexicon=lexicon,
        weights=arrays["weights"],
        weight_scales=arrays["weight_scales"],
        bias=arrays["bias"],
        signal_weights=arrays["signal_weights"],
        signal_scales=arrays["signal_scales"],
        signal_bias=arrays["signal_bias"],
        passages=arrays["passages"],
        signal_passages=arrays["signal_passages"],
        calibration=groups["calibration"],
        signal_calibration=groups["signal_calibration"],
        language_calibration=groups["language_calibration"],
        priors={str(name): float(value) for name, value in manifest["priors"].items()},
        operating_points=points,
        signal_bands={name: SignalBand(*band) for name, band in manifest["signal_bands"].items()},
        language_band=SignalBand(*manifest["language_band"]),
        figures=manifest["figures"],
        sources=tuple(manifest["sources"]),
        seed=int(manifest["seed"]),
        config_sha256=str(manifest["config_sha256"]),
        languages=tuple(manifest["languages"]),
        added=added,
    )


def model_info(model: TrainedModel, sha256: str) -> ModelInfo:
    """What policies may know of a model."""
    return ModelInfo(
        name=model.name,
        sha256=sha256,
        categories=model.categories,
        signals=SIGNALS,
        priors=dict(model.priors),
        operating_points=dict(model.operating_points),
        signal_bands=dict(model.signal_bands),
        languages=model.languages,
    )
