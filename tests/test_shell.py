"""Shell scripts: what commands become, where their characters lie, and that bash agrees."""

from __future__ import annotations

import subprocess

import growth
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from k3s_policy.formats.shell import Command, Script, command_line, read_script, split_words
from k3s_policy.text import Run, Source, Text
from k3s_policy.text.branch import exclusive
from k3s_policy.text.substitution import Allowance


def read(content: str) -> Script:
    return read_script(Source("setup.sh", content).text)


def shown(text: Text) -> str:
    """Show a Text with what is not known between angle quotes."""
    return "".join(run.text if run.known else f"«{run.text}»" for run in text.runs).replace("»«", "")


def words(command: Command) -> list[str]:
    return [shown(word.text) for word in command.words]


def written(text: Text) -> list[str]:
    """Return the stretches of the file that a Text's characters come from."""
    return [span.source.content[span.start : span.end] for span in text.spans]


def commands(content: str) -> list[list[str]]:
    return [words(command) for command in read(content).commands]


def last(content: str) -> Command:
    return read(content).commands[-1]


# Words

WORDS = [
    # quotes and escapes
    ("k3s server --debug", ["k3s", "server", "--debug"]),
    ("""k 'a b'"c d"e""", ["k", "a bc de"]),
    (r"""k a\ b \$X "\$X \" \\ \x" """, ["k", "a b", "$X", r'$X " \ \x']),
    (r"k $'a\tb\x41\'' $'\u00e9\101' $\"x\"", ["k", "a\tbA'", "éA", '$"x"']),
    ('k $"locale"', ["k", "locale"]),
    ("k '' \"\" ''''", ["k", "", "", ""]),
    ("k a\\\n  b c\\\nd", ["k", "a", "b", "cd"]),
    ("k a \\\r\n  b\r\n", ["k", "a", "b"]),
    ("k 'it''s' it\\'s \"it's\"", ["k", "its", "it's", "it's"]),
    ("k a#b #c", ["k", "a#b"]),
    ("k ~/x *.yaml [a-z] {a,b} +([0-9])", ["k", "~/x", "*.yaml", "[a-z]", "{a,b}", "+([0-9])"]),
    ("k if then done } { in esac", ["k", "if", "then", "done", "}", "{", "in", "esac"]),
    # expansions of what nobody can know here
    ('k $X ${X} "$X" a"$X"b', ["k", "«$X»", "«${X}»", "«$X»", "a«$X»b"]),
    ('k "$@" $* $1 $# $? ${@:2}', ["k", "«$@»", "«$*»", "«$1»", "«$#»", "«$?»", "«${@:2}»"]),
    (
        'k ${X:-a b} "${X-a}" ${#X} ${X%/*} ${X//a/b}',
        ["k", "«${X:-a b}»", "«${X-a}»", "«${#X}»", "«${X%/*}»", "«${X//a/b}»"],
    ),
    ("k $((1 + 2)) $[1] a$(b c)d `e` <(f)", ["k", "«$((1 + 2))»", "«$[1]»", "a«$(b c)»d", "«`e`»", "«<(f)»"]),
    ("k $${x} ${x.y}", ["k", "«$${x}»", "«${x.y}»"]),
    (
        "k ${K3S_TOKEN:?set it} {{ x }} %{ if y }",
        ["k", "«${K3S_TOKEN:?set it}»", "{{", "x", "}}", "%{", "if", "y", "}"],
    ),
    # variables
    ("X=1; k $X ${X} \"$X\" '$X' a${X}b", ["k", "1", "1", "1", "$X", "a1b"]),
    ("X='a b'; k $X \"$X\" p$X's'", ["k", "a", "b", "a b", "pa", "bs"]),
    ("X=' a b '; k p${X}s \"$X\"", ["k", "p", "a", "b", "s", " a b "]),
    ('X=; k $X; k $X "$X"', ["k", ""]),
    ('X=a; Y="$X b"; X=c; k $Y $X', ["k", "a", "b", "c"]),
    ('X=a; X+=b; X+=" c"; k $X', ["k", "ab", "c"]),
    ('X+=" c"; k "$X"', ["k", "«$X» c"]),
    ("X=$(date); k $X", ["k", "«$X»"]),
    # substitutions whose output the script says itself
    ('X=$(echo "" " --a $Y" b); k $X "`echo -n c d`"', ["k", "--a", "«$Y»", "b", "c d"]),
    ('X=$(cat <<EOF\na: 1\nb: $Y\n\nEOF\n); k "$X"', ["k", "a: 1\nb: «$Y»"]),
    (
        "k $(echo a | b) $(echo a; b) $(echo -e a) $(echo $(c))",
        ["k", "«$(echo a | b)»", "«$(echo a; b)»", "«$(echo -e a)»", "«$(echo $(c))»"],
    ),
    ("X=--token=$T; k $X", ["k", "--token=«$T»"]),
    ('X="a ${T:-b c} d"; k $X', ["k", "a", "«${T:-b c}»", "d"]),
    ("export X=1 Y; declare -r Z=2; readonly W=3; k $X $Y $Z $W", ["k", "1", "«$Y»", "2", "3"]),
    ('export "X=1 2"; k "$X"', ["k", "1 2"]),
    ("X=a; unset X; k $X", ["k", "«$X»"]),
    ("X=a; read -p 'which? ' X; k $X", ["k", "«$X»"]),
    ("X=a; for X in 1 2; do k $X; done", ["k", "«$X»"]),
    ("X=a; printf -v X %s b; k $X", ["k", "«$X»"]),
    ("X=a; printf %s b; k $X", ["k", "a"]),
    ("X=a; while getopts ab X; do k $X; done", ["k", "«$X»"]),
    ('X=a; read -r "$Y" X <f; k $X', ["k", "«$X»"]),
    ("X=a; f() { local X; k $X; }", ["k", "«$X»"]),
    ("k $'\\U00110000'", ["k", "\\U00110000"]),
    (": ${X:=d}; k $X", ["k", "d"]),
    ("X=a; : ${X:=d}; k $X ${X:-e} ${X:?no}", ["k", "a", "a", "a"]),
    ("X=; : ${X:=d} ${X=e}; k $X", ["k", "d"]),
    ('X=; k ${X:-e} "${X-e}"', ["k", "«${X:-e}»", ""]),
    ("X=1 k $X", ["k", "«$X»"]),
    ("( X=1 ); k $X", ["k", "«$X»"]),
    ("echo | X=1; k $X", ["k", "«$X»"]),
    ('A=1 B=$A C="$A$B"; k $C', ["k", "11"]),
    # arrays
    ('A=(a \'b c\'); k ${A[@]} "${A[@]}" "${A[*]}" $A', ["k", "a", "b", "c", "a", "b c", "a b c", "a"]),
    ('A=(a); A+=(b "$X"); k "${A[@]}"', ["k", "a", "b", "«$X»"]),
    ('A=(\n  a # why\n  b\n)\nk p"${A[@]}"s', ["k", "pa", "bs"]),
    ('A=(); k "${A[@]}" x', ["k", "x"]),
    ('A=(a b); X="${A[*]}"; k "$X"', ["k", "a b"]),
    ("A=(a); A[1]=b; k ${A[@]}", ["k", "«${A[@]}»"]),
    ("A+=(a); k ${A[@]} ${A[0]}", ["k", "a", "«${A[0]}»"]),
    ("mapfile -t A < f; k ${A[@]}", ["k", "«${A[@]}»"]),
]


