from support.training_runs import torch_as_before

__all__ = ["torch_as_before"]
