"""A made-up result of ``evals.run`` with everything in it: all kinds, nulls, and what a hostile document would hold.

The documents, questions and figures are invented. Rows are drawn first and the figures are counted from them, so that a
report of it reads like one of a real run; the intervals are the normal approximation, which is near enough to look at.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Any

Result = dict[str, Any]

TEXT = (
    "한빛시는 바다 위에 띄우는 도서관 ‘물마루’를 내년 4월에 연다고 3일 밝혔다. 시는 건립에 모두 96억 원을 썼다. "
    "배에는 책 2만 4천 권과 열람석 130개가 놓인다. 도서관은 한빛문화재단이 운영하고, 월요일마다 쉰다.",
    "새솔군 농업기술원은 가뭄에 강한 밀 품종 ‘들빛’을 내놓았다. 😀 지난 5년 동안 시험한 밭은 41곳이다. "
    "물을 3할 덜 주어도 거두는 양이 줄지 않은 까닭은 뿌리가 1.8미터까지 뻗기 때문이다. 씨앗은 9월부터 나누어 준다.",
    "가온전철은 12일부터 막차를 40분 늦춘다. 늦춘 막차는 해오름역, 갈대역, 북문역에서 탈 수 있다. "
    "요금은 그대로다. 전철 측은 밤에 일하는 사람이 늘어 두 해 동안 요청이 이어졌다고 설명했다.",
)
ASKED: tuple[tuple[str, str, int, str, str], ...] = (  # kind, question, text, evidence, answer words in it
    ("span", "건립에 쓴 돈은 모두 얼마인가요?", 0, "시는 건립에 모두 96억 원을 썼다.", "96억 원"),
    ("span", "시험한 밭은 몇 곳인가요?", 1, "😀 지난 5년 동안 시험한 밭은 41곳이다.", "41곳"),
    ("list", "막차가 늦춰진 역은 어디인가요?", 2, "늦춘 막차는 해오름역, 갈대역, 북문역에서 탈 수 있다.", "해오름역, 갈대역, 북문역"),
    ("yesno", "가온전철 요금이 오르나요?", 2, "요금은 그대로다.", "그대로"),
    ("reason", "거두는 양이 줄지 않은 까닭은?", 1, "뿌리가 1.8미터까지 뻗기 때문이다.", "뿌리가 1.8미터까지 뻗기 때문"),
    ("summary", "물마루 도서관은 어떤 곳인가요?", 0, "배에는 책 2만 4천 권과 열람석 130개가 놓인다.", "책 2만 4천 권과 열람석 130개"),
    ("followup", "그럼 언제 쉬나요?", 0, "도서관은 한빛문화재단이 운영하고, 월요일마다 쉰다.", "월요일마다"),
    ("crosslingual", "How much later is the last train?", 2, "가온전철은 12일부터 막차를 40분 늦춘다.", "40분"),
    ("unanswerable", "물마루 도서관의 관장은 누구인가요?", 0, "도서관은 한빛문화재단이 운영하고, 월요일마다 쉰다.", ""),
)  # fmt: skip
TITLES = ("한빛시, 바다 위 도서관을 연다", "가뭄에 강한 밀 ‘들빛’", "가온전철 막차 40분 늦춰")
NASTY = (
    "</script><script>window.broken = 1</script>",
    '<img src=x onerror="window.broken = 1"> <!-- <script> ]]> \'&quot;&amp;',
    "\u202eopen\u202c \u2066left \x00nul\x07 \ud800 lone \u2028 line",
    "가" * 700 + "W" * 700,
    "{{ 7 * 7 }} {% raw %} $x^2$ \\u003c ${window.broken = 1} %s {0}",
)
ARMS = {"dense": 0.80, "bm25": 0.74, "hybrid": 0.88, "full": 0.92}  # how often the gold document comes first


def figure(values: Iterable[float | None]) -> dict[str, Any] | None:
    """The mean of what is known, its interval and count; None of nothing."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    mean = sum(known) / len(known)
    spread = 1.96 * math.sqrt(max(mean * (1 - mean), 0) / len(known))
    return {"value": mean, "low": max(0.0, mean - spread), "high": min(1.0, mean + spread), "n": len(known)}


def citation(text: int, quote: str, answer: str, evidence: bool, verbatim: bool = True) -> dict[str, Any]:
    """The quote in its passage, which starts 100 characters into its document."""
    start = 100 + TEXT[text].index(quote)
    at = start + quote.index(answer)
    return {
        "document": f"doc-{text}", "title": TITLES[text], "start": start, "end": start + len(quote), "quote": quote,
        "answer_start": at if answer else None, "answer_end": at + len(answer) if answer else None,
        "evidence": evidence, "verbatim": verbatim,
        "passage": {"start": 100, "end": 100 + len(TEXT[text]), "text": TEXT[text]},
    }  # fmt: skip


