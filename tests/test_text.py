"""Text: whatever is cut and put together, each character still knows where it was written."""

from __future__ import annotations

import re
import traceback

import growth
import pytest
from hypothesis import given
from hypothesis import strategies as st

from k3s_policy.text import Run, Source, Span, Text, join

# Few letters, so that separators are found and repeat; wide, astral and invisible ones, which count as one each.
LETTERS = "ab =:,\n\r\t'\"\ufeff\u00e9\u6771\U0001f600\u200b"
contents = st.text(LETTERS, max_size=40)
separators = st.sampled_from(["=", ":", ",", " ", "\n", "a", "::", "\r\n", "ab"])
positions = st.none() | st.integers(-45, 45)


def source(content: str, path: str = "config.yaml") -> Source:
    return Source(path, content)


@st.composite
def texts(draw: st.DrawFn) -> Text:
    """Return a Text of one or more runs, each cut from a Source of its own or from the same."""
    whole = source(draw(contents)).text
    parts = draw(st.integers(1, 4))
    if parts == 1:
        return whole
    pieces = []
    for number in range(parts):
        piece = draw(st.sampled_from([whole, source(draw(contents), f"{number}.yaml").text]))
        piece = piece[draw(positions) : draw(positions)]
        if draw(st.booleans()):
            piece = piece.stand_in(draw(contents))
        pieces.append(piece.unknown() if draw(st.booleans()) else piece)
    return Text(run for piece in pieces for run in piece.runs)


def offsets(text: Text) -> list[tuple[str, int, int, str]]:
    """Return for each character the path and the stretch that it stands for."""
    places = []
    for run in text.runs:
        for number, character in enumerate(run.text):
            if run.verbatim:
                places.append((run.source.path, run.start + number, run.start + number + 1, character))
            else:
                places.append((run.source.path, run.start, run.end, character))
    return places


def keeps_places(part: Text, whole: Text, start: int) -> None:
    """Assert that a part has the characters of the whole from `start` on, each with its place."""
    assert offsets(part) == offsets(whole)[start : start + len(part)]


def has_a_place(text: Text) -> None:
    span = text.span
    assert 0 <= span.start <= span.end <= len(span.source.content)
    assert span.line >= 1
    assert span.column >= 1


# --- the same characters as str has, at the places they had -------------------------------------------


@given(texts(), positions, positions)
def test_slicing(text: Text, start: int | None, stop: int | None) -> None:
    part = text[start:stop]
    assert str(part) == str(text)[start:stop]
    keeps_places(part, text, slice(start, stop).indices(len(text))[0])
    has_a_place(part)


@given(texts(), st.integers(-50, 50))
def test_one_character(text: Text, position: int) -> None:
    try:
        expected = str(text)[position]
    except IndexError:
        with pytest.raises(IndexError):
            text[position]
    else:
        assert str(text[position]) == expected
        keeps_places(text[position], text, position % len(text))


@given(texts())
def test_iteration(text: Text) -> None:
    assert [str(character) for character in text] == list(str(text))
    assert [place for character in text for place in offsets(character)] == offsets(text)


def test_only_neighbours_make_a_text() -> None:
    with pytest.raises(ValueError, match="one piece"):
        source("abc").text[::2]


@given(texts(), st.none() | st.text(LETTERS, min_size=1, max_size=3))
def test_stripping(text: Text, characters: str | None) -> None:
    value = str(text)
    assert str(text.strip(characters)) == value.strip(characters)
    assert str(text.lstrip(characters)) == value.lstrip(characters)
    assert str(text.rstrip(characters)) == value.rstrip(characters)
    keeps_places(text.strip(characters), text, len(value) - len(value.lstrip(characters)))
    keeps_places(text.rstrip(characters), text, 0)
    has_a_place(text.strip(characters))


@given(texts(), separators)
def test_partitioning(text: Text, separator: str) -> None:
    for parts, expected in (
        (text.partition(separator), str(text).partition(separator)),
        (text.rpartition(separator), str(text).rpartition(separator)),
    ):
        assert tuple(map(str, parts)) == expected
        assert [place for part in parts for place in offsets(part)] == offsets(text)
        for part in parts:
            has_a_place(part)


