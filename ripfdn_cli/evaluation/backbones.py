"""What some metrics and losses need that has to be fetched first, such as networks of torchvision trained on
ImageNet: only where it is on the machine, since nothing here downloads by itself.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def loading_backbone(name: str, wanted_by: str) -> Iterator[Path]:
    """The file with torchvision's weights of the network `name` (alexnet, vgg16, vgg19), to be loaded within;
    `wanted_by`: what needs them. Raises UnavailableError where torchvision or the file are not on the
    machine, or the file can't be loaded, with the command that helps.
    """
    import_perceptual("torchvision", wanted_by)
    what = f"the weights of torchvision's {name}"
    fetch = f"import torchvision; torchvision.models.{name}(weights='DEFAULT')"
    path = backbone_file(name)
    with loading_file(path, what, wanted_by, fetch):
        yield path


@contextmanager
def loading_file(path: Path, what: str, wanted_by: str, fetch: str) -> Iterator[None]:
    """Loads `path`, which is `what`, within; `fetch`: the Python that gets it. Raises UnavailableError where
    the file is not there, or loading it fails.
    """
    if not path.is_file():
        raise UnavailableError(
            f'{wanted_by} needs {what}, and there is no {path}; fetch them: python -c "{fetch}"'
        )
    try:
        yield
    except Exception as error:  # what a loader raises for a damaged file is anything
        raise UnavailableError(
            f"{wanted_by} needs {what}, and {path} is damaged or holds something else; delete it and fetch "
            f'them again: python -c "{fetch}"'
        ) from error


def backbone_file(name: str) -> Path:
    """Where torchvision keeps the weights of its network `name`, there or not."""
    import torch
    from torchvision.models import get_model_weights

    url = str(get_model_weights(name)["DEFAULT"].url)
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
