"""The command line: arguments in, exit code out.

Exit codes, the same in every format: 0 nothing found at or over `--fail-on`, 1 findings, 2 wrong usage, a file
that cannot be read, or an internal error. 2 outranks 1. A process that is interrupted or loses the reader of its
output ends with 128 and the signal's number, as programs do that the signal ends.
"""

from __future__ import annotations

import argparse
import errno
import gc
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn

from k3s_policy.model.finding import PROFILES, CheckFailedError, Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from k3s_policy.k3s.version import Version
    from k3s_policy.model.finding import Report, RuleCard, ScanError
    from k3s_policy.run import Request

__all__ = ["main", "run"]

_INTERRUPTED = 128 + 2
_READER_GONE = 128 + 13

FORMATS = ("text", "json", "sarif")
LEVELS = ("low", "medium", "high")


class UsageError(Exception):
    """The arguments cannot be used; the message says why."""


class OutputError(OSError):
    """Standard output takes nothing."""


def run() -> NoReturn:
    """Run the command as installed: the arguments of the process, its exit code."""
    # What a scan makes it keeps to its end, so that looking for garbage is mostly in vain.
    gc.set_threshold(100_000)
    # A stream that the caller closed is None.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  for as long as the process lives
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  likewise
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except OSError as error:
        # Should the reader of our output have gone (`| head`), that is no error of ours.
        gone = error.errno == errno.EPIPE
        code = _READER_GONE if gone else 2
        if not gone:
            _complain(f"error: cannot write the report: {error.strerror}")
    with suppress(OSError):
        sys.stderr.flush()
    # All is written and closed. That Python takes modules and objects apart as it ends would be more than a tenth of
    # the time of a hook on one small file. What a broken pipe left in a buffer stays there.
    os._exit(code)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments ask for and return the exit code. Raises OutputError where that cannot be shown."""
    try:
        options = _parser(arguments).parse_args(arguments)
        action: Callable[[argparse.Namespace], int] = options.action
        return action(options)
    except SystemExit as end:
        return int(end.code or 0)
    except UsageError as error:
        _complain(f"error: {error}")
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001  a traceback could show what a file holds
        reason = str(error) if isinstance(error, CheckFailedError) else type(error).__name__
        _complain(f"internal error: {reason}")
    return 2


def _complain(message: str) -> None:
    sys.stderr.write(f"k3s-policy: {message}\n")


class _Help(argparse.HelpFormatter):
    """Help of one width: to ask a terminal for its own, argparse imports what a scan does without."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class _Parser(argparse.ArgumentParser):
    """Takes options in full only, so that a later one cannot give an old abbreviation a second meaning."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  whatever argparse passes on to a command's parser
        super().__init__(allow_abbrev=False, formatter_class=_Help, **settings)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return what reads the arguments; of the commands it knows the one they begin with, or all."""
    parser = _Parser(
        prog="k3s-policy", description="Find mistakes in K3s configuration kept in Git, at their exact characters."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (purpose, add) in _COMMANDS.items():
        if name in arguments[:1] or not _COMMANDS.keys() & arguments[:1]:
            add(commands.add_parser(name, help=purpose))
    return parser


def _add_scan(scan: argparse.ArgumentParser) -> None:
    scan.set_defaults(action=_scan)
    add = scan.add_argument
    add("paths", nargs="*", default=["."], metavar="PATH", help="file, folder, or - for standard input")
    add("--tracked", action="store_true", help="leave out files that git does not track")
    add("--files-only", action="store_true", help="judge only the files named, without the rest of the repository")
    add("--list-files", action="store_true", help="show which files would be judged, and exit")
    add("--stdin-filename", metavar="PATH", help="what to call standard input; its name decides how it is read")
    add = scan.add_argument_group("output").add_argument
    add("--format", choices=FORMATS, default="text", help="format on standard output (default: text)")
    several = "write a report to a file; may be repeated"
    add("--output", action="append", default=[], metavar="[FORMAT:]FILE", help=several)
    add("--color", choices=("auto", "always", "never"), default="auto", help="color the text (default: auto)")
    add("--no-progress", action="store_true", help="show no progress on a terminal")
    add = scan.add_argument_group("judging").add_argument
    add("--select", action="append", metavar="RULE[,RULE]", help="judge by these rules only")
    add("--ignore", action="append", metavar="RULE[,RULE]", help="leave these rules out")
    add("--profile", choices=PROFILES, help=f"which rules judge if none are selected (default: {PROFILES[0]})")
    add("--k3s-version", metavar="VERSION", help=_RELEASE)
    add("--min-confidence", choices=LEVELS, default="low", help="leave out less certain findings")
    rules = "search all files by these Semgrep rules too; may be repeated"
    add("--semgrep-rules", action="append", default=[], metavar="DIR", help=rules)
    add = scan.add_argument_group("exit code").add_argument
    add("--require-semgrep", action="store_true", help="exit 2 where Semgrep is not installed and files need it")
    add("--fail-on", choices=LEVELS, default="low", help="lowest severity that makes the exit code 1 (default: low)")
    add("--exit-zero", action="store_true", help="exit 0 whatever is found; errors still exit 2")


def _add_show(show: argparse.ArgumentParser) -> None:
    show.set_defaults(action=_show)
    add = show.add_argument
    add("paths", nargs="*", default=["."], metavar="PATH", help="file, folder, or - for standard input")
    add("--format", choices=("text", "json"), default="text", help="format on standard output (default: text)")
    add("--tracked", action="store_true", help="leave out files that git does not track")
    add("--stdin-filename", metavar="PATH", help="what to call standard input; its name decides how it is read")
    add("--k3s-version", metavar="VERSION", help=_RELEASE)


def _add_explain(explain: argparse.ArgumentParser) -> None:
    explain.set_defaults(action=_explain)
    explain.add_argument("rule", metavar="RULE", help="the rule's name, for instance plaintext-credential")


def _add_rules(rules: argparse.ArgumentParser) -> None:
    rules.set_defaults(action=_rules)
    rules.add_argument("--format", choices=("text", "json"), default="text", help="how to list them (default: text)")


_COMMANDS = {
    "scan": ("scan files and folders", _add_scan),
    "show": ("show what the configuration becomes: nodes and their settings", _add_show),
    "explain": ("show the documentation of a rule", _add_explain),
    "rules": ("list the rules", _add_rules),
}
_RELEASE = "the K3s release that runs, for instance v1.33.4+k3s1 (default: the newest)"


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from k3s_policy.run import tool_version  # the pipeline is not needed to parse arguments

        sys.stdout.write(f"k3s-policy {tool_version()}\n")
        parser.exit()


# --- scan -----------------------------------------------------------------------------------------------


def _scan(options: argparse.Namespace) -> int:
    from k3s_policy.run import scan  # loaded when there is something to scan

    outputs = [_output(value) for value in options.output]
    request = _request(options)
    if options.list_files:
        return _list_files(request, options)
    meter = _Meter() if _shows_progress(options) else None
    try:
        report = scan(request, meter.show if meter else None)
    finally:
        if meter:
            meter.clear()
    for form, path in outputs:
        _write(path, _rendered(form, report, options, color=False))
    _print(_rendered(options.format, report, options, color=_colored(options.color)), options.format)
    if not report.files_read and not report.errors:
        _complain("nothing to scan: no K3s configuration found")
    if options.format != "text":
        _complain_of(report.errors)
    if report.errors:
        return 2
    worst = max((finding.severity for finding in report.findings), default=0)
    return int(worst >= Severity[options.fail_on.upper()] and not options.exit_zero)


def _list_files(request: Request, options: argparse.Namespace) -> int:
    from k3s_policy.reports.frame import visible  # rarely asked for
    from k3s_policy.run import sources  # likewise

    paths, errors = sources(request)
    shown = _shown(options)
    _print("".join(f"{visible(shown(path))}\n" for path in paths))
    _complain_of(errors)
    return 2 if errors else 0


def _complain_of(errors: Iterable[ScanError]) -> None:
    from k3s_policy.reports.frame import visible  # only for errors

    for error in errors:
        place = ":".join(str(part) for part in (error.path, error.line, error.column) if part is not None)
        _complain(f"error: {visible(f'{place}: {error.message}' if place else error.message)}")


def _request(options: argparse.Namespace) -> Request:
    from k3s_policy.judge.rule import names  # with the pipeline
    from k3s_policy.run import Policy, Request  # with the pipeline

    every = names()
    selected = _chosen(options.select, every) or every
    ignored = _chosen(options.ignore, every)
    if options.select and not set(selected) - set(ignored):
        raise UsageError("no rule is left: everything that --select chooses is ignored")
    policy = Policy(
        rules=tuple(name for name in selected if name not in ignored),
        version=_k3s_version(options.k3s_version),
        minimal_confidence=Confidence[options.min_confidence.upper()],
        chosen=bool(options.select),
        profile=options.profile,
    )
    for path in options.semgrep_rules:
        if not os.path.exists(path):
            raise UsageError(f"--semgrep-rules {path} does not exist")
    return Request(
        paths=tuple(options.paths),
        tracked=options.tracked,
        files_only=options.files_only,
        standard_input=_standard_input(options),
        policy=policy,
        semgrep_rules=tuple(options.semgrep_rules),
        semgrep_required=options.require_semgrep or bool(options.semgrep_rules),
    )


def _chosen(values: list[str] | None, every: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(name.strip() for value in values or () for name in value.split(",") if name.strip())
    for name in chosen:
        if name not in every:
            raise UsageError(_unknown_rule(name, every))
    return tuple(name for name in every if name in chosen)


def _unknown_rule(name: str, every: Sequence[str]) -> str:
    from difflib import get_close_matches  # only for the error

    nearest = get_close_matches(name, every, 1, 0.5)
    advice = f"did you mean {nearest[0]}?" if nearest else "`k3s-policy rules` lists them"
    return f"there is no rule {name}: {advice}"


def _k3s_version(value: str | None) -> Version | None:
    if value is None:
        return None
    from k3s_policy.k3s.version import Version  # rarely given

    version = Version.parse(value)
    if version is None:
        raise UsageError(f"{value} is no K3s version: write it like v1.33.4+k3s1 or v1.33")
    return version


def _standard_input(options: argparse.Namespace) -> tuple[str, str] | None:
    if "-" not in options.paths:
        if options.stdin_filename:
            raise UsageError("--stdin-filename goes with the path -")
        return None
    if len(options.paths) > 1:
        raise UsageError("- stands alone: standard input is judged without other files")
    from k3s_policy.discover import decode  # with the pipeline

    content = decode(sys.stdin.buffer.read())
    if content is None:
        raise UsageError("standard input is binary, and only text can be judged")
    return options.stdin_filename or "etc/rancher/k3s/config.yaml", content


def _output(value: str) -> tuple[str, str]:
    """Split `sarif:report.sarif`; without a format the suffix decides."""
    form, colon, path = value.partition(":")
    if form in FORMATS and not path:
        raise UsageError(f"--output {value} names no file: write --output {form}:FILE, or --format {form}")
    if colon and form in FORMATS:
        return form, path
    if colon and form.isalpha() and len(form) > 1:
        raise UsageError(
            f"there is no format {form}: there are {', '.join(FORMATS)}; for a file of that name write ./{value}"
        )
    suffix = value.rpartition(".")[2].lower()
    return (suffix if suffix in FORMATS else "text"), value


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _rendered(form: str, report: Report, options: argparse.Namespace, *, color: bool) -> str:
    from k3s_policy.reports import render  # after the scan

    if form == "sarif":
        from dataclasses import replace  # only SARIF names the tool's version

        from k3s_policy.run import tool_version  # likewise

        report = replace(report, tool_version=tool_version())
    return render(form, report, color=color, shown=_shown(options) if form == "text" else str)


def _shown(options: argparse.Namespace) -> Callable[[str], str]:
    """Return how text shows a path: relative to the current folder."""
    from k3s_policy.discover import top_of  # loaded already

    if "-" in options.paths:
        return str
    top = top_of(options.paths)
    here = os.path.realpath(os.getcwd())
    if top == here:
        return str
    return lambda path: path if os.path.isabs(path) else os.path.relpath(os.path.join(top, path), here)


def _print(text: str, form: str = "text") -> None:
    """Write to standard output, whatever the encoding of the terminal: text that it cannot show is escaped."""
    if form != "text" and isinstance(sys.stdout, TextIOWrapper):
        # Programs expect UTF-8, also where the locale is another.
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except OSError as error:
        raise OutputError(error.errno, error.strerror) from None


def _colored(choice: str) -> bool:
    if choice != "auto":
        return choice == "always"
    told = os.environ.get
    if told("NO_COLOR") or told("CLICOLOR") == "0":
        return False
    if told("FORCE_COLOR", "0") not in ("", "0") or told("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return sys.stdout.isatty() and told("TERM") != "dumb"


def _shows_progress(options: argparse.Namespace) -> bool:
    return not options.no_progress and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class _Meter:
    """Shows on a terminal how far a scan is, once it takes long."""

    def __init__(self) -> None:
        from time import monotonic  # only on a terminal

        self._now = monotonic
        self._quiet_until = monotonic() + 1
        self._shown = False

    def show(self, number: int, total: int) -> None:
        if self._now() > self._quiet_until:
            sys.stderr.write(f"\r\x1b[K{number} of {total} files")
            sys.stderr.flush()
            self._shown = True

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


# --- show -----------------------------------------------------------------------------------------------


def _show(options: argparse.Namespace) -> int:
    from k3s_policy.run import Policy, Request, survey  # loaded when there is something to show
    from k3s_policy.show import overview  # likewise

    policy = Policy((), _k3s_version(options.k3s_version))
    request = Request(tuple(options.paths), options.tracked, standard_input=_standard_input(options), policy=policy)
    surveyed = survey(request)
    shown = overview(surveyed.assembly, surveyed.paths)
    if options.format == "json":
        from k3s_policy.show import json  # only for this format

        _print(json.render(shown), "json")
    else:
        from k3s_policy.k3s.flags import flags  # loaded already
        from k3s_policy.show import text  # only for this format

        _print(text.render(shown, shown=_shown(options), newest=flags().newest))
    if not shown.nodes and not surveyed.errors:
        _complain("nothing to show: no K3s configuration found")
    for note in surveyed.notes:
        _complain(f"note: {note}")
    _complain_of(surveyed.errors)
    return 2 if surveyed.errors else 0


# --- rules ----------------------------------------------------------------------------------------------


def _explain(options: argparse.Namespace) -> int:
    from k3s_policy.judge.rule import load, names  # loaded when asked

    if options.rule not in names():
        raise UsageError(_unknown_rule(options.rule, names()))
    card = load(options.rule).card
    see = "".join(f"\nSee {address}" for address in card.see)
    _print(f"{card.name} ({_rank(card)})\n\n{card.summary}.\n\n{card.documentation}{see}\n")
    return 0


def _rank(card: RuleCard) -> str:
    """Return the severity of a rule, and its profile where that is not the default one."""
    return card.severity.word + ("" if card.profile == PROFILES[0] else f", profile {card.profile}")


def _rules(options: argparse.Namespace) -> int:
    from k3s_policy.judge.rule import load, names  # loaded when asked

    cards = [load(name).card for name in names()]
    if options.format == "json":
        import json  # only for this format

        rows = [
            {
                "name": card.name,
                "summary": card.summary,
                "severity": card.severity.word,
                "profile": card.profile,
                "documentation": card.documentation,
                "see": list(card.see),
                "tags": list(card.tags),
            }
            for card in cards
        ]
        _print(json.dumps({"version": 1, "rules": rows}, indent=2, ensure_ascii=False) + "\n", "json")
        return 0
    width = max(len(card.name) for card in cards)
    rank = max(len(_rank(card)) for card in cards)
    _print("".join(f"{card.name:{width}}  {_rank(card):{rank}}  {card.summary}\n" for card in cards))
    return 0