@pytest.mark.parametrize(("script", "expected"), WORDS)
def test_words(script: str, expected: list[str]) -> None:
    assert words(last(script)) == expected


def test_a_word_tells_whether_it_was_quoted() -> None:
    assert [word.quoted for word in last("k a \"b\" 'c' d'' \\e $X \"$X\"").words] == [
        False,
        False,
        True,
        True,
        True,
        True,
        False,
        True,
    ]


# Structure

COMMANDS = [
    ("a; b & c && d || e | f |& g", "a b c d e f g"),
    ("! a; time b; if ! c; then d; fi", "a b c d"),
    ("( a; b ); { c; }; ( (d) )", "a b c d"),
    ("if a; then b; elif c; then d; else e; fi", "a b c d e"),
    ("case $x in a|'b c') d;; (e) f;; *) g; esac", "d f g"),
    ("for x in a b; do c; done; for ((i = 0; i < 3; i++)); do d; done; select x in y; do e; done", "c d e"),
    ("while a; do b; done; until c; do d; done", "a b c d"),
    ("f() { a; }; function g { b; }; function h() ( c ); i() {( d )}", "a b c d"),
    ('a $(b `c`) "$(d "$(e)")" <(f)', "b c d e f a".replace("b c", "c b").replace("d e", "e d")),
    ('X=$(a) Y=`b` c; export Z=$(d); E=("$(e)")', "a b c d e"),
    ("a `b \\`c\\``", "c b a"),
    ("a ${X:-$(b)} $(( $(c) + 1 ))", "b c a"),
    ('a > "$(b)"; c <<< $(d)', "b a d c"),
    ("cat <<EOF\n$(a) `b`\nEOF\ncat <<'EOF'\n$(c)\nEOF", "a b cat cat"),
    ('[[ $x =~ ^(a|b)$ && -n "$(a)" ]] && b; (( x << 2 )) || c', "a b c"),
    ("x=$(case $y in a) b;; esac); c", "b c"),
    ("x=$(cat <<EOF\nit's )\nEOF\n); a", "cat a"),
    ("a $(( 1 << 2 )); b $((x)); ((i<<=1)); c", "a b c"),
    ("a # it's\nb", "a b"),
    ("a $(b # it's )\n) c", "b a"),
    ("a ${X:-it\\'s} \"${X:-it's}\"; b", "a b"),
    ("for x\ndo a; done; for y; do b; done", "a b"),
    ("[ a ] && b && c || d && e", "[ b c d e"),
    ("export -f f; export -p; a", "a"),
    ("a |\n  b &&\n  c ||\n  d", "a b c d"),
    ("coproc a; exec b", "a exec"),
    ("> f; >g a b; < h c", "a c"),
    ("X=1; export X; local Y=2; [[ a ]]; ((1))", ""),
    ("$X; $Y", "«$X» «$Y»"),
    ("\ufeff#!/bin/sh\na", "a"),
]


