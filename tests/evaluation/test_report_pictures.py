import base64
import io

import numpy as np
import pytest
from PIL import Image
from support.small_inputs import photograph

from ripfdn_cli.evaluation.benchmark import Method, Network, PictureResult, UpscaledPicture
from ripfdn_cli.evaluation.complexity import Complexity
from ripfdn_cli.evaluation.datasets import LoadedPair, Pixels
from ripfdn_cli.evaluation.report_pictures import CROP_SIDE, SHOWN_SIDE, picture_card, worst_window
from ripfdn_cli.image_math.metrics import NTIRE, PAPERS, Protocol, Score, luma, psnr

NETWORK = Network("w", "", "torch", "fp32", "cpu", Complexity(1, 1, 1, 1))
METHODS = (
    Method("Bicubic", 4, lambda pixels: pixels),
    Method("Lanczos", 4, lambda pixels: pixels),
    Method("ours", 4, lambda pixels: pixels, NETWORK),
    Method("theirs", 4, lambda pixels: pixels, NETWORK),
)


def upscaled(hr: Pixels | None, outputs: list[Pixels]) -> UpscaledPicture:
    scores = {} if hr is None else {"Y": Score(30.0, 0.9)}
    results = [PictureResult("p", 4, 4, 0.1, scores) for _ in outputs]
    lr = outputs[0][::4, ::4]
    return UpscaledPicture("Set", LoadedPair("p", lr, hr), METHODS, tuple(outputs), tuple(results))


def damaged(pixels: Pixels, top: int, left: int, side: int) -> Pixels:
    copy = pixels.copy()
    copy[top : top + side, left : left + side] ^= 0x3F
    return copy


def decoded(uri: str) -> Pixels:
    kind, _, content = uri.partition(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


@pytest.mark.parametrize("protocol", [PAPERS, NTIRE])
@pytest.mark.parametrize(("top", "left"), [(4, 4), (100, 30), (132, 172)])
def test_worst_window_is_where_the_damage_is(protocol: Protocol, top: int, left: int) -> None:
    hr = photograph(200, 240)
    worst = worst_window(damaged(hr, top, left, CROP_SIDE), hr, protocol, 4)
    assert (worst.top, worst.left, worst.height, worst.width) == (top, left, CROP_SIDE, CROP_SIDE)


def test_damage_in_the_border_does_not_count() -> None:
    hr = photograph(200, 240)
    output = damaged(hr, 90, 100, 8)
    output[:4] = output[:, -4:] = 0
    worst = worst_window(output, hr, PAPERS, 4)
    assert worst.top <= 90 <= 98 <= worst.top + worst.height
    assert worst.left <= 100 <= 108 <= worst.left + worst.width


def test_in_a_small_picture_the_window_is_what_there_is() -> None:
    hr = photograph(40, 100)
    worst = worst_window(damaged(hr, 10, 70, 9), hr, PAPERS, 4)
    assert (worst.top, worst.height, worst.width) == (4, 32, 64)
    assert worst.left <= 70 <= 79 <= worst.left + 64


def test_a_card_shows_the_first_interpolation_the_networks_and_hr() -> None:
    hr = photograph(120, 160)
    outputs = [damaged(hr, 8 * i, 8, CROP_SIDE) for i in range(1, 5)]
    card = picture_card(upscaled(hr, outputs), PAPERS)
    assert [shot.label for shot in card.shots] == ["Bicubic", "ours", "theirs", "HR"]
    assert [row.label for row in card.scores] == ["Bicubic", "Lanczos", "ours", "theirs"]
    assert card.compared == ("ours", "Bicubic")
    assert card.worst is not None
    assert card.worst.top == 24
    for shot, pixels in zip(card.shots, [outputs[0], outputs[2], outputs[3], hr], strict=True):
        assert psnr(decoded(shot.uri), pixels) > 25
    for crop, pixels in zip(card.crops, [outputs[0], outputs[2], outputs[3], hr], strict=True):
        np.testing.assert_array_equal(decoded(crop.uri), card.worst.of(pixels))
    y = [luma(card.worst.of(pixels)) for pixels in (outputs[2], hr)]
    assert card.crops[1].psnr == pytest.approx(psnr(*y))
    assert card.crops[-1].psnr is None


def test_without_hr_there_are_no_crops_and_no_scores() -> None:
    card = picture_card(upscaled(None, [photograph(60, 80)] * 4), PAPERS)
    assert [shot.label for shot in card.shots] == ["Bicubic", "ours", "theirs"]
    assert (card.worst, card.crops, card.scores, card.psnr, card.gain) == (None, (), (), None, None)


def test_a_large_picture_is_cut_around_its_worst_place() -> None:
    hr = photograph(700, 900)
    output = damaged(hr, 600, 800, CROP_SIDE)
    card = picture_card(upscaled(hr, [output] * 4), PAPERS)
    assert (card.shown.height, card.shown.width) == (SHOWN_SIDE, SHOWN_SIDE)
    assert (card.shown.top, card.shown.left) == (60, 260)
    assert card.worst is not None
    assert (card.worst.top, card.worst.left) == (600, 800)
    assert decoded(card.shots[0].uri).shape == (SHOWN_SIDE, SHOWN_SIDE, 3)
    assert card.zoom == 1


def test_a_small_picture_is_enlarged_by_a_whole_number() -> None:
    assert picture_card(upscaled(None, [photograph(100, 200)] * 4), PAPERS).zoom == 3
