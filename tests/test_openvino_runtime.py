import os
import subprocess
import sys

from support.golden_pairs import GOLDEN


def test_openvino_is_imported_without_telemetry_and_converts_without_it() -> None:
    """Reporting its use to its makers' server is what `import openvino` does by itself."""
    code = """
import sys
from support.golden_pairs import golden_checkpoint
from ripfdn_cli.openvino_runtime import openvino
from ripfdn_cli.upscaler import Upscaler
from ripfdn_cli.engines.openvino_graph import converted_graph
openvino().Core()
assert "openvino.tools.ovc" not in sys.modules
converted_graph(golden_checkpoint(), rewritten=False)
assert "openvino.tools.ovc" in sys.modules
print([name for name in sys.modules if name.startswith("openvino_telemetry")])
"""
    environment = {**os.environ, "PYTHONPATH": str(GOLDEN.parent)}
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert process.stdout.strip() == "[]"
