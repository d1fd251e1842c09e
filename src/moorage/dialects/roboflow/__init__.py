"""The Deployment Manager API, ``/{workspace}/devices/v2``. See README.md beside this."""

from moorage.dialects.roboflow.app import DeploymentManager, create_app
from moorage.dialects.roboflow.install import InstallApp

__all__ = ["DeploymentManager", "InstallApp", "create_app"]
