"""What of a source may be shown."""

from typing import Any

from moorage.kit.secrettext import is_secret_name, without_userinfo


def sanitize(source: Any) -> Any:
    """Return a source without credentials, however deep they are.

    URLs lose their userinfo, also inside longer texts; keys that name a secret are dropped.
    """
    if isinstance(source, str):
        return without_userinfo(source)
    if isinstance(source, list):
        return [sanitize(part) for part in source]
    if isinstance(source, dict):
        return {key: sanitize(part) for key, part in source.items() if not is_secret_name(key)}
    return source
