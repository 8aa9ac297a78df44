"""Every module has a test file of the same name in the same place."""

from pathlib import Path

import ripfdn_cli

PACKAGE = Path(ripfdn_cli.__file__).parent
TESTS = Path(__file__).parent

ELSEWHERE = {
    # Definitions only: what is done with them is tested.
    "engines/graph_cache.py": "engines/test_openvino_engine.py",
    "errors.py": "cli/test_main.py",
    "exporting/export_target.py": "exporting/test_export.py",
    "training/reports.py": "training/test_records.py",
    "video_jobs/target.py": "video_jobs/test_video_target.py",
    # Options of commands: what a command makes of them is tested.
    "cli/network_options.py": "cli/test_upscale.py",
    "cli/picture_options.py": "cli/test_upscale.py",
    # One test for all targets: each file gives the network's result in the program it is for.
    "exporting/ncnn_target.py": "exporting/test_export.py",
    "exporting/openvino_target.py": "exporting/test_export.py",
    "exporting/torchscript_target.py": "exporting/test_export.py",
}
"""Modules without a test file of their own, and the tests that cover them."""


def modules() -> set[str]:
    found = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return {path.as_posix() for path in found if not path.stem.startswith("__")}


def mirror(module: str) -> Path:
    path = TESTS / module
    return path.with_name(f"test_{path.name}")


def test_every_module_has_its_mirror_or_is_tested_elsewhere() -> None:
    assert {module for module in modules() if not mirror(module).is_file()} == ELSEWHERE.keys()


def test_the_files_that_test_others_are_there() -> None:
    assert [name for name in ELSEWHERE.values() if not (TESTS / name).is_file()] == []
