"""Whether bf16 arithmetic that a library finds in this processor may be used, or the environment hides it."""

import os

from ripfdn_cli.errors import UnavailableError, UsageError

SWITCH = "RIPFDN_CPU_BF16"
"""auto, or off: count this processor as one without bf16."""
_ONEDNN_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""In the order in which oneDNN reads them."""
_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
"""Limits below AVX512_CORE_BF16. torch and OpenVINO run convolutions in oneDNN, but ask the processor itself
what it has: with such a limit torch's bf16 is ten times as slow as fp32, and OpenVINO's fails.
"""


def usable_bf16(detected: bool) -> bool:
    """`detected` (by a library, in this processor), unless the environment hides it. Raises UsageError for
    a value of the switch that doesn't exist.
    """
    return _hidden_by() is None and detected


def no_bf16(option: str = "precision") -> UnavailableError:
    """The error for bf16 as `option` on this processor, with the reason."""
    hidden_by = _hidden_by()
    if hidden_by is not None:
        return UnavailableError(
            f"`{option}` bf16: {hidden_by} in the environment turns it off; unset it, or use fp32"
        )
    return UnavailableError(
        f"`{option}` bf16: this processor has no bf16 arithmetic (AVX512-BF16 or AMX); use fp32"
    )


def _hidden_by() -> str | None:
    """The setting NAME=VALUE in the environment that hides bf16, if there is one."""
    switch = os.environ.get(SWITCH, "auto")
    if switch not in ("auto", "off"):
        raise UsageError(f"{SWITCH}={switch} in the environment is not auto or off")
    if switch == "off":
        return f"{SWITCH}={switch}"
    for name in _ONEDNN_LIMITS:
        limit = os.environ.get(name)
        if limit:
            return f"{name}={limit}" if limit.upper() in _WITHOUT_BF16 else None
    return None
