"""From the paths of the command line to the files worth reading.

In a git work tree git says which files there are; elsewhere, or where git refuses, the folders are walked.
What is left after that goes by two sieves before anything is parsed: names that no reader has a use for
(documentation, programs, media) are never opened, and content without a word of K3s's is dropped as bytes.

A file that the user names passes both. No program that a repository configures is ever run, no link is
followed out of the tree, and neither the working folder nor the locale changes the result.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from k3s_policy.finding import ScanError
from k3s_policy.text import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "HOOK_FILES",
    "UNREAD_NAMES",
    "UNREAD_SUFFIXES",
    "Candidate",
    "Discovery",
    "decode",
    "discover",
    "may_be_read",
    "needles",
    "neighbours",
    "read",
    "top_of",
    "worth_reading",
]


class Candidate(NamedTuple):
    """A file to open, unless its content says that it is none of K3s's."""

    path: str
    """As reports show it: relative to the top, with `/` between its parts, printable."""
    file: str
    """Absolute, to open it by."""
    named: bool = False
    """Whether the user named this very file: it is read whatever it is called and holds."""
    promising: bool = False
    """Whether its path alone makes it worth reading."""


@dataclass(frozen=True)
class Discovery:
    """What there is to read below the paths of a scan."""

    top: str
    """Absolute folder that report paths are relative to: the git top level, else the scanned folder."""
    candidates: tuple[Candidate, ...]
    """In the order of their paths."""
    seen: int
    """How many files there are, with those whose names rule them out."""
    problems: tuple[ScanError, ...] = ()
    notes: tuple[str, ...] = ()


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Which files no reader has a use for. Everything else may hold K3s configuration, as people keep it under any
# name (`docker-compose.yml-org`, `conf.d/k3s`, `user-data`), so the tables say what is left out.

_DOCUMENTS = _words(
    "adoc asc asciidoc bib csv htm html ipynb log markdown md mdown mdx org pdf po pot rst tex textile tsv xhtml xml"
    " doc docx odp ods odt ppt pptx rtf xls xlsx"
)
_PROGRAMS = _words(
    "asm awk bat c cc cjs clj cljs cmake cmd cpp cs css cu cxx d dart el elm erl ex exs f90 fs gd go gradle groovy h"
    " hpp hs hxx java jl js jsx kt kts less lisp lua m mjs ml mm mod mts nim pas php pl pm proto ps1 psm1 py pyi r rb"
    " rs sass scala scss sol sql styl svelte swift ts tsx v vb vhd vue zig"
)
_MEDIA = _words(
    "ai avi avif bmp drawio eot eps flac gif gz heic ico jpeg jpg m4a mkv mov mp3 mp4 mpeg ogg otf png ps psd puml svg"
    " tif tiff ttf wav webm webp woff woff2"
)
_ARCHIVES_AND_BUILDS = _words(
    "7z a bin bz2 class crt cer db deb der dll dylib exe gpg img iso jar jks ko lz4 map o p12 parquet pem pfx pub pyc"
    " pyd qcow2 rar rpm so sqlite sqlite3 tar tgz txz vmdk war wasm whl xz zip zst"
)
_GENERATED = _words("diff lock patch sum timer")

UNREAD_SUFFIXES = _DOCUMENTS | _PROGRAMS | _MEDIA | _ARCHIVES_AND_BUILDS | _GENERATED
"""Ends of names, without the dot and in lower case, that are never read unless the user names the file."""

UNREAD_NAMES = frozenset({".terraform.lock.hcl", "npm-shrinkwrap.json", "package-lock.json", "pnpm-lock.yaml"})
"""Names of generated files whose ends would not tell."""

HOOK_FILES = (
    r"(?is)^(?!(?:.*/)?(?:"
    + "|".join(re.escape(name) for name in sorted(UNREAD_NAMES))
    + r")\Z)(?!.*\.(?:"
    + "|".join(sorted(UNREAD_SUFFIXES))
    + r")\Z)"
)
"""The `files:` of our pre-commit hooks: every path that may be read. Broad, since content decides too."""

_SKIPPED = frozenset({".git", ".hg", ".svn", ".terraform", ".tox", ".venv", "__pycache__", "node_modules"})
"""What a walk passes over: nobody keeps configuration there, and git would hardly list it either."""

_REGISTRIES = frozenset({"registries.yaml", "registries.yml"})
_CONFIGS = frozenset({"config.yaml", "config.yml"})

