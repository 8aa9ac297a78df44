"""Large batches: what goes wrong in some files stays there, and memory stays flat."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import png_of, saved, smooth

from ripfdn_cli.pictures.decoding import read_picture
from ripfdn_cli.pipeline.journal import JOURNAL_NAME

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def upscale(source: Path, out: Path, weights: Path) -> tuple[int, list[dict[str, Any]], int]:
    """Exit code, records, and the peak of memory in KiB."""
    code = """
import resource, sys
from ripfdn_cli.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""
    options = ["--weights", str(weights), "--device", "cpu", "--threads", "1", "-q", "--json"]
    process = subprocess.run(
        [sys.executable, "-c", code, "upscale", str(source), "-o", str(out), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    records = [json.loads(line) for line in process.stdout.splitlines()]
    return process.returncode, records, int(process.stderr.splitlines()[-1])


def bad_files(folder: Path) -> set[str]:
    """A hundred inputs that are no pictures, of ten kinds; their names."""
    names = set()
    good = saved(Image.fromarray(smooth(24, 32)), "PNG")
    for number in range(100):
        path = folder / f"bad{number:02d}.png"
        match number % 10:
            case 0:
                path.write_bytes(good[: len(good) // 2])
            case 1:
                path.write_bytes(png_of(60_000, 60_000))
            case 2:
                path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
            case 3:
                path.write_bytes(b"")
            case 4:
                os.mkfifo(path)
            case 5:
                path.symlink_to(path)
            case 6:
                path.symlink_to(folder / "nowhere")
            case 7:
                path = folder / f"bad{number:02d}\n\x1b[31m.jpg"
                path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
            case 8:
                path = folder / f"-bad%03d{number:02d} ü.tif"
                path.write_bytes(b"II*\0" + bytes(30))
            case 9:
                path = folder / f"bad{number:02d}.webp"
                path.write_bytes(b"RIFF\xff\xff\xff\x7fWEBPVP8 " + bytes(40))
        names.add(path.name)
    return names


def test_a_thousand_files_of_which_a_hundred_are_bad(
    tmp_path: Path, enlarging_weights: dict[int, Path]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    bad = bad_files(source)
    good = set()
    for number in range(900):
        odd = ("{}", "new\nline {}", "-{}", "%03d{}", "日本 ü {}", "{} $(x)")[number % 6]
        name = odd.format(f"{number:03d}") + (".png", ".jpg", ".webp", ".tif", ".bmp")[number % 5]
        picture = Image.fromarray(np.roll(smooth(24, 32), number, axis=1))
        suffix = Path(name).suffix[1:]
        (source / name).write_bytes(
            saved(picture, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()))
        )
        good.add(name)
    status, records, _ = upscale(source, tmp_path / "out", enlarging_weights[4])
    assert status == 3
    *pictures, summary = records
    assert {Path(record["input"]).name for record in pictures if record["status"] == "failed"} == bad
    assert {Path(record["input"]).name for record in pictures if record["status"] == "done"} == good
    assert (summary["done"], summary["failed"]) == (900, 100)
    outputs = {path.name for path in (tmp_path / "out").iterdir()} - {JOURNAL_NAME}
    assert outputs == good
    for name in outputs:
        assert read_picture(tmp_path / "out" / name).frames[0].shape[:2] == (96, 128)


def test_memory_is_that_of_a_tenth_of_the_pictures(
    tmp_path: Path, enlarging_weights: dict[int, Path]
) -> None:
    content = saved(Image.fromarray(smooth(192, 256)), "PNG")
    peaks = {}
    for count in (50, 500):
        source = tmp_path / f"in{count}"
        source.mkdir()
        for number in range(count):
            (source / f"{number:03d}.png").write_bytes(content)
        status, records, peaks[count] = upscale(source, tmp_path / f"out{count}", enlarging_weights[4])
        assert status == 0
        assert records[-1]["done"] == count
    assert peaks[500] <= 1.1 * peaks[50], peaks
