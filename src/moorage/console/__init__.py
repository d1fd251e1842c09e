"""The web console: pages over the core, for people who would rather look than read."""

from moorage.console.app import create_app

__all__ = ["create_app"]
