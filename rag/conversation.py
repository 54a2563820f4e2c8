"""A follow-up and the turns before it -> the question to search for.

A follow-up leans on what was said: it points back with a pronoun (그건, 거기서), or says so little that it means nothing
alone (그럼 배터리는?). Such a question is searched together with the person's last one. A question that stands on its own
is left as it is, so that an old subject does not pull a new one towards it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.morphology import Morphology
from rag.types import Turn

_ENOUGH = 3  # content morphemes that make a question stand alone
# Determiners that do not point back at something said.
_FREE = frozenset(
    {
        "모든",
        "각",
        "새",
        "한",
        "두",
        "세",
        "네",
        "첫",
        "여러",
        "다른",
        "전",
        "총",
        "현",
        "우리",
        "저희",
        "나",
        "저",
        "제",
        "내",
    }
)


def search_question(question: str, history: Sequence[Turn], morphology: Morphology) -> str:
    """The text to search for: the question, with the person's last question before it when it leans on that."""
    last = next((turn.content for turn in reversed(history) if turn.role == "user" and turn.content.strip()), None)
    if last is None or not leans_on_history(question, morphology):
        return question
    return f"{last}\n{question}"


def leans_on_history(question: str, morphology: Morphology) -> bool:
    """Whether a question points back, or says too little to be searched alone."""
    if any(form not in _FREE for form in morphology.pointing_words(question)):
        return True
    return len({m.form for m in morphology.morphemes(question) if m.tag not in {"MAG", "NNB"}}) < _ENOUGH
