"""What Python programs call: results against files and numbers that other code gives."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from support.small_inputs import photograph
from support.video_clips import Clip, make_clip

import ripfdn_cli
from ripfdn_cli import api
from ripfdn_cli.errors import InputError, OutputError, RipfdnError, UsageError
from ripfdn_cli.training import show_pairs

SCRIPT = """
from pathlib import Path
import numpy as np
from PIL import Image
from ripfdn_cli import (
    RipfdnError, Upscaler, evaluate, export, list_weights, load_weights, resolve_settings, train,
    upscale_file, upscale_folder, upscale_video,
)
print(sorted(list_weights()), load_weights("x4").config.scale)
upscaler = Upscaler("x4", device="cpu")
image: Image.Image = upscaler.upscale(Image.new("RGB", (20, 20)))
pixels = upscaler.upscale(np.zeros((20, 20, 3), np.uint8))
try:
    outcome = upscale_file("a.png", Path("b.png"), scale=2.5, progress=lambda done, total: None)
    outcome = upscale_file("a.png", "c.png", weights=load_weights("x4"))
    failed = [each.error for each in upscale_folder("photos", "large", depth=16) if each.error is not None]
    frames: int = upscale_video("a.mp4", "b.mkv", device="cpu").frames
    psnr = [row.seconds for row in evaluate("Set5", weights=["x4", "x2"])]
    files = export("x4", target="onnx").files
    run: Path = train(resolve_settings("quick", changes={"data": "photos"}), Path("run"))
except RipfdnError as error:
    print(error, error.exit_code)
"""


@pytest.fixture
def network(bilinear_weights: Path) -> dict[str, Any]:
    return {"weights": bilinear_weights, "engine": "torch", "device": "cpu", "precision": "fp32"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    Image.fromarray(photograph(40, 48)).save(tmp_path / "photos" / "a.png")
    Image.fromarray(photograph(64, 72)).save(tmp_path / "photos" / "deep" / "b.jpg")
    return tmp_path


def test_every_public_name_is_listed_typed_and_documented() -> None:
    assert set(ripfdn_cli.__all__) == {*ripfdn_cli._HOMES, "__version__"} == set(dir(ripfdn_cli))
    for name in ripfdn_cli._HOMES:
        public = getattr(ripfdn_cli, name)
        assert inspect.getdoc(public), name
        if inspect.isfunction(public):
            assert "return" in public.__annotations__
            assert len(public.__annotations__) == len(inspect.signature(public).parameters) + 1
    with pytest.raises(AttributeError):
        ripfdn_cli.nothing  # noqa: B018


def test_a_users_script_passes_strict_type_checks(tmp_path: Path) -> None:
    """The one thing that is judged is what a type checker sees; nothing of it is run."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "wrong.py").write_text(
        "from ripfdn_cli import Upscaler, upscale_file\n"
        'upscale_file("a.png", "b.png", scael=2)\n'
        'upscale_file("a.png", "b.png", depth="16")\n'
        'Upscaler("x4").upscale("a.png")\n'
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", f"--cache-dir={os.devnull}"]
    checked = {
        name: subprocess.run([*command, name], cwd=tmp_path, capture_output=True, text=True)
        for name in ("script.py", "wrong.py")
    }
    assert checked["script.py"].stdout.startswith("Success"), checked["script.py"].stdout
    lines = [line for line in checked["wrong.py"].stdout.splitlines() if "error:" in line]
    assert [line.split(":")[1] for line in lines] == ["2", "3", "4"]


def test_a_file(folder: Path, network: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[int, int]] = []
    output = folder / "new" / "a.webp"
    outcome = api.upscale_file(
        folder / "photos" / "a.png",
        output,
        scale=2.5,
        lossless=True,
        progress=lambda done, total: told.append((done, total)),
        **network,
    )
    with Image.open(output) as image:
        assert (image.format, image.size) == ("WEBP", (120, 100))
    assert outcome.facts is not None
    assert outcome.facts.output_size == (120, 100)
    assert told[-1][0] == told[-1][1]
    assert capfd.readouterr() == ("", "")
    with pytest.raises(OutputError, match="exists already"):
        api.upscale_file(folder / "photos" / "a.png", output, **network)


