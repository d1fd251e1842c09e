"""What the command palette finds: devices, pages, actions."""

from collections.abc import Sequence

from moorage.console import nav
from moorage.console.contexts.palette import Option, Palette
from moorage.console.showing import with_query
from moorage.core import devices
from moorage.core.caller import Caller, Scope
from moorage.core.devices import Device, Filter, Sort
from moorage.storage import Tx

_DEVICES = 8
_LONGEST = 200
_ACCOUNT = Option("Your account", "user", to="/console/account")


async def find(tx: Tx, caller: Caller, text: str, there: frozenset[str]) -> Palette:
    """Find what fits a text: devices by name, id, host or reference, pages and actions by words."""
    typed = text.strip()[:_LONGEST]
    found = await _devices(tx, caller, typed) if typed else ()
    pages = [
        Option(one.title, one.icon, to=one.path)
        for one in nav.items("", caller, there)
        if one.path != "/console/devices/add"
    ]
    groups = (
        ("Devices", [_option(one) for one in found[:_DEVICES]]),
        ("Pages", _fitting([*pages, _ACCOUNT], typed)),
        ("Actions", _fitting(_actions(caller), typed)),
    )
    more = with_query("/console/devices", {"q": typed}) if len(found) > _DEVICES else None
    return Palette(typed, [(title, options) for title, options in groups if options], more)


async def _devices(tx: Tx, caller: Caller, text: str) -> Sequence[Device]:
    page = await devices.list_devices(
        tx, caller, Filter(text=text), sort=Sort.NAME, cursor=None, limit=_DEVICES + 1
    )
    # Whoever typed all of a name means that one, wherever it stands in the alphabet.
    wanted = text.casefold()
    return sorted(page.items, key=lambda one: wanted not in _names_of(one))


def _names_of(device: Device) -> set[str]:
    names = (device.name, device.id, device.reference, device.facts.get("hostname"))
    return {str(name).casefold() for name in names if name}


def _option(device: Device) -> Option:
    hostname = device.facts.get("hostname")
    told = [str(one) for one in (hostname, device.reference) if one and one != device.name]
    return Option(
        device.name,
        "device-desktop",
        note=" · ".join(told) or device.id,
        status=str(device.presence.status),
        to=f"/console/devices/{device.id}",
    )


def _actions(caller: Caller) -> list[Option]:
    actions = []
    if caller.may(Scope.DEVICE_UPDATE):
        actions.append(Option("Add a device", "plus", to="/console/devices/add"))
    if caller.may(Scope.TOKEN_WRITE):
        many = Option("Make a provisioning token", "ticket", to="/console/devices/add?how=many")
        actions.append(many)
    other = "test" if caller.live else "live"
    icon = "flask" if caller.live else "broadcast"
    actions += [
        Option(f"Switch to {other} mode", icon, run="switch", values={"mode": other}),
        Option("Light colours", "sun", run="theme", values={"theme": "light"}),
        Option("Dark colours", "moon", run="theme", values={"theme": "dark"}),
        Option(
            "Colours as the system has them",
            "device-desktop",
            run="theme",
            values={"theme": "auto"},
        ),
        Option("Sign out", "logout", run="sign-out"),
    ]
    return actions


def _fitting(options: Sequence[Option], typed: str) -> list[Option]:
    words = typed.casefold().split()
    return [one for one in options if all(word in one.title.casefold() for word in words)]
