"""A bundle that is not exactly what was written is refused in one sentence."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tsclassify as ts
from tsclassify.model.bundle import read_bundle, write_bundle
from tsclassify.resources import shipped

FILES = ("CARD.md", "SHA256SUMS", "lexicon.tsv", "manifest.json", "top_features.tsv", "weights.npz")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped("models", "en-v1"), tmp_path / "copy"))


def reseal(folder: Path, change: Callable[[dict], None]) -> None:
    """Change the manifest and make all hashes true again, as a careful forger would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        content = (folder / name).read_bytes() if (folder / name).is_file() else b""
        manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    change(manifest)
    raw = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(raw)
    names = sorted([*manifest["files"], "manifest.json"])
    sums = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in names
        if (folder / name).is_file()
    ]
    (folder / "SHA256SUMS").write_text("".join(sums))


def refused(folder: Path, message: str) -> None:
    with pytest.raises(ts.BundleError, match=message) as caught:
        read_bundle(folder)
    assert "\n" not in caught.value.message
    assert not caught.value.message.endswith(".")


def test_write_then_read_then_write_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    model, sha256 = read_bundle(bundle)
    texts = {name: (bundle / name).read_text(encoding="utf-8") for name in ("top_features.tsv", "CARD.md")}
    again = write_bundle(model, tmp_path / "again", texts=texts)
    assert again == sha256
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (bundle / name).read_bytes(), name


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0.0, 0.37, 0.999])
def test_one_flipped_bit_is_refused(bundle: Path, name: str, where: float) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[int(len(content) * where)] ^= 1
    (bundle / name).write_bytes(bytes(content))
    refused(bundle, name if name != "manifest.json" else "manifest|SHA256SUMS|must")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    refused(bundle, f"{name}: file must be present")


