"""Results that would replace each other, an input, or a file that was there: found before work starts."""

import os
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ripfdn_cli.errors import OutputError, UsageError
from ripfdn_cli.files.atomic_file import TEMPORARY_PREFIX, TEMPORARY_SUFFIX
from ripfdn_cli.files.storage import Location, StampOf, is_folder, is_remote, stamp_of

Pair = tuple[Location, Location]
"""An input, and where its result goes."""


def check_collisions(
    pairs: Sequence[Pair],
    *,
    inputs: Iterable[Location],
    folds_names: Callable[[Path], bool] | None = None,
    advice: Callable[[], str] = lambda: "upscale them separately",
) -> None:
    """Raises UsageError that names both files, where two results have one name or a result is an input;
    `advice` says what to do about names.

    Names that differ only in case or in how Unicode composes their letters count as one where `folds_names`
    (a question to the file system, by default) says of the second's folder that it takes them for one.
    """
    _check_names(pairs, folds_names or file_system_folds_names, advice)
    by_identity = {_identity(path): path for path in inputs}
    by_identity.pop(None, None)
    for source, output in pairs:
        if (taken := by_identity.get(_identity(output))) is not None:
            same = "itself" if taken == source else f"the input {taken}"
            raise UsageError(
                f"the result of {source} would replace {same} ({output}); choose another `output`"
            )


def check_existing(
    outputs: Iterable[Location], *, overwrite: bool, journaled: bool = False, stamp_of: StampOf = stamp_of
) -> None:
    """Raises OutputError where a file is there already (unless `overwrite`), or a folder is in its place.
    `journaled`: a journal was asked, and doesn't have these as done.
    """
    for output in outputs:
        if not is_remote(output) and is_folder(output):
            raise OutputError(f"{output} is a folder; choose another name, or put a / after it")
        if not overwrite and (stamp_of(output) is not None if is_remote(output) else os.path.lexists(output)):
            raise OutputError(
                f"{output} exists already and isn't recorded as made of this input with these settings; "
                "choose another `output`, or pass `overwrite`, with `skip_existing` for what has changed only"
                if journaled
                else f"{output} exists already; choose another `output`, or pass `overwrite`"
            )


def file_system_folds_names(folder: Location) -> bool:
    """Whether a.png and A.PNG are one file in `folder`, or in what there is above it. Tried with a file."""
    if is_remote(folder):
        return False
    place = next(place for place in (folder, *folder.absolute().parents) if is_folder(place))
    try:
        with tempfile.NamedTemporaryFile(
            dir=place, prefix=TEMPORARY_PREFIX, suffix=TEMPORARY_SUFFIX
        ) as probe:
            return Path(probe.name).with_name(Path(probe.name).name.swapcase()).exists()
    except OSError:  # nothing can be written there, which is found out soon enough
        return False


def _check_names(
    pairs: Sequence[Pair], folds_names: Callable[[Path], bool], advice: Callable[[], str]
) -> None:
    exact: dict[str, Pair] = {}
    folded: dict[str, Pair] = {}
    for pair in pairs:
        source, output = pair
        other, where = exact.setdefault(_normal(output), pair)
        if other is source:
            other, where = folded.setdefault(folded_name(output), pair)
            if other is source or not folds_names(output.parent):
                continue
        both = f"{output}" if _normal(where) == _normal(output) else f"one file, {where} and {output}"
        raise UsageError(f"{other} and {source} would both become {both}; {advice()}")


def folded_name(path: Location) -> str:
    """What is the same for all names that a file system may take for one."""
    return unicodedata.normalize("NFC", _normal(path)).casefold()


def _normal(path: Location) -> str:
    return str(path) if is_remote(path) else os.path.normpath(path.absolute())


def _identity(path: Location) -> tuple[int, int] | str | None:
    """What hard links and symbolic links to one file have in common; an object has one name."""
    if is_remote(path):
        return str(path)
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
