import subprocess
import sys

import pytest

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pictures.formats import FORMATS, RAW_SUFFIXES, SUFFIXES, check_fits, format_named, sniff_extra


@pytest.mark.parametrize(
    ("name", "expected"),
    [("jpg", "jpeg"), ("JPG", "jpeg"), ("tif", "tiff"), ("heif", "heic"), ("apng", "png"), ("pgm", "ppm")],
)
def test_formats_have_the_names_that_people_use(name: str, expected: str) -> None:
    assert format_named(name).name == expected


def test_an_unknown_format_lists_the_known() -> None:
    with pytest.raises(UsageError, match=r"'psd' is not a picture format; choose one of png, jpeg, .*heic$"):
        format_named("psd")


def test_a_suffix_names_one_format() -> None:
    assert len({*SUFFIXES, *RAW_SUFFIXES}) == len(SUFFIXES) + len(RAW_SUFFIXES)


def test_pillow_knows_the_encoders_and_decoders_by_these_names() -> None:
    """In a process of its own, where no other plugin has been loaded. MPO comes with the plugin of JPEG."""
    code = """
from PIL import Image
from ripfdn_cli.pictures.formats import FORMATS, load_plugin
for entry in FORMATS:
    load_plugin(entry)
print([name for entry in FORMATS for name in entry.decoders if name not in {*Image.OPEN, "MPO"}])
print([entry.encoder for entry in FORMATS if entry.encoder not in Image.SAVE])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["[]", "[]"]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\x0a" + bytes(14), "jxl"),  # ISO/IEC 18181-1
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(4), "jxl"),  # ISO/IEC 18181-2
        (b"\0\0\0\x18ftypheic" + bytes(4), "heic"),
        (b"\0\0\0\x18ftypmif1" + bytes(4), "heic"),
        (b"\0\0\0\x18ftyphevx" + bytes(4) + b"mif1hevx", "heic"),
        (b"\0\0\0\x1cftypmsf1" + bytes(4) + b"msf1hevciso8", "heic"),
        (b"\0\0\0\x18ftypmif1" + bytes(4) + b"heic" + b"avif", None),
        (b"\0\0\0\x18ftypmif1" + bytes(4) + b"mif1heic" + b"avif", "heic"),  # past the box's end
        (b"\0\0\0\x1cftypmsf1" + bytes(4) + b"avismsf1iso8", None),
        (b"\0\0\0\x18ftypavif" + bytes(4), None),
        (b"\xff\xd8\xff\xe0" + bytes(12), None),
        (b"", None),
    ],
)
def test_formats_of_extras_are_known_by_their_signatures(head: bytes, name: str | None) -> None:
    found = sniff_extra(head)
    assert (found.name if found else None) == name


@pytest.mark.parametrize("entry", [entry for entry in FORMATS if entry.longest_side], ids=lambda e: e.name)
def test_sides_up_to_the_limit_fit(entry: object) -> None:
    file_format = format_named(entry.name)  # type: ignore[attr-defined]
    limit = file_format.longest_side or 0
    check_fits(file_format, limit, 1)
    with pytest.raises(UsageError, match=f"1×{limit + 1} px and .* at most {limit} px a side"):
        check_fits(file_format, 1, limit + 1)
