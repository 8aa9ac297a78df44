"""The optimizers a run can have, and their states as tensors with names."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.training.settings import TrainingSettings

if TYPE_CHECKING:
    from pytorch_optimizer import SOAP

SOAP_FREQUENCY = 10
"""Steps after which SOAP's eigenbases are renewed; the paper's."""
SOAP_STATISTICS_DECAY = 0.98
"""Of the statistics that the eigenbases are of."""
_STEP = "step"


def make_optimizer(
    network: nn.Module, settings: TrainingSettings, device: torch.device
) -> torch.optim.Optimizer:
    """Raises UnavailableError where the package of the optimizer is not installed."""
    if settings.optimizer == "soap":
        return _soap(network, settings)
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    beta1, beta2 = settings.betas
    cuda = device.type == "cuda"
    # In a captured step a rate that is a number would be the first step's for ever.
    rate = torch.zeros((), device=device) if cuda else 0.0
    return kind(
        network.parameters(),
        lr=rate,
        betas=(beta1, beta2),
        weight_decay=settings.weight_decay,
        fused=True,
        capturable=cuda,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Of the next step; where it is a tensor it is filled, since a captured step reads it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def in_layout_of(parameters: Iterable[Tensor], gradients: Iterable[Tensor]) -> list[Tensor]:
    """`gradients`, each in the memory order of its parameter, as backward() leaves it: fused optimizers go
    through memory.
    """
    return [
        gradient if gradient.stride() == parameter.stride() else _laid_out_as(parameter, gradient)
        for parameter, gradient in zip(parameters, gradients, strict=True)
    ]


def add_gradients(parameters: Iterable[Tensor], gradients: Iterable[Tensor]) -> None:
    """Add `gradients` to those that `parameters` have."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)


def tensors_below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of a saved state whose names begin with `prefix`, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def optimizer_tensors(optimizer: torch.optim.Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """All that steps have changed, by `key.parameter`; of a list of matrices, `key.index.parameter`."""
    tensors = {}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"{key}.{name}"] = value
            elif isinstance(value, list):
                tensors |= {f"{key}.{index}.{name}": matrix for index, matrix in _matrices(value)}
    steps = optimizer.param_groups[0].get(_STEP)
    return tensors if steps is None else tensors | {_STEP: torch.tensor(steps)}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, network: nn.Module, tensors: dict[str, Tensor]
) -> None:
    """Take over what `optimizer_tensors` gave."""
    group = optimizer.param_groups[0]
    soap = "precondition_frequency" in group
    if _STEP in tensors:
        group[_STEP] = int(tensors[_STEP])
    for name, parameter in network.named_parameters():
        state = optimizer.state[parameter]
        for key in ("step", "exp_avg", "exp_avg_sq"):
            if f"{key}.{name}" in tensors:
                state[key] = _laid_out_as(parameter, tensors[f"{key}.{name}"].to(parameter.device))
        if soap and "exp_avg" in state:
            state |= {key: _listed(key, name, parameter, tensors) for key in ("GG", "Q")}
            state["precondition_frequency"] = group["precondition_frequency"]
            state["shampoo_beta"] = group["shampoo_beta"]


def _soap(network: nn.Module, settings: TrainingSettings) -> "SOAP":
    """Adam in the eigenbases of Shampoo's statistics: Vyas et al., SOAP (2024), arXiv 2409.11321."""
    try:
        from pytorch_optimizer import SOAP
    except ImportError as error:
        raise UnavailableError(
            "`optimizer` soap needs a package that is not installed; "
            "pip install 'ripfdn-cli[train]', or use `optimizer` adam"
        ) from error

    class ContiguousSOAP(SOAP):
        """Its eigenbases lie in memory as a saved state's do: in another order, products round differently,
        and a resumed run would not be the same to the bit.
        """

        @staticmethod
        def get_orthogonal_matrix(mat: Any) -> list[Any]:
            return _contiguous(SOAP.get_orthogonal_matrix(mat))

        def get_orthogonal_matrix_qr(self, *args: Any, **kwargs: Any) -> list[Any]:
            return _contiguous(super().get_orthogonal_matrix_qr(*args, **kwargs))

    beta1, beta2 = settings.betas
    return ContiguousSOAP(
        network.parameters(),
        lr=0.0,
        betas=(beta1, beta2),
        shampoo_beta=SOAP_STATISTICS_DECAY,
        weight_decay=settings.weight_decay,
        precondition_frequency=SOAP_FREQUENCY,
    )


def _laid_out_as(parameter: Tensor, kept: Tensor) -> Tensor:
    """`kept` in the memory order of `parameter`, as the optimizer made it; a step's number is a scalar."""
    return kept if kept.shape != parameter.shape else torch.empty_like(parameter).copy_(kept)


def _contiguous(matrices: list[Any]) -> list[Any]:
    return [matrix.contiguous() if isinstance(matrix, Tensor) else matrix for matrix in matrices]


def _matrices(values: list[Any]) -> Iterator[tuple[int, Tensor]]:
    """SOAP keeps an empty list for an axis without a matrix."""
    return ((index, value) for index, value in enumerate(values) if isinstance(value, Tensor))


def _listed(key: str, name: str, parameter: Tensor, tensors: dict[str, Tensor]) -> list[Any]:
    found = (tensors.get(f"{key}.{axis}.{name}") for axis in range(parameter.dim()))
    return [[] if matrix is None else matrix.to(parameter.device) for matrix in found]
