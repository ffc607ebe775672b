"""The one root of all errors that the tool raises on purpose, and the exit codes.

ToolError
├── UsageError            2  the command line contradicts itself
├── Blocked               3  preflight found blockers
├── Stopped               5  stopped at a safe point, can be resumed
├── NeedsPerson           6  the world is not what the run can explain
├── Locked                7  another run holds this StatefulSet
├── AuthenticationFailed  8  credentials or permissions refused
└── Unreachable           9  an API could not be reached
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The process's exit status; an interface that scripts rely on."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BLOCKED = 3
    CHANGES = 4
    STOPPED = 5
    NEEDS_PERSON = 6
    LOCKED = 7
    AUTHENTICATION = 8
    UNREACHABLE = 9


class ToolError(Exception):
    """What happened, in the third party's words if any, and what to do next.

    Attributes:
        message: what happened and where, one sentence.
        details: what a server or library said, verbatim; may be empty.
        state: what the cluster and the disks look like now; may be empty.
        resolution: what the person should do next; may be empty.
    """

    exit_code = ExitCode.FAILED
    usual_resolution = ""
    """What to do next when the place that raises has nothing better to say."""

    def __init__(
        self, message: str, *, details: str = "", state: str = "", resolution: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.state = state
        self.resolution = resolution or self.usual_resolution


class UsageError(ToolError):
    """The command line or an input file contradicts itself."""

    exit_code = ExitCode.USAGE


class Blocked(ToolError):
    """Preflight found at least one blocker; nothing was changed."""

    exit_code = ExitCode.BLOCKED


class Stopped(ToolError):
    """The run ended at a safe point and can be resumed or rolled back."""

    exit_code = ExitCode.STOPPED


class NeedsPerson(ToolError):
    """What is seen cannot be explained by the run; nothing more was changed."""

    exit_code = ExitCode.NEEDS_PERSON


class Locked(ToolError):
    """Another run holds the working directory or the StatefulSet."""

    exit_code = ExitCode.LOCKED


class AuthenticationFailed(ToolError):
    """Credentials were refused or do not carry a needed permission."""

    exit_code = ExitCode.AUTHENTICATION


class Unreachable(ToolError):
    """An API server or vCenter could not be reached."""

    exit_code = ExitCode.UNREACHABLE
    usual_resolution = "Check its address, and the network between here and there."
