"""Our own API, ``/v1``: problem+json, cursors, RFC 3339. See README.md beside this."""

from moorage.dialects.native.app import create_app

__all__ = ["create_app"]
