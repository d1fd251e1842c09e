"""Exit codes, and how a command says no: one sentence on standard error."""

import os
import sys
import traceback
from enum import IntEnum


class Exit(IntEnum):
    """How a command ends. Scripts go by these, so they never change their meaning."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    CONFLICT = 5
    LIMITED = 6
    PARTIAL = 7


class Refused(Exception):
    """A command ends here; the sentence says what was wrong and what would be right."""

    def __init__(self, sentence: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(sentence)
        self.code = code


def usage(sentence: str) -> Refused:
    """Make the refusal of what was typed."""
    return Refused(sentence, Exit.USAGE)


def code_of(error: BaseException) -> Exit:
    """Return the exit code an error stands for."""
    from moorage import sdk

    if isinstance(error, Refused):
        return error.code
    for kinds, code in (
        ((sdk.Invalid, sdk.TooLarge), Exit.USAGE),
        ((sdk.NotFound, sdk.Gone), Exit.NOT_FOUND),
        ((sdk.Unauthenticated, sdk.Forbidden), Exit.AUTH),
        ((sdk.Conflict, sdk.PreconditionFailed), Exit.CONFLICT),
        ((sdk.RateLimited,), Exit.LIMITED),
    ):
        if isinstance(error, kinds):
            return code
    return Exit.FAILED


def sentence_of(error: BaseException) -> str:
    """Return what to tell a person of an error that was foreseen."""
    from moorage import sdk

    if isinstance(error, sdk.Unauthenticated):
        return f"{error}; `moorage login` stores another key"
    if isinstance(error, sdk.RateLimited) and error.retry_after_s is not None:
        return f"{error}; try again in {error.retry_after_s:.0f} s"
    return str(error)


def explain(error: Exception) -> int:
    """Say on standard error what happened; return the exit code.

    A fault of our own is said in one sentence too; ``MOORAGE_DEBUG=1`` shows where it is.
    """
    from moorage.cli.owner.text import visible
    from moorage.sdk import MoorageError

    if isinstance(error, Refused | MoorageError):
        sentence = sentence_of(error)
    elif isinstance(error, OSError) and error.filename is not None:
        sentence = f"{error.filename}: {error.strerror}"
    else:
        if os.environ.get("MOORAGE_DEBUG"):
            traceback.print_exception(error)
        sentence = (
            f"a fault of this program: {type(error).__name__}; "
            "MOORAGE_DEBUG=1 before the command shows where, please report it"
        )
    print(f"moorage: {visible(sentence)}", file=sys.stderr)
    return code_of(error)
