"""Where weights live and how they are called: those installed with the package, the user's own, and the
authors' on the web.
"""

import os
import re
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from ripfdn_cli.arguments import place
from ripfdn_cli.errors import CheckpointError, OutputError, UsageError
from ripfdn_cli.files.atomic_file import check_writable, write_bytes
from ripfdn_cli.files.storage import make_folder
from ripfdn_cli.files.user_folders import data_folder
from ripfdn_cli.model.checkpoint import RELEASED_SUFFIX, SUFFIX, Checkpoint, is_own_format, suffix_of
from ripfdn_cli.model.weights_download import Progress, fetch

RELEASED_URL = "https://raw.githubusercontent.com/Lumos-Leo/ESR23-RIPFDN/e0a851a9584007c729649bba6709e655f33e807d/model_zoo/team23_RIPFDN.pth"
RELEASED_SHA256 = "9a6ff65017acb2bd82a9dd55f1e42609da7523a72af8a6cd740e10361e76dd2a"
RELEASED_LICENCE = (
    "MIT, copyright 2023 the organizers of the NTIRE 2023 Challenge on Efficient Super-Resolution"
)
RELEASED = "released"
"""The name under which they are installed."""


def shipped_folder() -> Path:
    """The folder of the weights that came with the package."""
    installed = Path(str(files("ripfdn_cli"))) / "weights"
    # In a source tree (an editable install) they lie beside the package.
    return installed if installed.is_dir() else installed.parent.parent / "weights"


def user_folder() -> Path:
    """The folder of the weights that the user fetched or imported; it may not exist yet. Raises OutputError
    where there is no home.
    """
    return data_folder() / "weights"


def list_weights() -> dict[str, Path]:
    """Name → file, by name; the user's own come before shipped ones of the same name. There are none of the
    user's where their folder may not be read, as with another user's HOME.
    """
    found = _weights_in(shipped_folder())
    with suppress(OSError, OutputError):
        found |= _weights_in(user_folder())
    return dict(sorted(found.items()))


def _weights_in(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob(f"*{SUFFIX}")}


def _why_own_are_missing() -> str:
    """What keeps the user's own weights from being read, as the end of a message."""
    try:
        _weights_in(user_folder())
    except OSError as error:
        return f" ({user_folder()} can't be read: {error.strerror})"
    except OutputError as error:
        return f" (of your own there are none: {error})"
    return ""


def weights_path(name_or_path: str | Path) -> Path:
    """The file behind a name from `list_weights` or a path. Raises CheckpointError that lists the names."""
    known = list_weights()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    path = Path(place("weights", name_or_path))
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    names = ", ".join(known)
    if str(name_or_path) == RELEASED:
        raise CheckpointError(
            f"the weights {RELEASED} are not on this machine yet; download them with 'ripfdn weights fetch "
            f"{RELEASED}'. The others are {names}"
        )
    raise CheckpointError(
        f"no weights named {name_or_path}{_why_own_are_missing()}; use one of {names}, or the path of a file"
    )


def load_weights(name_or_path: str | Path | Checkpoint) -> Checkpoint:
    """The checkpoint behind a name or a path, or one that is loaded, as it is; a file in the authors' format
    (.pth) is converted on the fly. Raises CheckpointError.
    """
    if isinstance(name_or_path, Checkpoint):
        return name_or_path
    path = weights_path(name_or_path)
    if suffix_of(path) == RELEASED_SUFFIX:
        from ripfdn_cli.model.released_checkpoint import import_released  # torch only where it is needed

        return import_released(path, {"source": path.name})
    if suffix_of(path) == ".onnx":
        raise CheckpointError(
            f"{path} is an ONNX file, which is for 'ripfdn compare' and 'ripfdn eval'; give weights of "
            "RIPFDN, by a name from 'ripfdn weights list' or as a .safetensors or .pth file"
        )
    return Checkpoint.load(path)


def install_path(name: str, *, overwrite: bool = True) -> Path:
    """The file that `install` will write for `name`, in a folder that is made here. Raises UsageError for
    names that can't be installed, OutputError where the folder can't be written or the name is taken.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UsageError(f"{name!r} is not a name for weights; use letters, digits, '.', '_' and '-'")
    if not overwrite and name in list_weights():
        raise UsageError(f"weights named {name} exist already; choose another `name`, or pass `overwrite`")
    path = user_folder() / f"{name}{SUFFIX}"
    make_folder(path.parent)
    check_writable(path)
    return path


def install(name: str, checkpoint: Checkpoint, *, overwrite: bool = True) -> Path:
    """Put `checkpoint` among the user's own weights under `name`, and tell its file. Raises what
    `install_path` raises, OutputError.
    """
    path = install_path(name, overwrite=overwrite)
    write_bytes(path, checkpoint.to_bytes())
    return path


def import_weights(source: Path) -> Checkpoint:
    """The weights in `source`: in ripfdn's own format, or under the authors' names (.pth, .safetensors).
    Raises CheckpointError.
    """
    from ripfdn_cli.model.released_checkpoint import import_released

    if suffix_of(source) == SUFFIX and is_own_format(source):
        return Checkpoint.load(source)
    return import_released(source, {"imported_from": source.name})


def fetch_released(url: str | None = None, progress: Progress | None = None) -> tuple[Path, int]:
    """Download the authors' checkpoint (from `url`: a mirror, or the path of a file), check and convert it,
    install it as `released`. Its file and scale.

    Raises InputError where it can't be had or has another hash, UsageError for a file of another machine,
    OutputError where it can't be kept.
    """
    import tempfile

    from ripfdn_cli.model.released_checkpoint import import_released

    made = _missing_folders(user_folder())
    try:
        install_path(RELEASED)  # before anything is downloaded
        source = url or RELEASED_URL
        content = fetch(source, RELEASED_SHA256, progress)
        with tempfile.TemporaryDirectory() as folder:
            downloaded = Path(folder) / "released.pth"
            downloaded.write_bytes(content)
            provenance = {"source": source, "sha256_of_source": RELEASED_SHA256, "licence": RELEASED_LICENCE}
            checkpoint = import_released(downloaded, provenance)
        return install(RELEASED, checkpoint), checkpoint.config.scale
    except BaseException:
        for made_here in made:
            with suppress(OSError):  # others may have put something in by now
                made_here.rmdir()
        raise


def _missing_folders(folder: Path) -> list[Path]:
    """`folder` and those around it that are not there, the innermost first."""
    return [path for path in (folder, *folder.parents) if not os.path.exists(path)]  # noqa: PTH110 - which may raise
