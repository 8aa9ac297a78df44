"""A loss by what VGG19 sees, where torchvision's weights of that network are on the machine."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ripfdn_cli.evaluation.backbones import import_perceptual, loading_backbone

LAYERS = {2: 0.1, 7: 0.1, 16: 1.0, 25: 1.0, 34: 1.0}
"""The convolutions conv1_2, conv2_2, conv3_4, conv4_4 and conv5_4, as torchvision numbers them, whose results
are compared before their ReLU, and the weights that Real-ESRGAN was trained with (Wang et al., ICCVW 2021).
"""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue in the pictures that the network learned from."""
_WANTED_BY = "`vgg`"


class VggLoss(nn.Module):
    """The L1 distances of VGG19's features, each times its weight in LAYERS (after Johnson et al., ECCV
    2016). The network stays as it is, and computes in fp32.

    Raises UnavailableError where torchvision or its weights are not on the machine.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layers = _layers()
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None])
        self.requires_grad_(False).eval()

    def forward(self, result: Tensor, target: Tensor) -> Tensor:
        """Of pictures (N, 3, H, W) in [0, 1], sides from 16 px on; a scalar."""
        with torch.no_grad():
            wanted = self._features(target)
        found = zip(LAYERS.values(), self._features(result), wanted, strict=True)
        return torch.stack([weight * functional.l1_loss(one, other) for weight, one, other in found]).sum()

    def _features(self, pictures: Tensor) -> list[Tensor]:
        x, features = (pictures - self.mean) / self.deviation, []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in LAYERS:
                features.append(x)
        return features


def _layers() -> nn.Sequential:
    """torchvision's VGG19 (Simonyan and Zisserman, ICLR 2015), up to the last of LAYERS."""
    network = import_perceptual("torchvision.models", _WANTED_BY).vgg19(weights=None)
    with loading_backbone("vgg19", _WANTED_BY) as path:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    layers = nn.Sequential(*network.features[: max(LAYERS) + 1])
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # what it changes is compared
    return layers
