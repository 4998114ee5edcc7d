"""Test cases written as Markdown pages that a reader learns from.

Each heading of the second level starts a case: prose tells the fact about K3s, fences hold the files.

    ## The mode is read as octal k3s-version=v1.33.4+k3s1

    ```yaml path=etc/rancher/k3s/config.yaml
    write-kubeconfig-mode: "0644"
    ```

    ```findings
    etc/rancher/k3s/config.yaml:1:1-29 medium mode 0644 gives the admin kubeconfig…
    ```

A fence with `path=` is a file; the words `crlf`, `bom` and `unterminated` behind the path write it with carriage
returns, with a byte-order mark, and without its last line break. A fence `options` is `.k3s-policy.yaml`. What is
expected stands in a fence `findings` or `settings`.

A line of `findings` is `path:line:column-end_column severity message`, or `line:column-end_line:end_column` where it
goes over several lines. Columns count from 1, and the end is the first one behind: that of a value stands before its
closing quote. A severity is written `high/medium` where the confidence (the second word) is not high.
A line of another rule than the page's starts with its name in brackets, and has that rule judge the case too.
`…` at the end of a message stands for the rest of it, and not for all of it.

Below it, indented, follow `help TEXT`, once for each line of the help, and `related path:line:column message` for each
of its related places. A page has to say every help at least once, and may leave it out elsewhere. Related places are
never left out, and a help is never abbreviated.

    etc/rancher/k3s/config.yaml:1:9-25 high/medium K3s does not join: without a port this is 443…
        help add the port: :6443
        related hosts/one/etc/rancher/k3s/config.yaml:2:1 this host has the address…

The files of a case are one repository: a script may be what starts a config file that lies there too, and then nothing
is concluded from what either lacks. Two things that have nothing to do with each other are two cases.

`UPDATE_CASES=1 pytest tests/test_checks.py` writes the messages and helps of what is found into the pages, and never
where it is found, by which rule, or how grave it is: see `finding_lines.py`.

Lines of `settings` show what is to be judged, in the order in which it was read: `server of FILES` (or `agent`, or
`k3s` where the role is not known), and below it each `flag = value`, then `(origin form path:line:column)`, without the
form if it is called the same. `~` in place of `=` says that these characters are not the value yet, `from` where
the value stands, if elsewhere, `arm N of line M` in which branch. `unknown` is no flag, `unseen` what K3s reads and
the scan did not. Others begin with what they are: `credential`, `secret`, `mode`, `chart`, `registries`, `upgrade`,
`broken`; `called` is what others call a host, `note` and `not judged` what the report says of the rest.

`xfail: reason` at the end of a heading says that the case is known to fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import ndiff
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.assemble import assemble
from k3s_policy.assemble.options import Options, parse
from k3s_policy.assemble.scope import Scope
from k3s_policy.k3s.version import Version
from k3s_policy.model.fragment import Chart, Registries, Upgrade
from k3s_policy.model.invocation import Agent, BrokenFile, Invocation, Server
from k3s_policy.model.subjects import ClusterSecret, Credential, FileMode
from k3s_policy.readers import door
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from k3s_policy.model.fragment import Fragment, Judged
    from k3s_policy.model.invocation import Setting, Unrecognised
    from k3s_policy.text import Text
    from k3s_policy.text.branch import When

__all__ = ["ELLIPSIS", "Case", "Fence", "actual_settings", "cases", "difference", "fences", "settings_of", "titles"]

ELLIPSIS = "…"
_OPENING = re.compile(r"(?P<ticks>`{3,})(?P<info>[^`]*)$")
_XFAIL = re.compile(r"\s+xfail:\s*(?P<reason>.+)$")
_VERSION = re.compile(r"\s+k3s-version=(?P<version>\S+)")
_EXPECTED_RULE = re.compile(r"(?m)^\[(?P<rule>[a-z0-9-]+)\] ")


class Fence(NamedTuple):
    """A fenced block: the words behind its backticks, and what stands in it."""

    words: tuple[str, ...]
    content: str
    line: int
    """The line of the text at which its content begins, counted from 1."""

    @property
    def language(self) -> str:
        """The first word of the info string."""
        return self.words[0] if self.words else ""

    def value(self, name: str) -> str | None:
        """Return what stands behind `name=` in the info string."""
        return next((word.removeprefix(f"{name}=") for word in self.words if word.startswith(f"{name}=")), None)


@dataclass(frozen=True)
class Case:
    """One heading of a page with what stands below it."""

    page: str
    title: str
    line: int
    sources: tuple[Source, ...]
    options: Options
    version: Version | None
    expected: str
    """The content of the fence `findings` or `settings`."""
    expected_line: int
    """The line of the page at which that begins."""
    kind: str
    xfail: str | None

    @property
    def other_rules(self) -> tuple[str, ...]:
        """The rules besides the page's own that the expected findings name."""
        return tuple(dict.fromkeys(_EXPECTED_RULE.findall(self.expected)))


