"""Which lines of a text are page furniture, which say who wrote it, and which say something.

The splitter keeps furniture out of the search and the loaders look for a title beside it, so both ask here. A line is taken
for furniture only when nothing is left of it without the words of buttons, labels and dates: what is misjudged is never
found again, while a button that is missed does little harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from itertools import chain, pairwise


class Line(Enum):
    """What a line is."""

    CONTENT = 0
    COLOPHON = 1  # who wrote it, whose it is: worth finding, but not by itself
    FURNITURE = 2


def lines(text: str) -> Iterator[tuple[int, int, Line]]:
    """The lines of ``text`` that are not blank, as (start, end, what it is); each in the light of those beside it."""
    before, end_before, listing = Line.CONTENT, -1, False
    # Anchored, and what was taken kept: a long line of blanks would else be tried from each of them.
    found = re.finditer(r"^[^\S\n]*+\S[^\n]*", text, re.MULTILINE)
    for match, after in pairwise(chain(found, [None])):
        assert match is not None  # only the last one is, and it is never the first of a pair
        line = match.group()
        attached = match.start() == end_before + 1
        what = kind(line)
        listing = listing and _is_listed(line, attached)
        if listing:
            what = Line.FURNITURE
        elif what is Line.FURNITURE and _HEADING.fullmatch(line.strip()):
            alone = not (attached and before is Line.FURNITURE)
            if alone and after and after.start() == match.end() + 1 and kind(after.group()) is Line.CONTENT:
                what = Line.CONTENT
        listing = listing or (what is Line.FURNITURE and _LISTING.search(line) is not None)
        yield match.start(), match.end(), what
        before, end_before = what, match.end()


def kind(line: str) -> Line:
    """What a line is by itself."""
    if re.search(r"\w", line) and not re.search(r"\w", _CONTROLS.sub("", _without_dateline(line))):
        return Line.FURNITURE
    if _BREADCRUMB.fullmatch(line.strip()):
        return Line.FURNITURE
    if len(line) <= LONGEST_COLOPHON and _COLOPHON.search(line):
        return Line.COLOPHON
    return Line.CONTENT


def _without_dateline(line: str) -> str:
    """The line without "입력 2025.04.30 10:11 수정 …". A date that nothing says is the page's may be a diary's heading."""
    return _DATE_PART.sub("", line) if _DATELINE.match(line) else line


def _is_listed(line: str, attached: bool) -> bool:
    """Whether a line below "많이 본 뉴스" is one of the headlines that stand there. Numbered ones may stand apart."""
    if len(line) > _LONGEST_HEADLINE or re.search(r"(?:다|[.。])['\"”’)\]]*\s*$", line):
        return False
    return not re.match(r"\s*[|#>]", line) and (attached or re.match(r"\s*\d{1,2}(?:[.)]|\b)", line) is not None)


# Words that pages put on buttons, links and labels. A line is furniture when nothing is left of it without them, so a
# sentence that happens to hold one is safe, and a line that is one tells a reader nothing.
_CONTROLS = re.compile(
    r"""
    더\s?보기 | 공유(?:하기)? | 맨?\s?위로 | top | 버튼 | 팝업(?:창)? | 닫기 | 열기 | 펼치기 | 접기
    | 글[자씨]\s?(?:크기|키우기|줄이기)(?:[\s:]+가(?!\w))*
    | 설정 | 인쇄(?:하기)? | 프린트 | 스크랩(?:하기)? | 북마크 | 목록(?:으로|보기)? | 이전 | 다음 | 로그인 | 로그아웃 | 회원\s?가입
    | 구독(?:하기|신청)? | 댓글(?:\s?(?:쓰기|보기|달기))? | 좋아요 | 싫어요 | 추천(?:해요)? | 관련\s?(?:기사|뉴스|글)
    | 주요\s?(?:뉴스|기사) | 많이\s?본\s?(?:뉴스|기사) | 인기\s?(?:뉴스|기사) | 최신\s?(?:뉴스|기사) | 페이스북 | 트위터
    | 카카오(?:톡|스토리) | 네이버(?:\s?블로그)? | 밴드 | 라인 | url\s?복사 | 링크\s?복사 | 주소\s?복사 | 복사(?:하기)? | 메뉴
    | 검색 | 홈(?:으로)? | 바로\s?가기 | 광고 | 본문 | 기사\s?(?:저장|듣기|원문|제보|공유) | 음성\s?듣기 | 번역 | 신고(?:하기)?
    | 저장(?:하기)? | 보내기 | 이\s?기사를 | share | print | close | more | menu | login | log\s?in | sign\s?(?:in|up)
    | subscribe | related\s?(?:articles|news|stories) | read\s?more | facebook | twitter | kakao\s?(?:talk|story)?
    | copy\s?(?:link|url) | bookmark | comments? | like | skip\s?to\s?content | back\s?to\s?top | advertisement
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Those of them that head the sections of a manual as well. "더보기" does not: it is never what a paragraph is about.
_HEADING = re.compile(
    r"""
    설정 | 인쇄 | 스크랩 | 북마크 | 목록 | 이전 | 다음 | 로그인 | 로그아웃 | 회원\s?가입 | 구독 | 댓글 | 추천 | 복사 | 메뉴 | 검색 | 홈
    | 광고 | 본문 | 번역 | 신고 | 저장 | 보내기 | 공유 | 버튼 | 팝업 | print | menu | log\s?in | sign\s?(?:in|up) | bookmarks? | comments?
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Labels above other articles' headlines. Not "주요 뉴스": in a newsletter that heads the content.
_LISTING = re.compile(
    r"(?:많이\s?본|관련|인기|최신)\s?(?:뉴스|기사)|related\s?(?:articles|news|stories)", re.IGNORECASE
)
_LONGEST_HEADLINE = 60  # characters
# Only from the home page on: "설정 > 화면 > 밝기" is how a manual says where to go.
_BREADCRUMB = re.compile(r"(?:홈|home|메인|뉴스)(?:\s*[>›»]\s*[^>›»\n.?!]{1,20}){1,5}", re.IGNORECASE)

_LABEL = r"(?:기사\s?)?(?:최초\s?|최종\s?)?(?:입력|수정|송고|승인|등록|업데이트)(?:\s?(?:일시|시간|일|시각))?"
_DATE = r"\d{4}\s?[.\-/년]\s?\d{1,2}\s?[.\-/월]\s?\d{1,2}\s?[.일]?"
_DATELINE = re.compile(rf"[\s\W]*{_LABEL}[\s:\uFF1A]*{_DATE}")
_DATE_PART = re.compile(rf"{_LABEL}|{_DATE}|\(?[월화수목금토일]\)|(?:오전|오후)?\s?\d{{1,2}}:\d{{2}}(?::\d{{2}})?")

_COLOPHON = re.compile(
    r"""
    [ⓒ©] | \(c\)\s | copyright | all\s?rights\s?reserved | 저작권자 | 무단\s?(?:전재|복제|배포) | 재배포\s?금지
    | ^\s*[(\[]?(?:[가-힣]{2,4}\s?=\s?)?[가-힣]{2,4}\s?(?:기자|특파원|논설위원)\s*[)\]]?\s*(?:[\w.+-]+@[\w.-]+)?\s*$
    | ^\s*[\w.+-]+@[\w.-]+\s*$
    """,
    re.IGNORECASE | re.VERBOSE,
)
LONGEST_COLOPHON = 120  # characters
