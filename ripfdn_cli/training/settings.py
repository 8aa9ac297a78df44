"""Everything a training run can be told, in one frozen dataclass: from a preset, a TOML file and flags, in
that order.

The same checks hold for all three, and the run's checkpoints carry the result.
"""

import json
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from pathlib import Path
from types import GenericAlias
from typing import Any, Self, get_args, get_origin

from ripfdn_cli.errors import UsageError
from ripfdn_cli.files.encoded_text import encoded
from ripfdn_cli.model.architecture import NetworkConfig
from ripfdn_cli.training.degradation_recipes import RECIPES, Recipe, named_recipe, nearest_hint, parse_recipe
from ripfdn_cli.training.durations import Interval, parse_duration

LOSSES = ("l1", "mse", "charbonnier")
SCHEDULES = ("constant", "cosine", "cosine-per-stage", "wsd")
OPTIMIZERS = ("adam", "adamw", "soap")
PRECISIONS = ("auto", "fp32", "bf16")
STARTS = ("bilinear", "random")
SWITCHES = ("auto", "on", "off")
SAMPLINGS = ("pixels", "pictures")
DRAWN_DEGRADATIONS = ("mild", "wild")
DEGRADATIONS = (*DRAWN_DEGRADATIONS, *RECIPES)
GAN_LOSSES = ("hinge", "bce")
TEACHER_PRECISIONS = ("fp32", "bf16")
TEACHER_SEES = ("clean", "degraded")

