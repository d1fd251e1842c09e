"""The reference page of the settings, made from the settings themselves."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from moorage.server.settings import Settings

_HEAD = """# Settings

Made from the code by `moorage settings --reference`; a test keeps it so.

Each setting is an environment variable, or a key of the TOML file given with `--config`; a
command-line option goes before the environment, the environment before the file. In the file, a
name with two underscores is a table: `MOORAGE_RETENTION__LOGS_DAYS` is `logs_days` under
`[retention]`.

| variable | default | what it is |
|---|---|---|
"""


def settings_page() -> str:
    """Return the page as Markdown."""
    return _HEAD + "".join(_rows(Settings, "MOORAGE_"))


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        variable = f"{prefix}{name.upper()}"
        inner = [one for one in get_args(field.annotation) if _is_model(one)]
        if isinstance(default, BaseModel):
            yield from _rows(type(default), f"{variable}__")
        elif inner:
            yield from _rows(inner[0], f"{variable}__")
        else:
            yield f"| `{variable}` | {_shown(default)} | {field.description} |\n"


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _shown(default: Any) -> str:
    if default is PydanticUndefined:
        return "required, if any of these is set"
    if default is None or default in ("", ()) or isinstance(default, SecretStr):
        return "none"
    return f"`{default}`"
