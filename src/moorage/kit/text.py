"""Text that every database can hold."""

REPLACEMENT = "\ufffd"


def is_plain_text(text: str) -> bool:
    """Whether a database can hold it: no NUL, no lone surrogate."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean_text(text: str) -> str:
    """Return the text with each NUL and lone surrogate replaced by U+FFFD."""
    if is_plain_text(text):
        return text
    text = text.replace("\x00", REPLACEMENT)
    return "".join(REPLACEMENT if "\ud800" <= char <= "\udfff" else char for char in text)
