"""The command line: arguments in, exit code out.

Exit codes, the same in every format: 0 nothing found at or over `--fail-on`, 1 findings, 2 wrong usage, a file
that cannot be read, or an internal error. 2 outranks 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from k3s_policy.finding import Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from k3s_policy.finding import Report
    from k3s_policy.run import Request
    from k3s_policy.version import Version

__all__ = ["main", "run"]

FORMATS = ("text", "json", "sarif")
LEVELS = ("low", "medium", "high")


class UsageError(Exception):
    """The arguments cannot be used; the message says why."""


def run() -> NoReturn:
    """Run the command as installed: the arguments of the process, its exit code."""
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments ask for and return the exit code."""
    options = _parser().parse_args(arguments)
    action: Callable[[argparse.Namespace], int] = options.action
    try:
        return action(options)
    except UsageError as error:
        print(f"k3s-policy: error: {error}", file=sys.stderr)
    except Exception as error:  # noqa: BLE001  a traceback could show what a file holds
        reason = str(error) if type(error) is RuntimeError else type(error).__name__
        print(f"k3s-policy: internal error: {reason}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="k3s-policy", description="Find mistakes in K3s configuration kept in Git, at their exact characters."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_scan(commands)
    explain = commands.add_parser("explain", help="show the documentation of a rule")
    explain.add_argument("rule", metavar="RULE", help="the rule's name, for instance plaintext-credential")
    explain.set_defaults(action=_explain)
    rules = commands.add_parser("rules", help="list the rules")
    rules.add_argument("--format", choices=("text", "json"), default="text", help="how to list them (default: text)")
    rules.set_defaults(action=_rules)
    return parser


def _add_scan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    scan = commands.add_parser("scan", help="scan files and folders")
    scan.set_defaults(action=_scan)
    scan.add_argument("paths", nargs="*", default=["."], metavar="PATH", help="file, folder, or - for standard input")
    scan.add_argument("--tracked", action="store_true", help="leave out files that git does not track")
    scan.add_argument("--files-only", action="store_true", help="judge only the files named, without the rest of the repository")
    scan.add_argument("--list-files", action="store_true", help="show which files would be judged, and exit")
    scan.add_argument("--stdin-filename", metavar="PATH", help="what to call standard input; its name decides how it is read")
    output = scan.add_argument_group("output")
    output.add_argument("--format", choices=FORMATS, default="text", help="format on standard output (default: text)")
    output.add_argument(
        "--output", action="append", default=[], metavar="[FORMAT:]FILE", help="write a report to a file; may be repeated"
    )
    output.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="color the text (default: auto)")
    output.add_argument("--no-progress", action="store_true", help="show no progress on a terminal")
    judging = scan.add_argument_group("judging")
    judging.add_argument("--select", action="append", metavar="RULE[,RULE]", help="judge by these rules only")
    judging.add_argument("--ignore", action="append", metavar="RULE[,RULE]", help="leave these rules out")
    judging.add_argument(
        "--k3s-version", metavar="VERSION", help="the K3s release that runs, for instance v1.33.4+k3s1 (default: the newest)"
    )
    judging.add_argument("--min-confidence", choices=LEVELS, default="low", help="leave out less certain findings")
    code = scan.add_argument_group("exit code")
    code.add_argument("--fail-on", choices=LEVELS, default="low", help="lowest severity that makes the exit code 1 (default: low)")
    code.add_argument("--exit-zero", action="store_true", help="exit 0 whatever is found; errors still exit 2")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from k3s_policy.run import tool_version  # noqa: PLC0415  the pipeline is not needed to parse arguments

        print(f"k3s-policy {tool_version()}")
        parser.exit()


# --- scan -----------------------------------------------------------------------------------------------


def _scan(options: argparse.Namespace) -> int:
    from k3s_policy.run import scan, sources  # noqa: PLC0415  loaded when there is something to scan

    outputs = [_output(value) for value in options.output]
    request = _request(options)
    if options.list_files:
        for path in sources(request):
            print(path)
        return 0
    meter = _meter(options)
    report = scan(request, meter)
    if meter is not None:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    for form, path in outputs:
        try:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(_rendered(form, report, options, color=False))
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from None
    _print(_rendered(options.format, report, options, color=_colored(options.color)))
    if not report.files_read and not report.errors:
        print("k3s-policy: nothing to scan: no K3s configuration found", file=sys.stderr)
    if options.format != "text":
        for problem in report.errors:
            place = f"{problem.path}: " if problem.path else ""
            print(f"k3s-policy: error: {place}{problem.message}", file=sys.stderr)
    if report.errors:
        return 2
    worst = max((finding.severity for finding in report.findings), default=0)
    return int(worst >= Severity[options.fail_on.upper()] and not options.exit_zero)


