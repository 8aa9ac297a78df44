"""What is said where torchvision or its weights are missing. Metrics by them: test_library_metrics.py."""

import sys
from pathlib import Path

import pytest
import torch
from support.spandrel_import import fitting_torchvision

from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.evaluation.backbones import backbone_file, import_perceptual, loading_backbone

pytestmark = pytest.mark.any_precision


def test_a_missing_package_is_named_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(
        UnavailableError, match=r"lpips needs a package .* pip install 'ripfdn-cli\[perceptual\]'"
    ):
        import_perceptual("torchmetrics.image", "`metric` lpips")


def test_a_torchvision_of_another_build_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UnavailableError, match=r"nms does not exist.*both from the same place"):
        enter("vgg16", "`metric` dists")


def enter(name: str, wanted_by: str) -> Path:
    with loading_backbone(name, wanted_by) as path:
        return path


def test_weights_are_looked_for_where_torchvision_keeps_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Files as torchvision's documentation of these networks names them."""
    fitting_torchvision()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    assert backbone_file("alexnet") == path
    assert backbone_file("vgg16").name == "vgg16-397923af.pth"
    with pytest.raises(
        UnavailableError, match=r"python -c .*torchvision\.models\.alexnet\(weights='DEFAULT'\)"
    ):
        enter("alexnet", "`metric` lpips")
    path.parent.mkdir(parents=True)
    torch.save({}, path)
    assert enter("alexnet", "`metric` lpips") == path
