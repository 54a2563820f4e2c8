"""Texts to token ids: the XLM-RoBERTa tokenizer of the bundled model, with tokenizers."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from rag.weights import TokenizerData, encode_character_map


def build_tokenizer(data: TokenizerData) -> Tokenizer:
    """SentencePiece Unigram, ``<s> $A </s>``, pairs as ``<s> $A </s> </s> $B </s>``."""
    tokenizer = Tokenizer(models.Unigram(list(zip(data.pieces, data.scores, strict=True)), unk_id=data.unk))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(encode_character_map(data.character_map)), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens([data.pieces[i] for i in (data.bos, data.pad, data.eos, data.unk)])
    bos, eos = data.pieces[data.bos], data.pieces[data.eos]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, data.bos), (eos, data.eos)],
    )
    return tokenizer


def plain_tokens(tokenizer: Tokenizer, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """The ids of a text and the span of each in it. Nothing in it is a mark of the model: ``</s>`` there, full width or not, is unknown."""
    whole = text.encode("utf-8", "replace").decode("utf-8")  # no half characters
    encoding = tokenizer.encode(whole, add_special_tokens=False)
    marks = [tokenizer.token_to_id(mark) for mark in ("<s>", "<pad>", "</s>", "<mask>")]
    unknown = tokenizer.token_to_id("<unk>")
    assert unknown is not None
    return [unknown if id in marks else id for id in encoding.ids], encoding.offsets


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], prompt: str, longest: int) -> list[list[int]]:
    """The ids of each text behind ``prompt``, composed (NFC) first; what is longer loses its end but for ``</s>``."""
    whole = [(prompt + text).encode("utf-8", "replace").decode("utf-8") for text in texts]  # no half characters
    composed = [unicodedata.normalize("NFC", text) for text in whole]
    rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(composed)]
    return [ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]] for ids in rows]