def _request(options: argparse.Namespace) -> Request:
    from k3s_policy.rule import names  # noqa: PLC0415  with the pipeline
    from k3s_policy.run import Policy, Request  # noqa: PLC0415  with the pipeline

    every = names()
    selected = _chosen(options.select, every) or every
    ignored = _chosen(options.ignore, every)
    policy = Policy(
        rules=tuple(name for name in selected if name not in ignored),
        version=_k3s_version(options.k3s_version),
        minimal_confidence=Confidence[options.min_confidence.upper()],
    )
    return Request(tuple(options.paths), options.tracked, options.files_only, _standard_input(options), policy)


def _chosen(values: list[str] | None, every: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(name.strip() for value in values or () for name in value.split(",") if name.strip())
    for name in chosen:
        if name not in every:
            raise UsageError(_unknown_rule(name, every))
    return tuple(name for name in every if name in chosen)


def _unknown_rule(name: str, every: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only for the error

    nearest = get_close_matches(name, every, 1, 0.5)
    advice = f"did you mean {nearest[0]}?" if nearest else "`k3s-policy rules` lists them"
    return f"there is no rule {name}: {advice}"


def _k3s_version(value: str | None) -> Version | None:
    if value is None:
        return None
    from k3s_policy.version import Version  # noqa: PLC0415  rarely given

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
    from k3s_policy.discover import decode  # noqa: PLC0415  with the pipeline

    content = decode(sys.stdin.buffer.read())
    if content is None:
        raise UsageError("standard input is binary, and only text can be judged")
    return options.stdin_filename or "etc/rancher/k3s/config.yaml", content


def _output(value: str) -> tuple[str, str]:
    """Split `sarif:report.sarif`; without a format the suffix decides."""
    form, colon, path = value.partition(":")
    if colon and form in FORMATS:
        if not path:
            raise UsageError(f"--output {value} names no file")
        return form, path
    suffix = value.rpartition(".")[2].lower()
    return (suffix if suffix in FORMATS else "text"), value


def _rendered(form: str, report: Report, options: argparse.Namespace, *, color: bool) -> str:
    from k3s_policy.reports import render  # noqa: PLC0415  after the scan

    if form == "sarif":
        from dataclasses import replace  # noqa: PLC0415  only SARIF names the tool's version

        from k3s_policy.run import tool_version  # noqa: PLC0415  likewise

        report = replace(report, tool_version=tool_version())
    return render(form, report, color=color, shown=_shown(options) if form == "text" else str)


def _shown(options: argparse.Namespace) -> Callable[[str], str]:
    """Return how text shows a path: relative to the current folder."""
    from k3s_policy.discover import top_of  # noqa: PLC0415  loaded already

    if "-" in options.paths:
        return str
    top = top_of(options.paths)
    here = os.path.realpath(os.getcwd())
    if top == here:
        return str
    return lambda path: path if os.path.isabs(path) else os.path.relpath(os.path.join(top, path), here)


def _print(text: str) -> None:
    """Write text whatever the terminal's encoding: what it cannot show is escaped."""
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _colored(choice: str) -> bool:
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _meter(options: argparse.Namespace) -> Callable[[int, int], None] | None:
    """Return what shows progress on a terminal once a scan takes long, None where there is none to show it."""
    if options.no_progress or not sys.stderr.isatty() or options.list_files:
        return None
    from time import monotonic  # noqa: PLC0415  only on a terminal

    start = monotonic()

    def show(number: int, total: int) -> None:
        if monotonic() - start > 1:
            print(f"\r\x1b[K{number} of {total} files", end="", file=sys.stderr, flush=True)

    return show


# --- rules ----------------------------------------------------------------------------------------------


def _explain(options: argparse.Namespace) -> int:
    from k3s_policy.rule import load, names  # noqa: PLC0415  loaded when asked

    if options.rule not in names():
        raise UsageError(_unknown_rule(options.rule, names()))
    card = load(options.rule).card
    see = "".join(f"\nSee {address}" for address in card.see)
    _print(f"{card.name} ({card.severity.word})\n\n{card.summary}.\n\n{card.documentation}{see}\n")
    return 0


def _rules(options: argparse.Namespace) -> int:
    from k3s_policy.rule import load, names  # noqa: PLC0415  loaded when asked

    cards = [load(name).card for name in names()]
    if options.format == "json":
        import json  # noqa: PLC0415  only for this format

        rows = [
            {
                "name": card.name,
                "summary": card.summary,
                "severity": card.severity.word,
                "documentation": card.documentation,
                "see": list(card.see),
                "tags": list(card.tags),
            }
            for card in cards
        ]
        _print(json.dumps({"version": 1, "rules": rows}, indent=2, ensure_ascii=False) + "\n")
        return 0
    width = max(len(card.name) for card in cards)
    _print("".join(f"{card.name:{width}}  {card.severity.word:6}  {card.summary}\n" for card in cards))
    return 0
