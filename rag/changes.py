"""The log of what has come and gone: the tables ``change`` and ``removal``, by which derived indexes follow the store.

A transaction notes the last passage and the last removal of its time. Keys and numbers of removals only rise, so what is beyond
them came later. A trigger notes the removals.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CHANGES_KEPT = 10_000  # transactions after which a derived index that has not been brought up to date is made anew


@dataclass(frozen=True, slots=True)
class Changes:
    """Keys of passages that have come, rising, and that have gone, rising. What came and went meanwhile is among the latter."""

    come: npt.NDArray[np.int64]
    gone: npt.NDArray[np.int64]


def note_change(connection: sqlite3.Connection) -> None:
    """Raise the generation, and note what the last passage and the last removal were when it came."""
    connection.execute(
        """UPDATE meta SET value = CAST(value AS INTEGER) + 1 + (random() & 0xFFFFFFFFFF) WHERE key = 'generation'"""
    )
    connection.execute(
        """INSERT INTO change VALUES (
               (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation'),
               coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'passage'), 0),
               coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'removal'), 0))"""
    )


def forget_old_changes(connection: sqlite3.Connection) -> None:
    """Keep what tells of the last changes, or a library whose documents come and go all the time would only grow."""
    connection.execute(
        """DELETE FROM change WHERE generation <=
               (SELECT generation FROM change ORDER BY generation DESC LIMIT 1 OFFSET ?)""",
        (CHANGES_KEPT,),
    )
    connection.execute(
        "DELETE FROM removal WHERE number <= (SELECT last_removal FROM change ORDER BY generation LIMIT 1)"
    )