@pytest.mark.parametrize(("script", "expected"), COMMANDS)
def test_commands(script: str, expected: str) -> None:
    script_read = read(script)
    assert " ".join(words(command)[0] for command in script_read.commands) == expected
    assert not script_read.broken


def test_redirections_may_stand_anywhere() -> None:
    command = last("2>err sudo <in tee -a >out /etc/x &>>both 2>&1 1>&2 0<none >&-")
    assert words(command) == ["sudo", "tee", "-a", "/etc/x"]
    assert [(each.operator, each.target and shown(each.target.text)) for each in command.redirects] == [
        ("2>", "err"),
        ("<", "in"),
        (">", "out"),
        ("&>>", "both"),
        ("2>&", "1"),
        (">&", "2"),
        ("<", "none"),
        (">&", "-"),
    ]


def test_the_redirections_of_a_group_reach_its_commands() -> None:
    first, second, third = read("{ echo a; echo b >&2; } > /etc/x; echo c").commands
    assert [each.operator for each in first.redirects] == [">"]
    assert [each.operator for each in second.redirects] == [">", ">&"]
    assert not third.redirects


def test_upstream_is_the_command_before_the_pipe() -> None:
    curl, cut, sh = (
        read("curl -sfL https://get.k3s.io | tee $(mktemp) | sh -").commands[:1]
        + read(
            "curl | { a; b; } | sh -",
        ).commands[2:]
    )
    assert curl.upstream is None
    assert words(cut) == ["b"]
    assert cut.upstream
    assert words(cut.upstream) == ["curl"]
    assert sh.upstream is cut


def test_a_pipeline_ends_at_and() -> None:
    _, install, after, _ = read("( a; X=1 ) | { sh; } && b | c").commands
    assert words(after) == ["b"]
    assert after.upstream is None
    assert install.upstream


def test_a_command_knows_its_function_and_its_stretch() -> None:
    script = "main() {\n  k3s server \\\n    --debug >/dev/null # it\n}\nmain\n"
    start, call = read(script).commands
    assert start.inside == "main"
    assert call.inside is None
    assert written(start.at) == ["k3s server \\\n    --debug >/dev/null"]


# Here-documents

BODIES = [
    ("cat <<EOF > f\na\nEOF\n", ["a\n"]),
    ("cat <<EOF | sudo tee /etc/x\na\n\nEOF\n", ["a\n\n"]),
    ("sudo tee /etc/x <<EOF >/dev/null\nb\nEOF\n", ["b\n"]),
    ("cat <<-EOF\n\ta\n\t\tb\n\tEOF\n", ["a\nb\n"]),
    ("X=1; cat <<EOF\n$X ${X} $Y \\$X \\\\ \"$X\" '$X'\nEOF\n", ["1 1 «$Y» $X \\ \"1\" '1'\n"]),
    ("X=1; cat <<'EOF'\n$X\\n\nEOF\n", ["$X\\n\n"]),
    ('cat <<"E F"\n$X\nE F\n', ["$X\n"]),
    ("cat <<\\EOF\n$X\nEOF\n", ["$X\n"]),
    ("cat << EOF\na\nEOF \nEOF\n", ["a\nEOF \n"]),
    ("cat <<EOF\r\na\r\nEOF\r\n", ["a\r\n"]),
    ("cat <<EOF\nEOF\n", [""]),
    ("cat <<EOF\na", ["a"]),
    ("cat <<EOF", []),
    ("cat <<A <<-'B' && ls\na\nA\n\tb $X\n\tB\n", ["a\n", "b $X\n"]),
    ("cat <<EOF\na \\\nb\nEOF\n", ["a b\n"]),
    ('X=1; cat <<<"a $X"; ', ["a 1"]),
    ("if a; then\n  cat <<EOF\nit's ( fi\nEOF\nfi\n", ["it's ( fi\n"]),
    ("f() {\n  cat <<EOF >f\n}\nEOF\n}\n", ["}\n"]),
    ("while read X; do cat; done <<EOF\na\nEOF\n", ["a\n"]),
    ("if a; then X=1; else X=2; fi; cat <<EOF\n$X\nEOF\n", ["«$X»\n"]),
]


@pytest.mark.parametrize(("script", "expected"), BODIES)
def test_here_documents(script: str, expected: list[str]) -> None:
    cat = next(each for each in read(script).commands if words(each)[0] in {"cat", "sudo"})
    assert [shown(each) for each in cat.input] == expected


