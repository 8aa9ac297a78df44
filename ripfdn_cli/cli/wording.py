"""The library's messages in the words of the command line: `halo` becomes --halo."""

import re

_PARAMETER = re.compile(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`")
_OPTIONS = {
    "pixel_format": "pix-fmt",
    "target": "to",
    "devices": "device",
    "encoder_options": "encoder-option",
}
"""Options that are called otherwise than the parameters that they set."""


def as_options(message: str) -> str:
    """`message` with parameters, which stand in it as `name` or `name=value`, as options."""
    return _PARAMETER.sub(_option, message)


def _option(match: re.Match[str]) -> str:
    name, value = match[1], (match[2] or "").strip("'\"")
    option = _OPTIONS.get(name, name.replace("_", "-"))
    if value == "False":
        return f"--no-{option}"
    option = "--" + option
    return option if value in ("", "True") else f"{option} {value}"
