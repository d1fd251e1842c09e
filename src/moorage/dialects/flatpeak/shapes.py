"""Shapes of the Flatpeak API as its document has them."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class Login(TypedDict):
    """A token, and for how many seconds it is good."""

    bearer_token: str
    expires_in: int
    live_mode: bool


class Device(TypedDict):
    """A device. ``reference_id`` is the id where none was given; ``last_seen`` may be absent."""

    id: str
    object: Literal["device"]
    live_mode: bool
    reference_id: str
    last_seen: NotRequired[str]
    time_created: str
    account_id: str


class Devices(TypedDict):
    """A page, newest first."""

    object: Literal["list"]
    url: Literal["/devices"]
    has_more: bool
    data: list[Device]


class Accepted(TypedDict):
    """It was done."""

    message: Literal["Accepted"]


class Refusal(TypedDict):
    """A refusal; ``live_mode`` is absent where no credentials told it."""

    object: Literal["error"]
    live_mode: NotRequired[bool]
    context: str
    type: Literal["invalid_request", "conflict", "rate_limit", "api_error"]
    code: str
    message: str
    time_created: str
