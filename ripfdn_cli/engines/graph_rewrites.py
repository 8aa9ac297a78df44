"""Exact algebra on the converted OpenVINO graph, so that less memory is moved for the same picture.

Every pass edits the model in place, knows nothing of RIPFDN, and leaves the function as it was but for the
rounding of float32. What each gains stands in docs/engines.md.
"""

from collections.abc import Iterator
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.engines.openvino_runtime import openvino

_CHANNELS = 1  # the axis of channels in (N, C, H, W)


def rewrite(model: Any, precision: str) -> None:
    """All passes that serve `precision`, in the order in which they make room for each other.

    bf16 takes the first only: an identity added to weights of eight bits, or a sum kept in them, costs
    accuracy.
    """
    fold_scales(model)
    if precision != "fp32":
        return
    concats_to_sums(model)
    fold_residuals(model)
    splits_to_slices(model)


def fold_scales(model: Any) -> None:
    """conv(c ⊙ x) with a constant per channel: the constant moves into the weights."""
    for convolution in _convolutions(model):
        product = _source(convolution, 0).get_node()
        if product.get_type_name() != "Multiply":
            continue
        for x, scale in ((0, 1), (1, 0)):
            factors = _constant(_source(product, scale))
            weights = _weights(convolution)
            if factors is not None and factors.shape == (1, weights.shape[1], 1, 1):
                _set_weights(convolution, weights * factors)
                convolution.input(0).replace_source_output(_source(product, x))
                break


def concats_to_sums(model: Any) -> None:
    """1×1(concat(a, b, …)) becomes 1×1(a) + 1×1(b) + …, which the engine accumulates in place.

    A part that is a slice of another tensor's channels is replaced by the whole tensor with zeros in the
    weights: a 1×1 costs less than the copy.
    """
    ops = openvino().opset13
    for convolution in _convolutions(model, kernel=1):
        concat = _source(convolution, 0).get_node()
        if concat.get_type_name() != "Concat":
            continue
        terms = [
            ops.convolution(part, ops.constant(weights), [1, 1], [0, 0], [0, 0], [1, 1])
            for part, weights in _parts(concat, _weights(convolution))
        ]
        _replace(convolution.output(0), reduce(ops.add, terms).output(0))
    model.validate_nodes_and_infer_types()


def fold_residuals(model: Any) -> None:
    """x + (1×1(x) + …): the identity moves into the weights of the 1×1."""
    for addition in model.get_ordered_ops():
        if addition.get_type_name() != "Add":
            continue
        for residual, rest in ((0, 1), (1, 0)):
            x, others = _source(addition, residual), _source(addition, rest)
            convolution = _square_term_over(x, others)
            if convolution is not None:
                weights = _weights(convolution).copy()
                weights[:, :, 0, 0] += np.eye(len(weights), dtype=weights.dtype)
                _set_weights(convolution, weights)
                _replace(addition.output(0), others)
                break


def splits_to_slices(model: Any) -> None:
    """A split whose parts are not all used copies them all; a slice copies what is used."""
    ops = openvino().opset13
    for split in model.get_ordered_ops():
        if split.get_type_name() != "VariadicSplit":
            continue
        bounds = np.cumsum([0, *_split_lengths(split)])
        for index, (start, stop) in enumerate(pairwise(bounds)):
            if split.output(index).get_target_inputs():
                at = [ops.constant(np.array([value], np.int64)) for value in (start, stop, 1, _CHANNELS)]
                _replace(split.output(index), ops.slice(_source(split, 0), *at).output(0))
    model.validate_nodes_and_infer_types()


def _parts(concat: Any, weights: NDArray[np.float32]) -> list[tuple[Any, NDArray[np.float32]]]:
    """(tensor, its weights) for each input of `concat`, those that take a whole tensor for a slice first."""
    parts: list[tuple[Any, NDArray[np.float32]]] = []
    start = 0
    for index in range(concat.get_input_size()):
        part = _source(concat, index)
        stop = start + part.get_partial_shape()[_CHANNELS].get_length()
        own = np.ascontiguousarray(weights[:, start:stop])
        split = part.get_node()
        if split.get_type_name() == "VariadicSplit":
            parts.insert(0, (_source(split, 0), _zero_padded(own, split, part.get_index())))
        else:
            parts.append((part, own))
        start = stop
    return parts


def _zero_padded(weights: NDArray[np.float32], split: Any, index: int) -> NDArray[np.float32]:
    lengths = _split_lengths(split)
    start = int(lengths[:index].sum())
    padded = np.zeros((len(weights), int(lengths.sum()), 1, 1), np.float32)
    padded[:, start : start + weights.shape[1]] = weights
    return padded


def _square_term_over(x: Any, sum_of_terms: Any) -> Any | None:
    """The 1×1 over `x` with as many outputs as inputs among the terms of a sum that nobody else reads."""
    node = sum_of_terms.get_node()
    if len(sum_of_terms.get_target_inputs()) != 1:
        return None
    if _is_convolution(node, kernel=1):
        outputs, inputs = _weights(node).shape[:2]
        return node if _source(node, 0) == x and outputs == inputs else None
    if node.get_type_name() == "Add":
        for index in (0, 1):
            found = _square_term_over(x, _source(node, index))
            if found is not None:
                return found
    return None


def _convolutions(model: Any, kernel: int | None = None) -> Iterator[Any]:
    return (node for node in model.get_ordered_ops() if _is_convolution(node, kernel))


def _is_convolution(node: Any, kernel: int | None = None) -> bool:
    if node.get_type_name() != "Convolution":
        return False
    return kernel is None or _weights(node).shape[2:] == (kernel, kernel)


def _weights(convolution: Any) -> NDArray[np.float32]:
    weights = _constant(_source(convolution, 1))
    assert weights is not None, "a converted network has constant weights"
    return weights


def _set_weights(convolution: Any, weights: NDArray[np.float32]) -> None:
    constant = openvino().opset13.constant(np.ascontiguousarray(weights))
    convolution.input(1).replace_source_output(constant.output(0))


def _source(node: Any, index: int) -> Any:
    return node.input(index).get_source_output()


def _split_lengths(split: Any) -> NDArray[np.int64]:
    lengths = _constant(_source(split, 2))
    assert lengths is not None, "a converted network splits its channels by constants"
    return lengths


def _constant(output: Any) -> NDArray[Any] | None:
    node = output.get_node()
    return node.data if node.get_type_name() == "Constant" else None


def _replace(old: Any, new: Any) -> None:
    for reader in old.get_target_inputs():
        reader.replace_source_output(new)
