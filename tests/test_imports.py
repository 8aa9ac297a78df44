"""The direction of imports, and what importing costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ripfdn_cli

PACKAGE = Path(ripfdn_cli.__file__).parent

# Each room may import from rooms on lower floors, and from itself only where it is a folder.
FLOORS = [
    {"errors"},
    {"architecture", "atomic_file", "matlab_bicubic", "metrics"},
    {"checkpoint", "tile_grid"},
    {"network"},
    {"released_checkpoint"},
    {"weights_store"},
    {"engines"},
    {"upscaler"},
    {"jobs", "evaluation", "exporting"},
    {"training"},  # it validates on evaluation's data sets
    {"cli"},
    {"__main__"},
]
LEAF_FLOOR = 2
"""Rooms for files and formats, which stand on no list above: from the lowest floors and each other only."""
FOLDERS = {"pictures", "video", "engines", "jobs", "training", "evaluation", "exporting", "cli"}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "ripfdn_cli":
                names = [f"ripfdn_cli.{alias.name}" for alias in node.names]
        rooms |= {room_of(name) for name in names if name.partition(".")[0] == "ripfdn_cli"}
    return rooms - {"__version__"}


def floor_of(room: str) -> int:
    floors = [i for i, rooms in enumerate(FLOORS) if room in rooms]
    return (
        floors[0] if floors else 2
    )  # the rooms for files, and what they share, live just above the two lowest


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_downward(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for imported in imported_rooms(path):
        if imported == room:
            assert room in FOLDERS
        elif floor_of(room) == floor_of(imported) == LEAF_FLOOR:
            continue
        else:
            assert floor_of(imported) < floor_of(room), f"{path.name} imports {imported}"


def test_no_engine_imports_another() -> None:
    engines = {path.stem for path in (PACKAGE / "engines").glob("*_engine.py")}
    assert engines
    for name in engines:
        source = (PACKAGE / "engines" / f"{name}.py").read_text(encoding="utf-8")
        others = {f"ripfdn_cli.engines.{other}" for other in engines - {name}}
        imports = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
        assert not imports & others


def run(code: str) -> str:
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return process.stdout.strip()


HEAVY = "{'torch', 'openvino', 'numpy', 'PIL', 'imageio', 'av', 'scipy'}"


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert run(f"import sys, ripfdn_cli; print({HEAVY} & sys.modules.keys())") == "set()"


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from ripfdn_cli.cli.main import main
try:
    main(["--help"])
except SystemExit as end:
    print(end.code, {HEAVY} & sys.modules.keys())
"""
    assert run(code).endswith("0 set()")


def test_help_is_there_in_a_third_of_a_second() -> None:
    """The best of several, in processor time: what it costs, not how busy the machine is."""
    code = """
import resource
from ripfdn_cli.cli.main import main
try:
    main(["--help"])
except SystemExit:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(usage.ru_utime + usage.ru_stime)
"""
    assert min(float(run(code).splitlines()[-1]) for _ in range(5)) < 0.3
