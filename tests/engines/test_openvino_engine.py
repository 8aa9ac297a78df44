"""The OpenVINO engine's cache, its limits and its errors; its results are held by test_contract.py."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.golden_pairs import GOLDEN, golden_checkpoint, golden_pairs, whole_job

from ripfdn_cli.engines import openvino_engine
from ripfdn_cli.engines.openvino_engine import OpenVinoEngine
from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.openvino_runtime import openvino
from ripfdn_cli.upscaler import Upscaler

PREPARING = "preparing these weights"


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the graph of the golden weights and their compiled form for its last picture."""
    folder = tmp_path_factory.mktemp("warm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RIPFDN_CACHE", str(folder))
        upscale_golden()
    return folder


@pytest.fixture
def cache(warm_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `warm_cache` to damage, in use."""
    for path in (warm_cache / "graphs").iterdir():
        (tmp_path / "graphs").mkdir(exist_ok=True)
        (tmp_path / "graphs" / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path))
    return tmp_path


def upscale_golden() -> NDArray[np.float32]:
    pixels, _ = golden_pairs()[-1]
    engine = OpenVinoEngine(golden_checkpoint())
    (result,) = engine.run([whole_job(pixels.astype(np.float32) / np.float32(255))])
    pixels_large: NDArray[np.float32] = result[0]
    return pixels_large


def test_keeps_the_graph_and_its_compiled_form(warm_cache: Path) -> None:
    assert len(list((warm_cache / "graphs").iterdir())) == 2


def test_a_warm_cache_needs_no_conversion(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        np.testing.assert_allclose(upscale_golden(), golden_pairs()[-1][1], rtol=0, atol=2e-5)
    assert PREPARING not in caplog.text


def test_another_shape_needs_no_conversion(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        list(OpenVinoEngine(golden_checkpoint()).run([whole_job(np.zeros((18, 19, 3), np.uint8))]))
    assert PREPARING not in caplog.text
    assert len(list((cache / "graphs").iterdir())) == 3


def test_with_a_warm_cache_upscaling_imports_no_torch(tmp_path: Path) -> None:
    """The whole command with the weights that come with it; the first run may have to convert them."""
    across, down = np.meshgrid(np.linspace(0, 255, 31), np.linspace(0, 255, 16))
    Image.fromarray(np.stack([across, down, 255 - across], -1).astype(np.uint8)).save(tmp_path / "in.png")
    code = """
import sys
from ripfdn_cli.cli.main import main
try:
    main(["upscale", "in.png", "-o", "out.png", "--device", "cpu", "--overwrite"])
except SystemExit:
    print("torch" in sys.modules)
    raise
"""
    for _ in range(2):
        process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
        assert process.returncode == 0, process.stderr
    assert process.stdout.split()[-1] == "False"
    with Image.open(tmp_path / "out.png") as result:
        assert result.size == (4 * 31, 4 * 16)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "swapped"])
def test_a_damaged_cache_is_made_again(cache: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    files = sorted((cache / "graphs").iterdir())
    contents = [path.read_bytes() for path in files]
    for path, content, other in zip(files, contents, reversed(contents), strict=True):
        middle = len(content) // 2
        path.write_bytes(
            {
                "truncated": content[:middle],
                "flipped": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
                "empty": b"",
                "swapped": other,
            }[damage]
        )
    with caplog.at_level(logging.INFO):
        np.testing.assert_allclose(upscale_golden(), golden_pairs()[-1][1], rtol=0, atol=2e-5)
    assert "damaged" in caplog.text
    assert PREPARING in caplog.text
    assert [path.read_bytes() == content for path, content in zip(files, contents, strict=True)].count(
        True
    ) < 3


def test_what_another_processor_compiled_is_made_again(cache: Path) -> None:
    """One of the same name with fewer instructions, here by oneDNN's limit: OpenVINO refuses its files."""
    code = "from test_openvino_engine import upscale_golden; upscale_golden()"
    imports = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "SSE41", "PYTHONPATH": imports}
    files = sorted((cache / "graphs").iterdir())
    compiled_here = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    compiled_there = [path.read_bytes() for path in files]
    assert compiled_there != compiled_here
    np.testing.assert_allclose(upscale_golden(), golden_pairs()[-1][1], rtol=0, atol=2e-5)
    assert [path.read_bytes() for path in files] != compiled_there


def test_changed_code_or_weights_do_not_find_the_old_graph(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = OpenVinoEngine(golden_checkpoint())
    keys = [engine._key(), OpenVinoEngine(golden_checkpoint(2))._key()]
    monkeypatch.setattr(openvino_engine, "_MAKERS", ("ripfdn_cli.errors",))
    keys.append(engine._key())
    assert len({str(sorted(key.items())) for key in keys}) == 3


def test_only_a_few_shapes_stay_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = OpenVinoEngine(golden_checkpoint())
    jobs = [whole_job(np.zeros((15, width, 3), np.uint8)) for width in (15, 16, 17, 18, 15, 19)]
    list(engine.run(jobs))
    assert [shape[2] for shape in engine._requests] == [17, 18, 15, 19]


def test_fp16_is_refused() -> None:
    with pytest.raises(UnavailableError, match="not supported on CPUs"):
        OpenVinoEngine(golden_checkpoint(), precision="fp16")


def test_the_number_of_threads_is_obeyed(cache: Path) -> None:
    engine = OpenVinoEngine(golden_checkpoint(), threads=1)
    job = whole_job(golden_pairs()[-1][0].astype(np.float32))
    for _ in range(2):  # compiled, then from the cache
        compiled = engine._compiled(job)
        assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
        assert compiled.get_property("INFERENCE_PRECISION_HINT") == openvino().Type.f32


def test_out_of_memory_is_told_as_such() -> None:
    """In a process whose address space is limited after OpenVINO has started."""
    code = """
import resource
import numpy as np
from support.golden_pairs import golden_checkpoint, whole_job
from ripfdn_cli.engines.openvino_engine import OpenVinoEngine
from ripfdn_cli.errors import OutOfMemoryError

engine = OpenVinoEngine(golden_checkpoint())
small, large = np.zeros((32, 32, 3), np.uint8), np.zeros((3000, 3000, 3), np.uint8)
list(engine.run([whole_job(small)]))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28,) * 2)
try:
    list(engine.run([whole_job(large)]))
except OutOfMemoryError as error:
    print("told:", error)
print("goes on:", next(engine.run([whole_job(small)])).shape)
"""
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(GOLDEN.parent)},
    )
    assert process.stdout.splitlines() == [
        "told: out of memory; close other programs, or lower `memory`",
        "goes on: (1, 128, 128, 3)",
    ], process.stderr


def test_a_cache_that_cannot_be_written_costs_one_conversion_and_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RIPFDN_CACHE", str(tmp_path / "file"))
    upscaler = Upscaler(GOLDEN / "small_x4.safetensors", engine="openvino", precision="fp32")
    with caplog.at_level(logging.INFO):
        for side in (16, 20, 24):
            upscaler.upscale(np.zeros((side, side, 3), np.uint8))
    told = [record.getMessage() for record in caplog.records]
    assert len([message for message in told if "preparing these weights" in message]) == 1
    assert [message for message in told if "RIPFDN_CACHE" in message] == [
        "the converted network can't be kept for the next run: can't write "
        f"{tmp_path / 'file' / 'graphs'}: Not a directory; check the folder's space and permissions; "
        "or set RIPFDN_CACHE to another folder"
    ]