@pytest.mark.parametrize("name", FILES)
def test_half_a_file_is_refused(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[: len(content) // 2])
    refused(bundle, r"must be")


def test_a_newer_schema_is_refused_with_what_to_do(bundle: Path) -> None:
    reseal(bundle, lambda manifest: manifest.update(schema_version=3))
    with pytest.raises(ts.BundleError, match="schema_version must be at most 2, got 3") as caught:
        read_bundle(bundle)
    assert "upgrade tsclassify" in caught.value.hint


def test_an_older_schema_is_refused_with_what_to_do(bundle: Path) -> None:
    reseal(bundle, lambda manifest: manifest.update(schema_version=1))
    with pytest.raises(ts.BundleError, match="schema_version must be 2, got 1") as caught:
        read_bundle(bundle)
    assert "train the bundle again" in caught.value.hint


@pytest.mark.parametrize("version", [0, -1, "1", None, True, 1.0])
def test_a_schema_version_that_is_no_whole_number_is_refused(bundle: Path, version: object) -> None:
    reseal(bundle, lambda manifest: manifest.update(schema_version=version))
    refused(bundle, "schema_version must be a whole number from 1")


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/b", "..", "a\\b"])
def test_a_path_out_of_the_folder_is_refused(bundle: Path, name: str) -> None:
    reseal(bundle, lambda manifest: manifest["files"].update({name: {"bytes": 1, "sha256": "0"}}))
    refused(bundle, "file names must lie in the bundle's folder")


def test_a_symbolic_link_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "CARD.md").rename(tmp_path / "elsewhere.md")
    (bundle / "CARD.md").symlink_to(tmp_path / "elsewhere.md")
    refused(bundle, r"CARD\.md: file must be present, got no plain file")


@pytest.mark.parametrize("field", ["categories", "signals", "features", "priors", "operating_points", "signal_bands"])
def test_a_missing_field_is_refused(bundle: Path, field: str) -> None:
    reseal(bundle, lambda manifest: manifest.pop(field))
    refused(bundle, "manifest")


def rewrite_arrays(folder: Path, change: Callable[[dict[str, np.ndarray]], None], *, compress: bool = False) -> None:
    with np.load(folder / "weights.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    change(arrays)
    buffer = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(buffer, **arrays)
    (folder / "weights.npz").write_bytes(buffer.getvalue())
    reseal(folder, lambda manifest: None)


def test_a_pickled_array_is_never_loaded(bundle: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (bundle / "owned",))

    rewrite_arrays(bundle, lambda arrays: arrays.update(bias=np.array([Trap()], dtype=object)))
    refused(bundle, r"weights\.npz: file must be a whole npz of plain arrays")
    assert not (bundle / "owned").exists()


def test_compressed_arrays_are_refused_so_that_no_archive_can_expand(bundle: Path) -> None:
    rewrite_arrays(bundle, lambda arrays: None, compress=True)
    refused(bundle, "arrays must be stored uncompressed")


def test_a_wrong_shape_is_refused(bundle: Path) -> None:
    rewrite_arrays(bundle, lambda arrays: arrays.update(weights=arrays["weights"][:-1]))
    refused(bundle, "weights must have")


def test_a_weight_that_is_not_finite_is_refused(bundle: Path) -> None:
    def spoil(arrays: dict[str, np.ndarray]) -> None:
        arrays["bias"] = arrays["bias"] * np.nan

    rewrite_arrays(bundle, spoil)
    refused(bundle, "bias must be finite, got NaN or infinity")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("calibration.knots"), "calibration must have knots, values and slopes"),
        (
            lambda arrays: arrays.update({"calibration.knots": arrays["calibration.knots"][:, ::-1]}),
            "must rise strictly",
        ),
        (lambda arrays: arrays.update({"calibration.slopes": -arrays["calibration.slopes"]}), "must rise strictly"),
        (lambda arrays: arrays.update({"calibration.values": arrays["calibration.values"][:3]}), "must be for 7 heads"),
        (lambda arrays: arrays.update({"calibration.values": np.zeros(3)}), "must be float64 of two dimensions"),
        (lambda arrays: arrays.update(bias=arrays["bias"][np.newaxis]), "bias must have one dimension"),
        (lambda arrays: arrays.update(bias=arrays["bias"] + 1e300), "bias must be of a size that scores can hold"),
    ],
)
def test_arrays_that_could_not_be_used_are_refused(
    bundle: Path, change: Callable[[dict], object], message: str
) -> None:
    rewrite_arrays(bundle, change)
    refused(bundle, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest.update(priors=[]), "fields must be complete and well-typed"),
        (lambda manifest: manifest["priors"].update(hate=0), "prior of hate must be between 0 and 1"),
        (lambda manifest: manifest["priors"].pop("hate"), "priors must name this library's"),
        (lambda manifest: manifest["signal_bands"].update(specific=[0.9, 0.1]), "band of specific must be two rising"),
        (lambda manifest: manifest["signal_bands"].pop("specific"), "signal_bands must name this library's"),
        (lambda manifest: manifest["operating_points"].update(zorp=[]), "operating_points must name this library's"),
        (lambda manifest: manifest["operating_points"]["hate"].reverse(), "must come by rising threshold"),
        (lambda manifest: manifest["operating_points"]["hate"][0].update(recall=2), "must hold shares from 0 to 1"),
        (lambda manifest: manifest["features"].update(bits=18.0), "bits must be int, got float"),
        (lambda manifest: manifest["features"].update(mask="no"), "mask must be bool, got str"),
        (lambda manifest: manifest["features"].update(skips=[True]), "skips must be tuple"),
        (lambda manifest: manifest.update(languages=[1]), "languages must be language codes"),
        (lambda manifest: manifest.update(languages=["\x1b[2J"]), "languages must be language codes"),
        (lambda manifest: manifest.update(name="\ud800"), "name must be letters, digits"),
        (lambda manifest: manifest.update(name="z" * 65), "name must be letters, digits"),
        (lambda manifest: manifest.update(name=""), "name must be letters, digits"),
        (lambda manifest: manifest.update(sources=[1]), "figures and sources must be objects"),
    ],
)
def test_statements_that_could_not_be_used_are_refused(
    bundle: Path, change: Callable[[dict], object], message: str
) -> None:
    reseal(bundle, change)
    refused(bundle, message)


def test_an_archive_that_is_no_npz_is_refused(bundle: Path) -> None:
    with zipfile.ZipFile(bundle / "weights.npz", "w") as archive:
        archive.writestr("weights.npy", "no array")
    reseal(bundle, lambda manifest: None)
    refused(bundle, "must be a whole npz of plain arrays")


def header(text: str) -> bytes:
    """The beginning of an npy file."""
    written = f"{text}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(written).to_bytes(2, "little") + written


@pytest.mark.parametrize(
    "member",
    [
        # numpy reads these as Python, and fails with a SyntaxError or a TokenError of its tokenizer
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (8,), u") + bytes(64),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (8L,), }") + bytes(64),
        header("[" * 9000) + bytes(64),
        # what is stated is not there: numpy would ask for the memory first
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (999999999, 8), }") + bytes(64),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (8,), }") + bytes(72),
        header("{'descr': '<f8', 'fortran_order': False, 'shape': (-8,), }") + bytes(64),
        header("{'descr': '<f8', 'fortran_order': True, 'shape': (8,), }") + bytes(64),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (8,), }") + bytes(64),
        header("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (8,), }") + bytes(64),
        b"\x93NUMPY\x02\x00" + bytes(100),
        b"\x93NUMPY\x01\x00",
        b"",
    ],
)
def test_a_header_that_numpy_would_not_write_is_refused(bundle: Path, member: bytes) -> None:
    with zipfile.ZipFile(bundle / "weights.npz", "w") as archive:
        archive.writestr("bias.npy", member)
    reseal(bundle, lambda manifest: None)
    refused(bundle, "must be a whole npz of plain arrays")


