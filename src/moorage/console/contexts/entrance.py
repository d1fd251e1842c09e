"""What the pages before signing in show."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SignIn:
    """The form: what was typed, where it leads, what was wrong with the last try."""

    next: str
    email: str = ""
    wrong: str | None = None


@dataclass(frozen=True)
class SecondStep:
    """The form for a code; ``text`` stands for the first step."""

    next: str
    text: str
    wrong: str | None = None