@given(texts(), separators)
def test_splitting(text: Text, separator: str) -> None:
    parts = text.split(separator)
    assert list(map(str, parts)) == str(text).split(separator)
    position = 0
    for part in parts:
        keeps_places(part, text, position)
        has_a_place(part)
        position += len(part) + len(separator)


@given(texts())
def test_lines_end_as_they_do_in_the_formats_read_here(text: Text) -> None:
    expected = re.split("\r\n|\n|\r", str(text))
    if not expected[-1]:
        expected.pop()
    lines = list(text.lines())
    assert list(map(str, lines)) == expected
    position = 0
    for line in lines:
        position = str(text).index(str(line), position)
        keeps_places(line, text, position)
        position += len(line)


def test_a_line_is_not_broken_by_what_only_python_takes_for_a_break() -> None:
    assert [str(line) for line in source("a\x0bb\x0cc\x85d\u2028e\n").text.lines()] == ["a\x0bb\x0cc\x85d\u2028e"]


@given(texts(), separators)
def test_searching(text: Text, wanted: str) -> None:
    assert text.find(wanted) == str(text).find(wanted)
    assert text.find(wanted, 3) == str(text).find(wanted, 3)
    assert text.startswith(wanted) is str(text).startswith(wanted)
    assert text.startswith((wanted, "b")) is str(text).startswith((wanted, "b"))
    assert len(text) == len(str(text))
    assert bool(text) is bool(str(text))


@given(texts(), texts())
def test_adding(one: Text, other: Text) -> None:
    assert str(one + other) == str(one) + str(other)
    assert offsets(one + other) == offsets(one) + offsets(other)


@given(st.lists(texts(), min_size=1, max_size=4), st.sampled_from(["", " ", ", "]))
def test_joining(parts: list[Text], separator: str) -> None:
    joined = join(parts, separator)
    assert str(joined) == separator.join(map(str, parts))
    written = [place for place in offsets(joined) if place[1] < place[2]]
    assert [place for part in parts for place in offsets(part) if place[1] < place[2]] == written


def test_joining_nothing_has_no_place() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        join((), " ")


@given(texts())
def test_what_a_pattern_matched(text: Text) -> None:
    for match in re.finditer(r"(?P<name>[^=\n]*)=([^\n]*)", str(text)):
        assert str(text.cut(match)) == match[0]
        assert str(text.cut(match, 2)) == match[2]
        assert str(text.cut(match, "name")) == match["name"]
        keeps_places(text.cut(match, 2), text, match.start(2))


@given(texts())
def test_marking_as_not_known(text: Text) -> None:
    unknown = text.unknown()
    assert str(unknown) == str(text)
    assert offsets(unknown) == offsets(text)
    assert not unknown.known
    assert not unknown[:0].known
    assert unknown.span == text.span


def test_a_part_may_be_known_where_the_whole_is_not() -> None:
    text = source("a").text + source("$B").text.unknown() + source("c").text
    assert not text.known
    assert text[:1].known
    assert not text[1:3].known
    assert text[3:].known


# --- verbatim runs, and characters that stand for others ----------------------------------------------


@given(contents, st.lists(st.tuples(positions, positions), max_size=4))
def test_characters_cut_from_a_source_equal_those_at_their_offsets(
    content: str, cuts: list[tuple[int | None, int | None]]
) -> None:
    text = source(content).text
    for start, stop in cuts:
        text = text[start:stop]
    for _, start, end, character in offsets(text):
        assert content[start:end] == character
    starts = [start for _, start, _, _ in offsets(text)]
    assert starts == sorted(set(starts))
    assert text.span.end - text.span.start == len(text)


@given(texts(), contents, positions, positions)
def test_a_stand_in_stands_for_all_of_what_it_replaces_however_it_is_cut(
    text: Text, value: str, start: int | None, stop: int | None
) -> None:
    """Its characters are never taken for those at single offsets, also where there are as many by chance."""
    standing = text.stand_in(value)
    assert str(standing) == value
    assert standing.span == text.span
    part = standing[start:stop]
    assert str(part) == value[start:stop]
    span = text.span
    for _, begin, end, _ in offsets(part):
        assert (begin, end) == (span.start, span.end)


