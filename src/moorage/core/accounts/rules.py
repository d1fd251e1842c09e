"""Decisions about addresses, passwords, codes and pauses: pure functions."""

import hashlib
import hmac
import ipaddress
import re
import secrets
import unicodedata
from datetime import datetime, timedelta
from typing import Final

import pyotp

from moorage.core.accounts.model import LinkKind, Role
from moorage.core.errors import DomainError, Kind, invalid
from moorage.kit.text import clean_text

SESSION_PREFIX: Final = "mses"
LINK_PREFIX: Final = "mlnk"
_SECRET_BYTES = 32

VALID_FOR: Final = {
    LinkKind.SET_UP: timedelta(hours=24),
    LinkKind.INVITE: timedelta(days=7),
    LinkKind.RESET: timedelta(hours=24),
    LinkKind.SECOND_STEP: timedelta(minutes=5),
}

_NOT_IN_EMAIL = r"\s@<>\"',;:\\()\[\]\ufffd"
_EMAIL = re.compile(f"[^{_NOT_IN_EMAIL}]{{1,64}}@[^{_NOT_IN_EMAIL}]{{1,189}}")
_LONGEST_NAME = 128
_LONGEST_AGENT = 200
SHORTEST_PASSWORD: Final = 12
LONGEST_PASSWORD: Final = 256
_FEWEST_DIFFERENT = 5

# Wrong answers that are free, by what they are counted for; then pauses that double.
FREE_FOR_EMAIL: Final = 5
FREE_FOR_ADDRESS: Final = 20
_FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE: Final = timedelta(minutes=15)
# Without a wrong answer for so long, those before are forgotten.
FORGOTTEN_AFTER: Final = timedelta(hours=24)

RECOVERY_CODES: Final = 10
_RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_LENGTH = 16
_CODE_DIGITS = 6
# Seconds that one code of a second factor is shown for.
CODE_PERIOD_S: Final = 30


def new_text(prefix: str) -> str:
    """Return a new secret: 256 random bits behind a prefix that log filters know."""
    return f"{prefix}_{secrets.token_hex(_SECRET_BYTES)}"


def digest(text: str) -> str:
    """Hex SHA-256: enough, because what is digested is random and no password."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def csrf_of(session_text: str) -> str:
    """What a form of this session must bring along; from it the session's text cannot be had."""
    return hmac.new(session_text.encode(), b"csrf", hashlib.sha256).hexdigest()


def check_email(text: str) -> str:
    """Return the address as it is kept. Raises DomainError ``invalid``."""
    email = fold_email(text)
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        raise invalid("/email", "an e-mail address reads name@example.com")
    return email


def fold_email(text: str) -> str:
    """Return the form in which addresses are compared."""
    return clean_text(unicodedata.normalize("NFKC", text)).strip().lower()


def check_name(text: str) -> str:
    """Return the name trimmed. Raises DomainError ``invalid``."""
    name = text.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise invalid("/name", f"a name is 1 to {_LONGEST_NAME} printable characters")
    return name


def fold_password(text: str) -> str:
    """Return the one form of a password, however the keyboard composed its letters."""
    return clean_text(unicodedata.normalize("NFKC", text))


def check_password(text: str, *, email: str | None = None) -> None:
    """Raise DomainError ``invalid`` for a password that would be guessed.

    Length is what counts; there are no rules about kinds of characters.
    """
    folded = fold_password(text)
    if not SHORTEST_PASSWORD <= len(folded) <= LONGEST_PASSWORD:
        raise invalid(
            "/password",
            f"a password is {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; a few words in a "
            "row are a good one",
        )
    if len(set(folded.lower())) < _FEWEST_DIFFERENT:
        raise invalid("/password", "this password repeats a few characters; choose another")
    if email is not None and folded.lower() in {email, email.partition("@")[0]}:
        raise invalid("/password", "the e-mail address is no password; choose another")


def parse_role(text: str) -> Role:
    """Return the role of that name. Raises DomainError ``invalid``."""
    try:
        return Role(text)
    except ValueError:
        raise invalid("/role", f"a role is one of {', '.join(sorted(Role))}") from None