def test_what_follows_a_here_document_is_read() -> None:
    script = "cat <<A <<B | tee x | y && ls\na\nA\nb\nB\nk3s"
    assert commands(script) == [["cat"], ["tee", "x"], ["y"], ["ls"], ["k3s"]]


def test_each_character_of_a_here_document_keeps_its_place() -> None:
    command = last("TOKEN=abc\n\tcat <<-EOF\n\ttoken: $TOKEN\n\t\tb: \\$1\n\tEOF\n")
    (body,) = command.input
    assert str(body) == "token: abc\nb: $1\n"
    assert written(body) == ["token: ", "abc", "\n", "b: \\$1\n"]


# Variables and branches


def alternatives(command: Command) -> list[tuple[str, tuple[int, ...]]]:
    return [(shown(word.text), tuple(branch.arm for branch in word.when)) for word in command.words]


FORKS = [
    ("if a; then X=1; else X=2; fi; k $X", [("k", ()), ("1", (0,)), ("2", (1,))]),
    ("X=0; if a; then X=1; fi; k $X", [("k", ()), ("1", (0,)), ("0", (1,))]),
    ("if a; then X=1; fi; k $X", [("k", ()), ("1", (0,)), ("«$X»", (1,))]),
    ("X=0; if a; then X=1; elif b; then :; elif c; then :; fi; k $X", [("k", ()), ("1", (0,)), ("0", (3,))]),
    ("X=0; if a; then X=1; elif b; then :; else X=3; fi; k $X", [("k", ()), ("1", (0,)), ("3", (2,)), ("0", (1,))]),
    ("case $y in a) X=1;; *) X='2 3';; esac; k $X", [("k", ()), ("1", (0,)), ("2", (1,)), ("3", (1,))]),
    ("case $y in a) X=1;; b) X=2;; esac; k a$X", [("k", ()), ("a1", (0,)), ("a2", (1,)), ("a«$X»", (2,))]),
    ("if a; then X=1; k $X; fi", [("k", (0,)), ("1", (0,))]),
    ("if a; then X=1; Y=2; else X=3; Y=4; fi; k $X$Y", [("k", ()), ("12", (0,)), ("34", (1,))]),
    ("if a; then X=1; else exit 1; fi; k $X", [("k", ()), ("1", (0,))]),
    ("X=1; if a; then X=2; return; fi; k $X", [("k", ()), ("1", ())]),
    ('[ -z "$X" ] && X=1; k $X', [("k", ()), ("1", (0,)), ("«$X»", (1,))]),
    ("if a; then exit; else exit; fi; X=1; k $X", [("k", ()), ("1", ())]),
    ("if a; then X=1; Y=3; else X=2; Y=4; fi; X+=$Y; k $X", [("k", ()), ("13", (0,)), ("24", (1,))]),
    ("if a; then X=1; else X=2; fi; X+=3; k $X", [("k", ()), ("13", (0,)), ("23", (1,))]),
    ("if a; then X=1; else X=(2 3); fi; k ${X[@]}", [("k", ()), ("1", (0,)), ("2", (1,)), ("3", (1,))]),
    ("X=1; if a; then X=(0 1); fi; k ${X[@]}", [("k", ()), ("0", (0,)), ("1", (0,)), ("1", (1,))]),
    (
        "if a; then X=1; if b; then X+=' 2'; fi; fi; k $X",
        [("k", ()), ("1", (0,)), ("2", (0, 0)), ("«$X»", (1,))],
    ),
    (
        "X=a; if b; then X+=,c; if d; then X+=,e; fi; fi; k $X",
        [("k", ()), ("a,c,e", (0, 0)), ("a,c", (0, 1)), ("a", (1,))],
    ),
    ("[[ $y ]] && X=1 || X=2; k $X", [("k", ()), ("1", (0,)), ("2", (1,))]),
    ("mkdir x && X=1; k $X", [("k", ()), ("1", ())]),
    ("X=1; a || X=2; k $X", [("k", ()), ("2", (0,)), ("1", (1,))]),
    # arms that only add
    ('X=a; if b; then X="$X --c d"; fi; k $X', [("k", ()), ("a", ()), ("--c", (0,)), ("d", (0,))]),
    ("X=a; if b; then X+=' --c'; else X+=' --d'; fi; k $X", [("k", ()), ("a", ()), ("--c", (0,)), ("--d", (1,))]),
    ('X=a; if b; then X="--c $X"; fi; k $X', [("k", ()), ("--c", (0,)), ("a", ())]),
    ("X=a; if b; then X+=,c; fi; k $X", [("k", ()), ("a,c", (0,)), ("a", (1,))]),
    ("X=a; if b; then X+=' c'; fi; k \"$X\"", [("k", ()), ("a c", (0,)), ("a", (1,))]),
    ('A=(a); if b; then A+=(c d); fi; k "${A[@]}"', [("k", ()), ("a", ()), ("c", (0,)), ("d", (0,))]),
    ("A=(); [ $y ] && A+=(c); k ${A[@]}", [("k", ()), ("c", (0,))]),
]


