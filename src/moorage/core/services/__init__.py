"""Services a device runs, as it last reported them."""

from moorage.core.services.service import Service, failed, list_services, record

__all__ = ["Service", "failed", "list_services", "record"]