MS_SSIM_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, the finest first (Wang et al. 2003)."""
SSIM_WINDOW = 11
MS_SSIM_SMALLEST = SSIM_WINDOW * 2 ** (len(MS_SSIM_EXPONENTS) - 1)


def _setting(
    default: Any,
    text: str,
    *,
    choices: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    resumable: bool = False,
    path: bool = False,
    others: bool = False,
) -> Any:
    """A field with all there is to know of it: its line for `--help` and the docs, the values that it may
    have (each, of several; or `others`, too), whether it may differ when a run is resumed, and whether it
    names files.
    """
    metadata = {"help": text, "choices": choices, "resumable": resumable, "path": path, "others": others}
    return field(default=default, metadata={**metadata, "range": None if low is None else (low, high)})


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one run. Those that are tuples have one value for each stage, or one for all.

    Raises UsageError, naming the setting and its value, for anything out of range.
    """

    preset: str = _setting("", "Preset that the settings start from.", resumable=True)
    data: tuple[str, ...] = _setting((), "Folders of pictures to train on.", path=True)
    lr_folder: tuple[str, ...] = _setting(
        (),
        "Folders of LR pictures, one for each folder of data, paired by name; none: LR are made.",
        path=True,
    )
    val: tuple[str, ...] = _setting(
        (), "Validation sets: folders with HR/ and optionally LRbicx4/.", resumable=True, path=True
    )

    scale: int = _setting(4, "Upscaling factor: 2, 3 or 4.")
    channels: int = _setting(52, "Channels of the network.")
    blocks: int = _setting(4, "Distillation blocks of the network.")
    partial_ratio: float = _setting(0.25, "Share of channels that a partial convolution sees.")
    start: str = _setting(
        "bilinear", "Untrained weights: bilinear (upscaling from the first step) or random.", choices=STARTS
    )
    init_from: str = _setting(
        "",
        "Weights to start from; from another scale, all but the upsampler. They may have fewer blocks.",
        path=True,
    )
    seed: int = _setting(0, "Random seed of the untrained weights and of every patch.", low=0, high=2**63 - 1)

    steps: int = _setting(
        0,
        "Optimizer steps in the whole run; 0: as many as max-time allows. Given without max-time, they drop "
        "that of the preset.",
        low=0,
        high=10**9,
    )
    max_time: float = _setting(
        0.0,
        "Time limit of the whole run, such as 25m or 3h; 0: none. With steps, it only ends the run early.",
        resumable=True,
        low=0,
        high=10**9,
    )
    share: tuple[float, ...] = _setting((1.0,), "Each stage's share of the run.", low=1e-9, high=1e9)
    patch: tuple[int, ...] = _setting((64,), "Side of an LR patch in pixels.", low=16, high=1024)
    batch: tuple[int, ...] = _setting((16,), "Patches per step, over all ranks.", low=1, high=2**16)
    micro_batch: int = _setting(
        0,
        "Patches at once on one rank; gradients add up to the batch. 0: chosen automatically.",
        resumable=True,
        low=0,
        high=2**16,
    )
    loss: tuple[str, ...] = _setting(("l1",), "Pixel loss: l1, mse or charbonnier.", choices=LOSSES)
    fft: tuple[float, ...] = _setting(
        (0.0,), "Weight of the L1 distance of the pictures' spectra.", low=0, high=1e3
    )
    luma: tuple[float, ...] = _setting(
        (0.0,), "Weight of the pixel loss of luma alone, which papers score.", low=0, high=1e3
    )
    gradient: tuple[float, ...] = _setting(
        (0.0,), "Weight of the L1 distance of differences between neighbouring pixels.", low=0, high=1e3
    )
    gradient_energy: tuple[float, ...] = _setting(
        (0.0,),
        "Weight of the L1 distance of luma's RMS gradient in windows of 8 px: keeps textures sharp.",
        low=0,
        high=1e3,
    )
    focal_frequency: tuple[float, ...] = _setting(
        (0.0,), "Weight of the focal frequency loss (Jiang et al. 2021).", low=0, high=1e3
    )
    ms_ssim: tuple[float, ...] = _setting(
        (0.0,), "Weight of 1 − MS-SSIM of luma; patches of at least 176 HR px.", low=0, high=1e3
    )
    ldl: tuple[float, ...] = _setting(
        (0.0,), "Weight of L1 where errors are unsteady, as artefacts are (after LDL).", low=0, high=1e3
    )
    vgg: tuple[float, ...] = _setting(
        (0.0,),
        "Weight of the L1 distance of VGG19's features, where torchvision and its weights of that network "
        "are on the machine.",
        low=0,
        high=1e3,
    )
    sharpen: tuple[float, ...] = _setting(
        (0.0,),
        "Strength of an unsharp mask on the targets: how much of their difference from their blur (a "
        "Gaussian of σ 1.5 px) is added to them.",
        low=0,
        high=10,
    )
    overshoot: tuple[float, ...] = _setting(
        (1.0,),
        "Share that is left of what `sharpen` makes darker or lighter than all of the 5×5 px around it.",
        low=0,
        high=1,
    )
    learning_rate: tuple[float, ...] = _setting(
        (1e-3,), "Learning rate at the start of the stage.", low=0, high=1
    )
    schedule: str = _setting(
        "cosine",
        "Learning rate over time: constant, cosine (to zero over the run), cosine-per-stage, or wsd "
        "(stable, then to zero).",
        choices=SCHEDULES,
    )
    decay_share: float = _setting(
        0.2,
        "With schedule wsd: the last share of the run, in which the rate falls to zero.",
        low=0,
        high=1,
        resumable=True,
    )
    warmup: int = _setting(0, "Steps in which the learning rate rises from zero.", low=0, high=10**9)
    optimizer: str = _setting("adam", "Optimizer: adam, adamw or soap.", choices=OPTIMIZERS)
    betas: tuple[float, ...] = _setting(
        (0.9, 0.99), "Decay rates of the optimizer's two moments.", low=0, high=0.999999
    )
    weight_decay: float = _setting(0.0, "Weight decay of adamw and soap.", low=0, high=10)
    clip: float = _setting(1.0, "Largest norm of the gradient; 0: no limit.", low=0, high=1e9)
    ema: float = _setting(
        0.999, "Decay of the running average of the weights; 0: none is kept.", low=0, high=0.999999
    )

    gan: tuple[float, ...] = _setting(
        (0.0,),
        "Weight of the adversarial loss: a discriminator learns to tell results from targets.",
        low=0,
        high=1e3,
    )
    gan_features: tuple[float, ...] = _setting(
        (0.0,), "Weight of the L1 distance of the discriminator's features.", low=0, high=1e3
    )
    gan_loss: str = _setting("hinge", "The discriminator's loss: hinge or bce.", choices=GAN_LOSSES)
    gan_ramp: int = _setting(
        0, "Steps of the discriminator in which both weights rise from zero.", low=0, high=10**9
    )
    gan_rate: float = _setting(
        1.0, "Learning rate of the discriminator, as a multiple of the network's.", low=0, high=1e3
    )
    gan_channels: int = _setting(32, "Channels of the discriminator at full size.", low=4, high=256)

    sampling: str = _setting(
        "pixels", "Draw pictures in proportion to their pixels, or all equally often.", choices=SAMPLINGS
    )
    shrink: float = _setting(
        1.0, "Also show large pictures shrunk, down to this factor; 1: never.", low=0.1, high=1
    )
    shrink_above: float = _setting(1.0, "Megapixels from which a picture counts as large.", low=0, high=1e6)
    teacher: str = _setting(
        "",
        "A network whose results are mixed into the targets: RIPFDN weights, an .onnx file, or what "
        "spandrel reads.",
        path=True,
    )
    teacher_share: float = _setting(0.6, "The teacher's share of the targets.", low=0, high=1)
    teacher_ensemble: str = _setting(
        "auto",
        "Average the teacher's results for eight flips and rotations; auto: for RIPFDN weights.",
        choices=SWITCHES,
    )
    teacher_precision: str = _setting(
        "fp32",
        "Precision of the teacher: fp32, or bf16 where OpenVINO runs it, which is faster on some "
        "processors; colours shift a little.",
        choices=TEACHER_PRECISIONS,
    )
    teacher_sees: str = _setting(
        "clean",
        "With degrade: whether the teacher sees clean LR, or degraded LR like the network, from a fixed "
        "set of crops.",
        choices=TEACHER_SEES,
    )
    crops: int = _setting(4000, "With teacher-sees degraded: number of crops.", low=1, high=10**7)
    crop: int = _setting(80, "With teacher-sees degraded: side of a crop in LR pixels.", low=16, high=1024)
    degrade: bool = _setting(False, "Make realistic LR: blur, resizing, noise, JPEG.")
    degradations: str = _setting(
        "mild",
        "How LR are degraded; turns degrade on. mild; wild (other kernels, soft lenses, sensor noise, WebP, "
        "saved twice); as from the web, a phone, video or a scan; or by the steps in a .toml file.",
        choices=DEGRADATIONS,
        others=True,
    )

    precision: str = _setting(
        "auto",
        "Precision: fp32 or bf16 autocast (weights stay fp32); auto: bf16 where it is native.",
        choices=PRECISIONS,
    )
    compile: str = _setting(
        "auto", "Use torch.compile: on, off; auto: on CUDA.", resumable=True, choices=SWITCHES
    )
    capture: str = _setting(
        "auto",
        "Run a step as one CUDA graph: on, off; auto: on one GPU that holds the pictures.",
        resumable=True,
        choices=SWITCHES,
    )
    deterministic: bool = _setting(
        True, "Use only operations that give the same result every time.", resumable=True
    )
    device: str = _setting("auto", "Device: auto, cpu, cuda, cuda:N or mps.", resumable=True)
    threads: int = _setting(0, "PyTorch's CPU threads; 0: its own choice.", resumable=True, low=0, high=4096)
    workers: int = _setting(2, "Threads that prepare patches in advance.", resumable=True, low=0, high=1024)
    memory: float = _setting(
        8.0,
        "GiB that decoded pictures may take; larger sets are streamed.",
        resumable=True,
        low=0,
        high=2**20,
    )
    validate_every: str = _setting("5m", "Steps (500) or time (5m) between validations.", resumable=True)
    save_every: str = _setting("5m", "Steps (500) or time (5m) between saved states.", resumable=True)

    def __post_init__(self) -> None:
        self._check_finite()
        self._check_text()
        _ = self.network
        self._check_choices()
        self._check_ranges()
        self._check_stages()
        self._check_pairs()
        if self.degradations not in DRAWN_DEGRADATIONS:
            recipe_of(self.degradations)
        if not self.steps and not self.max_time:
            raise UsageError(
                "neither `steps` nor `max_time` is given: the run would never end; pass a `max_time`, "
                "such as 25m"
            )
        if self.start == "random" and self.init_from:
            raise UsageError("`start` random and `init_from` contradict each other; give one")
        if self.teacher_sees == "degraded" and not (self.teacher and self.degrade):
            raise UsageError(
                "`teacher_sees` degraded needs a teacher and degraded LR; add `teacher` and `degrade`"
            )
        if self.teacher_sees == "degraded" and self.crop < max(self.patch):
            raise UsageError(f"`crop` {self.crop} is less than `patch` {max(self.patch)}; raise `crop`")
        if self.capture == "on" and self.optimizer == "soap":
            raise UsageError("`capture` on does not work with `optimizer` soap; use `capture` auto")
        if self.capture == "on" and self.has_discriminator:
            raise UsageError("`capture` on does not work with a discriminator (`gan`); use `capture` auto")

    def _check_pairs(self) -> None:
        if not self.lr_folder:
            return
        if self.data and len(self.data) != len(self.lr_folder):
            raise UsageError(
                f"`lr_folder` names {len(self.lr_folder)} folders for {len(self.data)} of pictures; give "
                "one for each, in the same order"
            )
        for given, name in ((self.degrade, "degrade"), (self.shrink != 1, "shrink")):
            if given:
                raise UsageError(
                    f"`lr_folder` and `{name}` exclude each other: {name} makes LR anew; give one"
                )

    def _check_choices(self) -> None:
        for name, item in FIELDS.items():
            choices = item.metadata["choices"]
            is_closed = choices and not item.metadata["others"]
            for value in _each(getattr(self, name)) if is_closed else ():
                if value not in choices:
                    raise UsageError(
                        f"`{name}` {value!r} is not one of {', '.join(choices)}{nearest_hint(value, choices)}"
                    )

    def _check_finite(self) -> None:
        for name in FIELDS:
            for value in _each(getattr(self, name)):
                if isinstance(value, float) and not math.isfinite(value):
                    raise UsageError(f"`{name}` {value} is not a finite number")

    def _check_text(self) -> None:
        """TOML is UTF-8, in which a name of other bytes could not be read back."""
        for name in FIELDS:
            for value in _each(getattr(self, name)):
                if isinstance(value, str) and encoded(value) != value.encode("utf-8", "surrogateescape"):
                    raise UsageError(
                        f"`{name}` {value!r} is not UTF-8, as settings.toml has to be; rename that file or "
                        "folder"
                    )

    def _check_ranges(self) -> None:
        for name, item in FIELDS.items():
            bounds = item.metadata["range"]
            for value in _each(getattr(self, name)) if bounds else ():
                if not bounds[0] <= value <= bounds[1]:
                    raise UsageError(f"`{name}` {value} is out of range: {bounds[0]} to {bounds[1]}")
        if len(self.betas) != 2:
            raise UsageError(f"`betas` takes two values, not {len(self.betas)}")
        for name in ("validate_every", "save_every"):
            Interval.parse(getattr(self, name), f"`{name}`")

    def _check_stages(self) -> None:
        for name in STAGED:
            count = len(getattr(self, name))
            if count not in (1, len(self.share)):
                raise UsageError(
                    f"`{name}` has {count} values for {len(self.share)} stages; give one, or one for each"
                )

        smallest = min((stage.patch for stage in self.stages if stage.ms_ssim), default=None)
        if smallest is not None and smallest * self.scale < MS_SSIM_SMALLEST:
            raise UsageError(
                f"`ms_ssim` needs patches of {MS_SSIM_SMALLEST} HR px, and `patch` {smallest} has "
                f"{smallest * self.scale}; raise it to {-(-MS_SSIM_SMALLEST // self.scale)}"
            )

    @property
    def network(self) -> NetworkConfig:
        """The dimensions of the network that is trained. Raises UsageError for impossible ones."""
        return NetworkConfig(self.scale, self.channels, self.blocks, self.partial_ratio)

    @property
    def has_discriminator(self) -> bool:
        """Whether a stage has one."""
        return any(stage.has_discriminator for stage in self.stages)

    @property
    def of_discriminator(self) -> "TrainingSettings":
        """What its optimizer is made by: Adam, without decay of weights."""
        return replace(self, optimizer="adam", weight_decay=0.0)

    @property
    def stages(self) -> tuple["Stage", ...]:
        """The stages in order, with each staged value spread over them."""
        total = sum(self.share)
        spread = {name: _spread(getattr(self, name), len(self.share)) for name in STAGED}
        starts = [sum(self.share[:index]) / total for index in range(len(self.share))]
        ends = [*starts[1:], 1.0]
        return tuple(
            Stage(start, end, **{name: values[index] for name, values in spread.items()})
            for index, (start, end) in enumerate(zip(starts, ends, strict=True))
        )

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: tuples are lists."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    def as_published(self) -> dict[str, Any]:
        """As `as_dict`, but files and folders by name alone: where they lie is the user's own affair."""
        return self._with_paths(_named) | {"preset": self.preset or "none"}

    def as_compared(self) -> dict[str, Any]:
        """As `as_dict`, but files and folders in one way of writing: `photos/` is `photos`."""
        return self._with_paths(_plain)

    def _with_paths(self, change: Callable[[str], str]) -> dict[str, Any]:
        settings = self.as_dict()
        for name, item in FIELDS.items():
            if not item.metadata["path"]:
                continue
            value = settings[name]
            settings[name] = [change(one) for one in value] if isinstance(value, list) else change(value)
        return settings

    def to_toml(self) -> str:
        """A TOML file that gives these settings."""
        return "".join(
            f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in self.as_dict().items()
        )

    @classmethod
    def from_mapping(cls, values: dict[str, Any], *, source: str) -> Self:
        """Settings from a preset's, file's or state's `values`; `source` is for messages.

        Raises UsageError for an unknown key, with the nearest that is known, and for values of a wrong type.
        """
        return cls(**parse_values(values, source=source))


