"""Telling a camera who asks, over HTTP: Basic and Digest (RFC 7617, RFC 7616)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import Callable, Dict, List, Optional

_SCHEME = re.compile(r"^\s*(\w+)\s+(.*)$", re.DOTALL)
_FIELD = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_HASHES: Dict[str, Callable[[bytes], str]] = {
    # Cameras know no other; it proves who asks and keeps no secret.
    "md5": lambda data: hashlib.new("md5", data).hexdigest(),  # noqa: S324
    "sha-256": lambda data: hashlib.sha256(data).hexdigest(),
}


def answer(
    challenges: List[str], user: str, password: str, *, method: str, target: str
) -> Optional[str]:
    """Return the Authorization that a challenge asks for, or None when it is of no known kind."""
    known: Dict[str, Dict[str, str]] = {}
    for challenge in challenges:
        found = _SCHEME.match(challenge)
        if found is None:
            continue
        fields = {
            name.lower(): (quoted or bare) for name, quoted, bare in _FIELD.findall(found.group(2))
        }
        scheme = found.group(1).lower()
        if scheme != "digest" or fields.get("algorithm", "MD5").lower() in _HASHES:
            known.setdefault(scheme, fields)
    if "digest" in known:
        return _digest(known["digest"], user, password, method=method, target=target)
    if "basic" in known:
        login = ("%s:%s" % (user, password)).encode("utf-8")
        return "Basic " + base64.b64encode(login).decode("ascii")
    return None


def _digest(
    fields: Dict[str, str], user: str, password: str, *, method: str, target: str
) -> Optional[str]:
    algorithm = fields.get("algorithm", "MD5")
    offered = [one.strip().lower() for one in fields.get("qop", "").split(",")]
    if "qop" in fields and "auth" not in offered:
        return None
    made = _HASHES[algorithm.lower()]

    def digest(*parts: str) -> str:
        return made(":".join(parts).encode("utf-8"))

    realm, nonce = fields.get("realm", ""), fields.get("nonce", "")
    one, two = digest(user, realm, password), digest(method, target)
    told = {"username": user, "realm": realm, "nonce": nonce, "uri": target}
    bare = {"algorithm": algorithm}
    if "qop" in fields:
        told["cnonce"] = secrets.token_hex(8)
        bare.update(qop="auth", nc="00000001")
        told["response"] = digest(one, nonce, bare["nc"], told["cnonce"], "auth", two)
    else:
        told["response"] = digest(one, nonce, two)
    if "opaque" in fields:
        told["opaque"] = fields["opaque"]
    quoted = ['%s="%s"' % (name, _escaped(text)) for name, text in told.items()]
    return "Digest " + ", ".join(quoted + ["%s=%s" % pair for pair in bare.items()])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
