"""Commands that give files and folders their permissions: `chmod`, `mkdir -m`, `install -m`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k3s_policy.model.subjects import FileMode
from k3s_policy.readers.script.printing import installed_input
from k3s_policy.text.pattern import pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from k3s_policy.model.fragment import Copy
    from k3s_policy.model.invocation import Form
    from k3s_policy.readers.script.call import Call
    from k3s_policy.text import Text

__all__ = ["changed", "installed"]

_OPTION_OF_CHMOD = pattern(r"-[RcfvhHLP]+$|--")
_MODE = pattern(r"(?:-[A-Za-z]*m|--mode=)(?P<mode>.*)$")


def changed(call: Call, host: str, form: Form) -> Iterator[FileMode]:
    """Yield what `chmod` changes, and the mode that `mkdir` gives a folder; `form` is that of the script."""
    words = [word.text for word in call.words[1:]]
    if call.name == "chmod":
        given = [word for word in words if not _OPTION_OF_CHMOD.match(str(word))]
        mode, paths = (given[0], given[1:]) if given else (None, [])
    else:
        mode, paths = _mode(words), [word for word in words if not word.startswith("-")]
    if mode is not None and mode.known:
        yield from (FileMode(call.located(path), mode, host, call.command.when, form=form) for path in paths)


def installed(call: Call, host: str, copied: Iterable[Copy]) -> Iterator[FileMode]:
    """Yield the mode that `install` gives the files and folders it puts in place."""
    mode = _mode([word.text for word in call.words[1:]]) if call.name == "install" else None
    if mode is None or not mode.known:
        return
    for one in copied:
        yield FileMode(one.source.stand_in(one.path), mode, one.host, one.when)
    yield from (FileMode(call.located(target), mode, host, call.command.when) for target in installed_input(call))
    if any(str(word.text) in ("-d", "--directory") for word in call.words):
        folders = (path for word in call.words[1:] if (path := call.located(word.text)).startswith("/"))
        yield from (FileMode(folder, mode, host, call.command.when) for folder in folders)


def _mode(words: list[Text]) -> Text | None:
    """Return the value of `-m`, behind it or in the next word."""
    for position, word in enumerate(words):
        if match := _MODE.match(str(word)):
            if match["mode"]:
                return word.cut(match, "mode")
            return words[position + 1] if position + 1 < len(words) else None
    return None
