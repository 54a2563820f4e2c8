"""Every word of the page, in both languages, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from rag.errors import GeungeoError

WORDS: dict[str, tuple[str, str]] = {
    # key: (Korean, English); {fields} are filled by both()
    "tagline": ("내 문서에 적힌 말로만 답합니다", "Answers only in your documents' own words"),
    "dark": ("어두운 화면", "Dark theme"),
    "new_chat": ("새 대화", "New chat"),
    "conversation": ("대화", "Conversation"),
    "question": ("질문", "Question"),
    "ask": ("묻기", "Ask"),
    "ask_placeholder": ("문서에 대해 물어보세요", "Ask about your documents"),
    "ask_hint": ("Enter로 묻고, Shift+Enter로 줄을 바꿉니다", "Enter asks, Shift+Enter starts a new line"),
    "welcome_title": ("근거가 있는 답만 합니다", "Answers that show their evidence"),
    "welcome_text": (
        "질문하면 문서에서 답이 되는 말을 그대로 찾아, 원문의 어디에 있는지 보여 줍니다.",
        "Ask a question, and the exact words that answer it are found and shown in their place in the document.",
    ),
    "promise_offline": ("인터넷 없이 이 컴퓨터에서만", "Offline, on this computer only"),
    "promise_exact": ("지어내지 않고 원문 그대로", "Exact words, nothing made up"),
    "promise_place": ("답이 있는 자리까지", "Shown where they stand"),
    "examples": ("예시 기사에 물어보기", "Ask the sample article"),
    "no_examples": (
        "문서가 준비되었습니다. 문서에 나오는 말로 물어보면 더 잘 찾습니다.",
        "Your documents are ready. Words that appear in them make the best questions.",
    ),
    "no_library": (
        "아직 문서가 없습니다. 먼저 문서를 넣어 주세요.",
        "There are no documents yet. Add some first.",
    ),
    "opening": ("준비 중입니다", "Getting ready"),
    "opening_more": (
        "문서와 모델을 여는 중입니다. 지금 물어도 준비되는 대로 답합니다.",
        "Opening the documents and the model. You can ask now; the answer comes as soon as they are ready.",
    ),
    "open_failed": ("문서를 열 수 없습니다", "The documents cannot be opened"),
    "retry": ("다시 시도", "Try again"),
    "wait_opening": ("준비되는 대로 찾겠습니다", "Will search as soon as it is ready"),
    "wait_searching": ("문서에서 찾는 중입니다", "Searching the documents"),
    "citations": ("근거", "Evidence"),
    "related": ("함께 찾은 문장 (답의 근거는 아닐 수 있습니다)", "Also found (may not support the answer)"),
    "stands_here": ("이 문장이 적힌 곳", "Where this sentence stands"),
    "answer_begins": ("답 시작", "answer begins"),
    "answer_ends": ("답 끝", "answer ends"),
    "certainty": ("확실한 정도", "How certain"),
    "certainty_high": ("거의 확실함", "Almost certain"),
    "certainty_medium": ("아마 맞음 · 원문을 확인하세요", "Probably right · check the source"),
    "certainty_low": ("확실하지 않음 · 원문을 꼭 확인하세요", "Not certain · be sure to check the source"),
    "declined": ("문서에 답이 없습니다", "The documents do not say"),
    "reason_no_documents": (
        "찾아볼 문서가 하나도 없습니다. 문서를 넣고 다시 물어 주세요.",
        "There is no document to look in. Add one and ask again.",
    ),
    "reason_not_in_documents": (
        "문서를 모두 찾아보았지만, 이 질문의 답이 되는 말을 찾지 못했습니다.",
        "All documents were searched, and nothing was found that answers this question.",
    ),
    "reason_only_related": (
        "관련된 내용은 있지만, 물으신 것은 문서에 적혀 있지 않습니다.",
        "The documents speak of this, but do not say what was asked.",
    ),
    "not_an_answer": ("답이 아님", "Not an answer"),
    "nearest": ("그나마 가장 가까운 문장", "The nearest sentence there is"),
    "changed": ("원문이 바뀌었거나 삭제되었습니다", "The source was changed or removed"),
    "changed_more": (
        "답할 때 인용한 문장은 아래와 같습니다.",
        "This is the sentence that was quoted at the time.",
    ),
    "problem": ("답할 수 없었습니다", "This could not be answered"),
    "unexpected": (
        "예상하지 못한 문제가 생겼습니다. 다시 해 보고, 그래도 안 되면 프로그램을 다시 시작해 주세요.",
        "Something unexpected went wrong. Try again; if it stays, restart the program.",
    ),
    "connection_lost": (
        "프로그램과 연결이 끊겼습니다. 근거를 다시 시작하면 이 화면도 저절로 이어집니다.",
        "The connection to the program is lost. Start Geungeo again, and this page comes back by itself.",
    ),
    "evidence_pane": ("원문과 문서", "Source and documents"),
    "tab_reader": ("원문", "Source"),
    "tab_documents": ("문서", "Documents"),
    "close": ("닫기", "Close"),
    "enlarge": ("크게 보기", "Enlarge"),
    "reader_empty": ("아직 펼친 문서가 없습니다", "No document is open yet"),
    "reader_empty_more": (
        "답의 근거를 누르거나 문서 목록에서 제목을 누르면 여기에 원문이 펼쳐집니다.",
        "Choose a piece of evidence, or a title in the list of documents, and the source opens here.",
    ),
    "characters": ("{n}자", "{n} characters"),
    "part": ("{total}자 중 {start}–{end}자", "Characters {start}–{end} of {total}"),
    "previous_part": ("앞부분 보기", "Earlier part"),
    "next_part": ("뒷부분 보기", "Later part"),
    "cited_here": ("인용한 부분", "Quoted here"),
    "document_gone": ("이 문서는 삭제되었습니다", "This document was removed"),
    "document_gone_more": (
        "다른 창에서 지웠을 수 있습니다. 문서 목록에서 다른 문서를 골라 주세요.",
        "It may have been removed in another window. Choose another one from the list.",
    ),
    "drop": ("문서를 여기에 놓거나 골라서 넣으세요", "Drop documents here, or choose them"),
    "drop_formats": ("{formats} · 파일마다 {limit}MB까지", "{formats} · up to {limit} MB a file"),
    "choose": ("파일 고르기", "Choose files"),
    "drop_anywhere": ("놓으면 문서에 더합니다", "Drop to add to your documents"),
    "documents_list": ("문서 목록", "List of documents"),
    "documents_empty": ("아직 넣은 문서가 없습니다", "No documents yet"),
    "remove": ("지우기", "Remove"),
    "cancel": ("그대로 두기", "Keep it"),
    "remove_title": ("이 문서를 지울까요?", "Remove this document?"),
    "remove_text": (
        "더는 이 문서에서 답을 찾지 않습니다. 이미 나눈 대화의 인용문은 남습니다.",
        "It will no longer be searched. Quotes in this conversation stay.",
    ),
    "removed": ("‘{title}’ 문서를 지웠습니다", "Removed “{title}”"),
    "adding": ("문서를 넣는 중입니다", "Adding documents"),
    "stage_model": ("모델 준비", "Preparing the model"),
    "stage_load": ("글 읽기", "Reading"),
    "stage_embed": ("뜻 익히기", "Learning the meaning"),
    "stage_store": ("저장", "Saving"),
    "pace": ("1초에 {rate}토막, {left} 남음", "{rate} passages a second, {left} left"),
    "added": ("새로 넣은 문서 {n}개", "Documents added: {n}"),
    "replaced": ("바뀐 문서 {n}개", "Replaced: {n}"),
    "unchanged": ("이미 있던 문서 {n}개", "Already there: {n}"),
    "failed": ("넣지 못한 파일 {n}개", "Files not added: {n}"),
    "too_large": ("{limit}MB보다 커서 넣지 않았습니다", "Not added: larger than {limit} MB"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """A line that is shown in whichever language the page is in."""

    ko: str
    en: str

    @classmethod
    def of(cls, error: GeungeoError) -> Said:
        """What an error says to the user, in both languages."""
        return cls(error.message("ko"), error.message("en"))

    @classmethod
    def word(cls, key: str, **fields: object) -> Said:
        """An entry of the table with its fields filled; the fields are still to be escaped."""
        korean, english = WORDS[key]
        return cls(korean.format(**fields), english.format(**fields))

    def html(self) -> str:
        """Two escaped spans, of which the style sheet shows the one in the page's language."""
        return f'<span class="w" lang="ko">{escape(self.ko)}</span><span class="w" lang="en">{escape(self.en)}</span>'


def both(key: str, **fields: object) -> str:
    """The HTML of a word in both languages, its fields filled and escaped."""
    return Said.word(key, **fields).html()
