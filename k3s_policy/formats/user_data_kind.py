"""What user-data says that it is in its first characters.

A cloud-config has its comment there, a message of several parts its headers
(https://docs.cloud-init.io/en/latest/explanation/format.html); configs of Butane's and k3OS's are known by their first
key.
"""

from __future__ import annotations

from k3s_policy.text.pattern import pattern

__all__ = ["is_cloud_config", "is_description", "is_message"]

_FIRST = r"\ufeff?\s*(?:##[^\n]*\n)?"
# With a blank cloud-init does not take it: people mean it all the same where nothing else stands in the line.
_CLOUD_CONFIG = pattern(rf"{_FIRST}#(?:cloud-config\b|[ \t]cloud-config[ \t\r]*(?:\n|$))")
_OTHER = pattern(rf"{_FIRST}(?:variant:[ \t]*[a-z]|k3os:[ \t\r]*\n)")
_MESSAGE = pattern(r"(?i)\ufeff?\s*(?:MIME-Version:|Content-Type:[ \t]*multipart/)")


def is_cloud_config(content: str) -> bool:
    """Whether a text says that it is a cloud-config."""
    return _CLOUD_CONFIG.match(content) is not None


def is_description(content: str) -> bool:
    """Whether a text says that it is YAML that describes a host."""
    return is_cloud_config(content) or _OTHER.match(content) is not None


def is_message(content: str) -> bool:
    """Whether a text is a message of several parts."""
    return _MESSAGE.match(content) is not None