@given(texts(), positions, positions, positions, positions)
def test_up_to_another_is_all_that_stands_in_between(
    text: Text, start: int | None, stop: int | None, later: int | None, last: int | None
) -> None:
    one, other = text[start:stop], text[later:last]
    both = one.upto(other)
    if one.span.source is not other.span.source or other.span.end < one.span.start:
        assert both is one
        return
    low, high = min(one.span.start, other.span.start), max(one.span.end, other.span.end)
    assert str(both) == one.span.source.content[low:high]
    assert both.span == Span(one.span.source, low, high)


@given(texts())
def test_spans_hold_every_character(text: Text) -> None:
    covered = {(span.source.path, offset) for span in text.spans for offset in range(span.start, span.end)}
    for path, start, end, _ in offsets(text):
        assert covered >= {(path, offset) for offset in range(start, end)}


def test_spans_join_neighbours_and_keep_the_order_of_the_characters() -> None:
    here, there = source("abcdef").text, source("xy", "other").text
    text = here[3:4] + here[4:6] + there + here[:1]
    assert [(span.source.path, span.start, span.end) for span in text.spans] == [
        ("config.yaml", 3, 6),
        ("other", 0, 2),
        ("config.yaml", 0, 1),
    ]


# --- empty Texts --------------------------------------------------------------------------------------


def test_an_empty_text_has_the_place_it_was_cut_at() -> None:
    text = source("ab\ncd").text
    for position in range(6):
        assert (text[position:position].span.start, text[position:position].span.end) == (position, position)
    assert text[9:].span.start == 5
    assert text[4:2].span.start == 4


def test_an_empty_file_has_a_place() -> None:
    text = source("").text
    assert (len(text), bool(text), text.span.line, text.span.column) == (0, False, 1, 1)
    assert list(text) == []
    assert list(text.lines()) == []
    assert text.split(",")[0].span.start == 0


def test_an_empty_text_between_two_runs_belongs_to_the_second() -> None:
    text = source("ab").text + source("cd", "other").text
    assert text[2:2].span == Span(text.runs[1].source, 0, 0)
    assert text[1:1].span == Span(text.runs[0].source, 1, 1)


def test_empty_runs_are_dropped_beside_others() -> None:
    text = source("ab").text
    both = text[:0] + text + text[2:]
    assert both.runs == text.runs
    assert (text[1:1] + text[:0]).span.start == 1


def test_no_text_is_without_a_place() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        Text(())


# --- spans, lines and columns -------------------------------------------------------------------------


def place(text: Text) -> tuple[int, int, int, int]:
    span = text.span
    return span.line, span.column, span.end_line, span.end_column


def test_lines_and_columns_count_from_one() -> None:
    text = source("ab\ncde\n").text
    assert place(text[:2]) == (1, 1, 1, 3)
    assert place(text[3:6]) == (2, 1, 2, 4)
    assert place(text[1:5]) == (1, 2, 2, 3)
    assert place(text[2:3]) == (1, 3, 1, 4)
    assert place(text[7:]) == (3, 1, 3, 1)


def test_a_byte_order_mark_has_no_column() -> None:
    text = source("\ufeffab\ncd").text
    assert place(text[1:3]) == (1, 1, 1, 3)
    assert place(text[4:6]) == (2, 1, 2, 3)
    assert text[:1].span.column == 1
    assert text.span.source.line(1) == "ab"


def test_carriage_returns_belong_to_the_line_they_end() -> None:
    text = source("ab\r\ncd\r\n").text
    assert place(text[4:6]) == (2, 1, 2, 3)
    assert [str(line) for line in text.lines()] == ["ab", "cd"]
    assert text.span.source.line(1) == "ab"
    assert text.span.source.line(2) == "cd"
    assert text.span.source.line(3) == ""


def test_columns_count_code_points() -> None:
    text = source("\U0001f600\u6771e\u0301=x").text
    assert place(text[5:6]) == (1, 6, 1, 7)


@given(contents, st.integers(0, 40), st.integers(0, 40))
def test_a_place_leads_back_to_its_character(content: str, one: int, other: int) -> None:
    start, end = sorted((min(one, len(content)), min(other, len(content))))
    span = Span(source(content), start, end)
    shift = 1 if span.line == 1 and content.startswith("\ufeff") and start else 0
    assert sum(len(line) + 1 for line in content.split("\n")[: span.line - 1]) + span.column - 1 + shift == start
    assert (span.line, span.column) <= (span.end_line, span.end_column)
    assert content.count("\n", 0, start) == span.line - 1


