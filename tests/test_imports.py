"""The direction of imports, and what importing costs."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import ripfdn_cli

PACKAGE = Path(ripfdn_cli.__file__).parent

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
"""Its table of rooms is the rule: what each of them may import, itself aside."""


def allowed_imports() -> dict[str, set[str]]:
    """Room → rooms that it may import, from lines such as "| `model/` | … | errors, files |"."""
    rows = re.findall(
        r"^\| `(\w+)(?:/|\.py)` \|.*\| ([^|]*) \|$", CONTRIBUTING.read_text("utf-8"), re.MULTILINE
    )
    return {room: set(re.findall(r"\w+", imports)) for room, imports in rows}


ALLOWED = allowed_imports()


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "ripfdn_cli":
                names = [f"ripfdn_cli.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("ripfdn_cli.")}
    return rooms - {"__version__"}


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[:2] != "__")


def test_every_room_is_described() -> None:
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} == ALLOWED.keys()


def test_the_rooms_have_no_cycle() -> None:
    list(TopologicalSorter(ALLOWED).static_order())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_import_only_what_their_room_may(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert imported_rooms(path) - {room} <= ALLOWED[room]


def test_no_engine_imports_another() -> None:
    engines = {path.stem for path in (PACKAGE / "engines").glob("*_engine.py")}
    assert engines
    for name in engines:
        source = (PACKAGE / "engines" / f"{name}.py").read_text(encoding="utf-8")
        others = {f"ripfdn_cli.engines.{other}" for other in engines - {name}}
        imports = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
        assert not imports & others


def test_training_imports_no_engine() -> None:
    """It may ask what this machine has, but its network runs in its own way."""
    for path in (PACKAGE / "training").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imports = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {name for name in imports if name.endswith("_engine")}, path.name


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
