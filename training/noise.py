"""A question as people type it."""

from __future__ import annotations

import random
import re

_ENDINGS = re.compile(r"(은|는|이|가|을|를|의|에|에서|으로|로|와|과)(?=\s)")
_POLITE = re.compile(r"(?:인가요|입니까|인가|일까요|일까|이야|이에요|예요|한가요|했나요|하나요|나요|는가)?\s*[?？.]*$")


def noisy(question: str, rng: random.Random) -> str:
    """The question as people type: without spaces, particles or endings, with a slip of the finger."""
    text = question
    if rng.random() < 0.5:
        text = _POLITE.sub("", text) or text
    if rng.random() < 0.4:
        text = _ENDINGS.sub(lambda m: "" if rng.random() < 0.7 else m[0], text)
    if rng.random() < 0.5:
        keep = rng.choice([0.0, 0.3, 0.6])
        text = re.sub(r" ", lambda _: " " if rng.random() < keep else "", text)
    if rng.random() < 0.35 and len(text) > 4:
        at = rng.randrange(len(text))
        text = text[:at] + _slip(text[at], rng) + text[at + 1 :]
    if rng.random() < 0.1:
        text += rng.choice(["ㅋㅋ", "??", "..", "~", " 알려줘", " 좀"])
    return text if any(c.isalnum() for c in text) else question


def _slip(character: str, rng: random.Random) -> str:
    """Another vowel or final in a syllable; nothing for others."""
    code = ord(character) - 0xAC00
    if not 0 <= code < 11172:
        return character
    initial, vowel, final = code // 588, code % 588 // 28, code % 28
    if rng.random() < 0.5:
        vowel = min(20, max(0, vowel + rng.choice([-1, 1])))
    else:
        final = 0 if final else rng.choice([4, 8, 16, 21])
    return chr(0xAC00 + initial * 588 + vowel * 28 + final)
