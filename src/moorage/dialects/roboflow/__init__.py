"""The Deployment Manager API. So far: the installer a device fetches. See README.md beside this."""

from moorage.dialects.roboflow.install import InstallApp

__all__ = ["InstallApp"]