@dataclass(frozen=True)
class Stage:
    """What holds from the share `start` of the run up to `end`, both in [0, 1]."""

    start: float
    end: float
    patch: int
    batch: int
    loss: str
    fft: float
    luma: float
    gradient: float
    gradient_energy: float
    focal_frequency: float
    ms_ssim: float
    ldl: float
    vgg: float
    sharpen: float
    overshoot: float
    learning_rate: float
    gan: float
    gan_features: float

    @property
    def has_discriminator(self) -> bool:
        """Whether a discriminator learns, and the network by it."""
        return bool(self.gan or self.gan_features)


STAGED = tuple(item.name for item in fields(Stage) if item.name not in ("start", "end"))
DURATIONS = ("max_time",)

FIELDS: dict[str, Field[Any]] = {item.name: item for item in fields(TrainingSettings)}


def read_toml(path: Path) -> dict[str, Any]:
    """The keys of a settings file. Raises UsageError where it can't be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"can't read settings {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"settings {path} are not TOML: {error}") from error


def parse_values(values: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """`values` with each of its field's type: numbers may come as text, one value stands for a tuple of
    one.
    """
    parsed = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in FIELDS:
            raise UsageError(f"{source}: unknown setting {key!r}{nearest_hint(name, FIELDS)}")
        parsed[name] = _parse(name, value, source)
    return parsed


def recipe_of(degradations: str) -> Recipe:
    """Of a name or of TOML: the setting holds the text of a file, so that a run that goes on doesn't depend
    on it. Raises UsageError.
    """
    if degradations in RECIPES:
        return named_recipe(degradations)
    if "=" in degradations:  # as in any TOML with a step, and in no name
        return parse_recipe(degradations)
    raise UsageError(
        f"`degradations` {degradations!r} is not one of {', '.join(DEGRADATIONS)}, or a .toml file"
        f"{nearest_hint(degradations, DEGRADATIONS)}"
    )


def _recipe_text(path: Path) -> str:
    """Of a file of steps, which is checked. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't read degradations {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"degradations {path} are not TOML: {error}") from error
    parse_recipe(text, source=str(path))
    return text


