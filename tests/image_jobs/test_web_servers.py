"""Pictures on web servers: their folders are pages of links, and their files may have a date, or none."""

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ripfdn_cli.files.storage import Location, location
from ripfdn_cli.image_jobs.batch import Batch, BatchRequest, plan_batch
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings

pytestmark = pytest.mark.any_precision
pytest.importorskip("aiohttp")


class Handler(SimpleHTTPRequestHandler):
    dated = True

    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Last-Modified" or self.dated:
            super().send_header(keyword, value)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


class Undated(Handler):
    dated = False


@pytest.fixture(params=[Handler, Undated])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Location]:
    folder = tmp_path / "served"
    folder.mkdir()
    for number in range(3):
        save(folder / f"{number}.bmp", 60 * number)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(request.param, directory=folder)) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield location(f"http://127.0.0.1:{http.server_port}/")
        http.shutdown()
        thread.join()


def save(path: Path, level: int) -> None:
    """All files are of one size."""
    Image.new("RGB", (16, 12), (level, 200, 90)).save(path)


def planned(weights: dict[int, Path], *inputs: Location, output: Path) -> Batch:
    network = NetworkSettings(weights=str(weights[4]), engine="torch", devices=("cpu",), threads=1)
    request = BatchRequest(inputs, f"{output}/", skip_existing=True, overwrite=True)
    return plan_batch(request, PictureSettings(), network)


def statuses(batch: Batch) -> list[str]:
    return [outcome.record()["status"] for outcome in batch.run()]


def test_a_folder_on_a_web_server_is_done_once(
    server: Location, enlarging_weights: dict[int, Path], tmp_path: Path
) -> None:
    assert statuses(planned(enlarging_weights, server, output=tmp_path / "out")) == ["done"] * 3
    assert statuses(planned(enlarging_weights, server, output=tmp_path / "out")) == ["skipped"] * 3


def test_a_new_content_of_the_same_size_is_done_again(
    server: Location, enlarging_weights: dict[int, Path], tmp_path: Path
) -> None:
    source = server / "1.bmp"
    assert statuses(planned(enlarging_weights, source, output=tmp_path / "out")) == ["done"]
    assert statuses(planned(enlarging_weights, source, output=tmp_path / "out")) == ["skipped"]
    served = tmp_path / "served" / "1.bmp"
    save(served, 255)
    os.utime(served, (2_000_000_000, 2_000_000_000))
    assert statuses(planned(enlarging_weights, source, output=tmp_path / "out")) == ["done"]
    result = np.asarray(Image.open(tmp_path / "out" / "1.bmp"))
    assert abs(int(result[20, 20, 0]) - 255) <= 2
