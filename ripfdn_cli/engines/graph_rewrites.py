"""Exact algebra on the converted OpenVINO graph, so that less memory is moved for the same picture.

Every pass edits the model in place, knows nothing of RIPFDN, and leaves the function as it was but for the
rounding of float32. What each gains stands in docs/engines.md.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import partial, reduce
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.engines.bf16_weights import nearest_bf16, rounded_in_turn, rounded_to_bf16
from ripfdn_cli.openvino_runtime import openvino

_CHANNELS = 1  # the axis of channels in (N, C, H, W)


def rewrite(model: Any) -> None:
    """All passes, in the order in which they make room for each other.

    In bf16 too: the error against fp32 measured the same before and after. (A scale per channel needs no
    pass: OpenVINO's own conversion folds it into the next weights.)
    """
    concats_to_sums(model)
    fold_residuals(model)
    splits_to_slices(model)
    accumulate_early(model)


def round_weights(model: Any, *, but: Collection[str] = ()) -> None:
    """Round the weights of all convolutions to bf16, those named in `but` excepted; see `rounded_to_bf16`."""
    for convolution in _convolutions(model):
        if _name(convolution) not in but:
            _set_weights(convolution, rounded_to_bf16(_weights(convolution)))


def reorder_outputs(model: Any, order: NDArray[np.int64]) -> None:
    """Give the outputs of the last convolution in another order: the first is what `order[0]` was."""
    _, last = _first_and_last(model)
    biased = _biased(last)
    if biased is not last:
        bias = openvino().opset13.constant(np.ascontiguousarray(_bias(biased)[:, order]))
        index = next(i for i in (0, 1) if _constant(_source(biased, i)) is not None)
        biased.input(index).replace_source_output(bias.output(0))
    _set_weights(last, _weights(last)[order])


def long_skip(model: Any) -> set[str]:
    """Names of the operations that carry the picture itself past the blocks: what the first convolution
    follows from, that convolution with its bias, the last one, and the sum that it reads.
    """
    first, last = _first_and_last(model)
    before = [node for node in _ancestors(first).values() if node.get_type_name() != "Constant"]
    return {_name(node) for node in (*before, first, _biased(first), _source(last, 0).get_node(), last)}


def skip_from_pixels(model: Any) -> set[str]:
    """Compute the picture's way past the blocks, last∘first of a `model` that takes whole numbers of up to 8
    bits, from the pixels by one convolution in bf16, in which such pixels are exact and the sums of weights,
    too. The names of the operations that have to keep fp32.

    Between the two convolutions is a map of the 27 pixels that the first one reads at each place, each in a
    channel of its own, and of a one for its bias: beyond the picture's border that map is zero, as the
    features are.
    """
    ops = openvino().opset13
    first, last = _first_and_last(model)
    shallow, result = _biased(first), _biased(last)
    total = _source(last, 0).get_node()
    deep = next(source for source in map(partial(_source, total), (0, 1)) if source.get_node() != shallow)
    shape = _weights(first).shape[1:]
    neighbourhood = _neighbourhood(_source(first, 0), shape)
    by_channel = _per_channel_of_neighbourhood(_weights(first), _bias(shallow))
    features = _convolution(neighbourhood, _rounded_skip(by_channel[:, :, None, None], shape))
    composed = np.einsum("ofyx,fc->ocyx", _weights(last).astype(np.float64), by_channel)
    skip = ops.add(_convolution(neighbourhood, _rounded_skip(composed, shape)), _bias(result))
    # What comes right after a convolution and keeps fp32 makes that write fp32; this one changes nothing.
    residual = ops.prelu(_convolution(deep, rounded_to_bf16(_weights(last))), np.float32(1))
    upsampled = ops.add(skip, residual)
    _replace(shallow.output(0), features.output(0))
    _replace(result.output(0), upsampled.output(0))
    model.validate_nodes_and_infer_types()
    return {_name(node) for node in (skip, residual, upsampled)}


_LEVELS = 256
"""Pixels are divided by it, which is exact, to be of the size of the one beside them."""
_AMX_CHANNELS = 32
"""Of bf16 that one AMX instruction reads; elsewhere the zeros cost 1 % of the time."""


def _neighbourhood(pixels: Any, shape: tuple[int, ...]) -> Any:
    """`pixels` that a kernel of `shape` (inputs, height, width) reads, each in a channel, and two ones for
    the bias; padded with zeros.
    """
    ops = openvino().opset13
    count = int(np.prod(shape))
    channels = _amx_channels(count + 2)
    kernels, ones = np.zeros((channels, count), np.float32), np.zeros((1, channels, 1, 1), np.float32)
    kernels[:count] = np.eye(count) / _LEVELS
    ones[:, count : count + 2] = 1
    return ops.add(_convolution(pixels, kernels.reshape(channels, *shape)), ones).output(0)


def _per_channel_of_neighbourhood(
    weights: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(outputs, channels of `_neighbourhood` that are used), which give what `weights` and `bias` do."""
    flat = _LEVELS * weights.reshape(len(weights), -1).astype(np.float64)
    return np.concatenate([flat, bias.reshape(-1, 1)], axis=1)


def _rounded_skip(weights: NDArray[np.float64], kernel: tuple[int, ...]) -> NDArray[np.float32]:
    """`weights` (outputs, channels of `_neighbourhood` that are used, height, width) in bf16, padded with
    zeros; `kernel` is the first convolution's (inputs, height, width).

    A pixel reaches a result by several ways, through the neighbourhoods of several places. Their sum is kept,
    and so is that of all pixels of a colour: but for the picture's border, most pixels then have a weight as
    exact as in fp32.
    """
    outputs, used, *places = weights.shape
    colours = kernel[0]
    ways = weights[:, :-1].reshape(outputs * colours, -1)
    rounded = np.zeros((outputs, _amx_channels(used + 1), *places), np.float32)
    in_turn = rounded_in_turn(ways, _ways_to_each_pixel(kernel[1:], places))
    rounded[:, : used - 1] = in_turn.reshape(outputs, used - 1, *places)
    rounded[:, used - 1] = nearest_bf16(weights[:, -1])
    rounded[:, used] = nearest_bf16(weights[:, -1] - rounded[:, used - 1])
    return rounded


def _ways_to_each_pixel(kernel: Sequence[int], places: Sequence[int]) -> list[NDArray[np.int64]]:
    """Flat indices into (kernel's height, width, places' height, width), grouped by the sums of the rows and
    columns, the smallest groups first.
    """
    down, across, row, column = np.indices((*kernel, *places)).reshape(4, -1)
    pixels = (down + row) * (kernel[1] + places[1]) + across + column
    groups = [np.flatnonzero(pixels == pixel) for pixel in np.unique(pixels)]
    return sorted(groups, key=len)


def _amx_channels(channels: int) -> int:
    return _AMX_CHANNELS * ceil(channels / _AMX_CHANNELS)


def scale_input(parameter: Any, factor: float) -> None:
    """Multiply the weights of all that read `parameter`, which are convolutions, by `factor`."""
    for reader in parameter.output(0).get_target_inputs():
        convolution = reader.get_node()
        _set_weights(convolution, _weights(convolution) * np.float32(factor))


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


def accumulate_early(model: Any) -> None:
    """A sum of 1×1 over features that follow from each other (F1, then F2 from it, …) is made to grow as the
    features appear.

    The engine runs a node when another asks for it, so by itself it would keep all the features to the end.
    Here a zero, taken from the sum so far, is added to a small tensor on the way to the next feature: the sum
    then has to come first. Only the sum stays in memory, and what was read for the last time can be written
    over.
    """
    position = {_name(node): index for index, node in enumerate(model.get_ordered_ops())}
    for addition in reversed(model.get_ordered_ops()):
        terms = _terms(addition) if _is_whole_sum(addition) else []
        if len(terms) < 2 or not all(_is_convolution(term.get_node(), kernel=1) for term in terms):
            continue
        terms.sort(key=lambda term: position[_name(_feature(term))])
        gates = [_gate(_feature(a), _feature(b)) for a, b in pairwise(terms)]
        if None not in gates:
            _replace(addition.output(0), _gated_sum(terms, gates))
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


def _is_whole_sum(node: Any) -> bool:
    """An addition of two variables that is not itself a term of a larger one."""
    readers = [reader.get_node() for reader in node.output(0).get_target_inputs()]
    return _is_addition(node) and bool(readers) and not (len(readers) == 1 and _is_addition(readers[0]))


def _is_addition(node: Any) -> bool:
    return node.get_type_name() == "Add" and all(_constant(_source(node, index)) is None for index in (0, 1))


def _terms(addition: Any) -> list[Any]:
    """What is added up, through additions that nobody else reads."""
    terms = []
    for index in (0, 1):
        term = _source(addition, index)
        inner = _is_addition(term.get_node()) and len(term.get_target_inputs()) == 1
        terms += _terms(term.get_node()) if inner else [term]
    return terms


def _feature(term: Any) -> Any:
    """What the convolution behind `term` reads."""
    return _source(term.get_node(), 0).get_node()


def _gate(earlier: Any, later: Any) -> Any | None:
    """A matrix product that reads `earlier` and that `later` follows from: its second factor is ESA's small
    pooled map.
    """
    for node in _ancestors(later).values():
        if node.get_type_name() == "MatMul" and _name(earlier) in _ancestors(_source(node, 1).get_node()):
            first_factor = _source(node, 0).get_node()
            if _name(earlier) not in _ancestors(first_factor):
                return node
    return None


def _gated_sum(terms: list[Any], gates: list[Any]) -> Any:
    """`terms` added up in order, each but the last before its gate opens."""
    ops = openvino().opset13
    first_value = [np.array(values, np.int64) for values in ([0] * 4, [1] * 4, [1] * 4, range(4))]
    total = terms[0]
    for term, gate in zip(terms[1:], gates, strict=True):
        zero = ops.multiply(ops.slice(total, *first_value), np.float32(0))
        gate.input(1).replace_source_output(ops.add(_source(gate, 1), zero).output(0))
        total = ops.add(total, term).output(0)
    return total


def _ancestors(node: Any) -> dict[str, Any]:
    """Name → node of all that `node` follows from."""
    found: dict[str, Any] = {}
    waiting = [node]
    while waiting:
        reader = waiting.pop()
        for index in range(reader.get_input_size()):
            source = _source(reader, index).get_node()
            if _name(source) not in found:
                found[_name(source)] = source
                waiting.append(source)
    return found


def _name(node: Any) -> str:
    name: str = node.get_friendly_name()
    return name


def _first_and_last(model: Any) -> tuple[Any, Any]:
    first, *_, last = _convolutions(model)
    return first, last


def _biased(convolution: Any) -> Any:
    """What adds its bias to `convolution`; itself where the bias was zero, and the conversion left it out."""
    readers = [reader.get_node() for reader in convolution.output(0).get_target_inputs()]
    additions = [node for node in readers if node.get_type_name() == "Add" and not _is_addition(node)]
    return additions[0] if additions else convolution


def _bias(biased: Any) -> NDArray[np.float32]:
    """(1, outputs, 1, 1): what is added in `biased`, from `_biased`."""
    if _is_convolution(biased):
        return np.zeros((1, len(_weights(biased)), 1, 1), np.float32)
    return next(values for index in (0, 1) if (values := _constant(_source(biased, index))) is not None)


def _convolution(source: Any, weights: NDArray[np.float32]) -> Any:
    """With stride 1, and as much padding as keeps the size."""
    padding = [side // 2 for side in weights.shape[2:]]
    constant = openvino().opset13.constant(np.ascontiguousarray(weights))
    return openvino().opset13.convolution(source, constant, [1, 1], padding, padding, [1, 1])


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
