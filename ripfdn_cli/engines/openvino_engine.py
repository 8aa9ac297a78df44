"""The network in OpenVINO, on a CPU. With a warm cache it runs without torch."""

import hashlib
import logging
import platform
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.cpu_bf16 import no_bf16
from ripfdn_cli.engines.engine import TileJob, TileMemory, not_finite
from ripfdn_cli.engines.graph_cache import GRAPHS
from ripfdn_cli.engines.machine_memory import default_memory
from ripfdn_cli.engines.openvino_graph import from_bytes, network_bytes, with_exact_skip, with_pixels
from ripfdn_cli.errors import OutOfMemoryError, UnavailableError
from ripfdn_cli.files.sealed_cache import Key
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.openvino_runtime import native_bf16, openvino

log = logging.getLogger(__name__)

_PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16"}
_FIXED_BYTES = 2**25
_TILE_MEMORY = {
    "fp32": TileMemory(per_pixel=1930, wider={2: 150, 4: 450}, fixed=_FIXED_BYTES),
    "bf16": TileMemory(per_pixel=1350, wider={2: 280, 4: 450}, fixed=_FIXED_BYTES),
}
"""From `benchmarks/memory.py`, rounded up: some shapes take 100 bytes a pixel more than others, as OpenVINO
happens to lay out its buffers.
"""
_MOST_COMPILED = 4
"""Tile shapes kept compiled; each holds the memory of its largest run."""
_MAKERS = (
    "ripfdn_cli.model.network",
    "ripfdn_cli.model.architecture",
    "ripfdn_cli.engines.openvino_graph",
    "ripfdn_cli.engines.graph_rewrites",
    "ripfdn_cli.engines.bf16_weights",
    "ripfdn_cli.engines.padded_channels",
)
"""The code that decides what a cached graph computes: it is part of the cache's key."""


class OpenVinoEngine:
    """An Engine (see engine.py) on the CPU. `precision` fp32, or bf16 where the processor has it natively.

    `rewritten=False` leaves the graph as it was converted, to compare with. Raises UnavailableError for
    what this machine hasn't.
    """

    name = "openvino"
    device = "cpu"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        precision: str = "fp32",
        threads: int | None = None,
        rewritten: bool = True,
    ) -> None:
        check_precision(precision)
        self.precision = precision
        self.scale = checkpoint.config.scale
        self.tile_memory = _TILE_MEMORY[precision]
        self.default_memory = default_memory()
        self._checkpoint = checkpoint
        self._rewritten = rewritten
        self._weights = checkpoint.sha256 or hashlib.sha256(checkpoint.to_bytes()).hexdigest()
        self._core = openvino().Core()
        self._config = _compile_config(precision, threads)
        self._converted: bytes | None = None
        self._requests: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def run(self, jobs: Iterable[TileJob]) -> Iterator[NDArray[Any]]:
        """As engine.py says."""
        for job in jobs:
            try:
                with _out_of_memory_as_ours():
                    result = self._run(job)
            except OutOfMemoryError:
                self._requests.clear()  # what it took is needed for smaller tiles
                raise
            yield result

    def _run(self, job: TileJob) -> NDArray[Any]:
        request = self._request(job)
        pixels = np.ascontiguousarray(job.pixels)
        request.infer([pixels, job.geometry.rows, job.geometry.columns], share_inputs=True)
        if not np.isfinite(request.get_output_tensor(1).data):
            raise not_finite(self)
        top, bottom, left, right = (self.scale * side for side in job.keep)
        # A copy, because the next run writes into the same memory.
        kept: NDArray[Any] = request.get_output_tensor(0).data[:, top:bottom, left:right].copy()
        return kept

    def _request(self, job: TileJob) -> Any:
        """The compiled network for the job's shape and type, the least recently used of them given up."""
        key = (*job.pixels.shape, job.pixels.dtype)
        if key not in self._requests:
            while len(self._requests) >= _MOST_COMPILED:
                self._requests.popitem(last=False)
            self._requests[key] = self._compiled(job).create_infer_request()
        self._requests.move_to_end(key)
        return self._requests[key]

    def _compiled(self, job: TileJob) -> Any:
        key = self._key() | {"pixels": f"{job.pixels.dtype} {job.pixels.shape}"}
        blob = GRAPHS.find(key)
        kept = None if blob is None else self._imported(blob)
        if kept is not None:
            return kept
        model = with_pixels(self._graph(), dtype=job.pixels.dtype, scale=self.scale)
        if self.precision == "bf16" and self._rewritten:
            model = with_exact_skip(model, job.pixels.dtype)
        shapes = (job.pixels.shape, job.geometry.rows.shape, job.geometry.columns.shape)
        model.reshape({index: openvino().PartialShape(list(shape)) for index, shape in enumerate(shapes)})
        compiled = self._core.compile_model(model, "CPU", self._config)
        GRAPHS.keep(key, compiled.export_model().getvalue())
        return compiled

    def _imported(self, blob: bytes) -> Any | None:
        """The compiled network of `blob`; None where another processor of the same name, or oneDNN's limit in
        the environment, lacks instructions that it was compiled for.
        """
        try:
            return self._core.import_model(BytesIO(blob), "CPU", self._config)
        except RuntimeError as error:
            log.debug("the compiled network in the cache is made again: %s", str(error).strip())
            return None

    def _graph(self) -> Any:
        """The converted network, from the cache or, once, from torch."""
        key = self._key()
        content = self._converted or GRAPHS.find(key)
        if content is None:
            log.info("preparing these weights for OpenVINO; this happens once and takes a few seconds")
            content = self._new_graph()
            GRAPHS.keep(key, content)
            self._converted = content  # also for the next shape, where it could not be kept
        return from_bytes(content)

    def _new_graph(self) -> bytes:
        from ripfdn_cli.torch_devices import has_amx

        return network_bytes(
            self._checkpoint, rewritten=self._rewritten, precision=self.precision, amx=has_amx()
        )

    def _key(self) -> Key:
        return {
            "weights": self._weights,
            "precision": self.precision,
            "rewritten": str(self._rewritten),
            "cpu": _processor(self._core),
            "openvino": openvino().get_version(),
            "makers": _makers_digest(),
        }


def check_precision(precision: str) -> None:
    """Raises UnavailableError where OpenVINO can't compute at `precision` on this processor, or shouldn't."""
    if precision not in _PRECISION_HINTS:
        raise UnavailableError(
            f"`precision` {precision} is not supported on CPUs; use fp32, or `device=cuda`"
        )
    if precision == "bf16" and not native_bf16():
        raise no_bf16()


def _compile_config(precision: str, threads: int | None) -> dict[str, Any]:
    config: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",
        # Two processes that pin their threads pin them to the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    return config if threads is None else config | {"INFERENCE_NUM_THREADS": threads}


def _processor(core: Any) -> str:
    features = sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return f"{core.get_property('CPU', 'FULL_DEVICE_NAME')} {platform.machine()} {' '.join(features)}"


def _makers_digest() -> str:
    digest = hashlib.sha256()
    for name in _MAKERS:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest()


@contextmanager
def _out_of_memory_as_ours() -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        if isinstance(error, MemoryError) or "bad_alloc" in text or "allocate" in text:
            raise OutOfMemoryError("out of memory; close other programs, or lower `memory`") from error
        raise
