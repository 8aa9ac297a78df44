"""Networks as an engine has converted and compiled them, so that the next run starts at once."""

from ripfdn_cli.files.sealed_cache import SealedCache

GRAPHS = SealedCache(name="graphs", suffix=".graph", what="the converted network", limit=256 * 2**20)
