"""The composition root: settings, application, jobs, health, metrics. Everything is wired here."""

from moorage.server.app import App, create_app
from moorage.server.settings import Settings, load_settings

__all__ = ["App", "Settings", "create_app", "load_settings"]