def fences(markdown: str) -> Iterator[Fence]:
    """Yield the fenced blocks of a page."""
    lines = iter(enumerate(markdown.split("\n"), 1))
    for number, line in lines:
        opening = _OPENING.match(line)
        if opening is None:
            continue
        content = []
        for _, inner in lines:
            if inner.startswith(opening["ticks"]) and not inner.strip("`"):
                break
            content.append(inner)
        else:
            raise ValueError(f"a fence is never closed: {line}")
        yield Fence(tuple(opening["info"].split()), "".join(f"{inner}\n" for inner in content), number + 1)


def titles(page: Path) -> list[str]:
    """Return every line of a page that looks like the heading of a case, whatever it stands in."""
    return re.findall(r"(?m)^## .*", page.read_text(encoding="utf-8"))


def cases(page: Path) -> list[Case]:
    """Return the cases of a page. Raises ValueError where one is not written as it should be."""
    found = []
    content = page.read_text(encoding="utf-8")
    starts = [match.start() for match in re.finditer(r"(?m)^## ", content)]
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        heading, _, body = content[start:end].partition("\n")
        line = content.count("\n", 0, start) + 1
        try:
            found.append(_case(page.stem, heading.removeprefix("## ").strip(), body, line))
        except ValueError as error:
            raise ValueError(f"{page.name}:{line}: {error}") from error
    return found


def _case(page: str, title: str, body: str, line: int) -> Case:
    blocks = list(fences(body))
    expected = [fence for fence in blocks if fence.language in ("findings", "settings")]
    if len(expected) != 1:
        raise ValueError(f"one fence `findings` or `settings` is needed, here are {len(expected)}")
    xfail = _XFAIL.search(title)
    title = _XFAIL.sub("", title)
    version = _VERSION.search(title)
    sources = tuple(_source(fence) for fence in blocks if fence.value("path") is not None)
    if not sources:
        raise ValueError("no file: a fence needs path=")
    strange = [fence.language for fence in blocks if fence.value("path") is None and fence.language not in _FENCES]
    if strange:
        raise ValueError(f"a fence `{strange[0]}` is no file and nothing else that is known")
    return Case(
        page=page,
        title=_VERSION.sub("", title),
        line=line,
        sources=sources,
        options=_options(blocks),
        version=_known_version(version["version"]) if version else None,
        expected=expected[0].content,
        expected_line=line + expected[0].line,
        kind=expected[0].language,
        xfail=xfail["reason"] if xfail else None,
    )


_FENCES = frozenset({"findings", "settings", "options"})


def _source(fence: Fence) -> Source:
    content = fence.content
    if "unterminated" in fence.words:
        content = content.removesuffix("\n")
    if "crlf" in fence.words:
        content = content.replace("\n", "\r\n")
    if "bom" in fence.words:
        content = f"\ufeff{content}"
    return Source(fence.value("path") or "", content)


def _options(blocks: Sequence[Fence]) -> Options:
    content = next((fence.content for fence in blocks if fence.language == "options"), None)
    return Options() if content is None else parse(Source(".k3s-policy.yaml", content).text)


def _known_version(text: str) -> Version:
    version = Version.parse(text)
    if version is None:
        raise ValueError(f"{text} is no K3s version")
    return version


def difference(expected: Sequence[str], actual: Sequence[str]) -> str:
    """Return how two lists of lines differ, marked with - and +; empty where they are the same."""
    if expected == actual:
        return ""
    return "\n".join(line.rstrip("\n") for line in ndiff(expected, actual) if line[0] != "?")


# --- settings ---------------------------------------------------------------------------------------


def actual_settings(case: Case) -> list[str]:
    """Read and assemble the files of a case; return what is to be judged, one line each."""
    return settings_of([fragment for source in case.sources for fragment in door.read(door.of_source(source))], case)


def settings_of(fragments: Sequence[Fragment], case: Case) -> list[str]:
    """Assemble what was read of the files of a case; return what is to be judged, one line each."""
    assembly = assemble(fragments, Scope(case.options, case.version))
    lines = [line for subject in assembly.subjects for line in _subject_lines(subject)]
    for node in assembly.nodes:
        lines.extend(f"called {address} {node.name}  ({_place(address)})" for address in node.addresses)
    lines.extend(f"note {note}" for note in assembly.notes)
    lines.extend(f"not judged {path}" for path in assembly.not_judged)
    return lines


