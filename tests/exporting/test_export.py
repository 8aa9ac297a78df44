"""The contract of every target, on files as they were written, read by the programs they are for."""

import getpass
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from support.full_disk import files_of_at_most
from support.small_inputs import small_network

from ripfdn_cli.errors import InternalError, OutputError, UnavailableError, UsageError
from ripfdn_cli.exporting.export import (
    TARGETS,
    _write,
    export,
    export_named,
    files_of,
    metadata_of,
    target_of,
)
from ripfdn_cli.exporting.export_target import Form, Target
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.image_math.metrics import psnr
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.network import build_network, to_checkpoint
from ripfdn_cli.model.released_checkpoint import export_released
from ripfdn_cli.model.weights_store import install, load_weights

PHOTOGRAPH = Path(__file__).parents[2] / "examples" / "astronaut.png"
TARGET_NAMES = sorted(TARGETS)


def run(target: str, path: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """`path` in its own program, with nothing of ours."""
    if target == "onnx":
        runtime: Any = pytest.importorskip("onnxruntime")
        return np.asarray(runtime.InferenceSession(path).run(None, {"input": x})[0])
    if target == "openvino":
        openvino: Any = pytest.importorskip("openvino")
        hint = {"INFERENCE_PRECISION_HINT": "f32"}
        return np.asarray(openvino.Core().compile_model(path, "CPU", hint)({"input": x})["output"])
    if target == "ncnn":
        return np.stack([run_ncnn(path, picture) for picture in x])
    return np.asarray(load_torchscript(path)(torch.from_numpy(x)).detach())


def run_ncnn(path: Path, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """As Real-ESRGAN's programs do: `data` in, `output` out."""
    ncnn: Any = pytest.importorskip("ncnn")
    net = ncnn.Net()
    net.opt.use_bf16_storage = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    assert net.load_param(str(path)) == 0
    assert net.load_model(str(path.with_suffix(".bin"))) == 0
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(picture).clone())
    return np.array(extractor.extract("output")[1])


def load_torchscript(path: Path, extra: dict[str, str] | None = None) -> Any:
    with pytest.warns(DeprecationWarning, match="jit"):
        return torch.jit.load(path, _extra_files=extra or {})


def network_itself(checkpoint: Checkpoint, x: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return np.asarray(build_network(checkpoint)(torch.from_numpy(x)))


def psnr_on_photograph(result: NDArray[np.float32], target: NDArray[np.uint8]) -> float:
    return psnr(np.rint(255 * result[0].clip(0, 1)).transpose(1, 2, 0), target)


def photograph_pair(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A crop of a real photograph, small as (1, 3, height, width) and four times as large."""
    target = np.asarray(Image.open(PHOTOGRAPH).convert("RGB"))[8 : 8 + 4 * height, 8 : 8 + 4 * width]
    small = imresize(target, size=(height, width)).transpose(2, 0, 1)[None]
    return np.ascontiguousarray(small, np.float32) / np.float32(255), target


@pytest.mark.parametrize("target", TARGET_NAMES)
def test_files_give_what_the_network_gives(
    exported: Any, upscaling_checkpoint: Checkpoint, target: str
) -> None:
    path = exported(target)
    for shape in [(1, 3, 15, 15), (1, 3, 22, 57), (3, 3, 40, 19)]:
        x = np.random.default_rng(8).random(shape, np.float32)
        expected = network_itself(upscaling_checkpoint, x)
        np.testing.assert_allclose(run(target, path, x), expected, rtol=0, atol=2e-5)
    x, photograph = photograph_pair(40, 33)
    ours = psnr_on_photograph(network_itself(upscaling_checkpoint, x), photograph)
    assert ours > 20
    assert psnr_on_photograph(run(target, path, x), photograph) == pytest.approx(ours, abs=0.01)


@pytest.mark.parametrize("target", ["openvino", "torchscript", pytest.param("onnx", marks=pytest.mark.slow)])
def test_a_fixed_tile_is_all_that_is_taken(
    exported: Any, upscaling_checkpoint: Checkpoint, target: str
) -> None:
    path = exported(target, tile=(21, 34))
    x = np.random.default_rng(8).random((1, 3, 21, 34), np.float32)
    expected = network_itself(upscaling_checkpoint, x)
    np.testing.assert_allclose(run(target, path, x), expected, rtol=0, atol=2e-5)
    with pytest.raises(Exception):  # noqa: B017, PT011 - each program's own
        run(target, path, np.zeros((1, 3, 34, 34), np.float32))


def test_old_versions_of_ncnn_can_read_the_graph(exported: Any) -> None:
    """They know numbers for parameters only, and the flag that says to which size an interpolation goes."""
    lines = [line.split() for line in exported("ncnn").read_text("ascii").splitlines()[2:]]
    for line in lines:
        inputs, outputs = int(line[2]), int(line[3])
        for parameter in line[4 + inputs + outputs :]:
            key, _, value = parameter.partition("=")
            assert key.lstrip("-").isdigit()
            assert all(re.fullmatch(r"-?\d[\d.e+-]*", part) for part in value.split(",")), line
    resized = [line for line in lines if line[0] == "Interp"]
    assert resized
    assert all("5=1" in line and "6=0" in line and line[2] == "2" for line in resized)


@pytest.mark.parametrize("package", ["pnnx", "ncnn"])
def test_missing_packages_for_ncnn_come_with_the_pip_line(
    small_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnavailableError, match=rf"{package}.*pip install 'ripfdn-cli\[ncnn\]'"):
        export(small_checkpoint, "ncnn", tmp_path / "a.param")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "target", ["openvino", "torchscript", "ncnn", pytest.param("onnx", marks=pytest.mark.slow)]
)
def test_half_the_bytes_give_almost_the_same(
    exported: Any, upscaling_checkpoint: Checkpoint, target: str
) -> None:
    path = exported(target, half=True)
    x, photograph = photograph_pair(20, 26)
    expected, result = network_itself(upscaling_checkpoint, x), run(target, path, x)
    assert result.dtype == np.float32
    assert 0 < np.abs(result - expected).max() < 1e-2
    ours = psnr_on_photograph(expected, photograph)
    assert psnr_on_photograph(result, photograph) == pytest.approx(ours, abs=0.01)
    if target in ("openvino", "ncnn"):
        weights = [exported(target, half=half).with_suffix(".bin").stat().st_size for half in (True, False)]
        assert weights[0] < 0.6 * weights[1]


def test_files_say_what_they_are(exported: Any, upscaling_checkpoint: Checkpoint) -> None:
    expected = metadata_of(upscaling_checkpoint)
    assert (expected["scale"], expected["licence"]) == ("4", "CC0 1.0")
    assert json.loads(expected["provenance"]) == {"data": "none", "licence": "CC0 1.0"}
    assert metadata_in("onnx", exported("onnx")) == expected
    assert metadata_in("openvino", exported("openvino")) == expected
    assert metadata_in("torchscript", exported("torchscript")) == expected


def metadata_in(target: str, path: Path) -> dict[str, str]:
    if target == "onnx":
        onnx: Any = pytest.importorskip("onnx")
        return {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    if target == "openvino":
        openvino: Any = pytest.importorskip("openvino")
        entries = openvino.Core().read_model(path).get_rt_info(["ripfdn"]).value
        return dict(entries)
    extra = {"ripfdn.json": ""}
    load_torchscript(path, extra)
    found: dict[str, str] = json.loads(extra["ripfdn.json"])
    return found


@pytest.mark.parametrize("target", TARGET_NAMES)
def test_nothing_of_this_machine_is_in_the_files(exported: Any, target: str) -> None:
    path = exported(target)
    contents = [file.read_bytes() for file in files_of(target, path)]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            contents += [archive.read(name) for name in archive.namelist()]
    for private in (sys.prefix, str(Path(__file__).parents[2]), f"/{getpass.getuser()}/", "site-packages"):
        assert not any(private.encode() in content for content in contents)


def test_a_wrong_conversion_is_never_written(
    small_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A converter that gives another network."""
    real = TARGETS["torchscript"]
    other = to_checkpoint(small_network(seed=1), {})
    wrong = Target(real.suffixes, lambda _, form, metadata: real.build(other, form, metadata), real.load)
    monkeypatch.setitem(TARGETS, "torchscript", wrong)
    with pytest.raises(InternalError, match="differs from ripfdn's own"):
        export(small_checkpoint, "torchscript", tmp_path / "a.pt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["a.xml", "a.bin"])
def test_files_are_not_replaced_unasked(small_checkpoint: Checkpoint, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_bytes(b"precious")
    with pytest.raises(OutputError, match=f"{there} exists already"):
        export(small_checkpoint, "openvino", tmp_path / "a.xml")
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_weights_of_another_target_are_never_replaced(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    """ncnn and OpenVINO both have a .bin beside the file that programs open."""
    for first, second in (("param", "xml"), ("xml", "param")):
        folder = tmp_path / first
        folder.mkdir()
        for name in (f"x4.{first}", "x4.bin"):
            (folder / name).write_bytes(b"theirs")
        output = folder / f"x4.{second}"
        with pytest.raises(UsageError, match=rf"x4\.bin is of .*x4\.{first}.*another `output`"):
            export(small_checkpoint, target_of(output), output, overwrite=True)
        assert (folder / "x4.bin").read_bytes() == b"theirs"


def test_without_an_output_the_file_is_called_as_the_weights(
    small_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    install("mine.v2", small_checkpoint)
    torch.save(export_released(small_checkpoint), tmp_path / "theirs.pth")
    for weights, name in (("mine.v2", "mine.v2.pt"), (str(tmp_path / "theirs.pth"), "theirs.pt")):
        assert export_named(weights, None, target="torchscript").output == Path(name)
        assert (tmp_path / name).is_file()


def test_a_missing_folder_is_told_before_the_work(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"none/a\.pt: there is no such folder"):
        export(small_checkpoint, "torchscript", tmp_path / "none" / "a.pt")


@pytest.mark.parametrize("large", [".xml", ".bin"])
def test_a_full_disk_leaves_both_old_files(tmp_path: Path, large: str) -> None:
    paths = [tmp_path / "a.xml", tmp_path / "a.bin"]
    for path in paths:
        path.write_bytes(b"old")
    contents = {path: bytes(3000 if path.suffix == large else 10) for path in paths}
    with files_of_at_most(2000), pytest.raises(OutputError, match="can't write"):
        _write(contents, overwrite=True)
    assert [path.read_bytes() for path in paths] == [b"old", b"old"]
    assert len(list(tmp_path.iterdir())) == 2
    _write(contents, overwrite=True)
    assert [path.read_bytes() for path in paths] == list(contents.values())


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_comes_with_the_pip_line(
    small_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnavailableError, match=rf'{package}; .*pip install "ripfdn-cli\[export\]"'):
        export(small_checkpoint, "onnx", tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "target"),
    [("a.onnx", "onnx"), ("b.xml", "openvino"), ("c.pt", "torchscript"), ("d.param", "ncnn")],
)
def test_suffixes_name_targets(name: str, target: str) -> None:
    assert target_of(Path(name)) == target


def test_other_suffixes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"a\.bin does not end in the suffix of an exported network"):
        target_of(Path("a.bin"))
    with pytest.raises(UsageError, match=r"a\.pt does not end in \.onnx"):
        files_of("onnx", Path("a.pt"))


@pytest.mark.parametrize("tile", [(14, 100), (100, 14)])
def test_a_tile_too_small_to_pool_is_refused(tile: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="shorter than the minimum of 15 px"):
        Form(tile=tile)


@pytest.mark.parametrize("opset", [15, 24])
def test_opsets_that_were_not_tried_are_refused(opset: int) -> None:
    with pytest.raises(UsageError, match="not between 16 and 23"):
        Form(opset=opset)


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("tile", [None, (40, 44)])
@pytest.mark.parametrize("target", TARGET_NAMES)
def test_shipped_weights_on_a_photograph(
    tmp_path: Path, target: str, tile: tuple[int, int] | None, half: bool
) -> None:
    path = tmp_path / f"x4{TARGETS[target].suffixes[0]}"
    checkpoint = load_weights("x4")
    export(checkpoint, target, path, form=Form(tile=tile, half=half))
    x, photograph = photograph_pair(*(tile or (40, 44)))
    ours = psnr_on_photograph(network_itself(checkpoint, x), photograph)
    assert ours > 25
    assert psnr_on_photograph(run(target, path, x), photograph) == pytest.approx(ours, abs=0.01)
