"""What some metrics and losses need that has to be fetched first, such as networks of torchvision trained on
ImageNet: only where it is on the machine, since nothing here downloads by itself.
"""

import importlib
from pathlib import Path
from types import ModuleType

from ripfdn_cli.errors import UnavailableError

PERCEPTUAL = "perceptual"
"""The extra for torchvision's networks."""


def import_perceptual(name: str, wanted_by: str, extra: str = PERCEPTUAL) -> ModuleType:
    """The module `name` of `extra`, which goes with torchvision; `wanted_by`: what needs it, for messages.
    Raises UnavailableError.
    """
    try:
        importlib.import_module("torchvision")
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f"{wanted_by} needs a package that is not installed; pip install 'ripfdn-cli[{extra}]'"
        ) from error
    except RuntimeError as error:  # its compiled half is of another build of torch
        raise UnavailableError(
            f"{wanted_by} needs torchvision, and the one that is installed does not fit torch ({error}); "
            "install both from the same place, such as https://download.pytorch.org/whl/cpu"
        ) from error


def require_backbone(name: str, wanted_by: str) -> None:
    """Raises UnavailableError where torchvision, or its weights of the network `name` (alexnet, vgg16,
    vgg19), are not on the machine, with the command that helps. `wanted_by`: what needs them.
    """
    import_perceptual("torchvision", wanted_by)
    require_file(
        backbone_file(name),
        f"the weights of torchvision's {name}",
        wanted_by,
        f"import torchvision; torchvision.models.{name}(weights='DEFAULT')",
    )


def require_file(path: Path, what: str, wanted_by: str, fetch: str) -> None:
    """Raises UnavailableError where there is no `path`, which is `what`; `fetch`: the Python that helps."""
    if not path.is_file():
        raise UnavailableError(
            f'{wanted_by} needs {what}, and there is no {path}; fetch them: python -c "{fetch}"'
        )


def backbone_file(name: str) -> Path:
    """Where torchvision keeps the weights of its network `name`, there or not."""
    import torch
    from torchvision.models import get_model_weights

    url = str(get_model_weights(name)["DEFAULT"].url)
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
