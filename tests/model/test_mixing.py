"""Mixtures of weights against sums made here, and pictures of a network in which weights add up."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from support.small_inputs import photograph, small_network

from ripfdn_cli.errors import UsageError
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.mixing import between, mixed
from ripfdn_cli.model.network import to_checkpoint
from ripfdn_cli.upscaler import Upscaler


def trained(start: Checkpoint, name: str = "upsample.bias", change: float = 0.2) -> Checkpoint:
    """`start` after a run that has changed one tensor."""
    changed = start.tensors | {name: start.tensors[name] + np.float32(change)}
    made = replace(start, tensors=changed)
    return replace(made, sha256=hashlib.sha256(made.to_bytes()).hexdigest(), source="trained")


def test_weights_lie_on_the_line_between_two(small_checkpoint: Checkpoint) -> None:
    other = trained(small_checkpoint)
    quarter = between(small_checkpoint, other, 0.25)
    for name, tensor in quarter.tensors.items():
        expected = 0.75 * small_checkpoint.tensors[name].astype(np.float64) + 0.25 * other.tensors[name]
        np.testing.assert_allclose(tensor, expected, atol=1e-6)
        assert tensor.dtype == np.float32
    assert quarter.sha256 == hashlib.sha256(quarter.to_bytes()).hexdigest()
    assert between(small_checkpoint, other, 0.3).sha256 != quarter.sha256
    assert [term["factor"] for term in quarter.provenance["mixed"]] == [0.75, 0.25]


def test_the_ends_are_the_two_themselves(small_checkpoint: Checkpoint) -> None:
    other = trained(small_checkpoint)
    assert between(small_checkpoint, other, 0) is small_checkpoint
    assert between(small_checkpoint, other, 1) is other


def test_a_result_moves_as_far_as_strength_says(small_checkpoint: Checkpoint) -> None:
    """The last bias is added to every sample, so that results are on a line, too."""
    other = trained(small_checkpoint)
    pixels = photograph(20, 24, seed=1).astype(np.float32) / 255
    first, third, last = (
        Upscaler(between(small_checkpoint, other, s), engine="torch", precision="fp32", device="cpu").upscale(
            pixels
        )
        for s in (0, 1 / 3, 1)
    )
    np.testing.assert_allclose(third, first + (last - first) / 3, atol=1e-5)
    assert np.abs(last - first).max() == pytest.approx(0.2, abs=1e-3)


def test_networks_trained_apart_are_refused(small_checkpoint: Checkpoint) -> None:
    rng = np.random.default_rng(0)
    apart = replace(
        small_checkpoint,
        tensors={
            name: rng.standard_normal(t.shape).astype(np.float32)
            for name, t in small_checkpoint.tensors.items()
        },
    )
    with pytest.raises(UsageError, match=r"do not share an origin \(the cosine between them is -?0\.\d\d\)"):
        between(small_checkpoint, apart, 0.5)


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_strength_is_a_share(small_checkpoint: Checkpoint, strength: float) -> None:
    with pytest.raises(UsageError, match="not between 0 and 1"):
        between(small_checkpoint, small_checkpoint, strength)


def test_other_dimensions_are_refused(small_checkpoint: Checkpoint) -> None:
    wider = to_checkpoint(small_network(), {})
    wider = replace(wider, config=replace(wider.config, scale=2))
    with pytest.raises(UsageError, match="different dimensions or scales"):
        between(small_checkpoint, wider, 0.5)


def test_what_a_run_has_learned_is_carried_over(small_checkpoint: Checkpoint) -> None:
    """A sum in which the first rules; another scale's upsampler has another shape, and is left out."""
    learned = trained(small_checkpoint, "shallow.weight", 0.1)
    odd = replace(
        small_checkpoint,
        config=replace(small_checkpoint.config, scale=2),
        tensors=small_checkpoint.tensors | {"upsample.bias": np.zeros(12, np.float32)},
    )
    result = mixed([(1, odd), (1, learned), (-1, small_checkpoint)])
    np.testing.assert_allclose(
        result.tensors["shallow.weight"], small_checkpoint.tensors["shallow.weight"] + 0.1, atol=1e-6
    )
    assert not result.tensors["upsample.bias"].any()
    assert result.config.scale == 2
    with pytest.raises(UsageError, match="other dimensions"):
        mixed([(1, odd), (1, replace(odd, config=replace(odd.config, blocks=9)))])
