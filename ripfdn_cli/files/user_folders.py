"""Where the system wants what belongs to the user."""

from pathlib import Path

from platformdirs import user_cache_path, user_data_path

from ripfdn_cli.errors import OutputError

_APPLICATION = "ripfdn"


def cache_folder() -> Path:
    """For what can be made again; it may not exist yet. Raises OutputError where there is no home."""
    try:
        return _below_home(user_cache_path(_APPLICATION, appauthor=False))
    except RuntimeError as error:
        raise OutputError("there is no home folder, as HOME is not set") from error


def data_folder() -> Path:
    """For what is to stay; it may not exist yet. Raises OutputError where there is no home."""
    try:
        return _below_home(user_data_path(_APPLICATION, appauthor=False))
    except RuntimeError as error:
        raise OutputError(
            "there is no home folder, as HOME is not set; set HOME or XDG_DATA_HOME to a folder"
        ) from error


def _below_home(folder: Path) -> Path:
    """Raises RuntimeError where `folder` begins with "~": older versions of platformdirs leave it there for
    users that the system does not know, as containers have them.
    """
    if folder.parts[0] == "~":
        raise RuntimeError
    return folder