_LARGEST = 1 << 20
"""Bytes. Larger files are dumps and bundles, not configuration that someone keeps."""

_WORDS = (b"k3s", b"K3S", b"rancher", b"k3d.io", b"k3os", b"KThrees", b"\nmirrors:")
"""What tells K3s's files apart, besides its hyphenated flags. The last are k3d, k3OS and Cluster API's kinds."""

# Each pattern begins with a literal, so that the search runs at the speed of memchr, and takes any hyphenated
# word, which a set then knows or not. For 10,000 manifests of 16 MB that is 0.03 s, where `needle in data` for
# each of 114 names in both forms takes 1.3 s, and 0.6 s if only their first parts are looked for.
_KEY = re.compile(rb"\n[ \t\"'{]*+([a-z0-9]++-[a-z0-9-]++)")
_OPTION = re.compile(rb"--([a-z0-9]++-[a-z0-9-]++)")
_HYPHENATED = re.compile(rb"[a-z0-9]+-[a-z0-9-]+")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")


def may_be_read(path: str) -> bool:
    """Whether a file of this name can hold K3s configuration at all."""
    name = path[path.rfind("/") + 1 :].lower()
    _, dot, suffix = name.rpartition(".")
    return not (dot and suffix in UNREAD_SUFFIXES) and name not in UNREAD_NAMES


def needles(names: Iterable[str]) -> frozenset[bytes]:
    """Return what to look for in the content of files, given the names of all flags.

    Only hyphenated names tell K3s apart: `token` or `server` can be anyone's.
    """
    hyphenated = frozenset(name.encode() for name in names if "-" in name)
    for name in hyphenated:
        if not _HYPHENATED.fullmatch(name):
            raise ValueError(f"the search for flags does not find one that is spelled {name.decode()!r}")
    return hyphenated


def worth_reading(path: str, data: bytes, flags: frozenset[bytes]) -> bool:
    """Whether a file can be one of K3s's, by its path or by its bytes; `flags` come from `needles`."""
    return may_be_read(path) and (_promising(path) or _tells(data, flags))


def _promising(path: str) -> bool:
    lower = path.lower()
    return "k3s" in lower or "rancher" in lower or _telling_name(lower[lower.rfind("/") + 1 :])


def _telling_name(name: str) -> bool:
    return name in _REGISTRIES or name.startswith("docker-compose")


def _tells(data: bytes, flags: frozenset[bytes]) -> bool:
    if data[:2] in _UTF_16:
        data = data.decode(_UTF_16[data[:2]], "replace").encode("utf-8", "replace")[len(_BYTE_ORDER_MARK) :]
    lines = b"\n" + data.removeprefix(_BYTE_ORDER_MARK)
    return (
        any(word in lines for word in _WORDS)
        or not flags.isdisjoint(_OPTION.findall(lines))
        or not flags.isdisjoint(_KEY.findall(lines))
    )


def read(candidate: Candidate, flags: frozenset[bytes]) -> Source | ScanError | None:
    """Read a file; None when it is binary or, unless named by the user, none of K3s's."""
    try:
        data = _content(candidate)
    except OSError as error:
        # Editors and builds make files come and go between the listing and now.
        gone = error.errno in _ABSENT and not candidate.named
        return None if gone else ScanError(_failure(error), candidate.path)
    if not (candidate.named or candidate.promising or _tells(data, flags)):
        return None
    content = decode(data)
    return None if content is None else Source(candidate.path, content)


_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_OPENING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NOT_FOLLOWING = _OPENING | getattr(os, "O_NOFOLLOW", 0)
_PIECE = 1 << 16


def _content(candidate: Candidate) -> bytes:
    # Through os, which takes half the time of open(). Threads would make it slower, as the time goes into
    # Python itself. Should a link or a pipe have taken the file's place since it was listed, the flags make
    # that an error or an empty file, not a wait without end.
    descriptor = os.open(candidate.file, _OPENING if candidate.named else _NOT_FOLLOWING)
    try:
        data = piece = os.read(descriptor, _PIECE)
        if len(piece) == _PIECE:
            pieces = [piece]
            while piece := os.read(descriptor, _LARGEST):
                pieces.append(piece)
            data = b"".join(pieces)
        return data
    finally:
        os.close(descriptor)


