from fractions import Fraction
from pathlib import Path

import pytest

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pipeline.find_inputs import Source
from ripfdn_cli.pipeline.output_names import ResultSize, output_names

PHOTO = Source(Path("in/trip/a.b.JPG"), Path("trip/a.b.JPG"))
SIZE = ResultSize(Fraction(5, 2), 640, 480)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("output", "inputs", "format_name", "expected"),
    [
        ("new", ["in"], None, "new/trip/a.b.JPG"),
        ("out", ["in"], None, "out/trip/a.b.JPG"),
        ("new/", ["in"], "png", "new/trip/a.b.png"),
        ("v1.5", ["in"], None, "v1.5/trip/a.b.JPG"),
        ("new", ["a.jpg", "b.jpg"], None, "new/trip/a.b.JPG"),
        ("out", ["a.jpg"], None, "out/trip/a.b.JPG"),
        ("new", ["a.jpg"], None, "new/trip/a.b.JPG"),
        ("new/", ["a.jpg"], None, "new/trip/a.b.JPG"),
        ("new", ["a.jpg"], "png", "new/trip/a.b.png"),
        ("x.png", ["a.jpg"], None, "x.png"),
        ("far/x.png", ["a.jpg"], None, "far/x.png"),
        ("x.dat", ["a.jpg"], "png", "x.dat"),
        ("out/{stem}_x{scale}{ext}", ["in"], None, "out/trip/a.b_x2.5.JPG"),
        ("out/{stem}_{width}x{height}{ext}", ["in"], "webp", "out/trip/a.b_640x480.webp"),
        ("{stem}_x4{ext}", ["in"], None, "trip/a.b_x4.JPG"),
        ("out/{parent}/{format}/{name}", ["in"], None, "out/trip/jpeg/a.b.JPG"),
        ("out/{stem}{input_ext}{ext}", ["in"], "png", "out/trip/a.b.JPG.png"),
        ("out/{folder}_{name}", ["in"], None, "out/trip/trip_a.b.JPG"),
        ("out/{width:05d}.png", ["in"], None, "out/trip/00640.png"),
        ("out/{{{stem}}}.png", ["in"], None, "out/trip/{a.b}.png"),
        ("/{stem}{ext}", ["in"], None, "/trip/a.b.JPG"),
    ],
)
def test_where_results_go(
    folder: Path, output: str, inputs: list[str], format_name: str | None, expected: str
) -> None:
    file_format = None if format_name is None else format_named(format_name)
    names = output_names(output, [Path(name) for name in inputs], file_format)
    assert names.of(PHOTO, SIZE) == Path(expected)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("out/{parent}/{name}", "out/a.png"),
        ("out/{parent}_{name}", "out/_a.png"),
        ("{parent}/{name}", "a.png"),
    ],
)
def test_what_lies_at_the_top_has_no_path_below_the_input(folder: Path, output: str, expected: str) -> None:
    names = output_names(output, [Path("in")], None)
    assert names.of(Source(Path("in/a.png"), Path("a.png")), None) == Path(expected)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("out/{stam}.png", r"\{stam\} is not one of \{stem\}"),
        ("out/{stem.__class__}.png", "is not one of"),
        ("out/{stem!r}.png", "a number of digits"),
        ("out/{0}.png", "is not one of"),
        ("out/{stem:>{width}}.png", "a number of digits"),
        ("out/{stem:q}.png", "a number of digits"),
        ("out/{width:999999999}.png", "a number of digits"),
        ("out/{stem:05d}.png", "format"),
        ("out/{stem.png", "write a literal brace"),
        ("out/{}.png", "is not one of"),
    ],
)
def test_templates_have_these_fields_and_no_others(folder: Path, output: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        output_names(output, [Path("in")], None)


def test_what_cameras_record_is_written_as_tiff(folder: Path) -> None:
    raw = Source(Path("in/trip/a.NEF"), Path("trip/a.NEF"))
    assert output_names("out", [Path("in")], None).of(raw, None) == Path("out/trip/a.tif")
    assert output_names("out", [Path("in")], format_named("png")).of(raw, None) == Path("out/trip/a.png")


def test_several_inputs_do_not_go_into_one_file(folder: Path) -> None:
    for inputs in ([Path("in")], [Path("a.png"), Path("b.png")]):
        with pytest.raises(UsageError, match=r"x.png is a file, and there are several inputs"):
            output_names("x.png", inputs, None)


def test_headers_are_read_only_where_names_need_them(folder: Path) -> None:
    assert output_names("out/{stem}_{scale}{ext}", [Path("in")], None).needs_size
    assert not output_names("out/{stem}{ext}", [Path("in")], None).needs_size
    assert not output_names("out", [Path("in")], None).needs_size


def test_the_format_is_asked_for_or_named(folder: Path) -> None:
    assert (
        output_names("x.dat", [Path("a.png")], format_named("tiff")).format_for(Path("x.dat")).name == "tiff"
    )
    names = output_names("x.dat", [Path("a.png")], None)
    with pytest.raises(UsageError, match=r"x\.dat: \.dat is not a picture format"):
        names.format_for(Path("x.dat"))
