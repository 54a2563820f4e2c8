"""Passages and sentences: what must hold for every text, and what people expect of particular ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_text_splitters import RecursiveCharacterTextSplitter

from rag.furniture import Line, kind
from rag.morphology import AnalysedSentence, Morpheme, Morphology
from rag.splitting import Piece, split

# Function-scoped fixtures are what the check is about; the analyser is one a session.
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

PARTS = [
    "강가에 오래된 나루가 있었다. ",
    "배는 하루에 두 번 떠났다!",
    "“잘 가. 또 와.” 하고 손을 흔들었다.",
    "chunk ",
    "chunk\n",
    "😀",
    "👩‍👧",
    "물값은 2.8% 올랐다. ",
    "제3조. ",
    "(예: 3.5) ",
    "…",
    "\n",
    "\n\n",
    "\t",
    "  ",
    "\u3000",
    "\u200b",
    "\u2800",
    "\ue000",
    "\ue001 ",
    "e\u0301",
    "가" * 70,
    "x" * 130,
    "하나, 둘, 셋, ",
    "日本語です。",
    "Is it? Yes. ",
    "허용한다. ② ",
    "▲",
    "2. ",
    "「長い。」と",
    "| 값. | 나이다. |\n",
    "He left. Dr. Who! ",
]
texts = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)
lines = st.lists(
    st.sampled_from(
        [
            "더보기",
            "설정",
            "많이 본 뉴스",
            "1 비가 온다",
            "입력 2025.04.30",
            "공유하기 | 인쇄",
            "ⓒ 물새신문",
            "한바다 기자",
            "나루에 배가 왔다. 사람이 내렸다.",
            "",
            "가" * 60,
        ]
    ),
    max_size=12,
).map("\n".join)


def words(text: str, pieces: list[Piece]) -> list[str]:
    return [text[piece.start : piece.end] for piece in pieces]


def sentences(text: str, pieces: list[Piece]) -> list[str]:
    return [text[sentence.start : sentence.end] for piece in pieces for sentence in piece.sentences]


def assert_covers(text: str, spans: list[tuple[int, int]], start: int, end: int) -> None:
    """The spans rise, do not overlap, begin and end with no space, and leave out only white space."""
    for a, b in spans:
        assert start <= a < b <= end
        assert text[a:b] == text[a:b].strip()
    edges = [(start, start), *spans, (end, end)]
    for (_, before), (after, _) in pairwise(edges):
        assert before <= after and text[before:after].strip() == ""


# --- what holds for every text


@relaxed
@given(texts | lines | st.text(max_size=80), st.sampled_from([20, 60, 300]))
def test_pieces_cover_the_text_and_sentences_cover_the_pieces(morphology: Morphology, text: str, size: int) -> None:
    pieces = split(text, morphology, chunk_size=size)
    assert_covers(text, [(piece.start, piece.end) for piece in pieces], 0, len(text))
    for piece in pieces:
        spans = [(sentence.start, sentence.end) for sentence in piece.sentences]
        assert_covers(text, spans, piece.start, piece.end)
        assert spans[0][0] == piece.start and spans[-1][1] == piece.end


@relaxed
@given(texts | lines, st.sampled_from([20, 60, 300]))
def test_pieces_are_no_longer_than_asked(morphology: Morphology, text: str, size: int) -> None:
    longest = size + (240 if "ⓒ" in text or "기자" in text else 0)
    assert all(piece.end - piece.start <= longest for piece in split(text, morphology, chunk_size=size))


@relaxed
@given(lines)
def test_some_piece_of_a_text_with_words_can_be_searched(morphology: Morphology, text: str) -> None:
    pieces = split(text, morphology, chunk_size=60)
    assert any(piece.searchable for piece in pieces) == bool(text.strip())


@pytest.mark.parametrize("text", ["", " \n\t ", "\u3000"])
def test_a_text_of_white_space_has_no_pieces(morphology: Morphology, text: str) -> None:
    assert split(text, morphology) == []


def test_a_blank_that_is_no_white_space_to_python_is_a_sentence_without_morphemes(morphology: Morphology) -> None:
    text = "더보기\n\u2800\n공유하기"  # people put U+2800 where a site removes empty lines
    pieces = split(text, morphology)
    assert words(text, pieces) == ["더보기", "\u2800", "공유하기"]
    assert [sentence.morphemes for sentence in pieces[1].sentences] == [()]


# --- passages


def test_passages_end_where_sentences_end(morphology: Morphology) -> None:
    text = "강가에 나루가 있었다. 배는 하루 두 번 떠났다. 사공은 노래를 불렀다."  # 12 + 1 + 15 + 1 + 12
    assert words(text, split(text, morphology, chunk_size=30)) == [
        "강가에 나루가 있었다. 배는 하루 두 번 떠났다.",
        "사공은 노래를 불렀다.",
    ]


def test_paragraphs_are_cut_before_sentences(morphology: Morphology) -> None:
    text = "첫 문단이다. 짧다.\n\n둘째 문단이다. 이것도 짧다."
    assert words(text, split(text, morphology, chunk_size=20)) == ["첫 문단이다. 짧다.", "둘째 문단이다. 이것도 짧다."]
    assert words(text, split(text, morphology)) == [text]


def test_repeated_sentences_keep_their_own_places(morphology: Morphology) -> None:
    text = "배가 왔다.\n" * 6  # 7 characters each
    spans = [(piece.start, piece.end) for piece in split(text, morphology, chunk_size=7)]
    assert spans == [(0, 6), (7, 13), (14, 20), (21, 27), (28, 34), (35, 41)]


def test_a_word_longer_than_a_passage_is_cut_at_its_length(morphology: Morphology) -> None:
    assert [(piece.start, piece.end) for piece in split("x" * 70, morphology, chunk_size=30)] == [
        (0, 30),
        (30, 60),
        (60, 70),
    ]


def test_a_sentence_cut_in_two_gives_each_half_its_own_morphemes(morphology: Morphology) -> None:
    text = "사공, 나루, 강물, 바람, 노래, 달빛"
    pieces = split(text, morphology, chunk_size=12)
    assert words(text, pieces) == ["사공, 나루, 강물,", "바람, 노래, 달빛"]
    assert [piece.sentences[0].morphemes for piece in pieces] == [("사공", "나루", "강물"), ("바람", "노래", "달빛")]


def test_private_characters_of_the_text_are_kept(morphology: Morphology) -> None:
    text = "\ue000 가나다. \ue001 라마바."  # the splitter's marker must be another one
    assert words(text, split(text, morphology)) == [text]


# --- langchain's splitter does the cutting


def test_the_cuts_are_those_of_the_recursive_splitter(morphology: Morphology, monkeypatch: pytest.MonkeyPatch) -> None:
    original = RecursiveCharacterTextSplitter.split_text
    returned: list[str] = []

    def recording(self: RecursiveCharacterTextSplitter, text: str) -> list[str]:
        returned.extend(original(self, text))
        return returned

    monkeypatch.setattr(RecursiveCharacterTextSplitter, "split_text", recording)
    text = "강가에 나루가 있었다. 배는 하루 두 번 떠났다.\n\n사공은 노래를 불렀다. 달이 떴다."
    pieces = split(text, morphology, chunk_size=20)
    assert len(returned) > 1
    assert words(text, pieces) == [bare for piece in returned if (bare := piece.replace("\ue000", "").strip())]


def test_other_cuts_of_the_splitter_give_other_passages(
    morphology: Morphology, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RecursiveCharacterTextSplitter, "split_text", lambda self, text: [text[:3], text[3:]])
    assert words("나루터에 배", split("나루터에 배", morphology)) == ["나루터", "에 배"]


def test_there_is_no_other_way_to_cut(morphology: Morphology, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: RecursiveCharacterTextSplitter, text: str) -> list[str]:
        raise RuntimeError("no splitter")

    monkeypatch.setattr(RecursiveCharacterTextSplitter, "split_text", broken)
    with pytest.raises(RuntimeError, match="no splitter"):
        split("나루터에 배", morphology)


def test_a_splitter_that_loses_characters_is_found_out(morphology: Morphology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecursiveCharacterTextSplitter, "split_text", lambda self, text: [text[1:]])
    with pytest.raises(AssertionError, match="5 of 6"):
        split("나루터에 배", morphology)


# --- sentences


@pytest.mark.parametrize(
    "expected",
    [
        ["“그는 갔다. 왔다.”라고 말했다.", "다음 문장이다."],
        ["'안녕. 잘 가.' 하고 그가 말했다.", "우리는 웃었다."],
        ["물가가 2.8% 올랐다.", "금리는 그대로다."],
        ["회사는 3.5조원을 냈다.", "은행은 2.1조원이다."],
        ["제3조.", "이 법은 서울시에 적용한다."],
        ["값(예: 3.5)은 높다.", "끝이다."],
        ["값은 크다(예: 3.5).", "끝이다."],
        ["글쎄… 모르겠다.", "그래도 간다."],
        ["그는 웃었다...", "그리고 떠났다."],
        ["질문이 있나요?", "네!", "있습니다."],
        ["😀😀 나는 갔다.", "👩‍👧 그는 왔다."],
    ],
)
def test_sentence_boundaries(morphology: Morphology, expected: list[str]) -> None:
    text = " ".join(expected)
    assert sentences(text, split(text, morphology)) == expected


def test_a_line_ends_a_sentence(morphology: Morphology) -> None:
    text = "나루터 소식\n배는 하루 두 번 떠난다\n- 아침 배\n- 저녁 배"
    assert sentences(text, split(text, morphology)) == text.split("\n")


def test_lines_wrapped_at_a_width_are_read_as_one(morphology: Morphology) -> None:
    text = (
        "강가의 오래된 나루에는 하루에 두 번 배가 다니는데 아침 배는\n"
        "여섯 시에 떠나고 저녁 배는 해가 지기 한 시간 앞서 떠나므로\n"
        "늦는 사람은 하룻밤을 묵어야 했다. 주막은 하나뿐이었다."
    )
    first = text.index(" 주막")
    assert sentences(text, split(text, morphology)) == [text[:first], text[first + 1 :]]


def test_morphemes_lie_in_the_sentence_that_holds_them(morphology: Morphology) -> None:
    text = "😀 나루에 배가 왔다. 사공은 노래했다."
    (piece,) = split(text, morphology)
    assert [sentence.morphemes[0] for sentence in piece.sentences] == ["나루", "사공"]


KOREAN_WRAPPED = """\
강가의 오래된 나루에는 하루에 두 번 배가 다니는데, 아침 배는 여섯 시에
떠나고 저녁 배는 해가 지기 한 시간 앞서 떠나므로 늦게 온 사람은 하룻밤을
묵어야 했다. 주막은 하나뿐이었다. 지난해 봄부터는 다리를 놓자는 사람들과
3월마다 열리는 나루터 잔치를 지키자는 사람들이 마을 회관에 모여 다투었다."""
ENGLISH_WRAPPED = """\
The old landing on the river is served by two boats a day. The morning
boat leaves at six and the evening boat leaves an hour before the sun
goes down, so that whoever comes late has to spend the night there. The
inn has four rooms. It is the only one on this side of the river."""


@pytest.mark.parametrize(("text", "count"), [(KOREAN_WRAPPED, 3), (ENGLISH_WRAPPED, 4)])
def test_prose_of_a_fixed_width_is_cut_at_sentences_and_not_at_lines(
    morphology: Morphology, text: str, count: int
) -> None:
    text = f"# 나루터\n{text}\n- 끝"
    found = sentences(text, split(text, morphology, chunk_size=1000))
    assert (found[0], found[-1], len(found)) == ("# 나루터", "- 끝", count + 2)
    assert all(sentence.endswith((".", "다.")) for sentence in found[1:-1])


@pytest.mark.parametrize(
    "text",
    [
        "1분기 매출은 작년 동기보다 4.5% 증가\n2분기 매출은 작년 동기보다 3.1% 감소\n3분기 매출은 2.2% 증가했다.",
        "- 1층 어린이 열람실과 가족 열람실, 휴게실\n- 2층 종합 자료실과 노트북 열람실, 복사실\n- 3층 강당과 옥상 정원이다.",
        "내년 도서관 예산은 사백오십억 원으로 편성\n시민 열람실은 아침 아홉 시부터 밤까지 개방\n어린이 열람실은 주말에도 저녁까지 개방",
        "나루터에 새 다리가 놓인다는 소식에 들뜬 마을\n입력 2025.04.30 10:11 수정 2025.04.30\n이민정 기자 mj@a.kr\n공사비는 구십억 원이다.",
        "> 그는 나루에서 오랫동안 배를 기다리고 있었다\n> 사공은 노래를 부르며 천천히 배를 저어 와서는\n> 손을 흔들었다.",
    ],
    ids=["quarters", "bullets", "headlines", "news", "quotation"],
)
def test_lines_that_are_as_long_as_each_other_by_chance_stay_apart(morphology: Morphology, text: str) -> None:
    found = sentences(text, split(text, morphology))
    assert found == text.split("\n")


def test_a_row_of_a_table_is_one_sentence(morphology: Morphology) -> None:
    text = "| 이름 | 뜻 |\n|---|---|\n| 나루 | 배가 닿는다. 사람이 탄다. Come in. Sit. |\n| 주막 | 잔다. 먹는다. |"
    assert sentences(text, split(text, morphology)) == text.split("\n")
    assert set(words(text, split(text, morphology, chunk_size=45))) <= {
        "| 이름 | 뜻 |\n|---|---|",
        *text.split("\n")[2:],
    }


# --- work


class _Lines(Morphology):
    """A sentence a line, with as many morphemes as words: what is counted is the splitter's work and not Kiwi's."""

    def sentences(self, texts: Sequence[str]) -> Iterator[list[AnalysedSentence]]:
        for text in texts:
            places = [at for at in range(len(text)) if text[at] != " " and (at == 0 or text[at - 1] == " ")]
            yield [AnalysedSentence(0, len(text), tuple(Morpheme("말", "NNG", at, at + 1) for at in places))]


def lines_run(text: str) -> int:
    """How many lines of Python splitting the text runs through, in rag alone."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if frame.f_globals.get("__name__") not in {"rag.splitting", "rag.furniture"}:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        split(text, _Lines(), chunk_size=60)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "part",
    ["나루에 배가 왔다\n더보기\n사람이 내렸다\n", "나루에 배가 왔다\n", "나루 "],
    ids=["stretches", "sentences", "one sentence"],
)
def test_work_grows_as_the_text_does(part: str) -> None:
    assert lines_run(part * 400) <= 4.2 * lines_run(part * 100)