def decode(data: bytes) -> str | None:
    r"""Return the text of a file, None when it is binary.

    UTF-8, or UTF-16 when a byte-order mark says so; the mark stays, as `\ufeff`. Each byte that is not
    UTF-8 becomes one U+FFFD, so that the rest of a Latin-1 file can be judged, with the columns an editor
    shows; K3s refuses such a YAML file, and a reader can tell by that character.
    """
    encoding = _UTF_16.get(data[:2])
    if encoding:
        text = data.decode(encoding, "replace")
        return None if "\0" in text else text
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        # errors="replace" would make one character of several bytes that begin a sequence.
        return _NOT_UTF_8.sub("\ufffd", data.decode(errors="surrogateescape"))


def discover(
    paths: Sequence[str], *, tracked: bool = False, files_only: bool = False, directory: str | None = None
) -> Discovery:
    """Find what is to be read below some paths.

    `tracked` leaves out what git does not track. With `files_only` every path has to be a file. Relative
    paths start at `directory`, the working folder unless given.
    """
    start = os.path.realpath(directory or os.getcwd())
    arguments = [_argument(path, start) for path in paths]
    search = _Search(_top(arguments, start), start, tracked=tracked)
    for argument in arguments:
        if argument.problem:
            search.problem(argument.problem, argument.file)
        elif not argument.folder:
            search.name(argument.file)
        elif files_only:
            search.problem("is a folder, and only files are read", argument.file)
        else:
            search.enter(argument.file)
    return search.result()