def _subject_lines(subject: Judged) -> Iterator[str]:
    """Show a subject; clusters are for the cases of the rules that judge them."""
    if isinstance(subject, Invocation):
        yield from _invocation_lines(subject)
    elif isinstance(subject, Credential):
        yield f"credential {subject.what} {_assigned(subject.value)}  ({_word(subject.form.name)} {_place(subject.at)})"
    elif isinstance(subject, ClusterSecret):
        yield f"secret {subject.what}  ({_place(subject.at)})"
    elif isinstance(subject, FileMode):
        yield f"mode {subject.mode} of {subject.path}  ({_place(subject.mode)})"
    elif isinstance(subject, Registries):
        yield from _registries_lines(subject)
    elif isinstance(subject, Chart):
        yield from _chart_lines(subject)
    elif isinstance(subject, Upgrade):
        release = subject.version if subject.version is not None else subject.channel
        yield f"upgrade {subject.at} {_assigned(release) if release is not None else 'nowhere'}  ({_place(subject.at)})"
    elif isinstance(subject, BrokenFile):
        yield f"broken {_place(subject.at)} {subject.reader}: {subject.reason}"


def _chart_lines(chart: Chart) -> Iterator[str]:
    yield f"chart {chart.at}  ({_place(chart.at)})"
    for name in ("chart", "repository", "version", "unverified", "plain", "spread"):
        text = getattr(chart, name)
        if text is not None:
            yield f"  {name} {_assigned(text)}  ({_place(text)})"
    if chart.packed:
        yield "  packed"


def _invocation_lines(invocation: Invocation) -> Iterator[str]:
    kind = {Server: "server", Agent: "agent"}.get(type(invocation), "k3s")
    version = f" {invocation.version}" if invocation.version else ""
    yield f"{kind}{version} of {', '.join(invocation.files)}"
    for setting in invocation.settings:
        yield f"  {setting.flag.name} {_assigned(setting.value)}  {_origin(setting, setting.value)}"
    for option in invocation.unrecognised:
        value = "" if option.value is None else f" {_assigned(option.value)}"
        yield f"  unknown {option.name}{value}  {_origin(option, option.value)}"
    for unseen in invocation.unseen:
        place = f"  ({_place(unseen.at)})" if unseen.at is not None else ""
        yield f"  unseen {unseen.kind.value}: {unseen.reason}{place}"


def _registries_lines(registries: Registries) -> Iterator[str]:
    yield f"registries of {registries.path}{' and more' if registries.is_open else ''}"
    for mirror in registries.mirrors:
        yield f"  mirror {_assigned(mirror.name)}  ({_place(mirror.name)})"
        for endpoint in mirror.endpoints:
            yield f"    endpoint {_assigned(endpoint)}  ({_place(endpoint)})"
    for config in registries.configs:
        yield f"  config {_assigned(config.name)}  ({_place(config.name)})"
        for given in (*config.auth, *config.tls):
            yield f"    {given.key} {_assigned(given.value)}  ({_place(given.key)})"
    for unknown in registries.unknown:
        yield f"  unknown {unknown.key}  ({unknown.place or 'top'} {_place(unknown.key)})"
    for repeated in registries.repeated:
        yield f"  repeated {repeated.key}{', lost' if repeated.lost else ''}  ({_place(repeated.key)})"


def _assigned(value: Text) -> str:
    """Show a value; `~` says that these characters are not the value yet, but a variable or template."""
    return f"{'=' if value.known else '~'} {value}".replace("\n", "\\n")


def _origin(setting: Setting | Unrecognised, value: Text | None) -> str:
    words = [setting.origin.value]
    if setting.form.name.lower() != setting.origin.value:
        words.append(_word(setting.form.name))
    words.append(_place(setting.at))
    if value is not None and _line(value) != _line(setting.at):
        words.append(f"from {_place(value)}")
    words.extend(_arms(setting.when, setting.at))
    return f"({' '.join(words)})"


def _arms(when: When, at: Text) -> Iterator[str]:
    for branch in when:
        yield f"arm {branch.arm} of line {at.span.source.position(branch.fork)[0]}"


def _word(name: str) -> str:
    return name.lower().replace("_", "-")


def _place(text: Text) -> str:
    span = text.span
    return f"{span.source.path}:{span.line}:{span.column}"


def _line(text: Text) -> tuple[str, int]:
    return text.span.source.path, text.span.line