# --- page furniture, bylines, copyright

PAGE = """홈 | 메뉴
나루터에 새 다리가 놓인다

강을 건너는 다리가 내년 봄에 놓인다. 공사비는 구십억 원이다.
공유하기
더보기
주민들은 배가 사라질까 걱정한다. 사공은 한 사람만 남았다.

한바다 기자 bada@example.com
ⓒ 물새신문. 무단전재 및 재배포 금지
관련기사
로그인"""


def test_furniture_is_kept_but_not_searched(morphology: Morphology) -> None:
    pieces = split(PAGE, morphology)
    found = [(PAGE[piece.start : piece.end], piece.searchable) for piece in pieces]
    assert found == [
        ("홈 | 메뉴", False),
        (PAGE[PAGE.index("나루터에") : PAGE.index("\n공유하기")], True),
        ("공유하기\n더보기", False),
        (PAGE[PAGE.index("주민들은") : PAGE.index("\n관련기사")], True),
        ("관련기사\n로그인", False),
    ]


def test_a_colophon_ends_the_passage_before_it_even_when_that_is_full(morphology: Morphology) -> None:
    text = "주민들은 배가 사라질까 걱정한다. 사공은 한 사람만 남았다.\n\n한바다 기자\n\nⓒ 물새신문"
    pieces = split(text, morphology, chunk_size=35)  # the first paragraph alone has 33
    assert words(text, pieces) == [text]
    assert sentences(text, pieces) == [
        "주민들은 배가 사라질까 걱정한다.",
        "사공은 한 사람만 남았다.",
        "한바다 기자",
        "ⓒ 물새신문",
    ]


