# ruff: noqa: INP001 - a tool, no package
"""Makes the reference pages from the code: settings, command line, error codes.

``python tools/reference.py`` writes them; ``tests/architecture/test_docs.py`` holds them to it.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from moorage.cli.main import app
from moorage.core.errors import Kind
from moorage.dialects.native.errors import STATUS
from moorage.server.reference import settings_page

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PAGES = ROOT / "docs" / "reference"

# What to do about a code. Its meaning is taken from where it is raised.
ADVICE = {
    "account_exists": "Sign in with that account; then open the invitation again.",
    "already_member": "Change this person's role instead.",
    "another_site": "Do it in the console itself. Behind a proxy, `public_url` must be the address "
    "that browsers use.",
    "csrf_token_wrong": "Load the page again, then repeat what you did.",
    "identity_not_admitted": "Ask an owner for an invitation; whoever runs the server looks at the "
    "settings `oidc`.",
    "identity_not_linked": "Sign in with the password, then connect the account on its page.",
    "identity_provider_unavailable": "Sign in with a password, or try again. If it stays, compare "
    "the settings `oidc` with what the provider says of itself.",
    "identity_refused": "Sign in anew. If it stays, compare the settings `oidc` with the "
    "provider's.",
    "identity_taken": "Disconnect the other account first, or sign in to that one.",
    "password_missing": "Set a password first.",
    "sign_in_not_begun": "Begin signing in anew, in one browser, within 10 minutes.",
    "invite_for_another": "Sign out, and open the link again with the account it is for.",
    "invites_full": "Take back invitations that nobody accepts.",
    "last_owner": "Make somebody else an owner first.",
    "link_invalid": "Ask whoever sent the link for a new one. On the server: `moorage admin "
    "set-up-link`, `moorage admin reset-password`.",
    "no_workspace": "Ask an owner of the workspace for an invitation.",
    "password_required": "Show the present password with the change.",
    "place_changed": "Load the page again, or switch back to the workspace and mode it is of.",
    "session_over": "Sign in again; what was typed into an open page stays there.",
    "sign_in_busy": "Wait for `Retry-After` seconds, then try again.",
    "sign_in_paused": "Wait for `Retry-After` seconds, then try again.",
    "sign_in_refused": "Check address, password and code; after several wrong ones wait 15 "
    "minutes. Who is locked out for good: `moorage admin reset-password` on the server.",
    "too_many_views": "Take away a view you need no more, or save under the name of one.",
    "totp_not_begun": "Begin setting up the second factor anew.",
    "totp_not_set_up": "Set up a second factor first.",
    "not_a_jpeg": "Send one whole JPEG picture as the body.",
    "token_revoked": "Nothing: it is over. Make a new token.",
    "environment_not_ready": "Wait until it is; the device's record says where it stands.",
    "foreign_device": "Name the device the key belongs to.",
    "environments_off": "Set Portainer up on the server: `docs/guide/portainer.md`.",
    "path_invalid": "Write the path out; none of it encoded twice.",
    "virtual_devices_full": "Delete some first, or run many with `moorage sim run`.",
    "virtual_devices_busy": "Repeat the request.",
    "command_finished": "Nothing: it is over. Send a new command.",
    "key_protected": "Make another key, or have the protection lifted on the server.",
    "administration_only": "Use a key that `moorage admin-key` made.",
    "api_version_not_supported": "Send the version named, or leave `Flatpeak-Version` out.",
    "body_cut_off": "Send the request again.",
    "body_too_large": "Send less at once; `limit_bytes` names the limit. The connection is closed.",
    "body_too_slow": "Send the body without pauses, or less of it.",
    "chain_forked": "If `sequence` and `chain` are in your own past, send again from there. Else "
    "begin a new store and epoch.",
    "device_exists": "Release the device (`POST /v1/devices/{id}/release`) if it is to come back; "
    "give a copy an id of its own.",
    "device_key_not_allowed": "Use a workspace key (`sk_...`).",
    "device_key_required": "Use the device's own key (`adk_...`).",
    "device_key_taken": "Make a new random key and enrol with it.",
    "device_not_approved": "Approve the device first: PATCH its `approval`.",
    "device_retired": "Stop: the owner deleted this device.",
    "device_time_invalid": "Send the time as RFC 3339 in UTC, or leave the header out.",
    "encoding_not_supported": "Send gzip, or the plain body.",
    "environment_unavailable": "Wait for `Retry-After` seconds, then try again. If it stays, run "
    "`moorage doctor` on the server.",
    "feature_missing": "Have it added on the server: `moorage bootstrap --feature`.",
    "foreign_source": "Name a device of this workspace, or none.",
    "gone_meanwhile": "Read what there is now; repeat the request if it still makes sense.",
    "grant_exceeds_own": "Leave the scopes out that your key lacks, or use a key that has them.",
    "idempotency_key_invalid": "Use 1 to 255 printable characters; a UUID is a good choice.",
    "idempotency_key_reused": "Use a new key for each new request.",
    "if_match_invalid": "Send the `ETag` as you got it.",
    "internal_error": "Try again. If it stays, look for `X-Request-Id` in the server's log and "
    "tell us.",
    "invalid": "Correct what `errors` points at. A device sets such a report aside and sends its "
    "sequence emptied.",
    "key_invalid": "Check the key. An agent keeps collecting and tries again.",
    "malformed_body": "Send one JSON value in UTF-8, or one whole gzip stream of it.",
    "method_not_allowed": "The header `Allow` lists the methods of this address.",
    "missing_scope": "Use a key that has the scope named in `scope`.",
    "not_found": "Check the id, and that the key is of the same workspace and mode. Absent and "
    "foreign look the same.",
    "too_many_waiting": "Send a device's reports one after the other, each when the last was "
    "answered.",
    "overloaded": "Wait for `Retry-After` seconds, then send it again.",
    "rate_limited": "Wait for `Retry-After` seconds; `RateLimit-Policy` names the limit.",
    "reference_taken": "Choose another reference, or change the device that has it.",
    "report_not_storable": "Set the report aside and send its sequence emptied.",
    "revision_changed": "Read the config again, repeat the change on it.",
    "sequence_reused": "Begin a new epoch.",
    "servers_not_signed": "Make the list on the server: `moorage servers sign URL...`.",
    "slug_taken": "Choose another slug, or use the workspace that is there.",
    "storage_full": "Make room on the server's disk. Nothing was changed.",
    "storage_nearly_full": "Keep the parts that `refused` names, send the report without them, and "
    "try with them after `Retry-After` seconds. On the server: `docs/guide/retention.md`.",
    "storage_unavailable": "Wait for `Retry-After` seconds, then try again. Nothing was changed.",
    "test_key_not_allowed": "Use a live key.",
    "no_external_id": "Make an install token for this device instead.",
    "token_expired": "Ask the owner for a fresh token.",
    "token_invalid": "Ask the owner for a fresh token.",
    "too_many_rows": "Send the rest in the next report; `part` and `limit` say which and how many.",
    "too_many_feeds": "Close a feed that is open, or read the lists.",
    "value_out_of_range": "Send a smaller value. A device sets such a report aside.",
}

_GENERATED = "Made from the code by `python tools/reference.py`; a test keeps it so.\n"
_ERRORS_HEAD = f"""# Errors