@pytest.mark.parametrize(("script", "expected"), FORKS)
def test_forks(script: str, expected: list[tuple[str, tuple[int, ...]]]) -> None:
    assert alternatives(last(script)) == expected


def test_commands_in_two_arms_never_meet() -> None:
    first, join, after = read("if x=1; then a; else b; fi; c").commands
    assert exclusive(first.when, join.when)
    assert not exclusive(first.when, after.when)
    (branch,) = join.when
    assert (branch.path, branch.fork, branch.arm) == ("setup.sh", 0, 1)


def test_many_conditional_flags_stay_as_many_words() -> None:
    script = "X=server\n" + "".join(f'if a{n}; then X="$X --f{n}"; fi\n' for n in range(12)) + "k $X\n"
    assert words(last(script)) == ["k", "server", *(f"--f{n}" for n in range(12))]


def test_too_many_combinations_stay_as_written() -> None:
    script = "".join(f"if a; then X{n}=1; else X{n}=2; fi\n" for n in range(4))
    assert len(last(script + "k a$X0$X1$X2").words) == 1 + 8
    assert words(last(script + "k a$X0$X1$X2$X3")) == ["k", "a«$X0$X1$X2$X3»"]
    assert words(last(script + "Y=a$X0$X1$X2$X3; k $Y")) == ["k", "«$Y»"]
    script += "".join(f"if a; then X{n}=1; else X{n}=2; fi\n" for n in range(4, 9))
    assert words(last(script + "k $X0$X1$X2$X3$X4$X5$X6$X7$X8")) == ["k", "«$X0$X1$X2$X3$X4$X5$X6$X7$X8»"]
    assert words(last(script.replace("X3", "X4") + "k a$X0$X0$X1")) == ["k", "a111", "a112", "a221", "a222"]
    more = "case $x in " + "".join(f"{n}) X=1; Y=2;;" for n in range(20)) + "*) X=2; Y=3;; esac\n"
    assert words(last(more + "k $X a$X$Y")) == ["k", "«$X»", "a«$X$Y»"]


def test_variables_set_in_the_same_arms_belong_together() -> None:
    script = "case $x in " + "".join(f"{n}) X={n} Y=y{n} Z=z;;" for n in range(6)) + "*) exit;; esac\n"
    assert words(last(script + "k $X/$Y/$Z")) == ["k", *(f"{n}/y{n}/z" for n in range(6))]


def test_a_value_that_doubles_comes_to_an_end() -> None:
    assert words(last("X=ab\n" + 'X="$X$X"\n' * 60 + 'k "$X"')) == ["k", "«$X»"]


def test_functions_see_what_is_assigned_before_they_are_called() -> None:
    install, *_ = read("install() { k3s --token $TOKEN; }\nexport TOKEN=abc\ninstall\n").commands
    assert words(install) == ["k3s", "--token", "abc"]
    assert [str(each.value) for each in install.environment["TOKEN"]] == ["abc"]


def test_local_variables_end_with_their_function() -> None:
    script = "X=1; f() { local X=2 Z=3; Y=4; k $X; }; k $X $Y $Z"
    assert commands(script) == [["k", "2"], ["k", "1", "4", "«$Z»"]]


# Environment and assignments


def environment(content: str) -> dict[str, list[str]]:
    return {name: [shown(each.value) for each in found] for name, found in last(content).environment.items()}


ENVIRONMENTS = [
    ("export X=1 Y=2; Z=3; k", {"X": ["1"], "Y": ["2"]}),
    ("X=1; export X; k", {"X": ["1"]}),
    ("export X; X=1; k", {"X": ["1"]}),
    ("export X=1; X=2; k", {"X": ["2"]}),
    ("declare -x X=1; declare Y=2; k", {"X": ["1"]}),
    ("set -a; X=1; set +a; Y=2; k", {"X": ["1"]}),
    ("set -o allexport; X=1; k", {"X": ["1"]}),
    ("set -e -- -a; X=1; k", {}),
    ("export X=1; export -n X; k", {}),
    ("export X=1; unset X; k", {}),
    ("export X=1; read X; k", {}),
    ("(export X=1); k", {}),
    ("X=1 k", {}),
    ("export X=$(id); k", {"X": ["«$(id)»"]}),
    ('export X="a $Y"; k', {"X": ["a «$Y»"]}),
    ("export X=0; if a; then export X=1; fi; k", {"X": ["1", "0"]}),
    ("X=a; if b; then X+=' c'; fi; export X; k", {"X": ["a", "a c"]}),
    ("if a; then export X=1; fi; k", {"X": ["1"]}),
]


@pytest.mark.parametrize(("script", "expected"), ENVIRONMENTS)
def test_environment(script: str, expected: dict[str, list[str]]) -> None:
    assert environment(script) == expected