def test_a_colophon_does_not_join_furniture(morphology: Morphology) -> None:
    text = "나루에 배가 왔다.\n더보기\nⓒ 물새신문"
    pieces = split(text, morphology)
    assert [(text[p.start : p.end], p.searchable) for p in pieces] == [
        ("나루에 배가 왔다.", True),
        ("더보기", False),
        ("ⓒ 물새신문", True),
    ]


def test_a_text_of_furniture_alone_stays_searchable(morphology: Morphology) -> None:
    assert [piece.searchable for piece in split("더보기\n공유하기", morphology)] == [True]


@pytest.mark.parametrize(
    "line",
    ["나루터 사진을 공유했다.", "다음 배는 여섯 시에 떠난다.", "검색 결과가 없다.", "로그인하지 않은 사람", "***"],
)
def test_a_line_that_only_holds_such_a_word_is_content(morphology: Morphology, line: str) -> None:
    text = f"더보기\n{line}\n공유하기"
    assert [piece.searchable for piece in split(text, morphology)] == [False, True, False]


def test_passages_of_a_text_about_copyright_stay_short(morphology: Morphology) -> None:
    text = "저작권자를 찾는 일은 어렵다.\n" * 100  # every line looks like a colophon
    pieces = split(text, morphology, chunk_size=60)
    assert max(piece.end - piece.start for piece in pieces) <= 60 + 240


