"""Results that lie beside their inputs: not taken for inputs by the next run."""

import logging
from collections.abc import Sequence

from ripfdn_cli.files.storage import Location, full_name, is_folder
from ripfdn_cli.pipeline.find_inputs import Source
from ripfdn_cli.pipeline.journal import read_journal

log = logging.getLogger(__name__)


def without_own_results(
    sources: Sequence[Source], inputs: Sequence[Location], folder: Location, shard: str
) -> list[Source]:
    """`sources` without what earlier runs wrote beside them: files that the journal in `folder` knows as they
    are, made of other `sources` or of what lies in folders among the `inputs`.
    """
    inner = _inside(folder)
    if not any(full_name(source.path).startswith(inner) for source in sources):
        return list(sources)
    journal = read_journal(folder, shard)
    names = {full_name(source.path) for source in sources}
    folders = tuple(_inside(path) for path in inputs if is_folder(path))
    kept = []
    for source in sources:
        made_from = journal.input_of(source.path)
        if made_from is None or not (made_from in names or made_from.startswith(folders)):
            kept.append(source)
    if len(kept) < len(sources):
        log.info("left out %d results of earlier runs", len(sources) - len(kept))
    return kept


def _inside(folder: Location) -> str:
    """What the full names of all that lies in `folder` begin with."""
    return f"{full_name(folder).rstrip('/')}/"
