"""Which weights a run uses, and that their file is read once."""

import hashlib
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import smooth

from ripfdn_cli.api import LOOKS, network_settings
from ripfdn_cli.cli.upscale import upscale
from ripfdn_cli.errors import CheckpointError, UsageError
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.weights_store import load_weights
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.weights_selection import Compression, WeightsSelection

LIGHT, STRONG = Compression.LIGHT, Compression.STRONG
COUNT_OPENS = """
import os, sys
from pathlib import Path
weights, opens = os.path.realpath(sys.argv[1]), 0
def look(event, arguments):
    global opens
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        opens += os.path.realpath(arguments[0]) == weights
sys.addaudithook(look)
from ripfdn_cli.cli.main import main
try:
    main(sys.argv[2:])
except SystemExit as end:
    print(end.code, opens)
"""


def test_the_weights_of_one_picture_are_opened_once(bilinear_weights: Path, tmp_path: Path) -> None:
    source, weights = tmp_path / "in.png", str(bilinear_weights)
    Image.fromarray(smooth(20, 24)).save(source)
    options = ["--weights", weights, "--engine", "torch", "--precision", "fp32"]
    command = ["upscale", "-q", str(source), "-o", str(tmp_path / "out.png"), *options]
    arguments = [sys.executable, "-c", COUNT_OPENS, weights, *command]
    process = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["0", "1"]


def test_auto_has_a_network_for_each_scale_and_one_for_compressed_pictures() -> None:
    selection = WeightsSelection(None)
    assert selection.choices == {2: "x2", 3: "x3", 4: "x4"}
    assert selection.choices_for_compressed == {LIGHT: {4: "x4-photo"}, STRONG: {4: "x4-sharp"}}
    assert selection.default_scale == 4


@pytest.mark.parametrize(
    ("factor", "clean", "light", "strong"),
    [
        (1, [], [], []),
        (2, ["x2"], ["x4-photo"], ["x4-sharp"]),
        (4, ["x4"], ["x4-photo"], ["x4-sharp"]),
        (8, ["x2", "x4"], ["x4-photo", "x2"], ["x4-sharp", "x2"]),
        (10, ["x3", "x4"], ["x4-photo", "x3"], ["x4-sharp", "x3"]),
        (13, ["x4", "x4"], ["x4-photo", "x2", "x2"], ["x4-sharp", "x2", "x2"]),
        (16, ["x4", "x4"], ["x4-photo", "x2", "x2"], ["x4-sharp", "x2", "x2"]),
    ],
)
def test_compressed_pictures_go_through_weights_of_their_own_first(
    factor: int, clean: list[str], light: list[str], strong: list[str]
) -> None:
    selection = WeightsSelection(None)
    for wanted, compression in zip((clean, light, strong), Compression, strict=True):
        route = selection.route((20, 10), (20 * factor, 10 * factor), compression)
        assert [route.choices[scale] for scale in route.passes] == wanted


def test_named_weights_are_for_everything(enlarging_weights: dict[int, Path]) -> None:
    path = enlarging_weights[3]
    selection = WeightsSelection(str(path))
    assert selection.choices == {3: str(path)}
    assert selection.choices_for_compressed == {LIGHT: {3: str(path)}, STRONG: {3: str(path)}}
    assert selection.default_scale == 3
    assert selection.sha256() == {str(path): hashlib.sha256(path.read_bytes()).hexdigest()}


def test_unknown_weights_are_told() -> None:
    with pytest.raises(CheckpointError, match="no weights named nosuch"):
        WeightsSelection("nosuch")


def test_another_process_reads_its_own_weights(small_weights: Path) -> None:
    settings = NetworkSettings(weights=str(small_weights))
    assert settings.selection.default_scale == 4
    sent = pickle.loads(pickle.dumps(settings))
    assert sent == settings
    assert "selection" not in vars(sent)


def test_two_weights_are_mixed_for_everything(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Its hash, by which journals and caches know weights, changes with the strength."""
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    small_checkpoint.save(first)
    bias = {"upsample.bias": small_checkpoint.tensors["upsample.bias"] + np.float32(0.5)}
    replace(small_checkpoint, tensors=small_checkpoint.tensors | bias).save(second)
    settings = NetworkSettings(weights=str(first), weights_to=str(second), strength=0.5)
    selection = settings.selection
    ((scale, name),) = selection.choices.items()
    assert scale == 4
    assert selection.choices_for_compressed == {LIGHT: selection.choices, STRONG: selection.choices}
    mixture = selection.checkpoint(name)
    np.testing.assert_allclose(
        mixture.tensors["upsample.bias"], small_checkpoint.tensors["upsample.bias"] + 0.25, atol=1e-6
    )
    other = WeightsSelection(str(first), str(second), 0.6)
    assert len({*selection.sha256().values(), *other.sha256().values()}) == 2
    assert pickle.loads(pickle.dumps(settings)).selection.sha256() == selection.sha256()


def test_strength_alone_goes_from_what_suits_the_picture_towards_sharp() -> None:
    sharp = load_weights("x4-sharp").tensors
    selection = WeightsSelection(None, strength=0.25)
    light, strong = selection.choices_for_compressed.values()
    for choices, name in ((selection.choices, "x4"), (light, "x4-photo"), (strong, "x4-photo")):
        assert list(choices) == [4]
        mixture, start = selection.checkpoint(choices[4]).tensors, load_weights(name).tensors
        for key, tensor in mixture.items():
            np.testing.assert_allclose(tensor, 0.75 * start[key] + 0.25 * sharp[key], atol=1e-6)
    assert WeightsSelection(None, strength=1).choices == {4: "x4-sharp"}
    faithful = WeightsSelection(None, strength=0)
    assert faithful.choices == WeightsSelection(None).choices
    assert set(map(str, faithful.choices_for_compressed.values())) == {"{4: 'x4-photo'}"}


@pytest.mark.parametrize(("look", "weights"), [("faithful", "x4-photo"), ("sharp", "x4-sharp")])
def test_a_look_is_an_end_of_the_strengths(look: str, weights: str) -> None:
    choices = network_settings(look=look).selection.choices_for_compressed
    assert choices == {LIGHT: {4: weights}, STRONG: {4: weights}}


def test_the_command_has_each_look() -> None:
    (option,) = [one for one in upscale.params if one.name == "look"]
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == set(LOOKS)


@pytest.mark.parametrize("options", [{"weights": "x4"}, {"strength": 0.5}, {"weights_to": "x4"}])
def test_a_look_and_weights_contradict_each_other(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="`look` chooses the weights"):
        network_settings(look="sharp", **options)
    with pytest.raises(UsageError, match="'soft' is not one of faithful, sharp"):
        network_settings(look="soft")


@pytest.mark.parametrize("given", [(None, "x4", 0.5), ("x4", None, 0.5), ("x4", "x4-photo", None)])
def test_strength_needs_two_names(given: tuple[str | None, str | None, float | None]) -> None:
    with pytest.raises(UsageError, match="name them with `weights` and `weights_to`"):
        WeightsSelection(*given)