@pytest.mark.parametrize(
    "line",
    [
        "홈 > 경제 > 산업",
        "Home › News › Economy",
        "입력 2025.04.30 10:11 수정 2025.04.30 11:25",
        "입력 2025.04.30 10:11 수정 …",
        "기사입력 : 2025-04-30 오전 10:11",
        "최종수정 2025년 4월 30일 (수) 10:11 | 공유",
        "글자크기 가 가",
    ],
)
def test_furniture_of_news_pages(line: str) -> None:
    assert kind(line) is Line.FURNITURE


@pytest.mark.parametrize(
    "line",
    [
        "정치 대통령실",  # a label, but nothing tells so
        "2025.04.30",  # a diary's heading
        "작성일: 2025.04.30",  # what a report says of itself
        "입력 2025.04.30 자료를 다시 살폈다",
        "수정 사항",
        "설정 > 화면 > 밝기",
        "홈 > 설정 > 화면에서 밝기를 고르면 화면 전체가 곧바로 어두워진다.",
        "글자크기 가나다",
    ],
)
def test_what_looks_like_furniture_of_news_pages_and_says_something(line: str) -> None:
    assert kind(line) is Line.CONTENT


def searchable(text: str, morphology: Morphology) -> list[tuple[str, bool]]:
    return [(text[piece.start : piece.end], piece.searchable) for piece in split(text, morphology)]