{_GENERATED}
The native API answers a refusal as `application/problem+json` (RFC 9457): `type`, `title`,
`status`, `detail` and a stable `code`, with `errors` for the parts of a bad body and `Retry-After`
where trying again makes sense. Programs should go by `code`; `detail` may be worded anew. `…` below
stands for what varies.

| code | kind | status | what it says | what to do |
|---|---|---|---|---|
"""
_CLI_HEAD = f"""# Commands

{_GENERATED}
`-h` and `--help` print the same on a terminal. An option goes before the environment, the
environment before the settings file; what is not given anywhere has the default of
[its setting](settings.md).
"""


@dataclass
class Code:
    """All that the source says of one code."""

    kinds: set[str] = field(default_factory=set)
    details: list[str] = field(default_factory=list)


def pages() -> dict[Path, str]:
    """Return each generated page by its path."""
    return {
        PAGES / "settings.md": settings_page(),
        PAGES / "cli.md": cli_page(),
        PAGES / "errors.md": errors_page(),
    }


def errors_page() -> str:
    """Return the page of error codes."""
    status_of = {kind.name: STATUS[kind] for kind in Kind}
    codes = error_codes()
    astray = sorted(codes.keys() ^ ADVICE.keys())
    if astray:
        raise SystemExit(f"tools/reference.py: ADVICE lacks, or should not have: {astray}")
    lines = []
    for code, found in sorted(codes.items()):
        kinds = sorted(found.kinds)
        statuses = sorted({str(status_of.get(kind, kind)) for kind in kinds})
        shown = ", ".join(f"`{kind.lower()}`" for kind in kinds if kind in status_of) or "none"
        says = "; or: ".join(dict.fromkeys(found.details)) or "see `detail`"
        lines.append(f"| `{code}` | {shown} | {', '.join(statuses)} | {says} | {ADVICE[code]} |\n")
    return _ERRORS_HEAD + "".join(lines)


def error_codes() -> dict[str, Code]:
    """Find every code in the source, with its kinds and sentences."""
    codes: dict[str, Code] = {}
    for path in sorted((SOURCE / "moorage").rglob("*.py")):
        for call in _calls(ast.parse(path.read_text("utf-8"))):
            for kind, code, detail in _refusals(call):
                found = codes.setdefault(code, Code())
                found.kinds.add(kind)
                if detail:
                    found.details.append(detail)
    # One code for a hundred different parts: its sentences would fill the page.
    codes["invalid"].details = ["what is wrong with which part"]
    codes["not_found"].details = ["there is no such …, or nothing at this address"]
    return codes


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _refusals(call: ast.Call) -> Iterator[tuple[str, str, str]]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if name == "DomainError" and len(call.args) >= 3:  # noqa: PLR2004 - kind, code, detail
        kind, code, detail = call.args[:3]
        if isinstance(kind, ast.Attribute) and isinstance(code, ast.Constant):
            yield kind.attr, code.value, _text(detail)
    elif name == "invalid" and call.args:
        code = given.get("code")
        text = code.value if isinstance(code, ast.Constant) else "invalid"
        yield "INVALID", text, _text(call.args[-1])
    elif name == "not_found":
        yield "NOT_FOUND", "not_found", ""
    elif name == "_response" and len(call.args) >= 3:  # noqa: PLR2004 - status, code, detail
        # What no DomainError stands behind: wrong methods and our own faults.
        status, code, detail = call.args[:3]
        if isinstance(code, ast.Constant):
            number = status.value if isinstance(status, ast.Constant) else 405
            yield "NOT_FOUND" if number == 404 else str(number), code.value, _text(detail)  # noqa: PLR2004


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    return ""


def cli_page() -> str:
    """Return the page of the command line."""
    return _CLI_HEAD + "".join(_commands("moorage", typer.main.get_command(app)))


def _commands(path: str, group: Any) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        full = f"{path} {name}"
        takes = [one for one in command.params if one.name != "help"]
        inner = getattr(command, "commands", None)
        if inner is None or takes:
            yield _command(full, command, takes)
        if inner is not None:
            yield from _commands(full, command)


def _command(path: str, command: Any, takes: list[Any]) -> str:
    parts = [f"\n## {path}\n\n{(command.help or '').strip()}\n"]
    arguments = [one for one in takes if one.param_type_name == "argument"]
    options = [one for one in takes if one.param_type_name == "option"]
    if arguments:
        parts.append("\n| argument | what it is |\n|---|---|\n")
        parts.extend(f"| `{_argument(one)}` | {one.help or ''} |\n" for one in arguments)
    if options:
        parts.append("\n| option | default | what it is |\n|---|---|---|\n")
        parts.extend(_option(option) for option in options)
    return "".join(parts)


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return str(name if argument.required else f"[{name}]")


def _option(option: Any) -> str:
    spelled = " or ".join(f"`{spelling}`" for spelling in option.opts)
    again = " (may be repeated)" if option.multiple else ""
    return f"| {spelled} | {_default(option)} | {option.help or ''}{again} |\n"


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.is_flag:
        return "off"
    if option.default in (None, (), []):
        return "none"
    return f"`{option.default}`"


def main() -> None:
    """Write the pages."""
    PAGES.mkdir(parents=True, exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, "utf-8")
        print(path.relative_to(ROOT), file=sys.stderr)  # noqa: T201 - it is a tool


if __name__ == "__main__":
    main()