def test_a_span_grows_over_quotes_and_one_line_break() -> None:
    content = "\"ab\"'cd' \\\n  ef\n\n\ngh"
    text = source(content).text
    pieces = [text[1:3], text[5:7], text[13:15], text[18:20]]
    assert list(map(str, pieces)) == ["ab", "cd", "ef", "gh"]
    assert (pieces[0] + pieces[1] + pieces[2]).span == Span(text.runs[0].source, 1, 15)
    assert (pieces[2] + pieces[3]).span == Span(text.runs[0].source, 13, 15)


def test_a_span_stays_where_its_first_character_is() -> None:
    here, there = source("k3s server $OPTIONS").text, source("OPTIONS=--token", "k3s.env").text
    assert (there[8:] + here[:3]).span == Span(there.runs[0].source, 8, 15)
    assert (here[4:10] + there[8:]).span == Span(here.runs[0].source, 4, 10)
    assert (here[4:10] + here[:3]).span == Span(here.runs[0].source, 4, 10)


def test_overlapping_and_containing() -> None:
    one, other = source("abcdef"), source("abcdef")
    assert Span(one, 0, 3).overlaps(Span(one, 2, 4))
    assert not Span(one, 0, 3).overlaps(Span(one, 3, 4))
    assert not Span(one, 0, 3).overlaps(Span(other, 0, 3))
    assert Span(one, 0, 3).contains(Span(one, 1, 3))
    assert not Span(one, 0, 3).contains(Span(one, 1, 4))
    assert not Span(one, 0, 3).contains(Span(other, 0, 3))


def test_equal_stretches_of_two_files_are_two() -> None:
    one, other = source("abc"), source("abc")
    assert Span(one, 0, 3) == Span(one, 0, 3)
    assert Span(one, 0, 3) != Span(other, 0, 3)
    assert len({Span(one, 0, 3), Span(one, 0, 3), Span(other, 0, 3)}) == 2
    assert min([Span(one, 2, 3), Span(one, 0, 3), Span(one, 0, 1)]) == Span(one, 0, 1)


# --- what keeps a Text honest -------------------------------------------------------------------------


def test_equal_texts_of_two_places_are_two() -> None:
    text = source("aa").text
    assert text[:1] not in ("a", text[1:])
    assert len({text[:1], text[1:]}) == 2


def test_a_text_is_frozen() -> None:
    text = source("Zq7Secret").text
    for change in ("runs", "_value", "anything"):
        with pytest.raises(AttributeError, match="frozen") as caught:
            setattr(text, change, "Zq7Secret")
        assert "Zq7Secret" not in str(caught.value)
    with pytest.raises(AttributeError, match="frozen"):
        del text.runs
    assert not hasattr(text, "__dict__")


@given(texts())
def test_neither_repr_nor_traceback_shows_the_characters(text: Text) -> None:
    marked = source("Zq7Secret").text + text + source("Zq7Secret").text
    assert "Zq7" not in repr(marked)
    assert re.fullmatch(r"<Text of \d+ characters at config\.yaml:\d+:\d+>", repr(marked))


def test_no_record_shows_the_characters() -> None:
    text = source("token: Zq7Secret").text
    shown = [repr(text.span), repr(text.span.source), repr(text.runs), repr([text]), f"{text!r}"]
    assert not [one for one in shown if "Zq7" in one]


def test_an_error_about_a_text_does_not_show_it() -> None:
    text = source("Zq7Secret").text
    for fail in (lambda: text[99], lambda: text[::2], lambda: text.missing, lambda: text + 1):  # type: ignore[attr-defined, operator]
        try:
            fail()
        except (AttributeError, IndexError, TypeError, ValueError):
            assert "Zq7" not in traceback.format_exc().replace('source("Zq7Secret")', "")
        else:
            pytest.fail("it should have raised")


def test_cutting_many_runs_is_not_quadratic() -> None:
    """A template with thousands of expressions is a Text of as many runs, and is cut line by line."""

    def cut(number: int) -> None:
        whole = source("ab\n" * number)
        text = Text(Run(whole, start, start + 3, "ab\n") for start in range(0, 3 * number, 3))
        assert sum(1 for _ in text.lines()) == number

    growth.assert_linear(cut, 5000)
