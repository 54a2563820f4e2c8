"""``python -m evals.run`` as a person runs it: a process of its own, the real model, questions and documents of one's own."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.model

ROOT = Path(__file__).resolve().parents[2]
RULES = (
    "한빛상사 휴가 규정\n\n연차 휴가는 사흘 전까지 부서장에게 신청한다. 병가는 진단서를 붙여 그날 오전까지 알린다.\n\n"
    "육아휴직은 아이 한 명에 1년까지 쓸 수 있다. 휴직 기간의 급여는 고용보험에서 나온다.\n\n"
    "경조 휴가는 본인 결혼에 닷새, 자녀 결혼에 하루를 준다."
)
BOAT = "물마루는 한빛시가 바다 위에 띄운 도서관이다. 짓는 데 모두 96억 원이 들었다. 월요일마다 문을 닫는다."
WHEAT = "들빛은 가뭄에 강한 밀 품종이다. 뿌리가 1.8미터까지 뻗는다. 씨앗은 9월부터 나누어 준다."
LEAVE = "연차는 며칠 전에 신청해야 하나요?"
READ = ("right", "not_read")  # found and answered; which sentence comes first is not this test's business
CLOCK = ("latency_ms", "stages_ms", "questions_per_second", "peak_memory_mb")


def evals(folder: Path, *arguments: str, cache: str = "cache") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GEUNGEO_")}
    environment |= {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "GEUNGEO_EVAL_CACHE": str(folder / cache)}
    return subprocess.run(
        [sys.executable, "-m", "evals.run", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def run(folder: Path, *arguments: str, cache: str = "cache") -> dict[str, Any]:
    """The result of a run that goes well, and says nothing but what it found."""
    done = evals(folder, *arguments, "--json", "out/result.json", cache=cache)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "\n▸ out/result.json\n" in done.stdout
    result: dict[str, Any] = json.loads((folder / "out" / "result.json").read_text("utf-8"))
    assert done.stdout.startswith(f"{result['dataset']}: 질문 {result['questions']}개 / questions, ")
    return result


def without_clock(result: dict[str, Any]) -> dict[str, Any]:
    rows = [{name: value for name, value in row.items() if name != "timings_ms"} for row in result["rows"]]
    return {name: value for name, value in result.items() if name not in CLOCK} | {"rows": rows}


def write(path: Path, *rows: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "규정.txt").write_text(RULES, "utf-8")
    document = {"document": "규정.txt"}
    write(
        folder / "질문.jsonl",
        {"question": LEAVE, **document, "answers": ["사흘 전"], "evidence": [RULES[12:37]]},
        {
            "question": "육아휴직을 쓸 수 있나요?",
            **document,
            "kind": "yesno",
            "yesno": "yes",
            "evidence": ["육아휴직은 아이 한 명에 1년까지 쓸 수 있다."],
        },
        {
            "question": "그럼 급여는 어디서 나와요?",
            **document,
            "kind": "followup",
            "history": ["육아휴직을 쓸 수 있나요?"],
            "answers": ["고용보험"],
        },
        {
            "question": "결혼하면 쉬는 날이 며칠인가요?",
            **document,
            "kind": "list",
            "items": [["닷새"], ["하루"]],
            "evidence": ["경조 휴가는 본인 결혼에 닷새, 자녀 결혼에 하루를 준다."],
        },
        {"question": "달의 뒷면에서 가장 큰 분화구의 지름은?", "miss": "far"},
    )
    return folder


def test_gold_twice_and_from_a_kept_library(folder: Path) -> None:
    assert RULES[12:37] == "연차 휴가는 사흘 전까지 부서장에게 신청한다."
    first = run(folder, "--gold", "질문.jsonl")
    assert (first["dataset"], first["questions"], first["about"]["documents"]) == ("질문", 5, 1)
    assert first["about"]["model"] == "multilingual-e5-small"
    leave, *_, far = first["rows"]
    assert leave["ranks"]["full"]["document"] == 1 and leave["outcome"] in READ and leave["em"] is not None
    assert RULES[leave["citations"][0]["start"] : leave["citations"][0]["end"]] == leave["citations"][0]["quote"]
    assert far["outcome"] == "rightly_declined"
    assert first["answers"]["verbatim"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 5}
    assert set(first["groups"]["kind"]) == {"span", "yesno", "followup", "list", "unanswerable"}
    assert all(first["arms"][arm]["hit@1"]["value"] == 1.0 for arm in ("dense", "bm25", "hybrid", "full"))
    assert first["latency_ms"]["p50"] > 0 and first["peak_memory_mb"] > 100

    kept = run(folder, "--gold", "질문.jsonl", "--index", "kept")
    assert without_clock(kept) == without_clock(first)
    stamp = (folder / "kept" / "library.db").read_bytes()
    again = run(folder, "--gold", "질문.jsonl", "--index", "kept", cache="empty")
    assert without_clock(again) == without_clock(first)
    assert (folder / "kept" / "library.db").read_bytes() == stamp
    connection = sqlite3.connect(folder / "empty" / "vectors.db")
    (vectors,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
    connection.close()
    assert vectors == 6  # five questions and what one leans on; no passage was embedded again


def squad(*asked: dict[str, Any]) -> dict[str, Any]:
    half = len(asked) // 2
    paragraphs = [{"context": BOAT, "qas": asked[:half]}, {"context": WHEAT, "qas": asked[half:]}]
    return {"version": "x", "data": [{"title": "글", "paragraphs": paragraphs}]}


COST: dict[str, Any] = {
    "id": "cost",
    "question": "물마루 도서관을 짓는 데 얼마가 들었나요?",
    "answers": [{"text": "96억 원", "answer_start": BOAT.index("96억")}],
}
ROOTS: dict[str, Any] = {
    "id": "roots",
    "question": "들빛 밀의 뿌리는 어디까지 뻗나요?",
    "answers": [{"text": "1.8미터", "answer_start": WHEAT.index("1.8")}],
}
MOON: dict[str, Any] = {
    "id": "moon",
    "question": "달의 뒷면에서 가장 큰 분화구의 지름은?",
    "is_impossible": True,
    "answers": [],
}


def test_squad_1(folder: Path) -> None:
    write(folder / "kor.json", squad(COST, ROOTS))
    result = run(folder, "--squad", "kor.json")
    assert (result["dataset"], result["about"]["documents"]) == ("kor", 2)
    # Three sentences a document, and as many citations: the right one is among them.
    assert all(row["outcome"] in READ and row["citation_recall"] == 1.0 for row in result["rows"])
    assert result["arms"]["hybrid"]["passage_hit@1"]["value"] == 1.0
    assert result["rows"][0]["citations"][0]["title"] == "글"
    assert result["answers"]["f1"]["n"] == 2


def test_squad_2_without_texts(folder: Path) -> None:
    write(folder / "kor2.json", squad(COST | {"is_impossible": False}, MOON, ROOTS))
    result = run(folder, "--squad", "kor2.json", "--no-texts")
    cost, moon, roots = result["rows"]
    assert cost["outcome"] in READ and roots["outcome"] in READ and moon["outcome"] == "rightly_declined"
    left = (folder / "out" / "result.json").read_text("utf-8")
    words = {word.strip(".?,") for text in (BOAT, WHEAT, COST["question"], MOON["question"]) for word in text.split()}
    assert {"물마루는", "뿌리가", "분화구의"} <= words
    assert [word for word in words if len(word) > 1 and word in left] == []
    assert result["answers"]["abstention"]["recall"]["value"] == 1.0


def test_flat_squad_sampled_and_only_searched(folder: Path) -> None:
    rows = [COST | {"context": BOAT}, ROOTS | {"context": WHEAT}]
    write(folder / "flat.jsonl", *[row | {"id": f"{n}-{row['id']}"} for n in range(5) for row in rows])
    arms = ("--squad", "flat.jsonl", "--arms", "dense,bm25", "--limit", "3")
    drawn = [run(folder, *arms, "--seed", seed) for seed in ("1", "2")]
    ids = [[row["id"] for row in result["rows"]] for result in drawn]
    assert ids[0] != ids[1] and len(ids[0]) == len(ids[1]) == 3
    for result in drawn:
        assert result["answers"] is None and list(result["arms"]) == ["dense", "bm25"]
        assert result["arms"]["dense"]["hit@1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 3}
        assert all(result[name] is None for name in ("outcomes", "latency_ms", "questions_per_second"))


def test_beir_with_a_corpus_beside(folder: Path) -> None:
    write(folder / "beir" / "corpus.jsonl", {"_id": "boat", "title": "", "text": BOAT}, {"_id": "wheat", "text": WHEAT})
    write(folder / "beir" / "queries.jsonl", {"_id": "q1", "text": ROOTS["question"]}, {"_id": "q2", "text": "?!가"})
    (folder / "beir" / "qrels").mkdir()
    (folder / "beir" / "qrels" / "test.tsv").write_text(
        "query-id\tcorpus-id\tscore\nq1\twheat\t2\nq2\tboat\t0\n", "utf-8"
    )
    write(folder / "others.jsonl", *[{"id": f"o{number}", "text": f"{number}번째 다른 글이다."} for number in range(9)])
    result = run(
        folder, "--beir", "beir", "--corpus", "others.jsonl", "--distractors", "4", "--html", "out/report.html"
    )
    assert (result["dataset"], result["questions"], result["about"]["documents"]) == ("beir", 1, 5)
    (row,) = result["rows"]
    assert (row["right"], row["outcome"], row["evidence_known"]) == (None, None, False)
    for arm in ("dense", "bm25", "hybrid", "full"):
        assert row["ranks"][arm] == {"document": 1, "passage": None, "ndcg@10": 1.0}
    assert ROOTS["question"] in (folder / "out" / "report.html").read_text("utf-8")


def test_mistakes_take_one_line_and_no_model(folder: Path) -> None:
    (folder / "broken.jsonl").write_text('{"question": "언제?"}\n{"question"', "utf-8")
    for arguments, said in (
        (("--gold", "none.jsonl"), "none.jsonl: 읽을 수 없습니다 / cannot be read"),
        (("--gold", "broken.jsonl"), "broken.jsonl:2: JSON이 아닙니다 / not JSON"),
        (("--squad", "질문.jsonl"), "질문.jsonl:1: context이(가)"),
        (("--beir", "out"), "out/corpus.jsonl: 읽을 수 없습니다"),
        (("--gold", "질문.jsonl", "--corpus", "none.txt"), "none.txt: 파일이 없습니다"),
        (("--gold", "질문.jsonl", "--html", "."), ".: 파일이 아니라 폴더입니다"),
    ):
        done = evals(folder, *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
        assert done.stderr.startswith(said)
    assert evals(folder).returncode == 2
    assert evals(folder, "--gold", "질문.jsonl", "--arms", "none").returncode == 2
    assert evals(folder, "--help").returncode == 0


def test_what_only_the_documents_show_is_one_line_too(folder: Path) -> None:
    write(folder / "wrong.jsonl", {"question": "언제 쉬나요?", "document": "규정.txt", "answers": ["나흘 전"]})
    done = evals(folder, "--gold", "wrong.jsonl")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert (
        done.stderr
        == "wrong.jsonl:1 (1): 문서 규정.txt에 없는 글: 나흘 전 / this text does not stand in the document\n"
    )
