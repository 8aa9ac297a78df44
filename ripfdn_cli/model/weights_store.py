"""Where weights live and how they are called: those installed with the package, the user's own, and the
authors' on the web.
"""

import hashlib
import urllib.error
import urllib.request
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path

from platformdirs import user_data_path

from ripfdn_cli.errors import CheckpointError, InputError
from ripfdn_cli.files.atomic_file import write_bytes
from ripfdn_cli.model.checkpoint import SUFFIX, Checkpoint

RELEASED_URL = "https://raw.githubusercontent.com/Lumos-Leo/ESR23-RIPFDN/e0a851a9584007c729649bba6709e655f33e807d/model_zoo/team23_RIPFDN.pth"
RELEASED_SHA256 = "9a6ff65017acb2bd82a9dd55f1e42609da7523a72af8a6cd740e10361e76dd2a"
RELEASED_LICENCE = (
    "MIT, copyright 2023 the organizers of the NTIRE 2023 Challenge on Efficient Super-Resolution"
)
_LARGEST_DOWNLOAD = 16 * 2**20
_TIMEOUT = 30.0


def shipped_folder() -> Path:
    """The folder of the weights that came with the package."""
    installed = Path(str(files("ripfdn_cli"))) / "weights"
    # In a source tree (an editable install) they lie beside the package.
    return installed if installed.is_dir() else installed.parent.parent / "weights"


def user_folder() -> Path:
    """The folder of the weights that the user fetched or imported; it may not exist yet."""
    return user_data_path("ripfdn", appauthor=False) / "weights"


def list_weights() -> dict[str, Path]:
    """Name → file; the user's own come before shipped ones of the same name."""
    found: dict[str, Path] = {}
    for folder in (shipped_folder(), user_folder()):
        found.update({path.stem: path for path in sorted(folder.glob(f"*{SUFFIX}"))})
    return found


def weights_path(name_or_path: str | Path) -> Path:
    """The file behind a name from `list_weights` or a path. Raises CheckpointError that lists the names."""
    known = list_weights()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    path = Path(name_or_path)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    raise CheckpointError(
        f"no weights named {name_or_path}; there are {', '.join(sorted(known))}, or give the path of a file"
    )


def load_weights(name_or_path: str | Path) -> Checkpoint:
    """The checkpoint behind a name or a path; one in the authors' format (.pth) is converted on the fly.
    Raises CheckpointError.
    """
    path = weights_path(name_or_path)
    if path.suffix == ".pth":
        from ripfdn_cli.model.released_checkpoint import import_released  # torch only where it is needed

        return import_released(path, {"source": path.name})
    return Checkpoint.load(path)


def download(url: str, sha256: str) -> bytes:
    """The content behind `url`, checked before anyone uses it. Raises InputError; leaves nothing behind."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
            content: bytes = response.read(_LARGEST_DOWNLOAD + 1)
    except urllib.error.HTTPError as error:
        raise InputError(
            f"{url} answered {error.code} {error.reason}; try again later, or give a mirror with --url"
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"can't download {url}: {reason}; check the network, or give a mirror with --url"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(
            f"{url} gave a file with SHA-256 {found}, not {sha256}: "
            "it is damaged or was replaced, and was not kept"
        )
    return content


def install(name: str, checkpoint: Checkpoint) -> Path:
    """Put `checkpoint` among the user's own weights under `name`. Raises OutputError."""
    folder = user_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}{SUFFIX}"
    write_bytes(path, checkpoint.to_bytes())
    return path


def fetch_released(url: str | None = None) -> tuple[Path, int]:
    """Download the authors' checkpoint, check and convert it, install it as `released`. Its file and scale.

    Raises InputError where it can't be had or has another hash, OutputError where it can't be kept.
    """
    import tempfile

    from ripfdn_cli.model.released_checkpoint import import_released

    source = url or RELEASED_URL
    content = download(source, RELEASED_SHA256)
    with tempfile.TemporaryDirectory() as folder:
        downloaded = Path(folder) / "released.pth"
        downloaded.write_bytes(content)
        provenance = {"source": source, "sha256_of_source": RELEASED_SHA256, "licence": RELEASED_LICENCE}
        checkpoint = import_released(downloaded, provenance)
    return install("released", checkpoint), checkpoint.config.scale