def _parse(name: str, value: Any, source: str) -> Any:
    if name == "degradations" and isinstance(value, str) and value.endswith(".toml"):
        return _recipe_text(Path(value))
    kind = FIELDS[name].type
    try:
        if isinstance(kind, GenericAlias) or get_origin(kind) is tuple:
            return tuple(_scalar(get_args(kind)[0], item) for item in _items(value))
        if name in DURATIONS:
            return parse_duration(value, f"`{name}`")
        assert isinstance(kind, type)
        return _scalar(kind, value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{source}: `{name}` {value!r} is not {_DESCRIBED[_base(kind)]}") from error


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",")]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _scalar(kind: type, value: Any) -> Any:
    if kind is bool or isinstance(value, bool):
        if kind is bool and isinstance(value, bool):
            return value
        raise TypeError
    if kind is str and not isinstance(value, str):
        if isinstance(value, int):
            return str(value)
        raise TypeError
    if kind is int and isinstance(value, float) and value != int(value):
        raise ValueError
    return kind(value)


def _base(kind: Any) -> type:
    base = get_args(kind)[0] if get_args(kind) else kind
    assert isinstance(base, type)
    return base


_DESCRIBED = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _spread(values: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    return values if len(values) == count else values * count


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _named(path: str) -> str:
    return Path(path).resolve().name if path else ""


def _plain(path: str) -> str:
    return str(Path(path)) if path else ""