def test_other_articles_headlines_are_furniture_up_to_the_next_sentence(morphology: Morphology) -> None:
    listed = "많이 본 뉴스\n1 코스피 3000 돌파\n2 내일 전국 비\n\n3 나루터 다리 왜 늦나?"
    text = f"배가 왔다.\n\n{listed}\n\n사공이 내렸다."
    assert searchable(text, morphology) == [("배가 왔다.", True), (listed, False), ("사공이 내렸다.", True)]


@pytest.mark.parametrize(
    "text",
    [
        "관련기사\n\n나루터에 새 다리가 놓인다\n\n공사비는 구십억 원이다.",  # a heading of the article itself
        "관련기사\n나루터에 새 다리가 놓인다.",
        "주요 뉴스\n1. 나루터 다리 착공",  # a newsletter
    ],
)
def test_what_stands_below_such_a_label_may_be_content(morphology: Morphology, text: str) -> None:
    label, rest = text.split("\n", 1)
    assert searchable(text, morphology) == [(label, False), (rest.strip(), True)]


def test_a_word_on_a_button_may_head_a_section(morphology: Morphology) -> None:
    text = "설명서\n\n설정\n밝기와 소리를 고른다.\n\n검색\n찾을 말을 넣는다."
    assert searchable(text, morphology) == [(text, True)]


@pytest.mark.parametrize("text", ["설정\n\n배가 왔다.", "공유하기\n설정\n배가 왔다.", "설정\n검색\n배가 왔다."])
def test_a_word_on_a_button_that_heads_nothing_is_furniture(morphology: Morphology, text: str) -> None:
    furniture = text.removesuffix("배가 왔다.").strip()
    assert searchable(text, morphology) == [(furniture, False), ("배가 왔다.", True)]
