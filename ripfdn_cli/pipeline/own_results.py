"""Results that lie beside or below their inputs: not taken for inputs by the next run."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from ripfdn_cli.files.storage import Location, full_name, is_folder
from ripfdn_cli.pipeline.find_inputs import Source
from ripfdn_cli.pipeline.journal import Journal, has_journal, read_journal

log = logging.getLogger(__name__)


def without_own_results(
    sources: Sequence[Source], inputs: Sequence[Location], folder: Location, shard: str
) -> list[Source]:
    """`sources` without what earlier runs wrote beside or below them: files that the journal in `folder`, or
    in a local folder that they were found in, knows as they are, made of other `sources` or of what lies in
    folders among the `inputs`.
    """
    made_from = {
        path: origin
        for journal, paths in _journals(sources, inputs, folder, shard)
        for path in paths
        if (origin := journal.input_of(path)) is not None
    }
    if not made_from:
        return list(sources)
    names = {full_name(source.path) for source in sources}
    folders = tuple(_inside(path) for path in inputs if is_folder(path))
    results = {path for path, origin in made_from.items() if origin in names or origin.startswith(folders)}
    if results:
        log.info("left out %d results of earlier runs", len(results))
    return [source for source in sources if source.path not in results]


def _journals(
    sources: Sequence[Source], inputs: Sequence[Location], folder: Location, shard: str
) -> Iterator[tuple[Journal, list[Location]]]:
    """Each journal that may know any of `sources`, with those that lie in its folder."""
    paths = [source.path for source in sources]
    local = tuple(_inside(path) for path in inputs if isinstance(path, Path) and path.is_dir())
    below: dict[Path, None] = {}
    for path in paths:
        for parent in path.parents if isinstance(path, Path) else ():
            if parent in below or not _inside(parent).startswith(local):
                break  # the folders around it have been seen
            below[parent] = None
    others = [place for place in below if full_name(place) != full_name(folder) and has_journal(place)]
    for place in (folder, *others):
        if within := [path for path in paths if full_name(path).startswith(_inside(place))]:
            yield read_journal(place, shard), within


def _inside(folder: Location) -> str:
    """What the full names of all that lies in `folder` begin with."""
    return f"{full_name(folder).rstrip('/')}/"
