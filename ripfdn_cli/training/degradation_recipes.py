"""Degradations as a list of steps, in a TOML file: what is done to a patch, in what order and how strongly.

A step may come any number of times, so that two rounds, as pictures go through in practice (Wang et al.,
Real-ESRGAN, ICCV workshops 2021), are a list twice as long.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ripfdn_cli.errors import UsageError

RECIPES = ("web", "phone", "video", "scan")
"""Those that come with the package, as files in the folder recipes."""
RESIZE_KERNELS = ("bicubic", "box", "bilinear", "lanczos", "aliased")
"""MATLAB's bicubic; Pillow's others; MATLAB's bicubic without antialiasing."""
FORMATS = ("JPEG", "WEBP")
SUBSAMPLINGS = ("4:2:0", "4:2:2", "4:4:4")

Range = tuple[float, float]


def _range(low: float, high: float, *, default: Range | None = None) -> Any:
    """Between what two values one is drawn, within `low` and `high`; one number stands for both."""
    return field(default=MISSING if default is None else default, metadata={"bounds": (low, high)})


def _chance(default: float) -> Any:
    return field(default=default, metadata={"bounds": (0.0, 1.0)})


def _names(default: tuple[str, ...], choices: tuple[str, ...]) -> Any:
    """Of which one is drawn; one that is there twice has twice the chance."""
    return field(default=default, metadata={"choices": choices})


@dataclass(frozen=True)
class Step:
    """Something that is done to a patch with the chance `chance`."""

    chance: float = _chance(1.0)


@dataclass(frozen=True, kw_only=True)
class Blur(Step):
    """A Gaussian of `sigma` LR px; with the chance `uneven`, of another one for each axis."""

    sigma: tuple[float, float] = _range(0, 20)
    uneven: float = _chance(0.0)


@dataclass(frozen=True, kw_only=True)
class Ringing(Step):
    """An ideal low pass (sinc), as strong sharpening and codecs leave behind, from `cutoff` of the highest
    frequency on.
    """

    cutoff: tuple[float, float] = _range(0.1, 1)


@dataclass(frozen=True, kw_only=True)
class Sharpen(Step):
    """`amount` times what a Gaussian of `sigma` LR px takes away is added (unsharp mask)."""

    amount: tuple[float, float] = _range(0, 10)
    sigma: tuple[float, float] = _range(0, 20)


@dataclass(frozen=True, kw_only=True)
class Resize(Step):
    """To `size` times the LR's size, by one of `kernels`."""

    size: tuple[float, float] = _range(0.25, 8)
    kernels: tuple[str, ...] = _names(("bicubic",), RESIZE_KERNELS)


@dataclass(frozen=True, kw_only=True)
class Noise(Step):
    """White noise: σ in 8-bit levels everywhere, and `photons` that of white, which falls with the root of
    the signal; with the chance `grey` the same in all channels.
    """

    sigma: tuple[float, float] = _range(0, 128, default=(0.0, 0.0))
    photons: tuple[float, float] = _range(0, 128, default=(0.0, 0.0))
    grey: float = _chance(0.0)


@dataclass(frozen=True, kw_only=True)
class Save(Step):
    """A lossy file; `subsamplings` are JPEG's, WebP's is always 4:2:0."""

    quality: tuple[float, float] = _range(1, 100)
    formats: tuple[str, ...] = _names(("JPEG",), FORMATS)
    subsamplings: tuple[str, ...] = _names(SUBSAMPLINGS, SUBSAMPLINGS)


KINDS: dict[str, type[Step]] = {
    "blur": Blur,
    "ringing": Ringing,
    "sharpen": Sharpen,
    "resize": Resize,
    "noise": Noise,
    "save": Save,
}


@dataclass(frozen=True)
class Recipe:
    """`steps` in their order; with the chance `untouched`, only a plain shrink instead. What is not of the
    LR's size in the end is shrunk to it by MATLAB's bicubic.
    """

    steps: tuple[Step, ...]
    untouched: float = _chance(0.0)


@lru_cache
def named_recipe(name: str) -> Recipe:
    """The recipe `name` of RECIPES."""
    text = (files("ripfdn_cli.training") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_recipe(text, source=name)


@lru_cache
def parse_recipe(text: str, source: str = "degradations") -> Recipe:
    """The recipe in the TOML `text`: `untouched`, and a [[step]] with its `kind` for each step.

    Raises UsageError that names `source`, the step and what is wrong with it.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source}: not TOML: {error}") from error
    steps = values.pop("step", None)
    if not isinstance(steps, list) or not steps or not all(isinstance(step, dict) for step in steps):
        raise UsageError(f'{source}: there is no [[step]]; add one with kind = "blur", say')
    rest = _checked(Recipe, values, source)
    parsed = (_step(step, f"{source}: step {number}") for number, step in enumerate(steps, 1))
    return Recipe(tuple(parsed), **rest)


def _step(values: dict[str, Any], source: str) -> Step:
    kind = values.get("kind")
    if kind not in KINDS:
        raise UsageError(
            f"{source}: kind {kind!r} is not one of {', '.join(KINDS)}{nearest_hint(kind, KINDS)}"
        )
    rest = {name: value for name, value in values.items() if name != "kind"}
    return KINDS[kind](**_checked(KINDS[kind], rest, f"{source} ({kind})"))


def _checked(kind: type[Step | Recipe], values: Mapping[str, Any], source: str) -> dict[str, Any]:
    known = {item.name: item for item in fields(kind) if item.name != "steps"}
    for name in values:
        if name not in known:
            raise UsageError(f"{source}: unknown key {name!r}{nearest_hint(name, known)}")
    for name, item in known.items():
        if item.default is MISSING and name not in values:
            raise UsageError(f"{source}: {name} is missing; give its range, as {name} = [low, high]")
    return {name: _value(known[name], value, f"{source}: {name}") for name, value in values.items()}


def _value(item: Field[Any], value: Any, source: str) -> Any:
    if "choices" in item.metadata:
        return _names_of(value, item.metadata["choices"], source)
    low, high = item.metadata["bounds"]
    if item.type is not float and not isinstance(value, list):
        value = [value, value]
    numbers = [value] if item.type is float else value
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        raise UsageError(f"{source} {value!r} is not a number{'' if item.type is float else ' or a range'}")
    if not all(low <= number <= high for number in numbers):
        raise UsageError(f"{source} {value} is out of range: {low:g} to {high:g}")
    if item.type is float:
        return float(value)
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise UsageError(f"{source} {value} is not a range; write [low, high]")
    return float(numbers[0]), float(numbers[1])


def _names_of(value: Any, choices: tuple[str, ...], source: str) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    for name in names:
        if name not in choices:
            raise UsageError(
                f"{source} {name!r} is not one of {', '.join(choices)}{nearest_hint(name, choices)}"
            )
    if not names:
        raise UsageError(f"{source} is empty; give one of {', '.join(choices)} or more")
    return tuple(names)


def nearest_hint(name: object, known: Iterable[str]) -> str:
    """What to add to a message about the unknown `name`: the nearest of those that are `known`, if any."""
    nearest = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""
