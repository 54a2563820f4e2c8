"""Every name in a report, in both languages, and the one sentence that says what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Figure = Mapping[str, Any]  # {"value", "low", "high", "n"}: 0 to 1, with its 95% interval and count


class Words(NamedTuple):
    """What a thing is called, and what it is."""

    ko: str
    en: str = ""
    says: str = ""


MEASURES = {
    "hit@1": Words("정답 문서를 맨 먼저 찾은 질문", "hit@1", "찾은 문서의 맨 앞에 정답 문서가 있는 질문의 비율."),
    "hit@5": Words("정답 문서를 다섯 안에 찾은 질문", "hit@5", "앞의 다섯 문서 안에 정답 문서가 있는 질문의 비율."),
    "passage_hit@1": Words(
        "정답 대목을 맨 먼저 찾은 질문", "passage hit@1", "찾은 대목의 맨 앞에 정답의 근거가 있는 질문의 비율."
    ),
    "passage_hit@5": Words(
        "정답 대목을 다섯 안에 찾은 질문", "passage hit@5", "앞의 다섯 대목 안에 정답의 근거가 있는 질문의 비율."
    ),
    "mrr@10": Words("정답 문서 순위의 역수", "MRR@10", "정답 문서가 1위면 100, 2위면 50, 10위 밖이면 0으로 친 평균."),
    "passage_mrr@10": Words(
        "정답 대목 순위의 역수", "passage MRR@10", "정답 대목이 1위면 100, 2위면 50, 10위 밖이면 0으로 친 평균."
    ),
    "ndcg@10": Words(
        "문서 차례의 점수", "nDCG@10", "앞의 열 문서에서 정답 문서가 앞에 올수록 높은 점수. 100이 가장 좋다."
    ),
    "em": Words(
        "정답과 똑같은 답", "exact match", "답의 말이 적어 둔 정답 가운데 하나와 똑같은 질문의 비율 (KorQuAD 1.0)."
    ),
    "f1": Words("정답과 겹친 글자", "F1", "답과 정답의 글자가 겹치는 정도를 100점으로 잰 평균 (KorQuAD 1.0)."),
    "list_f1": Words("목록에서 맞힌 항목", "list F1", "목록을 물었을 때 빠뜨린 항목과 군더더기를 함께 잰 점수."),
    "yesno": Words("예·아니요를 맞힘", "yes/no", "답이 ‘예’인 질문과 ‘아니요’인 질문을 맞힌 비율의 평균."),
    "followup": Words(
        "이어 물은 질문에 맞게 답함", "follow-up", "앞의 대화가 있어야 뜻이 통하는 질문에 맞게 답한 비율."
    ),
    "citation_precision": Words(
        "근거에 닿은 인용", "citation precision", "인용한 글 가운데 정답의 근거와 겹치는 비율."
    ),
    "citation_recall": Words("인용이 짚은 근거", "citation recall", "정답의 근거 가운데 인용이 짚은 비율."),
    "verbatim": Words("원문과 똑같은 인용", "verbatim", "인용한 글 가운데 원문과 한 글자도 다르지 않은 비율."),
    "abstention.precision": Words(
        "없다고 한 것이 옳음", "precision", "답이 없다고 한 질문 가운데 정말 답이 없는 비율."
    ),
    "abstention.recall": Words("답 없는 질문을 알아봄", "recall", "문서에 답이 없는 질문 가운데 없다고 한 비율."),
    "abstention.f1": Words("없다고 한 점수", "F1", "앞의 두 비율의 조화평균."),
    "abstention.aurc": Words(
        "모든 문턱에서 틀린 비율의 평균", "AURC", "곡선 아래의 넓이. 낮을수록 틀릴 답을 잘 가려낸다."
    ),
    "reading.em": Words(
        "자기 문서에서 똑같은 답",
        "reading EM",
        "답이 든 문서만 주고 물어 정답과 똑같은 말을 고른 비율. 없다고 했으면 하려던 말로 친다.",
    ),
    "reading.f1": Words(
        "자기 문서에서 겹친 글자",
        "reading F1",
        "답이 든 문서만 주고 물어 고른 말과 정답의 글자가 겹치는 정도를 100점으로 잰 평균.",
    ),
    "declining.f1": Words(
        "문서를 뺐을 때 거절 점수",
        "F1",
        "같은 질문을 답이 든 문서까지 두고, 또 빼고 물어, 뺐을 때만 없다고 하는지 잰 점수.",
    ),
    "declining.precision": Words(
        "없다고 한 것이 옳음", "precision", "없다고 한 것 가운데 답이 든 문서를 뺀 것의 비율."
    ),
    "declining.recall": Words(
        "답이 빠진 질문을 알아봄", "recall", "답이 든 문서를 빼고 물은 질문 가운데 없다고 한 비율."
    ),
    "declining.answered": Words(
        "답이 있을 때는 답함", "answered", "같은 질문을 답이 든 문서까지 두고 물었을 때 답한 비율."
    ),
    "near_misses.f1": Words(
        "비슷한 질문의 거절 점수",
        "F1",
        "문서와 같은 일을 묻지만 답이 없는 질문을, 그만큼의 답 있는 질문과 섞어 잰 점수.",
    ),
    "near_misses.precision": Words(
        "없다고 한 것이 옳음", "precision", "섞은 질문에서 없다고 한 것 가운데 답이 없는 것의 비율."
    ),
    "near_misses.recall": Words(
        "비슷한 질문을 알아봄", "recall", "문서와 같은 일을 묻지만 답이 없는 질문 가운데 없다고 한 비율."
    ),
    "near_misses.answered": Words("섞은 질문에는 답함", "answered", "함께 섞은 답 있는 질문 가운데 답한 비율."),
    "calibration.ece": Words(
        "확신과 맞힌 비율의 차이",
        "ECE",
        "확신이 비슷한 답끼리 묶어 평균 확신과 맞힌 비율의 차이를 평균한 값. 낮을수록 좋다.",
    ),
    "right": Words("맞게 처리한 질문", "right", "근거를 맨 먼저 인용해 답했거나, 없는 답을 없다고 한 질문의 비율."),
}
SCORES = frozenset(
    {
        *("mrr@10", "passage_mrr@10", "ndcg@10", "f1", "list_f1", "yesno", "abstention.f1"),
        *("reading.f1", "declining.f1", "near_misses.f1", "calibration.ece"),
    }
)  # of 100, no share of anything
AREAS = frozenset({"abstention.aurc"})  # under a curve, of 1
FEW = 10  # fewer questions have no interval: resampled, they give one that is too narrow
SHAKY = 20  # fewer pairs of questions are only a hint

ARMS = {  # what the product does first
    "full": Words("전체", "full", "제품이 하는 그대로."),
    "hybrid": Words("합침", "hybrid", "뜻과 낱말을 합쳐서 찾기."),
    "dense": Words("뜻", "dense", "문장의 뜻을 벡터로 견주어 찾기."),
    "bm25": Words("낱말", "BM25", "같은 낱말이 나오는 곳을 찾기."),
}
CERTAINTIES = {
    "high": Words("거의 확실함", "almost certain"),
    "medium": Words("아마 맞음", "probably right"),
    "low": Words("확실하지 않음", "not certain"),
}
REASONS = {
    "not_in_documents": Words("문서에 답이 없다고 보았다", "the documents do not say"),
    "only_related": Words(
        "관련된 말은 있지만 물은 것은 없다고 보았다", "they speak of it and do not say what was asked"
    ),
    "no_documents": Words("문서가 없다", "there are no documents"),
}
OUTCOMES = {  # the right ones first
    "right": Words("맞게 답함", "right", "근거가 되는 문장을 맨 먼저 인용했다."),
    "rightly_declined": Words("옳게 없다고 함", "rightly declined", "문서에 답이 없고, 없다고 했다."),
    "wrongly_declined": Words("있는데 없다고 함", "wrongly declined", "문서에 답이 있는데 없다고 했다."),
    "not_read": Words("다른 문장을 앞세움", "not read", "근거가 든 대목을 읽고도 다른 문장을 먼저 인용했다."),
    "not_retrieved": Words("근거를 찾지 못함", "not retrieved", "읽은 대목 어디에도 근거가 없었다."),
    "wrongly_answered": Words("없는데 답함", "wrongly answered", "문서에 답이 없는데 답했다."),
}
RIGHT = ("right", "rightly_declined")
KINDS = {
    "span": Words("사실", "span"),
    "list": Words("목록", "list"),
    "yesno": Words("예·아니요", "yes/no"),
    "reason": Words("까닭", "reason"),
    "summary": Words("요약", "summary"),
    "followup": Words("이어 묻기", "follow-up"),
    "crosslingual": Words("다른 언어로 묻기", "cross-lingual"),
    "unanswerable": Words("답이 없는 질문", "unanswerable"),
}
LANGUAGES = {
    "ko": Words("한국어", "Korean"),
    "en": Words("영어", "English"),
    "ja": Words("일본어", "Japanese"),
    "zh": Words("중국어", "Chinese"),
    "vi": Words("베트남어", "Vietnamese"),
}
STAGES = {  # in the order they happen
    "conversation": Words("대화 잇기", "conversation"),
    "embed": Words("뜻 읽기", "embed"),
    "morphemes": Words("낱말 나누기", "morphemes"),
    "search": Words("찾기", "search"),
    "answering": Words("답 고르기", "answering"),
    "total": Words("모두", "total"),
}


def named(table: Mapping[str, Words], name: str) -> Words:
    """What a table calls this; its own name where the table does not know it."""
    return table.get(name, Words(name))


def number(key: str, value: float) -> str:
    """A value of this measure out of a hundred, with a % sign where it is a share of something."""
    if key in AREAS:
        return f"{value:.2f}"
    return f"{100 * value:.1f}" + ("" if key in SCORES else "%")


def is_few(figure: Figure) -> bool:
    """Whether a figure rests on too few questions for an interval."""
    return figure.get("n") is not None and figure["n"] < FEW


def interval(key: str, figure: Figure) -> str:
    """The 95% interval as ``number`` writes values, without signs; why there is none, or nothing where it is not known."""
    low, high = figure.get("low"), figure.get("high")
    if is_few(figure):
        return f"질문이 너무 적다 ({figure['n']})"
    return "" if low is None or high is None else "–".join(number(key, end).rstrip("%") for end in (low, high))