def test_assignments_are_told_in_order() -> None:
    script = read("A=1\nexport B='x y' C\nB+=z\nlocal D=$A\n: ${E:=5}\nF=(1 2)\nG=2 k\nif a; then A=2; fi\n")
    assert [(str(each.name), shown(each.value), each.exported, each.append) for each in script.assignments] == [
        ("A", "1", False, False),
        ("B", "x y", True, False),
        ("B", "x yz", True, True),
        ("D", "1", False, False),
        ("E", "5", False, False),
        ("F", "«(1 2)»", False, False),
        ("A", "2", False, False),
    ]
    assert [len(each.when) for each in script.assignments] == [0, 0, 0, 0, 0, 0, 1]
    assert all(str(each.name) in written(each.name) for each in script.assignments)


def test_prefix_assignments_belong_to_their_command() -> None:
    command = last("T=abc; K3S_URL=https://a:6443 K3S_TOKEN=\"$T\" EXEC='a b' X= sh - K=v")
    assert [(str(each.name), str(each.value)) for each in command.assignments] == [
        ("K3S_URL", "https://a:6443"),
        ("K3S_TOKEN", "abc"),
        ("EXEC", "a b"),
        ("X", ""),
    ]
    assert words(command) == ["sh", "-", "K=v"]


# Real life: the forms most scripts have


def test_installer_with_flags_behind_the_pipe() -> None:
    script = (
        "curl -sfL https://get.k3s.io | INSTALL_K3S_VERSION=v1.28.3+k3s1 sh -s - \\\n"
        '  --token "${token}" \\\n'
        '  --datastore-endpoint "postgres://${db_user}:secret@${host}/k3s" \\\n'
        "  --write-kubeconfig-mode 644\n"
    )
    curl, install = read(script).commands
    assert install.upstream is curl
    assert words(install) == [
        "sh",
        "-s",
        "-",
        "--token",
        "«${token}»",
        "--datastore-endpoint",
        "postgres://«${db_user}»:secret@«${host}»/k3s",
        "--write-kubeconfig-mode",
        "644",
    ]
    assert written(install.words[6].text) == ["postgres://${db_user}:secret@${host}/k3s"]
    assert install.words[6].text.span.line == 3
    assert install.words[6].text.span.column == 25


@pytest.mark.parametrize("shell", ["bash -s - server", "sh -s server", "sh -s \u2013 server", "sudo sh -"])
def test_variants_of_the_pipe(shell: str) -> None:
    assert commands(f"curl -sfL https://get.k3s.io | {shell}")[1] == shell.split(" ")


def test_flags_in_install_k3s_exec() -> None:
    script = (
        'export INSTALL_K3S_EXEC="--datastore-endpoint=mysql://root:pa#s!@tcp(10.0.0.1:3306)/k3s --docker"\n'
        "curl -sfL https://get.k3s.io | sh -\n"
    )
    (exported,) = last(script).environment["INSTALL_K3S_EXEC"]
    flags = split_words(exported.value)
    assert flags
    assert [written(flag) for flag in flags] == [
        ["--datastore-endpoint=mysql://root:pa#s!@tcp(10.0.0.1:3306)/k3s"],
        ["--docker"],
    ]


def test_a_token_leads_back_to_its_assignment() -> None:
    script = 'NODE_TOKEN=K10abc\nK3S_TOKEN=$NODE_TOKEN\nOPTS="--x --token=${K3S_TOKEN}"\nk3s agent $OPTS\n'
    token = last(script).words[3].text
    assert str(token) == "--token=K10abc"
    assert [(span.line, span.column) for span in token.spans] == [(3, 11), (1, 12)]
    assert written(token) == ["--token=", "K10abc"]


def test_scripts_that_write_a_config() -> None:
    script = (
        "mkdir -p /etc/rancher/k3s\n"
        "cat <<EOF >>/etc/rancher/k3s/config.yaml\ntoken: $TOKEN\nEOF\n"
        "sudo tee /etc/rancher/k3s/config.yaml > /dev/null <<- 'EOF'\n\tdisable: [traefik]\n\tEOF\n"
        'echo "write-kubeconfig-mode: 644" >> /etc/rancher/k3s/config.yaml\n'
    )
    _, cat, tee, echo = read(script).commands
    assert [(each.operator, each.target and str(each.target.text)) for each in cat.redirects] == [
        ("<<", None),
        (">>", "/etc/rancher/k3s/config.yaml"),
    ]
    assert [shown(each) for each in cat.input] == ["token: «$TOKEN»\n"]
    assert [str(each) for each in tee.input] == ["disable: [traefik]\n"]
    assert words(echo) == ["echo", "write-kubeconfig-mode: 644"]


def test_a_script_inside_another_file() -> None:
    content = "runcmd:\n  - |\n    T=abc\n    k3s server \\\n      --token $T\n"
    source = Source("user-data", content)
    lines = [
        source.text[content.index(line) :][: len(line)] for line in ("T=abc\n", "k3s server \\\n", "  --token $T\n")
    ]
    (command,) = read_script(lines[0] + lines[1] + lines[2]).commands
    assert words(command) == ["k3s", "server", "--token", "abc"]
    assert [word.text.span.line for word in command.words] == [4, 4, 5, 3]


