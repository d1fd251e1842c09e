"""What the pages before signing in show."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SignIn:
    """The form: what was typed, where it leads, what was wrong with the last try.

    ``outside`` is what the provider of identities is called, if there is one.
    """

    next: str
    email: str = ""
    wrong: str | None = None
    password_was_set: bool = False
    outside: str | None = None


@dataclass(frozen=True)
class SetUp:
    """The form of the first set-up; ``workspace`` is what is going to be owned, if that is sure."""

    workspace: str | None
    shortest_password: int


@dataclass(frozen=True)
class Invitation:
    """What somebody is invited to, for whoever holds the link.

    ``has_account``: the address has an account, which joins; ``signed_in_as`` is whose session this
    browser has, and ``csrf`` its token.
    """

    workspace: str
    role: str
    email: str
    has_account: bool
    shortest_password: int
    signed_in_as: str | None = None
    csrf: str = ""

    @property
    def is_mine(self) -> bool:
        """Whether the one signed in is the one invited."""
        return self.signed_in_as == self.email


@dataclass(frozen=True)
class SecondStep:
    """The form for a code; ``text`` stands for the first step."""

    next: str
    text: str
    wrong: str | None = None
