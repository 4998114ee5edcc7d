"""YAML as K3s reads it: what scalars become, and which characters of the file each character stands for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k3s_policy.formats.tree import Document, Mapping, Scalar, Sequence, arrives, read_yaml, refusal, resolve
from k3s_policy.k3s.flags import flags
from k3s_policy.model import lower
from k3s_policy.text import Source, Text

Case = dict[str, Any]

SCALARS: list[Case] = [
    json.loads(line)
    for line in (Path(__file__).parent / "conformance" / "yaml-scalars.jsonl").read_text(encoding="utf-8").splitlines()
]


def _read(content: str) -> Document:
    return read_yaml(Source("config.yaml", content).text)


def _value(content: str, *names: str) -> Scalar:
    """Return a scalar of the first document: behind some keys, or the first value there is."""
    root = _read(content).root
    assert isinstance(root, Mapping)
    found = root.get(*names) if names else root.entries[0].value
    assert isinstance(found, Scalar)
    return found


def _written(text: Text) -> str:
    """Return what the file has from the first character of a text to its last."""
    span = text.span
    return span.source.content[span.start : span.end]


def _letters(text: Text) -> list[tuple[str, str]]:
    """Return each character with what the file has in its place."""
    return [(str(character), _written(character)) for character in text]


# --- what scalars become ---------------------------------------------------------------------------------


def test_there_are_all_cases() -> None:
    assert len(SCALARS) == 201


@pytest.mark.parametrize("case", SCALARS, ids=lambda case: repr(case["yaml"]))
def test_what_k3s_gets(case: Case) -> None:
    document = _read(f"token: {case['yaml']}\n")
    if "error" in case:
        assert document.error or (document.root and refusal(document.root))
        return
    assert isinstance(document.root, Mapping)
    assert refusal(document.root) is None
    lowered = lower.from_config([lower.config_entries(document.root)], "server", flags())
    values = [str(setting.value) for setting in lowered.settings]
    assert (values[-1] if values else None) == case["value"]


@given(st.integers(-(2**63), 2**64 - 1))
def test_integers_print_as_they_are(number: int) -> None:
    assert resolve(str(number), plain=True) == str(number)
    assert resolve(hex(number), plain=True) == str(number)
    assert resolve(str(number), plain=False) == str(number)


@given(st.text(st.characters(codec="utf-8")))
def test_quoted_text_stays(value: str) -> None:
    assert resolve(value, plain=False) == value


def test_a_value_that_changes_stands_for_the_whole_scalar() -> None:
    scalar = _value("write-kubeconfig-mode: 0644 # octal\n")
    assert _letters(arrives(scalar)) == [("4", "0644"), ("2", "0644"), ("0", "0644")]


def test_a_value_that_changes_to_as_many_characters_is_no_copy() -> None:
    arrived = arrives(_value("token: 0x1f\n"))
    assert str(arrived) == "31"
    assert _letters(arrives(_value("v: 0b11\n"))) == [("3", "0b11")]
    assert _letters(arrives(_value("token: 010\n"))) == [("8", "010")]
    assert _letters(arrives(_value("token: 0100\n"))) == [("6", "0100"), ("4", "0100")]
    assert _letters(arrives(_value("token: 1e6\n"))) == [(letter, "1e6") for letter in "1e+06"]


# --- where characters stand ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "value", "line", "column", "written"),
    [
        ("a: plain\n", "plain", 1, 4, "plain"),
        ("a: plain # comment\n", "plain", 1, 4, "plain"),
        ("a: two words\n", "two words", 1, 4, "two words"),
        ('a: "double"\n', "double", 1, 5, "double"),
        ("a: 'single'\n", "single", 1, 5, "single"),
        ("a: &anchor value\n", "value", 1, 12, "value"),
        ("a: !tag value\n", "value", 1, 9, "value"),
        ("a: &anchor !tag 'value'\n", "value", 1, 18, "value"),
        ("a: !tag &anchor\n  value\n", "value", 2, 3, "value"),
        ("a: |\n  text\n", "text\n", 2, 3, "text\n"),
        ("a: >-\n  text\n", "text", 2, 3, "text"),
        ("a: |2\n   text\n", " text\n", 2, 3, " text\n"),
        ("a: |-\n\n  text\n", "\ntext", 2, 1, "\n  text"),
        ("a: &anchor |-\n  text\n", "text", 2, 3, "text"),
        ("a: !vault |-\n  text\n", "text", 2, 3, "text"),
        ("{a: flow}\n", "flow", 1, 5, "flow"),
        ("? a\n: value\n", "value", 2, 3, "value"),
        ("a:\n  value\n", "value", 2, 3, "value"),
        ('"a": "é"\n', "é", 1, 7, "é"),
        ("a: 😀x\n", "😀x", 1, 4, "😀x"),
        ("\ufeffa: value\n", "value", 1, 4, "value"),
        ("a: value\r\nb: c\r\n", "value", 1, 4, "value"),
        ("a: |-\r\n  text\r\nb: c\r\n", "text", 2, 3, "text"),
        ("a: value", "value", 1, 4, "value"),
        ("--- {a: value}\n", "value", 1, 9, "value"),
        ("# comment\n---\na: value\n", "value", 3, 4, "value"),
    ],
)
def test_place_of_a_scalar(content: str, value: str, line: int, column: int, written: str) -> None:
    scalar = _value(content)
    assert str(scalar) == value
    span = scalar.text.span
    assert (span.line, span.column) == (line, column)
    assert _written(scalar.text) == written


def test_quotes_are_written_and_not_part_of_the_value() -> None:
    scalar = _value("a: 'value' # comment\n")
    assert _written(scalar.written) == "'value'"
    assert not scalar.plain


def test_escapes_stand_for_all_their_characters() -> None:
    letters = _letters(_value(r'a: "x\x41\u00e9\U0001F600\n\"y"').text)
    assert letters == [
        ("x", "x"),
        ("A", r"\x41"),
        ("é", r"\u00e9"),
        ("😀", r"\U0001F600"),
        ("\n", r"\n"),
        ('"', r"\""),
        ("y", "y"),
    ]


def test_two_single_quotes_are_one() -> None:
    assert _letters(_value("a: 'it''s'").text) == [("i", "i"), ("t", "t"), ("'", "''"), ("s", "s")]


@pytest.mark.parametrize(
    "content",
    ['a: "one\n  two"\n', "a: 'one\n  two'\n", "a: one\n  two\n", "a: >-\n  one\n  two\n", 'a: "one\r\n  two"\r\n'],
)
def test_a_folded_line_break_is_a_blank(content: str) -> None:
    text = _value(content).text
    assert str(text) == "one two"
    assert _written(text[4:]) == "two"
    assert text[4:].span.line == 2 + content.count(">")


def test_an_escaped_line_break_is_nothing() -> None:
    text = _value('a: "one\\\n    two"\n').text
    assert str(text) == "onetwo"
    assert (text[3:].span.line, text[3:].span.column) == (2, 5)


def test_empty_lines_of_a_folded_scalar_are_line_breaks() -> None:
    text = _value("a: >\n  one\n\n  two\n   more\n  end\n").text
    assert str(text) == "one\ntwo\n more\nend\n"
    at = str(text).index("more")
    assert (text[at:].span.line, text[at:].span.column) == (5, 4)


def test_a_literal_block_keeps_the_place_of_every_line() -> None:
    text = _value("a:\n  b: |\n    one\n      two\n\n    three\n", "a", "b").text
    assert str(text) == "one\n  two\n\nthree\n"
    places = [(str(line), line.span.line, line.span.column) for line in text.lines() if line]
    assert places == [("one", 3, 5), ("  two", 4, 5), ("three", 6, 5)]


@given(st.lists(st.text(st.sampled_from("ab :#'\"-é"), min_size=1, max_size=8).map(str.strip).filter(bool), max_size=6))
def test_every_character_of_a_literal_block_is_the_one_written(lines: list[str]) -> None:
    content = "key: |\n" + "".join(f"  {line}\n" for line in ["first", *lines])
    text = _value(content).text
    assert str(text) == "".join(f"{line}\n" for line in ["first", *lines])
    assert all(str(character) == _written(character) for character in text)


@given(st.text(st.sampled_from("ab é😀'\"\\\n\t:#"), max_size=12))
def test_a_json_string_lies_where_it_is_written(value: str) -> None:
    text = _value(f"key: {json.dumps(value, ensure_ascii=False)}\n").text
    assert str(text) == value
    for character, written in _letters(text):
        assert written == json.dumps(character, ensure_ascii=False)[1:-1]


# --- trees ------------------------------------------------------------------------------------------------


def test_an_alias_is_where_its_anchor_is() -> None:
    content = "a: &name first\nb: *name\nc: [*name]\n"
    assert _value(content, "b").text.span.line == 1
    items = _read(content).root
    assert isinstance(items, Mapping)
    (item,) = items.items("c")
    assert isinstance(item, Scalar)
    assert item is items.get("a")


def test_an_anchor_given_again_counts_from_there_on() -> None:
    content = "a: &x 1\nb: *x\nc: &x 2\nd: *x\n"
    assert (str(_value(content, "b")), str(_value(content, "d"))) == ("1", "2")


def test_anchors_do_not_reach_into_the_next_document() -> None:
    document = _read("a: &x 1\n---\nb: *x\n")
    assert len(document.roots) == 1
    assert document.error is not None


def test_an_alias_cannot_make_a_tree_without_end() -> None:
    assert _read("a: &x [*x]\n").error is not None


def test_documents_before_an_error_are_kept() -> None:
    document = _read("a: 1\n---\nb: [\n")
    assert document.error is not None
    assert isinstance(document.root, Mapping)


def test_every_document() -> None:
    assert len(_read("a: 1\n---\nb: 2\n...\n---\nc: 3\n").roots) == 3


@pytest.mark.parametrize("content", ["", "\n", "# comment\n", "\ufeff", "---\n", "~\n"])
def test_nothing_is_no_error(content: str) -> None:
    document = _read(content)
    assert document.error is None
    assert document.root is None or (isinstance(document.root, Scalar) and arrives(document.root).span is not None)


def test_duplicate_keys_are_kept_and_the_last_counts() -> None:
    root = _read("a: 1\nb: 2\na: 3\n").root
    assert isinstance(root, Mapping)
    assert [str(key) for key, _ in root.entries] == ["a", "b", "a"]
    assert str(root.last("a")) == "3"


def test_a_key_that_is_no_scalar_has_a_place_all_the_same() -> None:
    root = _read("? [a, b]\n: value\n").root
    assert isinstance(root, Mapping)
    key, _ = root.entries[0]
    assert (str(key), key.text.span.line, key.text.span.column) == ("", 1, 3)


@pytest.mark.parametrize(
    ("content", "merged"),
    [
        ("a: &a {k: 1}\nb: {<<: *a, l: 2}", [("k", "1"), ("l", "2")]),
        ("a: &a {k: 1}\nb: {<<: *a, k: 2}", [("k", "2")]),
        ("a: &a {k: 1}\nb: &b {k: 2, l: 2}\nc: {<<: [*a, *b], m: 3}", [("l", "2"), ("k", "1"), ("m", "3")]),
        ("a: &a {k: 1, l: 1}\nb: &b {<<: *a, l: 2}\nc: {<<: [*b, *a]}", [("k", "1"), ("l", "2")]),
        ("a: &a {k: 1, k: 2}\nb: {<<: *a, <<: *a}", [("k", "1"), ("k", "2")]),
        ("a: &a {k: 1}\nb: {'<<': *a}", [("<<", "")]),
        ("a: {<<: text, k: 1}", [("k", "1")]),
    ],
)
def test_merge_keys_bring_what_is_not_named(content: str, merged: list[tuple[str, str]]) -> None:
    root = _read(content).root
    assert isinstance(root, Mapping)
    last = root.entries[-1].value
    assert isinstance(last, Mapping)
    assert [
        (str(key), str(value) if isinstance(value, Scalar) else "") for key, value in last.merged().entries
    ] == merged


def test_plain_scalars_with_colons_in_brackets() -> None:
    root = _read("tls-san: [fd00::1, https://m:5000]\n").root
    assert isinstance(root, Mapping)
    found = root.get("tls-san")
    assert isinstance(found, Sequence)
    assert [str(item) for item in found.items] == ["fd00::1", "https://m:5000"]


def test_tags_are_kept_and_not_obeyed() -> None:
    assert _value("a: !vault x\n").tag == "!vault"
    assert _value("a: !!python/object/apply:os.system [ls]\nb: 1\n", "b").tag is None


def test_positions_of_a_tree_inside_a_text() -> None:
    outer = _value("config: |\n  token: abc\n").text
    inner = read_yaml(outer).root
    assert isinstance(inner, Mapping)
    token = inner.scalar("token")
    assert token is not None
    assert (token.text.span.line, token.text.span.column) == (2, 10)


# --- errors -----------------------------------------------------------------------------------------------

SECRET = "hunter2secret"  # noqa: S105  the marker that no message may show


@pytest.mark.parametrize(
    "content",
    [
        f"token: *{SECRET}\n",
        f"token: [{SECRET}\n",
        f'token: "{SECRET}\n',
        f"token: {SECRET}: {SECRET}\n",
        f"token: @{SECRET}\n",
        f"token: %{SECRET}\n",
        f"token: `{SECRET}\n",
        f'token: "\\{SECRET}"\n',
        f"token: !{SECRET}!x y\n",
        f'token: "{SECRET}\\ud800"\n',
        f"a:\n\t{SECRET}: x\n",
        f"token: 'it''s {SECRET}\n",
        f"token: {{{SECRET}: [}}\n",
        f"{SECRET}\n  x: y\n z\n",
        f"- {SECRET}\nb: c\n",
    ],
)
def test_errors_never_quote_content(content: str) -> None:
    error = _read(content).error
    assert error is not None
    assert error.reason
    assert SECRET not in error.reason
    assert SECRET[:4] not in error.reason
    assert SECRET not in repr(error.at)


@pytest.mark.parametrize(
    ("content", "reason", "line", "column"),
    [
        ("a: [b\n", "expected `,` or `]`, but got `<stream end>`", 1, 5),
        ("a: b\nc: 'd\n\n", "found unexpected end of stream", 2, 5),
        ("a: *b\n", "found undefined alias", 1, 4),
        ('a: "x\\ud800"\n', "found invalid Unicode character escape code", 1, 4),
        ("a: b: c\n", "mapping values are not allowed here", 1, 5),
        ("a:\n\tb: c\n", "found character that cannot start any token", 2, 1),
    ],
)
def test_errors_say_what_and_where(content: str, reason: str, line: int, column: int) -> None:
    error = _read(content).error
    assert error is not None
    assert error.reason == reason
    assert (error.at.span.line, error.at.span.column) == (line, column)


def test_nesting_has_an_end() -> None:
    error = _read("a: " + "[" * 5000 + "]" * 5000).error
    assert error is not None


@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"%@`, #\n\t\r\ufeff?"), max_size=40))
def test_whatever_the_text_reading_ends(content: str) -> None:
    document = _read(content)
    if document.error is not None:
        span = document.error.at.span
        assert 0 <= span.start <= span.end <= len(content)