def test_an_array_of_another_type_is_refused(bundle: Path) -> None:
    rewrite_arrays(bundle, lambda arrays: arrays.update(bias=arrays["bias"].astype(np.float32)))
    refused(bundle, "bias must be float64, got another type")


def test_arrays_of_other_names_and_twice_the_same_are_refused(bundle: Path) -> None:
    rewrite_arrays(bundle, lambda arrays: arrays.update({"../zorp": arrays["bias"]}))
    refused(bundle, r"arrays must be this library's, each once, got '\.\./zorp\.npy'")
    content = (bundle / "weights.npz").read_bytes()
    (bundle / "weights.npz").write_bytes(content.replace(b"../zorp.npy", b"bias.npy\0\0\0"))
    reseal(bundle, lambda manifest: None)
    refused(bundle, "each once, got 'bias.npy'")


def test_a_directory_cannot_name_one_piece_of_the_archive_many_times(bundle: Path) -> None:
    content = (bundle / "weights.npz").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        begins, entry = archive.start_dir, 46 + len(archive.infolist()[0].filename)
    directory = content[begins : begins + entry] * 4 + content[begins + entry : -22]
    end = content[-22:-10] + len(directory).to_bytes(4, "little") + content[-6:]
    (bundle / "weights.npz").write_bytes(content[:begins] + directory + end)
    with zipfile.ZipFile(bundle / "weights.npz") as archive:
        assert sum(entry.file_size for entry in archive.infolist()) > 2 * len(content)
    reseal(bundle, lambda manifest: None)
    refused(bundle, "must be a whole npz of plain arrays")


def test_a_directory_without_end_is_not_read(bundle: Path) -> None:
    with zipfile.ZipFile(bundle / "weights.npz", "w") as archive:
        for number in range(2000):
            archive.writestr(f"zorp{number}.npy", b"")
    reseal(bundle, lambda manifest: None)
    refused(bundle, "must be a whole npz of plain arrays")


def test_files_together_are_bounded_as_each_is(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file under many names costs its reader its size many times, and its maker nothing."""
    for number in range(4):
        (bundle / f"zorp{number}").hardlink_to(bundle / "weights.npz")
    names = {f"zorp{number}": {} for number in range(4)}
    reseal(bundle, lambda manifest: manifest["files"].update(names))
    reseal(bundle, lambda manifest: None)
    read_bundle(bundle)
    monkeypatch.setattr("tsclassify.model.bundle._MAX_BUNDLE_BYTES", 36 << 20)
    size = (bundle / "weights.npz").stat().st_size
    refused(bundle, rf"copy/zorp\d: file must be at most \d+ bytes, got {size}")


def test_headers_around_arrays_are_those_that_every_python_writes() -> None:
    """Python 3.11.4 and later write others than before for a file whose size is not known beforehand."""
    with zipfile.ZipFile(shipped("models", "en-v1", "weights.npz")) as archive:
        assert {(entry.extract_version, entry.flag_bits, entry.extra) for entry in archive.infolist()} == {(20, 0, b"")}


def test_a_folder_that_is_no_bundle_is_not_overwritten(bundle: Path, tmp_path: Path) -> None:
    model, _ = read_bundle(bundle)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ts.BundleError, match="folder must be a bundle or not exist"):
        write_bundle(model, tmp_path / "mine", texts={"top_features.tsv": "", "CARD.md": ""})
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_a_bundle_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ts.BundleError, match="bundle must be a folder, got no folder"):
        ts.load(tmp_path / "nowhere")
    with pytest.raises(ts.BundleError, match="shipped file must be present, got no en-v9"):
        ts.load("en-v9")


def test_the_shipped_model_was_trained_on_sources_that_allow_it() -> None:
    model, _ = read_bundle(shipped("models", "en-v1"))
    assert model.sources
    assert {source["use"] for source in model.sources} == {"train"}
    assert all(source["licence"] for source in model.sources)


def test_the_shipped_bundle_states_dev_figures_and_stays_small() -> None:
    folder = shipped("models", "en-v1")
    model, _ = read_bundle(folder)
    for category in model.operating_points:
        assert 0.0 < model.figures["dev"][category]["ap"] < 1.0
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 12_000_000