def shown_agent(text: str) -> str:
    """Return what a browser calls itself, short enough to keep."""
    return "".join(one for one in text if one.isprintable())[:_LONGEST_AGENT]


def email_subject(email: str) -> str:
    """Name what wrong answers for an address are counted under, whether it has an account or not.

    A digest: what people type into the wrong field is not to be kept.
    """
    return f"email:{digest(fold_email(email))}"


def address_subject(address: str) -> str:
    """Name what wrong answers from a network address are counted under.

    One customer has a whole /64 of IPv6, so that is what counts.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f"address:{digest(address)}"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"address:{parsed.ipv4_mapped}"
        return f"address:{ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"address:{parsed}"


def pause_after(failures: int, *, free: int) -> timedelta:
    """Return how long nobody is let in after so many wrong answers; zero while some are free."""
    if failures < free:
        return timedelta(0)
    # Doubling is cut off before the number gets large.
    doubled: int = 2 ** min(failures - free, 10)
    return min(_FIRST_PAUSE * doubled, LONGEST_PAUSE)


def matching_step(secret: str, code: str, now: datetime, *, after: int | None) -> int | None:
    """Return which 30 seconds a code belongs to: these, those before or after; None if to none.

    ``after`` is the last that a code was taken of: no code is good twice.
    """
    if len(code) != _CODE_DIGITS or not (code.isascii() and code.isdigit()):
        return None
    totp = pyotp.TOTP(secret, interval=CODE_PERIOD_S)
    present = int(now.timestamp()) // CODE_PERIOD_S
    found = None
    # All three are computed whatever the first says: the time taken tells nothing.
    for step in (present - 1, present, present + 1):
        if hmac.compare_digest(totp.generate_otp(step), code):
            found = step
    return None if found is None or (after is not None and found <= after) else found


def new_totp_secret() -> str:
    """Return 160 random bits in base32, as authenticator apps take them."""
    return pyotp.random_base32()


def totp_uri(secret: str, *, email: str, issuer: str) -> str:
    """Return what a QR code for an authenticator app holds."""
    totp = pyotp.TOTP(secret, interval=CODE_PERIOD_S)
    return totp.provisioning_uri(name=email, issuer_name=issuer)


def fold_code(text: str) -> str:
    """Return a code without what people put between its parts."""
    return re.sub(r"[\s-]", "", text).lower()


def new_recovery_code() -> str:
    """Return 16 letters and digits in groups of four: 79 random bits, nothing easily misread."""
    code = "".join(secrets.choice(_RECOVERY_ALPHABET) for _ in range(_RECOVERY_LENGTH))
    return "-".join(code[at : at + 4] for at in range(0, _RECOVERY_LENGTH, 4))


def refused() -> DomainError:
    """Refuse a sign-in, for whatever reason: which accounts there are is nobody's business."""
    return DomainError(
        Kind.UNAUTHENTICATED,
        "sign_in_refused",
        "e-mail address, password or code is wrong; or there were so many wrong ones that a pause "
        "of some minutes is needed",
    )


def paused(seconds: int) -> DomainError:
    """Refuse an address from which too many wrong answers came; says nothing of any account."""
    return DomainError(
        Kind.LIMITED,
        "sign_in_paused",
        f"too many wrong sign-ins came from your network; try again in {seconds} s",
        retry_after_s=seconds,
    )


def password_wrong() -> DomainError:
    """Refuse a change for which somebody signed in showed another password than the present."""
    return invalid(
        "/present",
        "this is not your present password; or so many wrong ones were shown that a pause of some "
        "minutes is needed",
    )


def link_invalid() -> DomainError:
    """Refuse a link without telling unknown, used and expired ones apart."""
    return DomainError(
        Kind.UNAUTHENTICATED,
        "link_invalid",
        "this link was used already, has expired or never was one; ask for a new one",
    )


def code_wrong() -> DomainError:
    """Refuse a code of a second factor that is being set up."""
    return invalid(
        "/code", "this is not the code shown now; check that the clock of the phone is right"
    )
