"""Every error a user can meet, with its exit code. Imports nothing, so that every module may import it.

A message is one line: what failed, on which input, and what to do about it. It names a parameter in
backticks, as `halo` or `precision=fp32`; the command line shows that as the option --halo or
--precision fp32 (`cli/wording.py`).
"""


class RipfdnError(Exception):
    """Base of all errors that are shown to the user as one line. Exit code 1: an internal error."""

    exit_code = 1

    def record(self) -> dict[str, object]:
        """What a line of JSON says of the input that failed with it."""
        return {"status": "failed", "error": str(self), "exit_code": self.exit_code}


class InternalError(RipfdnError):
    """The program or its network did something it never should (a NaN in a result, say)."""


class UsageError(RipfdnError):
    """The request itself is wrong: parameters, names, settings."""

    exit_code = 2


class UnavailableError(UsageError):
    """What was asked for by name (an engine, a device, an extra) is not on this machine."""


class SomeItemsFailedError(RipfdnError):
    """A batch ended; the others are done, these failed."""

    exit_code = 3


class InputError(RipfdnError):
    """An input is missing, unreadable, or not what its name says."""

    exit_code = 4


class CheckpointError(InputError):
    """A weights file is damaged, foreign, or does not fit the network it names."""


class OutputError(RipfdnError):
    """An output can't be written: no space, no permission, or it is there already."""

    exit_code = 5


class OutOfMemoryError(RipfdnError):
    """Not even the smallest tile fits in the memory there is."""

    exit_code = 6


class NonFiniteResultError(InternalError):
    """The network gave a NaN or an infinity. Never turned into a picture."""


class TrainingDivergedError(InternalError):
    """The loss of a training step is not finite."""


class DiskFullError(OutputError):
    """No space is left for outputs: the ones after it would fail too."""
