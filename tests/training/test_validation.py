from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.small_inputs import photograph, small_network

from ripfdn_cli.errors import InputError
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.image_math.metrics import score
from ripfdn_cli.model.network import to_checkpoint
from ripfdn_cli.training.validation import load_validation_sets, score_sets, validate
from ripfdn_cli.upscaler import Upscaler


def test_the_mean_over_the_set_of_what_the_upscaler_makes(small_data_set: Path) -> None:
    sets = load_validation_sets([str(small_data_set)], 4)
    network = small_network()
    upscaler = Upscaler(to_checkpoint(network, {}), device="cpu", engine="torch", precision="fp32")
    expected = []
    for path in sorted((small_data_set / "HR").iterdir()):
        lr = np.asarray(Image.open(small_data_set / "LRbicx4" / path.name))
        expected.append(score(upscaler.upscale(lr), np.asarray(Image.open(path)), scale=4))
    result = validate(network, sets, "cpu")["Small"]
    assert result.psnr == pytest.approx(np.mean([s.psnr for s in expected]))
    assert result.ssim == pytest.approx(np.mean([s.ssim for s in expected]))


def test_sets_of_one_name_are_scored_each(tmp_path: Path) -> None:
    """The second took the place of the first, by which the best weights are chosen."""
    for parent, seed in (("one", 3), ("two", 8)):
        folder = tmp_path / parent / "Set5" / "HR"
        folder.mkdir(parents=True)
        Image.fromarray(photograph(48, 48, seed=seed)).save(folder / "a.png")
    network = small_network()
    folders = [str(tmp_path / parent / "Set5") for parent in ("one", "two")]
    alone = [validate(network, load_validation_sets([folder], 4), "cpu")["Set5"] for folder in folders]
    together = validate(network, load_validation_sets(folders, 4), "cpu")
    assert alone[0] != alone[1]
    assert together == {"Set5": alone[0], "Set5 (2)": alone[1]}
    (tmp_path / "one" / "Set5").rename(tmp_path / "Set5 (2)")
    thrice = [str(tmp_path / "Set5 (2)"), folders[1], folders[1]]
    assert [data.name for data in load_validation_sets(thrice, 4)] == ["Set5 (2)", "Set5", "Set5 (3)"]


def test_a_set_without_lr_gets_matlabs(tmp_path: Path) -> None:
    (tmp_path / "HR").mkdir()
    pixels = photograph(50, 43)
    Image.fromarray(pixels).save(tmp_path / "HR" / "a.png")
    pair = load_validation_sets([str(tmp_path)], 2)[0].pairs[0]
    assert pair.hr is not None
    np.testing.assert_array_equal(pair.lr, imresize(pair.hr, 0.5))


def test_a_set_without_hr_is_refused(tmp_path: Path) -> None:
    (tmp_path / "LRbicx2").mkdir()
    Image.fromarray(photograph(20, 20)).save(tmp_path / "LRbicx2" / "a.png")
    with pytest.raises(InputError, match="has no HR pictures"):
        load_validation_sets([str(tmp_path)], 2)


@pytest.mark.parametrize(("scale", "least"), [(2, 16), (3, 18), (4, 20)])
def test_pictures_too_small_to_score_are_refused_before_the_run(
    tmp_path: Path, scale: int, least: int
) -> None:
    """SSIM's window of 11 px is left where `scale` px are cut from each side, and sides are multiples."""
    (tmp_path / "Tiny" / "HR").mkdir(parents=True)
    picture = tmp_path / "Tiny" / "HR" / "a.png"
    Image.fromarray(photograph(least, 48)).save(picture)
    (data,) = load_validation_sets([str(tmp_path / "Tiny")], scale)
    upscaler = Upscaler(
        to_checkpoint(small_network(scale), {}), device="cpu", engine="torch", precision="fp32"
    )
    assert score_sets(upscaler, [data])["Tiny"].psnr > 0
    Image.fromarray(photograph(least - scale, 48)).save(picture)
    with pytest.raises(InputError, match=f"a of Tiny has 48×{least - scale} px, too small to score"):
        load_validation_sets([str(tmp_path / "Tiny")], scale)