def neighbours(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the files that are read together with files the user named: a config's or a unit's drop-ins.

    For a drop-in these are its main file and the other drop-ins. Candidates themselves are left out.
    """
    listed = {candidate.file for candidate in candidates}
    found = {}
    for candidate in candidates:
        if candidate.named:
            for name in _neighbour_names(candidate.file):
                file = os.path.normpath(os.path.join(os.path.dirname(candidate.file), name))
                path = os.path.normpath(os.path.join(os.path.dirname(candidate.path), name)).replace(os.sep, "/")
                if file not in listed and os.path.isfile(file) and not os.path.islink(file):
                    found[file] = Candidate(path, file, promising=True)
    return tuple(sorted(found.values()))


_WITH_DROP_INS = (".yaml", ".yml", ".service")


def _neighbour_names(file: str) -> Iterator[str]:
    """Yield the names of a file's main file and drop-ins, relative to its folder."""
    folder, base = os.path.split(file)
    if base.lower().endswith(_WITH_DROP_INS) and os.path.isdir(f"{file}.d"):
        yield from (f"{base}.d/{name}" for name in os.listdir(f"{file}.d"))
    main = os.path.basename(folder)[: -len(".d")]
    if folder.endswith(".d") and main.lower().endswith(_WITH_DROP_INS):
        yield f"../{main}"
        yield from os.listdir(folder)


def top_of(paths: Sequence[str], directory: str | None = None) -> str:
    """Return the folder that the paths of a scan's report are relative to."""
    start = os.path.realpath(directory or os.getcwd())
    return _top([_argument(path, start) for path in paths], start)


class _Argument(NamedTuple):
    """A path of the command line: absolute, free of links but for the file's own, and what it is."""

    file: str
    folder: bool = False
    problem: str = ""


def _argument(path: str, start: str) -> _Argument:
    absolute = os.path.join(start, path)
    parent, name = os.path.split(absolute)
    file = os.path.join(os.path.realpath(parent), name)
    try:
        mode = os.stat(absolute).st_mode
    except OSError as error:
        return _Argument(file, problem=_failure(error))
    if not path:
        # Joined to the start it would be the whole folder, which an unset variable in a script does not mean.
        return _Argument(file, problem="is an empty path")
    if stat.S_ISDIR(mode):
        return _Argument(os.path.realpath(absolute), folder=True)
    # A pipe or a device would be waited for, perhaps for ever.
    return _Argument(file, problem="" if stat.S_ISREG(mode) else "is not a regular file")


def _failure(error: OSError) -> str:
    if error.errno in _ABSENT:
        return "does not exist"
    return f"cannot be read: {error.strerror or 'unknown error'}"


def _top(arguments: list[_Argument], start: str) -> str:
    """Return the folder that report paths are relative to."""
    folders = [argument.file if argument.folder else os.path.dirname(argument.file) for argument in arguments]
    for folder in folders:
        tree = _work_tree(folder)
        if tree:
            return tree
    scanned = [argument.file for argument in arguments if argument.folder] or [start, *folders]
    top = os.path.commonpath(scanned)
    # K3s's own folder is known by its path, so the path has to keep it when the scan starts inside.
    root, found, _ = f"{top}/".partition("/etc/rancher/")
    return (root or "/") if found else top


def _work_tree(folder: str) -> str | None:
    """Return the top level of the git work tree that a folder lies in, without starting git."""
    while True:
        if _holds_repository(folder):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _holds_repository(folder: str) -> bool:
    mark = os.path.join(folder, ".git")
    # It is a file in worktrees and submodules. Git takes no folder of that name without a HEAD either.
    return os.path.lexists(os.path.join(mark, "HEAD")) or os.path.isfile(mark)


# What a host would read as its K3s configuration: that it is a link, and so not read here, has to be said.
_CONFIG_LINK = re.compile(r"rancher/k3s/[^/]*\.ya?ml(?:\.d/[^/]*)?$")


class _Search:
    """Collects what the paths of a scan lead to."""

    def __init__(self, top: str, start: str, *, tracked: bool) -> None:
        self._top = top
        self._prefix = os.path.join(top, "")
        self._start = start
        self._tracked = tracked
        self._named: set[str] = set()
        self._sizes: dict[str, int] = {}
        self._nested: set[str] = set()
        self._links: set[str] = set()
        self._problems: dict[ScanError, None] = {}
        self._notes: dict[str, None] = {}

    def problem(self, message: str, file: str) -> None:
        """Note what keeps a path from being judged."""
        self._problems[ScanError(message, self._shown(file))] = None

    def name(self, file: str) -> None:
        """Take a file that the user named."""
        self._named.add(file)
        self._sizes[file] = 0

    def enter(self, folder: str) -> None:
        """Take what lies below a folder."""
        tree = _work_tree(folder)
        if not tree:
            self._walk(folder, within_tree=False)
            return
        # The variables that git hands to a hook are about the repository it runs in, and no other.
        index = os.environ.get("GIT_INDEX_FILE") if _work_tree(self._start) == tree else None
        try:
            names = _git_listing(tree, os.path.relpath(folder, tree), tracked=self._tracked, index=index)
        except _GitRefusedError as refusal:
            self._notes[f"git does not list the files ({refusal}): all are read, those that it ignores too"] = None
            self._walk(folder, within_tree=True)
            return
        prefix = os.path.join(tree, "")
        real = {"": True}
        for name in names:
            if _really_inside(prefix, name.rpartition("/")[0], real):
                self._look(prefix + name)

    def _look(self, file: str) -> None:
        """Take a file of a listing, unless it is gone, a link or something else that is not read."""
        try:
            status = os.lstat(file)
        except OSError as error:
            if error.errno not in _ABSENT:
                self.problem(_failure(error), file)
            return
        if stat.S_ISREG(status.st_mode):
            self._sizes.setdefault(file, status.st_size)
        elif stat.S_ISLNK(status.st_mode) and _CONFIG_LINK.search(file):
            self._links.add(file)
        elif stat.S_ISDIR(status.st_mode) and _holds_repository(file):
            self._nested.add(file.rstrip("/"))

    def _walk(self, folder: str, *, within_tree: bool) -> None:
        """Look at every file below a folder; within a work tree, repositories inside it are not entered."""
        folders = [folder]
        while folders:
            entered = folders.pop()
            try:
                with os.scandir(entered) as listing:
                    entries = list(listing)
            except OSError as error:
                self.problem(f"cannot be listed: {error.strerror or 'unknown error'}", entered)
                continue
            for entry in entries:
                if entry.name in _SKIPPED:
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    self._look(entry.path)
                elif within_tree and _holds_repository(entry.path):
                    self._nested.add(entry.path)
                else:
                    folders.append(entry.path)

    def _shown(self, file: str) -> str:
        """Return the path of a file as reports show it: printable, and the same in any locale."""
        path = file[len(self._prefix) :] if file.startswith(self._prefix) else os.path.relpath(file, self._top)
        if os.sep != "/":
            path = path.replace(os.sep, "/")
        return path if path.isascii() else os.fsencode(path).decode(errors="backslashreplace")

    def result(self) -> Discovery:
        """Return what was found, in an order that depends on nothing but the paths."""
        shown = {file: self._shown(file) for file in self._sizes}
        neighbours = _folders_of_k3s(shown.values())
        candidates = []
        large = 0
        for file, path in shown.items():
            named = file in self._named
            if not named and not may_be_read(path):
                continue
            promising = _promising(path) or _config_folder(path) in neighbours
            if named or self._sizes[file] <= _LARGEST:
                candidates.append(Candidate(path, file, named, promising))
            elif promising:
                large += 1
        candidates.sort()
        return Discovery(
            self._top,
            tuple(candidates),
            seen=len(shown),
            problems=tuple(sorted(self._problems, key=lambda problem: (problem.path or "", problem.message))),
            notes=tuple(self._all_notes(large)),
        )

    def _all_notes(self, large: int) -> Iterator[str]:
        yield from self._notes
        if self._nested:
            nested = ", ".join(sorted(self._shown(folder) for folder in self._nested))
            yield f"left out, being repositories of their own: {nested}"
        if self._links:
            links = ", ".join(sorted(self._shown(link) for link in self._links))
            yield f"left out, being links, whose targets are read where they lie: {links}"
        if large:
            yield f"left out, being larger than 1 MiB: {large} file{'s' if large > 1 else ''} with a name of K3s's"


def _folders_of_k3s(paths: Iterable[str]) -> set[str]:
    """Return the folders of files whose very names are K3s's, so that a config.yaml beside them is too."""
    folders = set()
    for path in paths:
        folder, _, name = path.lower().rpartition("/")
        if ("k3s" in name or name in _REGISTRIES) and may_be_read(name):
            folders.add(folder)
    return folders


def _config_folder(path: str) -> str | None:
    """Return where a file lies that is called as K3s calls its config and drop-ins, None for other files."""
    folder, _, name = path.lower().rpartition("/")
    if name in _CONFIGS:
        return folder
    above, _, below = folder.rpartition("/")
    return above if below == "config.yaml.d" and name.endswith((".yaml", ".yml")) else None


class _GitRefusedError(Exception):
    """Git is missing or will not list a work tree; says why, without absolute paths."""


# A repository's own configuration may name programs for git to run: a file system monitor at any listing, and a
# transport when a partial clone lacks the ignore file that a listing asks for. Neither may be run by a scan.
_GIT_OPTIONS = (
    *("--no-pager", "--no-optional-locks", "--literal-pathspecs"),
    *("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "safe.bareRepository=explicit"),
)
_GIT_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_ABOUT_ONE_REPOSITORY = frozenset(
    {
        *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_NAMESPACE"),
        *("GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE"),
        *("GIT_GLOB_PATHSPECS", "GIT_ICASE_PATHSPECS", "GIT_NOGLOB_PATHSPECS"),
    }
)


def _git_listing(tree: str, below: str, *, tracked: bool, index: str | None) -> list[str]:
    """Return what git lists in a work tree, relative to its top level."""
    import subprocess  # noqa: PLC0415 - a scan of single files starts nothing, and this takes 8 ms

    program = _git_program()
    if not program:
        raise _GitRefusedError("it is not installed")
    environment = {name: value for name, value in os.environ.items() if name not in _ABOUT_ONE_REPOSITORY}
    environment |= _GIT_ENVIRONMENT
    if index:
        environment["GIT_INDEX_FILE"] = index
    which = ("--cached",) if tracked else ("--cached", "--others", "--exclude-standard")
    command = (program, *_GIT_OPTIONS, "ls-files", "-z", *which, "--", below)
    listing = subprocess.run(  # noqa: S603 - git's absolute path and our own words; the folder stands behind "--"
        command, cwd=tree, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if listing.returncode:
        dubious = b"dubious ownership" in listing.stderr
        raise _GitRefusedError("dubious ownership" if dubious else f"exit code {listing.returncode}")
    return [os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]


def _git_program() -> str | None:
    """Return where git lies, which is never a folder relative to the one being scanned."""
    name = "git.exe" if os.name == "nt" else "git"
    for folder in os.get_exec_path():
        program = os.path.join(folder, name)
        if os.path.isabs(program) and os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    return None


def _really_inside(prefix: str, folder: str, known: dict[str, bool]) -> bool:
    """Whether no part of a folder's path is a link, which may have taken the place of a folder that git knows."""
    inside = known.get(folder)
    if inside is None:
        inside = _really_inside(prefix, folder.rpartition("/")[0], known) and not os.path.islink(prefix + folder)
        known[folder] = inside
    return inside