def test_what_a_template_left_unknown_is_no_syntax() -> None:
    source = Source("x.sh", "k3s --token {{ a 'b' }} --x\n")
    text = source.text[:12] + source.text[12:23].unknown() + source.text[23:]
    assert words(read_script(text).commands[0]) == ["k3s", "--token", "«{{ a 'b' }}»", "--x"]


# Broken scripts

BROKEN = [
    ("a\nif b; then c\nd 'x' e", ["a", "b", "c", "d"]),
    ("a\nfi\nb", ["a", "b"]),
    ("a 'b\nc d", ["a", "c"]),
    ('a "b\nc $(d\ne', ["a", "c", "d", "e"]),
    ("a )\nb", ["a", "b"]),
    ("a >\nb", ["a", "b"]),
    ("case x in\n a) b\nc", ["a", "b", "c"]),
    ("[[ a 'b\nc", ["c"]),
    ("case x in\n|;;> esac\nb", ["b"]),
    ("X=(a; b", ["b"]),
    ("X=tcp(db)/k sh -s; b $X", ["db)/k", "b"]),
    ("export X=tcp(db)/k?a=b&c=d; b $X", ["db)/k?a=b", "b"]),
    ("X=tcp(db; b", ["db", "b"]),
    ("f() {\n a ) b\n c\n}\nd", ["a", "b", "c", "d"]),
]


@pytest.mark.parametrize(("script", "expected"), BROKEN)
def test_broken_scripts_are_still_read(script: str, expected: list[str]) -> None:
    found = read(script)
    assert [words(command)[0] for command in found.commands] == expected
    assert found.broken


def test_templates_in_a_script_do_no_harm() -> None:
    script = (
        "%{ if server }\nk3s server ${flags.all} --a\n%{ else ~}\nk3s agent\n%{ endif }\n"
        "{% if x %}\n{{ tool }} run 'a b'\n{% endif %}\n<% if y %>\nk3s last\n<% end %>\n"
    )
    found = commands(script)
    assert ["k3s", "server", "«${flags.all}»", "--a"] in found
    assert ["k3s", "agent"] in found
    assert ["k3s", "last"] in found


@pytest.mark.parametrize(
    "script",
    [
        "(" * 3000,
        "if a; then " * 2000,
        "$(" * 2000,
        'a "$(' * 1000,
        "${a:-" * 2000 + "}" * 2000,
        " && ".join(["a"] * 3000),
        "{ " * 2000 + "a; " + "} ;" * 2000,
        "'" * 5001,
        "cat <<E\n" * 1000,
        "[ $Y ] && X=a;" * 300,
        "a $(" * 35 + ")" * 35,
    ],
)
def test_no_nesting_is_too_deep(script: str) -> None:
    read(script)
    split_words(Source("x", script).text)


def test_reading_an_ordinary_script_takes_as_long_as_it_is_long() -> None:
    def read_statements(number: int) -> None:
        read(
            "".join(
                f'if [ "$A{n}" = b ]; then\n  X{n}="$X{n} --flag={n}"\nfi\ncurl "https://x/{n}" | tee "/etc/$X{n}"\n'
                for n in range(number)
            )
        )

    growth.assert_linear(read_statements, 100)


# Splitting a string of arguments


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("server --a 'b c' \"d e\" f\\ g", ["server", "--a", "b c", "d e", "f g"]),
        ('--x=$X --y="${Y} z" $(a b)', ["--x=«$X»", "--y=«${Y}» z", "«$(a b)»"]),
        ("a;b | c > d & (e)", ["a;b", "|", "c", ">", "d", "&", "(e)"]),
        ("  a\n\tb\r\n", ["a", "b"]),
        ("a '' b", ["a", "", "b"]),
        ("a \\\n b", ["a", "b"]),
        ("# a", ["#", "a"]),
        ("", []),
        ("a 'b", None),
        ('a "b', None),
        ("a $(b", None),
    ],
)
def test_split_words(line: str, expected: list[str] | None) -> None:
    found = split_words(Source("x", line).text)
    assert (found if found is None else [shown(word) for word in found]) == expected


# Properties


@settings(max_examples=200)
@given(st.lists(st.text("ab '\"\\$#;|&()<>*?`\n\té{}", max_size=8), min_size=1, max_size=5))
def test_a_command_line_is_taken_apart_as_it_was_put_together(words: list[str]) -> None:
    texts = [Source("x", word).text for word in words]
    line = command_line(texts)
    (command,) = read_script(line).commands if words[0].strip() else (None,)
    assert [str(word) for word in split_words(line) or ()] == words
    if command is not None:
        assert [str(word.text) for word in command.words] == words
        assert [word.text.span for word in command.words if word.text] == [text.span for text in texts if text]


