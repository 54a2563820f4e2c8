"""What a follow-up leans on.

A follow-up points back with a pronoun (그건, 거기서), or says so little that it means nothing alone (그럼 배터리는?). Such a
question is searched together with the ones before it, and weighs more than they. A question that stands on its own is left
as it is, so that an old subject does not pull a new one towards it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.morphology import Morphology
from rag.types import Turn

_FARTHEST = 3  # questions back
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


def context_of(question: str, history: Sequence[Turn], morphology: Morphology) -> str:
    """What the person asked before and the question leans on, oldest first, a line each; empty when it stands alone.

    When the question before leans on one itself, that belongs to it too, back to one that stands alone.
    """
    asked = [turn.content.strip() for turn in history if turn.role == "user" and turn.content.strip()]
    context: list[str] = []
    while asked and len(context) < _FARTHEST and leans_on_history(context[0] if context else question, morphology):
        context.insert(0, asked.pop())
    return "\n".join(context)


def leans_on_history(question: str, morphology: Morphology) -> bool:
    """Whether a question points back, or says too little to be searched alone."""
    if any(form not in _FREE for form in morphology.pointing_words(question)):
        return True
    return len({m.form for m in morphology.morphemes(question) if m.tag not in {"MAG", "NNB"}}) < _ENOUGH