def test_a_file_is_what_the_upscaler_makes_of_it(folder: Path, network: dict[str, Any]) -> None:
    api.upscale_file(folder / "photos" / "a.png", folder / "out.png", **network)
    expected = ripfdn_cli.Upscaler(**network).upscale(Image.open(folder / "photos" / "a.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "out.png")), np.asarray(expected))
    data = api.upscale_bytes((folder / "photos" / "a.png").read_bytes(), **network)
    assert data == (folder / "out.png").read_bytes()


def test_weights_that_are_loaded_do_for_all(
    folder: Path, network: dict[str, Any], small_data_set: Path
) -> None:
    """They are those of their file, also to a journal; and are called after it."""
    loaded = ripfdn_cli.load_weights(network["weights"])
    source, from_file = folder / "photos" / "a.png", folder / "file.png"
    api.upscale_file(source, from_file, **network)
    options = network | {"weights": loaded}
    api.upscale_file(source, folder / "loaded.png", **options)
    assert (folder / "loaded.png").read_bytes() == from_file.read_bytes()
    assert api.upscale_bytes(source.read_bytes(), **options) == from_file.read_bytes()
    first, again = (api.upscale_folder(folder / "photos", folder / "large", **options) for _ in range(2))
    assert all(outcome.facts is not None for outcome in first)
    assert all(outcome.facts is None and outcome.error is None for outcome in again)
    row = api.evaluate(small_data_set, weights=[loaded], engine="torch", device="cpu")[-1]
    assert row.method.name == network["weights"].stem
    exported = api.export(loaded, folder / "network.pt")
    assert exported.scale == 4
    assert len(repr(loaded)) < 300


def test_weights_of_ones_own_making_are_told_apart(folder: Path, network: dict[str, Any]) -> None:
    """A journal must not take the results of one for those of another."""
    loaded = ripfdn_cli.load_weights(network["weights"])
    bias = loaded.tensors["upsample.bias"]
    made = [
        ripfdn_cli.Checkpoint(loaded.config, loaded.tensors | {"upsample.bias": bias + np.float32(brighter)})
        for brighter in (0, 0.1)
    ]
    for checkpoint in made:
        outcomes = api.upscale_folder(
            folder / "photos", folder / "large", overwrite=True, **network | {"weights": checkpoint}
        )
        assert all(outcome.facts is not None for outcome in outcomes)


def test_a_folder(folder: Path, network: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "photos" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    told: list[tuple[int, int]] = []
    seen: list[str] = []
    outcomes = api.upscale_folder(
        folder / "photos",
        folder / "large",
        progress=lambda done, total: told.append((done, total)),
        observe=lambda outcome: seen.append(outcome.source.name),
        **network,
    )
    assert {outcome.source.name: outcome.error is None for outcome in outcomes} == {
        "a.png": True,
        "broken.png": False,
        "b.jpg": True,
    }
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert seen == [outcome.source.name for outcome in outcomes]
    with Image.open(folder / "large" / "deep" / "b.jpg") as image:
        assert image.size == (288, 256)
    again = api.upscale_folder(folder / "photos", folder / "large", **network)
    assert sum(outcome.facts is None and outcome.error is None for outcome in again) == 2
    assert capfd.readouterr() == ("", "")


def test_a_video(tmp_path: Path, network: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=4))
    told: list[tuple[int, int, int]] = []
    facts = api.upscale_video(
        source,
        tmp_path / "out.mkv",
        ripfdn_cli.VideoSettings(size=ripfdn_cli.SizeRequest(width=96)),
        progress=lambda *progress: told.append(progress),
        **network,
    )
    assert (facts.frames, facts.output_size) == (4, (96, 64))
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [(96, 64)] * 4
    assert told[-1][:2] == (4, 4)
    assert capfd.readouterr().out == ""


def test_wrong_calls_are_told_in_pythons_words(folder: Path, network: dict[str, Any]) -> None:
    source, output = folder / "photos" / "a.png", folder / "out.png"
    with pytest.raises(UsageError, match="upscale_folder"):
        api.upscale_file(folder / "photos", output)
    with pytest.raises(TypeError, match="scael"):
        api.upscale_file(source, output, scael=2)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="`exact` sets the halo"):
        api.upscale_file(source, output, exact=True, halo=3)
    with pytest.raises(UsageError, match="`scale` two"):
        api.upscale_file(source, output, scale="two")
    with pytest.raises(UsageError, match="`depth` 12"):
        api.upscale_file(source, output, depth=12)
    with pytest.raises(UsageError, match="`quality` 0"):
        api.upscale_file(source, output, quality=0)
    with pytest.raises(UsageError, match="`background` reddish"):
        api.upscale_file(source, output, background="reddish")
    with pytest.raises(UsageError, match="contradict"):
        api.upscale_file(source, output, scale=2, fit=(10, 10))
    with pytest.raises(InputError, match="nowhere"):
        api.upscale_file(folder / "nowhere.png", output, **network)
    assert not output.exists()


@pytest.mark.parametrize(
    ("options", "precision", "halo", "rounding"),
    [
        ({}, "auto", 48, None),
        ({"exact": True}, "fp32", 96, None),
        ({"exact": True, "precision": "fp32"}, "fp32", 96, None),
        ({"exact": True, "precision": "bf16"}, "bf16", 96, "bf16"),
        ({"precision": "bf16"}, "bf16", 48, None),
        ({"halo": 16}, "auto", 16, None),
    ],
)
def test_exact_is_exact_on_every_machine_or_says_what_it_is(
    options: dict[str, Any],
    precision: str,
    halo: int,
    rounding: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = api.network_settings(**options)
    assert (settings.precision, settings.halo) == (precision, halo)
    told = [f"to within the rounding of {rounding}"] if rounding else []
    assert len(caplog.messages) == len(told)
    assert all(line in message for line, message in zip(told, caplog.messages, strict=True))


def test_scores_are_in_fp32_and_those_of_the_upscaler(small_data_set: Path, network: dict[str, Any]) -> None:
    told: list[tuple[int, int]] = []
    rows = api.evaluate(
        small_data_set,
        weights=network["weights"],
        engine="torch",
        device="cpu",
        progress=lambda done, total: told.append((done, total)),
    )
    assert rows[-1].method.network is not None
    assert rows[-1].method.network.precision == "fp32"
    assert told == [(1, 3), (2, 3), (3, 3)]
    from skimage.metrics import peak_signal_noise_ratio

    lr, hr = (np.asarray(Image.open(small_data_set / name / "a.png")) for name in ("LRbicx4", "HR"))
    larger = ripfdn_cli.Upscaler(**network).upscale(lr)
    luma = [
        (pixels.astype(np.float64) @ (65.481, 128.553, 24.966) / 255 + 16)[4:-4, 4:-4]
        for pixels in (hr, larger)
    ]
    expected = peak_signal_noise_ratio(*luma, data_range=255)
    assert rows[-1].pictures[0].scores["Y"].psnr == pytest.approx(expected, abs=1e-3)
    with pytest.raises(UsageError, match="`protocol` XYZ"):
        api.evaluate(small_data_set, protocol="XYZ")


def test_an_export_runs_in_torch(tmp_path: Path, network: dict[str, Any]) -> None:
    exported = api.export(network["weights"], tmp_path / "network.pt")
    assert exported.files == (tmp_path / "network.pt",)
    image = torch.rand(1, 3, 16, 20)
    expected = ripfdn_cli.Upscaler(**network).upscale(image)
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        result = torch.jit.load(tmp_path / "network.pt")(image)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-4)


def test_options_of_commands_are_parameters_of_the_api() -> None:
    """The typed options and the functions that check them name the same things."""
    hints = api.PictureOptions.__annotations__
    functions = (api.network_settings, api.size_request, api.picture_settings)
    parameters = {name for function in functions for name in inspect.signature(function).parameters}
    assert parameters - {"size", "network"} == hints.keys() - {"format"}


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_are_the_content_of_a_picture(kind: Any, folder: Path, network: dict[str, Any]) -> None:
    content = (folder / "photos" / "a.png").read_bytes()
    assert api.upscale_bytes(kind(content), **network) == api.upscale_bytes(content, **network)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: api.upscale_bytes("a.png"), "a str is not the content of a file; pass bytes"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", width=10.5), "`width` 10.5 is not a whole number of pixels"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", fit=(10, "x")), "`fit` 'x' is not a whole number of pixels"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", fit="10x10"), "`fit` '10x10' is not a width and a height"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", background=5), "`background` 5 is not a colour"),  # type: ignore[arg-type]
        (lambda: api.upscale_file("", "b.png"), "a name is empty"),
        (lambda: api.upscale_folder([], "out"), "no inputs are given"),
        (lambda: api.upscale_bytes(b"a", scale="1/0"), "`scale` 1/0 is not a number"),
        (lambda: api.upscale_bytes(b"a", fit=1920), "`fit` 1920 is not a width and a height"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", quality="90"), "`quality` '90' is not a whole number"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", threads="2"), "`threads` '2' is not a whole number"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", max_pixels="100"), "`max_pixels` '100' is not a whole number"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", max_pixels=-1), "`max_pixels` -1 is less than 1"),
        (lambda: api.upscale_bytes(b"a", strength="0.5"), "`strength` '0.5' is not a number"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", precision=["fp32"]), "`precision` ['fp32'] is not a str"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", engine=["torch"]), "`engine` ['torch'] is not a str"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", halo="5"), "`halo` '5' is not a whole number of pixels"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", ensemble="no"), "`ensemble` 'no' is neither True nor False"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", exact="no"), "`exact` 'no' is neither True nor False"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", wrap="no"), "`wrap` 'no' is neither True nor False"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", lossless="no"), "`lossless` 'no' is neither True nor False"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", strip_metadata="no"), "`strip_metadata` 'no' is neither"),  # type: ignore[arg-type]
        (lambda: api.upscale_file("a.png", "b.png", overwrite="no"), "`overwrite` 'no' is neither True"),  # type: ignore[arg-type]
        (lambda: api.upscale_folder("in", "out", skip_existing="no"), "`skip_existing` 'no' is neither"),  # type: ignore[arg-type]
        (lambda: api.export(target="onnx", half="no"), "`half` 'no' is neither True nor False"),  # type: ignore[arg-type]
        (lambda: ripfdn_cli.Upscaler("x4", ensemble="no"), "`ensemble` 'no' is neither True nor False"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", device=0), "`device` 0 is not a str"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", format=5), "`format` 5 is not a str"),  # type: ignore[arg-type]
        (lambda: api.upscale_bytes(b"a", weights=5), "`weights` 5 is not a path"),  # type: ignore[arg-type]
        (lambda: api.upscale_folder("in", "out", shard=3), "`shard` 3 is not a str"),  # type: ignore[arg-type]
        (lambda: api.upscale_video([], "out.mkv"), "no inputs are given"),
        (lambda: api.evaluate("Set5", repeat=0), "`repeat` 0 is less than 1"),
        (lambda: api.evaluate("Set5", threads="2"), "`threads` '2' is not a whole number"),  # type: ignore[arg-type]
        (lambda: api.evaluate(5), "`sets` 5 is neither a str nor a sequence of them"),  # type: ignore[arg-type]
        (lambda: api.export(target="onnx", tile=24), "`tile` 24 is not a height and a width in px"),  # type: ignore[arg-type]
        (lambda: api.export(target="onnx", opset=0), "`opset` 0 is not between"),
        (lambda: ripfdn_cli.Upscaler("x4", threads="2"), "`threads` '2' is not a whole number"),  # type: ignore[arg-type]
        (lambda: ripfdn_cli.load_weights(5), "`weights` 5 is not a path"),  # type: ignore[arg-type]
        (lambda: ripfdn_cli.train({}, "run"), "`settings` {} are not a TrainingSettings"),  # type: ignore[arg-type]
        (lambda: ripfdn_cli.resolve_settings(config=5), "`config` 5 is not a path"),  # type: ignore[arg-type]
    ],
)
def test_what_a_type_checker_would_refuse_is_told_in_a_line(call: Any, said: str) -> None:
    with pytest.raises(RipfdnError, match=re.escape(said)):
        call()


def test_paths_of_training_may_be_text(tmp_path: Path) -> None:
    """Settings, folder and picture of pairs: what is wrong with the data is told, not with the paths."""
    (tmp_path / "run.toml").write_text('seed = 3\ndata = ["nowhere"]\n')
    settings = ripfdn_cli.resolve_settings("quick", str(tmp_path / "run.toml"))
    assert settings == ripfdn_cli.resolve_settings("quick", tmp_path / "run.toml")
    assert settings.seed == 3
    for attempt in (
        lambda: ripfdn_cli.train(settings, str(tmp_path / "run")),
        lambda: show_pairs(settings, 1, str(tmp_path / "pairs.png")),
    ):
        with pytest.raises(InputError, match="nowhere is not a folder"):
            attempt()
