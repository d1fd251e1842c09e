"""Keys: what they may do, and which key stands for which Caller. Only digests are stored."""

from moorage.core.keys.model import Key, NewKey
from moorage.core.keys.rules import digest, looks_like_key
from moorage.core.keys.service import (
    authenticate,
    create,
    digests_of_device,
    find_by_text,
    find_for_device,
    finish,
    get,
    issue,
    issue_admin,
    issue_pair,
    list_all,
    list_keys,
    revoke,
    revoke_for_device,
    roll,
    standing,
    unauthenticated,
    update,
)

__all__ = [
    "Key",
    "NewKey",
    "authenticate",
    "create",
    "digest",
    "digests_of_device",
    "find_by_text",
    "find_for_device",
    "finish",
    "get",
    "issue",
    "issue_admin",
    "issue_pair",
    "list_all",
    "list_keys",
    "looks_like_key",
    "revoke",
    "revoke_for_device",
    "roll",
    "standing",
    "unauthenticated",
    "update",
]