def make_row(number: int, chance: random.Random) -> dict[str, Any]:
    """One question: what it is follows from its number, how it went from chance."""
    kind, question, text, evidence, words = ASKED[number % len(ASKED)]
    answerable = kind != "unanswerable"
    language = ("en", "ja")[number // len(ASKED) % 2] if kind == "crosslingual" else "ko"
    typed = kind == "span" and number % 5 == 0
    draw = chance.random()
    outcomes: tuple[tuple[str, float], ...] = (
        ("right", 0.74),
        ("not_read", 0.86),
        ("not_retrieved", 0.94),
        ("wrongly_declined", 1.0),
    )
    if not answerable:
        outcomes = (("rightly_declined", 0.7), ("wrongly_answered", 1.0))
    outcome = next(name for name, upto in outcomes if draw < upto)
    answered = outcome in ("right", "not_read", "not_retrieved", "wrongly_answered")
    confidence = chance.betavariate(6, 2) if outcome == "right" else chance.betavariate(2, 3)
    confidence = max(0.19, confidence) if answered else min(0.18, confidence)
    right = outcome in ("right", "rightly_declined")
    other = TEXT[text].split(". ")[0] + "."
    first = citation(text, evidence, words, True) if outcome == "right" else citation(text, other, "", False)
    cited = [first, citation(text, other, "", False)][: 1 + number % 2] if answered else []
    ranks = {}
    for arm, share in ARMS.items():
        place = 1 if chance.random() < share else chance.choice((2, 2, 3, 4, 7, 31, None))
        ndcg = 1 / math.log2(place + 1) if place and place <= 10 else 0.0
        ranks[arm] = {"document": place, "passage": place and place + chance.choice((0, 0, 0, 1)), "ndcg@10": ndcg}
    overlap = 1.0 if right else chance.choice((0.0, 0.25, 0.4))
    read = {"answered": answered, "confidence": confidence, "answer": words, "em": float(overlap == 1), "f1": overlap}
    removed = {"kept": number % 4 > 0, "answered": draw > 0.7, "confidence": confidence / 2}
    laps = {name: chance.lognormvariate(math.log(ms), 0.35) for name, ms in STAGES.items()}
    return {
        "id": f"fake-{number:04}", "kind": kind, "question": question if not typed else question.replace("은", "ㅇㄴ"),
        "history": ["물마루 도서관은 누가 운영하나요?"] if kind == "followup" else [], "language": language,
        "source": ("news", None, "klue_mrc")[number % 3], "document": f"doc-{text}", "answerable": answerable,
        "pair": "fake-0000" if typed else None, "typed": typed, "miss": None if answerable else "near",
        "morphemes": [word.strip("?은는이가를에") for word in question.split()], "ranks": ranks if answerable else {},
        "answered": answered, "answer": first["quote"] if answered else None, "confidence": confidence,
        "threshold": 0.187 if language == "ko" else 0.182,
        "certainty": "high" if confidence > 0.8 else "medium" if confidence > 0.5 else "low",
        "reason": None if answered else "not_in_documents", "citations": cited,
        "nearest": None if answered else citation(text, other, other[:3], False),  # what would have been said
        "expected": {
            "answers": [words] if kind in ("span", "crosslingual", "followup") else [],
            "items": [[each] for each in words.split(", ")] if kind == "list" else [],
            "yesno": "no" if kind == "yesno" else None, "evidence": [evidence] if answerable else [],
        },
        "em": float(overlap == 1) if answerable else None, "f1": overlap if answerable else None,
        "list_f1": overlap if kind == "list" else None, "yesno": float(right) if kind == "yesno" else None,
        "citation_precision": sum(c["evidence"] for c in cited) / len(cited) if cited and answerable else None,
        "citation_recall": float(outcome == "right") if answerable else None,
        "right": right, "outcome": outcome, "timings_ms": {**laps, "total": sum(laps.values())},
        **({"reading": read, "removed": removed} if kind == "span" else {}),
    }  # fmt: skip


STAGES = {"conversation": 0.2, "embed": 11.0, "morphemes": 1.4, "search": 3.6, "answering": 7.5}


def retrieval(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of every arm over these rows."""
    arms: dict[str, Any] = {}
    for arm in ARMS:
        places = [row["ranks"][arm] for row in rows if row["ranks"]]
        arms[arm] = {
            f"{prefix}hit@{k}": figure(float(bool(place[unit] and place[unit] <= k)) for place in places)
            for prefix, unit in (("", "document"), ("passage_", "passage"))
            for k in (1, 5)
        }
        arms[arm]["mrr@10"] = figure(1 / p["document"] if (p["document"] or 99) <= 10 else 0.0 for p in places)
        arms[arm]["passage_mrr@10"] = figure(1 / p["passage"] if (p["passage"] or 99) <= 10 else 0.0 for p in places)
        arms[arm]["ndcg@10"] = figure(place["ndcg@10"] for place in places)
    return arms


def reading(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The figures of questions asked of their own documents only."""
    read = [row["reading"] for row in rows if "reading" in row]
    return {key: figure(each[key] for each in read) for key in ("em", "f1")} if read else None


def apart(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures beside arms and answers, near enough."""
    kept = [row for row in rows if row.get("removed", {}).get("kept")]
    near = [row for row in rows if row["miss"]]
    points = [
        {"confidence": n / 10, "right": max(0.0, n / 10 - 0.1), "count": max(1, len(rows) // 10)} for n in range(10)
    ]
    ece = figure(abs(row["confidence"] - row["right"]) for row in rows)
    declining = {
        "f1": figure(float(row["answered"] != row["removed"]["answered"]) for row in kept),
        "precision": figure(float(row["answered"]) for row in kept),
        "recall": figure(float(not row["removed"]["answered"]) for row in kept),
        "answered": figure(float(row["answered"]) for row in kept),
    }
    said = {key: figure(float(row["right"]) for row in near) for key in ("f1", "precision", "recall", "answered")}
    return {
        "reading": reading(rows), "declining": declining if kept else None, "near_misses": said if near else None,
        "calibration": {"ece": ece, "points": points} if rows else None,
    }  # fmt: skip


def answer_figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of a group's answers."""
    keys = ("em", "f1", "citation_precision", "citation_recall", "list_f1", "yesno")
    judged = [row for row in rows if row["answerable"]] or rows
    return {key: figure(row[key] for row in rows) for key in keys} | {"right": figure(row["right"] for row in judged)}


def groups(rows: list[dict[str, Any]], by: str) -> dict[str, Any]:
    """The same figures for each kind, language or source."""
    names = sorted({str(row[by]) for row in rows if row[by] is not None})
    members = {name: [row for row in rows if row[by] == name] for name in names}
    return {
        name: {
            "questions": len(some),
            "arms": retrieval(some),
            "answers": answer_figures(some),
            "reading": reading(some),
        }
        for name, some in members.items()
    }


def risk_coverage(rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    """A point for each question answered more, surest first."""
    wrong, points = 0, []
    for count, row in enumerate(sorted(rows, key=lambda row: -row["confidence"]), 1):
        wrong += row["outcome"] not in ("right", "wrongly_declined")
        points.append({"coverage": count / len(rows), "risk": wrong / count, "confidence": row["confidence"]})
    return points


def add_nasty(rows: list[dict[str, Any]]) -> None:
    """Write what would break a careless page into every text of the first rows, and a very long passage into one."""
    for number, nasty in enumerate(NASTY):
        row = rows[number]
        emoji = f"앞 👩‍👩‍👧 {nasty} 😀 "
        passage = emoji + nasty + "답" + " 뒤" * (20_000 if number == 3 else 2)
        start = 7 + len(emoji)
        cited = {
            "document": nasty, "title": nasty, "start": start, "end": start + len(nasty) + 1, "quote": nasty + "답",
            "answer_start": start + len(nasty), "answer_end": start + len(nasty) + 1, "evidence": True, "verbatim": False,
            "passage": {"start": 7, "end": 7 + len(passage), "text": passage},
        }  # fmt: skip
        row |= {"id": nasty[:60], "question": nasty, "answer": nasty, "history": [nasty], "morphemes": [nasty] * 2}
        row |= {"document": nasty, "citations": [cited], "nearest": cited, "reason": nasty, "source": nasty}
        row["expected"] = {"answers": [nasty], "items": [[nasty]], "yesno": nasty, "evidence": [nasty]}


def make_result(questions: int = 270, nasty: bool = False) -> Result:
    """A whole result; the same every time."""
    chance = random.Random(7)
    rows = [make_row(number, chance) for number in range(questions)]
    asked, span = [row for row in rows if row["answerable"]], [row for row in rows if row["kind"] == "span"]
    declined, hopeless = [row for row in rows if not row["answered"]], [row for row in rows if not row["answerable"]]
    points = risk_coverage(rows)
    typing = {
        "clean": figure(r["right"] for r in span if not r["typed"]),
        "typed": figure(r["right"] for r in span if r["typed"]),
    }
    typed_f1 = {name: figure(r["f1"] for r in span if r["typed"] == (name == "typed")) for name in ("clean", "typed")}
    ratio = {"value": 0.931, "low": 0.862, "high": 1.0, "n": 12}
    about = {
        "model": "multilingual-e5-small", "settings": {"chunk_size": 300, "chunk_overlap": 60, "candidates": 50},
        "commit": "abc1234", "version": "0.1.0", "date": "2026-11-22", "documents": 644, "passages": 1893, "limit": None,
        "seed": 1, "distractors": None, "texts": True, "credit": "지어낸 글, CC0",
    }  # fmt: skip
    foreign = {}
    for language in ("together", "en", "ja"):
        some = [row for row in asked if row["language"] in (("en", "ja") if language == "together" else (language,))]
        foreign[language] = {
            "korean": figure(r["right"] for r in asked),
            "value": figure(r["right"] for r in some),
            "ratio": ratio,
            "f1": {"korean": figure(r["f1"] for r in asked), "value": figure(r["f1"] for r in some), "ratio": ratio},
        }
    answers = answer_figures(asked) | {
        "verbatim": figure(float(all(c["verbatim"] for c in row["citations"])) for row in rows if row["citations"]),
        "followup": figure(row["right"] for row in rows if row["kind"] == "followup"),
        "abstention": {
            "precision": figure(float(not row["answerable"]) for row in declined),
            "recall": figure(float(not row["answered"]) for row in hopeless),
            "f1": {"value": 0.714, "low": 0.602, "high": 0.811, "n": questions},
            "aurc": figure([sum(p["risk"] for p in points) / max(1, questions)] * questions),
        },
        "typing": typing | {"ratio": ratio, "f1": typed_f1 | {"ratio": ratio}},
        "crosslingual": foreign,
    }
    del answers["right"]
    outcomes = {
        name: sum(row["outcome"] == name for row in rows)
        for name in ("right", "not_retrieved", "not_read", "wrongly_declined", "rightly_declined", "wrongly_answered")
    }
    by = {name: groups(rows, name) for name in ("kind", "language", "source")}
    laps = {name: sorted(row["timings_ms"][name] for row in rows) for name in (*STAGES, "total")}
    spread = {n: {"p50": ms[len(ms) // 2], "p95": ms[len(ms) * 95 // 100]} for n, ms in laps.items()} if rows else {}
    if nasty:
        add_nasty(rows)
        about |= {"model": NASTY[1], "commit": NASTY[0], "credit": NASTY[2], "settings": {NASTY[0]: NASTY[4]}}
        by["source"] = dict.fromkeys(NASTY, by["source"]["news"])
        spread |= {NASTY[0]: spread["embed"], NASTY[4]: spread["embed"]}
    return {
        "dataset": NASTY[1] if nasty else "news", "questions": questions, "about": about, "arms": retrieval(rows),
        "answers": answers, **apart(rows), "groups": by, "outcomes": outcomes, "threshold": None, "risk_coverage": points,
        "latency_ms": spread.pop("total", None), "stages_ms": spread, "questions_per_second": 38.4,
        "peak_memory_mb": 912.3, "rows": rows,
    }  # fmt: skip


def without_texts(result: Result, own_questions: bool = False) -> Result:
    """The same as ``--no-texts`` leaves it: questions of one's own stay, with their morphemes and what is expected."""
    gone: dict[str, Any] = {"title": "", "quote": "", "passage": None}
    for row in result["rows"]:
        row |= {"answer": None}
        if "reading" in row:
            row["reading"] = row["reading"] | {"answer": None}
        if not own_questions:
            row |= {"question": None, "history": [], "morphemes": [], "expected": {}}
        row["citations"] = [citation | gone for citation in row["citations"]]
        row["nearest"] = row["nearest"] and row["nearest"] | gone
    result["about"] |= {"texts": False, "credit": None}
    return result


def without_answers(result: Result) -> Result:
    """The same when only two retrieval arms were run."""
    keep = ("id", "kind", "question", "language", "source", "document", "ranks")
    result["rows"] = [{key: row[key] for key in keep} for row in result["rows"]]
    for row in result["rows"]:
        row["ranks"] = {arm: row["ranks"][arm] for arm in ("dense", "bm25") if arm in row["ranks"]}
    result["arms"] = {arm: result["arms"][arm] for arm in ("dense", "bm25")}
    for group in (group for by in result["groups"].values() for group in by.values()):
        group |= {"arms": {arm: group["arms"][arm] for arm in ("dense", "bm25")}, "answers": None, "reading": None}
    gone = (
        "reading",
        "declining",
        "near_misses",
        "calibration",
        "answers",
        "threshold",
        "risk_coverage",
        "outcomes",
        "stages_ms",
        "peak_memory_mb",
    )
    return result | dict.fromkeys(gone)
