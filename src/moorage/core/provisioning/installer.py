from dataclasses import dataclass


@dataclass(frozen=True)
class Zipapp:
    content: bytes
    sha256: str


def agent_zipapp():
    return Zipapp(b"", "")


def render_install_script(**k):
    return ""


def render_refusal_script(m):
    return ""
