"""Words as search sees them: particles gone, questions' words gone, numbers and letters in one form."""

from __future__ import annotations

import threading

import pytest

from rag.morphology import AnalysedSentence, Morpheme, Morphology


def forms(morphology: Morphology, text: str) -> list[str]:
    return [morpheme.form for morpheme in morphology.morphemes(text)]


@pytest.mark.parametrize(
    ("noun", "inflected"),
    [
        ("바이오", "바이오에서는"),
        ("반도체", "반도체를"),
        ("자동차", "자동차가"),
        ("배터리", "배터리와"),
        ("은행", "은행에서"),
        ("정부", "정부의"),
        ("지진", "지진으로"),
        ("백신", "백신은"),
        ("수소", "수소까지"),
        ("도서관", "도서관에"),
        ("항공기", "항공기로"),
        ("환율", "환율이"),
        ("김치", "김치만"),
        ("서울", "서울에서도"),
        ("로봇", "로봇처럼"),
    ],
)
def test_a_noun_and_the_noun_with_particles_meet(morphology: Morphology, noun: str, inflected: str) -> None:
    assert forms(morphology, noun) == forms(morphology, inflected) == [noun]


@pytest.mark.parametrize(("noun", "inflected"), [("인공지능", "인공지능이란"), ("대학교", "대학교에서도")])
def test_a_compound_meets_itself_with_particles(morphology: Morphology, noun: str, inflected: str) -> None:
    assert forms(morphology, noun) == forms(morphology, inflected) != []


def test_verbs_meet_in_every_ending(morphology: Morphology) -> None:
    assert forms(morphology, "먹었다") == forms(morphology, "먹으면") == forms(morphology, "먹습니까") == ["먹"]


def test_irregular_stems_are_content_too(morphology: Morphology) -> None:
    assert forms(morphology, "날씨가 더웠다") == ["날씨", "덥"]
    assert forms(morphology, "노래를 들었다") == ["노래", "듣"]


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("누가 언제 어디서 무엇을 왜 샀어?", ["사"]),
        ("얼마나 비싸?", ["비싸"]),
        ("몇 마리야?", ["마리"]),
        ("어떤 색이야?", ["색"]),
        ("무슨 노래야?", ["노래"]),
        ("왜?", []),
    ],
)
def test_words_that_ask_are_dropped(morphology: Morphology, question: str, rest: list[str]) -> None:
    assert forms(morphology, question) == rest


def test_numbers_lose_their_commas_and_keep_their_point(morphology: Morphology) -> None:
    assert forms(morphology, "1,234,567명") == ["1234567", "명"]
    assert forms(morphology, "1,000원") == forms(morphology, "1000원") == ["1000", "원"]
    assert forms(morphology, "3.5%") == ["3.5"]


def test_latin_letters_are_case_folded(morphology: Morphology) -> None:
    assert forms(morphology, "NASA와 Nasa, nasa") == ["nasa"] * 3


def test_chinese_characters_are_kept(morphology: Morphology) -> None:
    assert forms(morphology, "日本의 경제") == ["日本", "경제"]


def test_a_morpheme_knows_its_place_in_code_points(morphology: Morphology) -> None:
    assert morphology.morphemes("😀 사과를") == [Morpheme("사과", "NNG", 2, 4)]


def test_pointing_words_do_not_ask(morphology: Morphology) -> None:
    assert morphology.pointing_words("거기 그 사람은 누구야?") == ["거기", "그"]
    assert morphology.pointing_words("서울의 인구는?") == []


def test_sentences_of_each_text_with_offsets_in_code_points(morphology: Morphology) -> None:
    first, second = morphology.sentences(["😀😀 사과를 땄다. 배도 땄다.", "끝이다."])
    assert [(sentence.start, sentence.end) for sentence in first] == [(0, 10), (11, 17)]
    assert first[0].morphemes[0] == Morpheme("사과", "NNG", 3, 5)
    assert first[1].morphemes[0] == Morpheme("배", "NNG", 11, 12)
    assert [(sentence.start, sentence.end) for sentence in second] == [(0, 4)]


def test_nothing_has_no_morphemes_and_no_sentences(morphology: Morphology) -> None:
    assert morphology.morphemes("") == []
    assert morphology.pointing_words("") == []
    assert list(morphology.sentences([])) == []
    assert list(morphology.sentences([""])) == [[]]


def test_marks_alone_are_a_sentence_without_morphemes(morphology: Morphology) -> None:
    assert list(morphology.sentences(["😀!"])) == [[AnalysedSentence(0, 2, ())]]


@pytest.mark.parametrize(
    "expected",
    [
        [
            "The library lent 182,400 books in 2024.",
            "It opened a new room.",
            "The director is Helen Marsh.",
            "Fines are a quarter a day!",
        ],
        ["Dr. Smith met Mr. J. Smith and Mrs. Lee of the U.S. Senate, e.g. Al vs. Bob.", "It rose 3.5 percent."],
        ["See No. 5 on St. James Street.", "She (Ann) left.", '"Good."', "(Nobody spoke.)", "Then all went home."],
        ["1. The library is open.", "2. The café is shut."],
        ["그는 “I am here. You go.”라고 말했다.", "끝이다."],
        ["会議は三時に始まる。", "会議は「長い。でも良い。」と言った。", "終わり！"],
        ["明日は晴れ。", "会議は三時です。"],
        ["他说：“好。”", "今天很好！", "明天呢？"],
        ["제2조(대상) ① 회원은 책을 빌린다.", "두 권을 허용한다.", "② 비회원은 안 된다.", "③ 끝이다."],
        ["축제를 연다.", "▲ 일시: 5월 ▲ 장소: 강가"],
        ["신청한다.", "2) 기다린다.", "3. 받는다."],
        ["김○○ 씨가 왔다.", "○○시는 크다."],
        ["| 나루. 배가 닿는다. | Come in. Sit. |"],
    ],
)
def test_sentences_of_other_languages_and_lists(morphology: Morphology, expected: list[str]) -> None:
    for space in (" ", ""):
        if space or all("\u3000" < sentence[0] < "\ua000" for sentence in expected):  # Chinese and Japanese have none
            text = space.join(expected)
            (found,) = morphology.sentences([text])
            assert [text[sentence.start : sentence.end] for sentence in found] == expected


def test_morphemes_go_with_the_sentence_they_stand_in(morphology: Morphology) -> None:
    (found,) = morphology.sentences(["It rained. Boats left. We stayed!"])
    assert [[m.form for m in sentence.morphemes] for sentence in found] == [
        ["it", "rained"],
        ["boats", "left"],
        ["we", "stayed"],
    ]


def test_threads_get_what_one_alone_gets(morphology: Morphology) -> None:
    texts = [f"{noun}에서 {noun}까지" for noun in ("서울", "도서관", "은행", "강가")] * 5
    expected = [forms(morphology, text) for text in texts]
    found: list[list[list[str]]] = []

    def analyse() -> None:
        found.append([forms(morphology, text) for text in texts])

    threads = [threading.Thread(target=analyse) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 3