PLAIN = st.text("ab=-/.:,@%+_é\u2013{}[]!", min_size=1, max_size=4)
EXPANSIONS = st.sampled_from(["${A}", "${B}", "$C", "${E}", "${L[@]}", "${L[*]}", "${A:-z}", "$L"])
IN_QUOTES = st.lists(
    st.one_of(
        st.text("ab '#;|&()<>*?\t\né", min_size=1, max_size=4),
        EXPANSIONS.map("{} ".format),
        st.sampled_from(["\\$", '\\"', "\\\\", "\\q", "\\\n", "\\`"]),
    ),
    max_size=4,
).map(lambda parts: '"' + "".join(parts) + '"')
FRAGMENTS = st.one_of(
    PLAIN,
    st.text('ab "\\$#;|&()<>*?\té', max_size=5).map("'{}'".format),
    IN_QUOTES,
    EXPANSIONS.map("{}/".format),
    st.sampled_from(" ~\"'\\$|;&<>()#*?`q").map("\\{}".format),
    st.sampled_from(["$'a\\tb'", "$'\\'\\x41\\101\\u00e9'", "a#b", "\\\n", "''", '""', "*", "?"]),
    st.sampled_from([" ", "  ", "\t", " \\\n "]),
)
LINES = st.lists(st.lists(FRAGMENTS, min_size=1, max_size=8).map("".join), min_size=1, max_size=30)
SETTING = "A='one two'\nB=\" x 'y' \"\nC=plain\nE=\nL=(p 'q r' '' s)\nL+=(\"$A\")\nC+=$A\\ \"$B\"\n"


@settings(max_examples=80)
@given(LINES)
def test_bash_makes_the_same_words(lines: list[str]) -> None:
    script = SETTING + "".join(f"p . {line}\n" for line in lines)
    # Neither file names nor braces are expanded, and no command can stand outside quotes: only printf runs.
    printer = "set -f +B\np() { printf '%s\\0' \"$@\"; printf '\\1\\0'; }\n"
    ran = subprocess.run(["bash", "-c", printer + script], capture_output=True, check=True)
    theirs = [made.split("\0")[:-1] for made in ran.stdout.decode().split("\1\0")[:-1]]
    found = read(script).commands
    assert [[str(word.text) for word in command.words[1:]] for command in found] == theirs
    assert all(word.text.known for command in found for word in command.words)


SHELL = st.lists(
    st.one_of(
        st.sampled_from(
            ["if ", "then ", "elif ", "else ", "fi", "for ", "in ", "do ", "done", "while ", "case ", "esac"]
        ),
        st.sampled_from(
            ["|", "||", "&&", "&", ";", ";;", "(", ")", "{ ", "}", "((", "))", "[[ ", "]] ", "! ", "time "]
        ),
        st.sampled_from(
            ["\n", "\r\n", " ", "'", '"', "`", "$(", "$((", "${", "$'", "\\", "\\\n", "#", "+(", "\0", "\ufeff"]
        ),
        st.sampled_from(
            ["$X", "${X:=a}", "X=", "X+=", "A=(", "${A[@]}", "export ", "local ", "unset X", "read X", "exit"]
        ),
        st.sampled_from(
            ["f() ", "<<EOF\n", "EOF\n", "<<-'E'\n", "<<<", "> ", "2>&1", "<(", "set -a", "{{ x }}", "{% if %}"]
        ),
        st.text(max_size=3),
    ),
    max_size=40,
).map("".join)


@settings(max_examples=300)
@given(SHELL, st.integers(0, 40), st.integers(0, 10))
@example("X=1\n$X", 0, 0)
@example("set", 0, 0)
@example("((a) { b)} )} }", 0, 0)
def test_any_text_can_be_read(content: str, start: int, length: int) -> None:
    source = Source("x", content)
    text = source.text[:start] + source.text[start : start + length].unknown() + source.text[start + length :]
    found = read_script(text)
    split_words(text)
    kept = [word.text for command in found.commands for word in command.words]
    kept += [each for command in found.commands for each in (*command.input, command.at)]
    kept += [each for assignment in found.assignments for each in (assignment.name, assignment.value)]
    for run in (run for each in kept for run in each.runs if run.known and run.verbatim):
        assert_in_place(run)


def assert_in_place(run: Run) -> None:
    for position, character in enumerate(run.text):
        if character.isalnum() and run.end - run.start > 1:  # an escape of one character may stand for another
            assert run.source.content[run.start + position] == character


@pytest.mark.parametrize("function", ["", "f() { :; }\n"])
def test_a_function_does_not_halve_what_variables_may_add(function: str) -> None:
    allowance = Allowance()
    written = Source("setup.sh", f"{function}A={'a' * 600_000}\nk3s server $A\n").text
    script = read_script(written, allowance=allowance)
    assert len(script.commands[-1].words[-1].text) == 600_000
    assert not allowance.spent
