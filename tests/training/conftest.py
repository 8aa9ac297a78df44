from support.spandrel_import import spandrel
from support.training_runs import torch_as_before

__all__ = ["spandrel", "torch_as_before"]
