"""Where each result goes, from `-o` and from what its input is called."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ripfdn_cli.errors import UsageError
from ripfdn_cli.files.storage import Location, is_folder, location
from ripfdn_cli.pictures.formats import RAW_SUFFIXES, Format, format_of
from ripfdn_cli.pictures.imageio_files import is_known_to_imageio
from ripfdn_cli.pipeline.collisions import folded_name
from ripfdn_cli.pipeline.find_inputs import Source

FIELDS = (
    *("stem", "ext", "name", "parent", "scale", "width", "height", "format"),
    *("input_ext", "folder"),
)
_TELLING_TEMPLATES = (
    "{stem}_{format}{ext}",
    "{stem}{input_ext}{ext}",
    "{folder}_{stem}{ext}",
    "{folder}_{stem}{input_ext}{ext}",
)
_SIZE_FIELDS = frozenset({"scale", "width", "height"})


@dataclass(frozen=True)
class ResultSize:
    """What a template can say of a result: `scale` it has grown by, `width` and `height` in px."""

    scale: Fraction
    width: int
    height: int


@dataclass(frozen=True)
class OutputNames:
    """The rule behind `-o`: a file, a folder that takes the tree of the inputs, or a name template.

    `template` is the file name's template, or None for the input's own name; `folder` what comes before it;
    `file_format` the one asked for, or None for the input's.
    """

    folder: Location
    template: str | None
    file_format: Format | None
    single: Location | None = None

    @property
    def needs_size(self) -> bool:
        """Whether names depend on the size of the result, which is in the input's header."""
        return self.template is not None and bool(_SIZE_FIELDS & set(_fields(self.template)))

    def needs_content(self, source: Source) -> bool:
        """Whether the format of the result of `source` is in its content only, as its name says none."""
        known = format_of(source.below) or source.below.suffix.lower() in RAW_SUFFIXES
        named = self.single is not None or self.file_format is not None
        return not (named or known or is_known_to_imageio(source.below.name))

    def of(
        self,
        source: Source,
        size: ResultSize | None,
        *,
        content: Format | None = None,
        format_name: str | None = None,
    ) -> Location:
        """The file for the result of `source`; `size` where `needs_size`, the format of its `content` where
        `needs_content`. `format_name`: what {format} says of what is not a picture. Raises UsageError.
        """
        if self.single is not None:
            return self.single
        suffix = content.suffixes[0] if content is not None else self._suffix(source)
        if self.template is None:
            return self._in_folder(source.below.parent / (source.below.stem + suffix))
        name = self.template.format_map(self._values(source, suffix, size, format_name)).lstrip("/")
        tree = Path() if "parent" in _fields(self.template) else source.below.parent
        return self._in_folder(tree / name)

    def _suffix(self, source: Source) -> str:
        """The format's that is asked for, or the input's; what cameras record is written as TIFF, what only
        imageio reads as PNG.
        """
        if self.file_format is not None:
            return self.file_format.suffixes[0]
        own = source.below.suffix
        if own.lower() in RAW_SUFFIXES:
            return ".tif"
        return ".png" if is_known_to_imageio(source.below.name) else own

    def _in_folder(self, path: Path) -> Location:
        return self.folder / path.as_posix()  # for URLs "a/." is not "a"

    def format_for(self, output: Location) -> Format:
        """The format of the file `output`, the one asked for, else by its suffix. Raises UsageError."""
        found = self.file_format or format_of(output)
        if found is None:
            raise UsageError(
                f"{output}: {output.suffix or 'no suffix'} is not a picture format; "
                "use one such as .png, or give `format`"
            )
        return found

    def _values(
        self, source: Source, suffix: str, size: ResultSize | None, format_name: str | None
    ) -> dict[str, object]:
        named = self.file_format or format_of(source.below) or format_of(Path(f"a{suffix}"))
        values: dict[str, object] = {
            "stem": source.below.stem,
            "ext": suffix,
            "name": source.below.stem + suffix,
            "parent": "" if source.below.parent == Path() else source.below.parent.as_posix(),
            "format": named.name if named else format_name or "",
            "input_ext": source.below.suffix,
            "folder": source.path.absolute().parent.name,
        }
        if size is not None:
            values |= {"scale": f"{float(size.scale):.4g}", "width": size.width, "height": size.height}
        return values


def output_names(output: str, sources: Sequence[Location], file_format: Format | None) -> OutputNames:
    """The rule that `output` (the argument of -o) means for the arguments `sources`. Raises UsageError."""
    if "{" in output:
        _check_template(output)
        slash = output.rfind("/", 0, output.index("{"))
        folder = "/" if slash == 0 else output[: max(slash, 0)]
        return OutputNames(location(folder or "."), output[slash + 1 :], file_format)
    path = location(output)
    many = len(sources) != 1 or is_folder(sources[0])
    if output.endswith(("/", "\\")) or is_folder(path) or not path.suffix:
        return OutputNames(path, None, file_format)
    if many and (format_of(path) is not None):
        raise UsageError(
            f"{output} is a file, and there are several inputs; to name a folder, write {output}/"
        )
    if many:
        return OutputNames(path, None, file_format)
    return OutputNames(path.parent, None, file_format, single=path)


def template_advice(names: OutputNames, sources: Sequence[Source]) -> str:
    """What to do where results of `sources` have one name by the rule `names`: a template that tells them
    apart, where there is one.
    """
    for template in _TELLING_TEMPLATES:
        other = OutputNames(names.folder, template, names.file_format)
        if len({folded_name(other.of(source, None)) for source in sources}) == len(sources):
            name = names.folder / template
            return f"give a name template such as `output` '{name}', or upscale them separately"
    return "upscale them separately, each into a folder of its own"


def _fields(template: str) -> list[str]:
    return [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]


def _check_template(template: str) -> None:
    """Raises UsageError for anything but the names in FIELDS, numbers of them with a number of digits."""
    sample = {field: 1 if field in ("width", "height") else "a" for field in FIELDS}
    try:
        for _, field, digits, conversion in string.Formatter().parse(template):
            if field is not None and field not in FIELDS:
                known = ", ".join(f"{{{name}}}" for name in FIELDS)
                raise UsageError(f"`output` {template}: {{{field}}} is not one of {known}")
            if conversion or not re.fullmatch(r"(0?\d\d?d)?", digits or ""):
                raise UsageError(
                    f"`output` {template}: only a number of digits may follow a field, as {{width:05d}}"
                )
        template.format_map(sample)
    except ValueError as error:
        raise UsageError(f"`output` {template}: {error}; write a literal brace as {{{{ or }}}}") from error
