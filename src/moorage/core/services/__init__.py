"""Services a device runs, as it last reported them."""

from moorage.core.services.service import Service, list_services, record

__all__ = ["Service", "list_services", "record"]
