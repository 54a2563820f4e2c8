// The list of questions. All text comes from the JSON beside this script and goes into text nodes, never into markup.
(() => {
  "use strict";
  const narrow = matchMedia("(width < 760px)");
  const AT_ONCE = narrow.matches ? 20 : 50;
  const { rows, arms, unit, words } = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("filters");
  const list = document.getElementById("rows");
  const further = document.getElementById("further");
  const first = arms[0];
  let found = rows;
  let shown = 0;

  const named = (table, key) => (Object.hasOwn(words[table], key) ? words[table][key] : [key, ""]);
  const known = (value) => value !== null && value !== undefined && value !== "";
  const percent = (share) => `${(100 * share).toFixed(1)}%`;

  function el(tag, name, ...children) {
    const made = document.createElement(tag);
    if (name) made.className = name;
    made.append(...children.flat().filter(known));
    return made;
  }
  const english = (text) => {
    const made = el("span", "en", text);
    made.lang = "en";
    return made;
  };
  const given = (text, name) => el("bdi", name, text); // what a document or a person wrote: its direction stays its own
  const part = (ko, en, ...content) => {
    const inner = content.flat().filter(known);
    return inner.length ? el("section", "part", el("h3", "", `${ko} `, english(en)), inner) : null;
  };

  // --- One question, opened

  function marked(citation) {
    const text = el("p", "passage");
    text.dir = "auto";
    let mark = null;
    for (const [kind, piece] of citation.pieces) {
      if (!kind) mark = null;
      else if (!mark) text.append((mark = el("mark")));
      (mark || text).append(kind === "answer" ? el("b", "", piece) : piece);
    }
    if (text.textContent.length > 600) text.tabIndex = 0; // it may scroll, and then by keyboard too
    return citation.pieces.length ? text : null;
  }

  function cited(citation, number) {
    const tags = [];
    if (citation.evidence) tags.push(el("span", "tag good", "근거와 겹침"));
    if (citation.verbatim === false) tags.push(el("span", "tag bad", "원문과 다름"));
    const place = `${(citation.title && citation.document) || ""} ${citation.start ?? ""}–${citation.end ?? ""}`.trim();
    const head = el("p", "cite-head", el("span", "cite-n", number), given(citation.title || citation.document || ""), tags);
    return el("article", "cite", head, marked(citation), el("p", "place", given(place)));
  }

  function nearest(row) {
    if (!row.nearest) return null;
    const made = cited(row.nearest, "–");
    made.classList.add("nearest");
    made.querySelector(".cite-n").replaceWith(el("span", "tag bad", "답이 아님"));
    return part("가장 가까운 문장", "nearest, not an answer", made);
  }

  function decision(row) {
    if (typeof row.confidence !== "number") return null;
    const judged = typeof row.threshold === "number";
    const sure = judged ? ` · 문턱 ${row.threshold.toFixed(3)}` : "";
    const bar = el("span", judged ? "sure judged" : "sure");
    bar.setAttribute("aria-hidden", "true");
    bar.style.setProperty("--value", Math.min(1, Math.max(0, row.confidence)));
    if (judged) bar.style.setProperty("--threshold", Math.min(1, Math.max(0, row.threshold)));
    const verdict = row.answered ? "답함" : "답하지 않음";
    const word = row.answered && known(row.certainty) ? ` · ${named("certainty", row.certainty)[0]}` : "";
    const text = el("p", "", el("b", "", verdict), `${word} · 확신 ${row.confidence.toFixed(3)}${sure}`);
    const reason = known(row.reason) ? el("p", "", given(named("reason", row.reason)[0]), " ", english(named("reason", row.reason)[1])) : null;
    return part("결정", "decision", text, bar, reason);
  }

  function ranks(row) {
    const names = Object.keys(row.ranks ?? {});
    if (!names.length) return null;
    const order = [...arms.filter((arm) => names.includes(arm)), ...names.filter((name) => !arms.includes(name))];
    const place = (rank) => (rank ? `${rank}위` : "–");
    const lines = order.map((arm) => {
      const { document: gold, passage, "ndcg@10": ndcg } = row.ranks[arm];
      const head = el("th", "", given(named("arm", arm)[0]), " ", english(named("arm", arm)[1]));
      head.scope = "row";
      return el("tr", "", head, el("td", "", place(gold)), el("td", "", place(passage)), el("td", "", known(ndcg) ? (100 * ndcg).toFixed(0) : "–"));
    });
    const heads = [["문서", "document"], ["대목", "passage"], ["nDCG", "@10"]].map(([ko, en]) => {
      const head = el("th", "", ko, " ", english(en));
      head.scope = "col";
      return head;
    });
    const table = el("table", "ranks", el("thead", "", el("tr", "", el("td"), heads)), el("tbody", "", lines));
    return part("순위", "ranks of the gold document and passage", table);
  }

  function scores(row) {
    const names = [["em", "똑같음 EM"], ["f1", "겹침 F1"], ["list_f1", "항목 F1"], ["yesno", "예·아니요"]];
    names.push(["citation_precision", "닿은 인용"], ["citation_recall", "짚은 근거"]);
    const lines = names.filter(([key]) => known(row[key])).map(([key, name]) => el("li", "", `${name} `, el("b", "", (100 * row[key]).toFixed(0))));
    return part("점수", "scores, of 100", lines.length ? el("ul", "chips", lines) : null);
  }

  function again(row) {
    const number = (name, value, digits) => (typeof value === "number" ? ` · ${name} ${value.toFixed(digits)}` : "");
    const said = ({ answered, confidence }) => (answered ? "답함" : "답하지 않음") + number("확신", confidence, 3);
    const { reading: read, removed } = row;
    const lines = [];
    if (read) {
      const words = known(read.answer) ? el("b", "", given(read.answer)) : null;
      lines.push(el("li", "", `자기 문서만 주고: ${said(read)}${number("겹침", 100 * read.f1, 0)} `, words));
    }
    if (removed) lines.push(el("li", "", removed.kept ? `자기 문서를 빼고: ${said(removed)}` : "자기 문서를 빼고: 남은 글에 답이 있을 수 있거나 글이 남지 않아 세지 않음"));
    return part("다시 묻기", "asked again", lines.length ? el("ul", "lines", lines) : null);
  }

  function timings(row) {
    const laps = Object.entries(row.timings_ms ?? {}).filter(([, ms]) => typeof ms === "number");
    const lines = laps.map(([name, ms]) => el("li", "", given(named("stage", name)[0]), " ", el("b", "", ms.toFixed(1))));
    return part("시간", "milliseconds", lines.length ? el("ul", "chips", lines) : null);
  }

  function expected(row) {
    const { answers, items, yesno, evidence } = row.expected ?? {};
    const line = (text) => el("li", "", given(text));
    return [
      part("정답", "expected", (answers ?? []).length ? el("ul", "lines", answers.map(line)) : null, known(yesno) ? el("p", "", given(yesno)) : null),
      part("항목", "items", (items ?? []).length ? el("ul", "lines", items.map((item) => line(item.join(" / ")))) : null),
      part("근거", "evidence", (evidence ?? []).length ? el("ul", "lines", evidence.map(line)) : null),
    ];
  }

  function detail(row) {
    const list = (texts) => (texts?.length ? el("ul", "chips words", texts.map((text) => el("li", "", given(text)))) : null);
    const cites = (row.citations ?? []).map((citation, at) => cited(citation, at + 1));
    const left = el(
      "div", "left",
      part("앞의 질문", "history", (row.history ?? []).map((text) => el("p", "", given(text)))),
      expected(row), decision(row), scores(row), again(row),
    );
    const trace = el("div", "trace", part("낱말", "morphemes", list(row.morphemes)), ranks(row), timings(row));
    const answer = known(row.answer) ? el("p", "answer", given(row.answer)) : null;
    const textless = [...(row.citations ?? []), row.nearest].filter(known).some((citation) => !citation.pieces.length);
    const note = textless ? el("p", "part none", "글은 이 파일에 담지 않았다. ", english("Texts are not in this file.")) : null;
    const right = el("div", "right", [note, part("답", "answer", answer), part("인용", "citations", cites), nearest(row)].filter(known));
    return el("div", "detail", left, right, trace);
  }

  // --- The list

  function summary(row) {
    const [ko, en] = named("outcome", row.outcome ?? "");
    const tag = known(row.outcome) ? el("span", "outcome", ko, " ", english(en)) : null;
    tag?.style.setProperty("--swatch", Object.hasOwn(words.outcome, row.outcome) ? `var(--${row.outcome})` : "var(--soft)");
    const place = row.ranks?.[first];
    const rank = place ? `${unit === "passage" ? "대목" : "문서"} ${place[unit] ? `${place[unit]}위` : "못 찾음"}` : null;
    const facts = [row.id, named("kind", row.kind ?? "")[0], named("language", row.language ?? "")[0], row.source, row.typed ? "잘못 침" : null, row.miss, rank];
    const meta = el("span", "meta", facts.filter(known).map((fact) => given(String(fact))));
    const asked = known(row.question) ? given(row.question, "asked") : el("span", "asked none", "질문의 글은 담지 않았다");
    return el("summary", "", asked, tag, meta);
  }

  function entry(row) {
    const made = el("details", "row", summary(row));
    made.addEventListener("toggle", () => {
      if (!made.open || made.children.length > 1) return;
      made.append(detail(row));
      for (const mark of made.querySelectorAll("mark")) {
        const line = parseFloat(getComputedStyle(mark.parentElement).lineHeight);
        mark.parentElement.scrollTop = Math.floor((mark.offsetTop - 60) / line) * line; // no line is cut in half
      }
    });
    return made;
  }

  function more() {
    list.append(...found.slice(shown, shown + AT_ONCE).map(entry));
    shown = Math.min(found.length, shown + AT_ONCE);
    further.hidden = shown === found.length;
    further.textContent = `${Math.min(AT_ONCE, found.length - shown)}개 더 보기 (남은 ${(found.length - shown).toLocaleString("ko")}개)`;
  }

  // --- Filters

  const bands = { "1": [1, 1], "2–5": [2, 5], "6–50": [6, 50] };
  function inBand(row, band) {
    const place = row.ranks?.[first];
    if (!place) return false;
    return band === "none" ? !place[unit] : place[unit] >= bands[band][0] && place[unit] <= bands[band][1];
  }

  const plain = (text) => text.normalize("NFC").toLowerCase();
  const haystacks = new Map();
  function haystack(row) {
    if (!haystacks.has(row)) {
      const { answers, items, evidence } = row.expected ?? {};
      const cites = [...(row.citations ?? []), row.nearest].filter(known).flatMap(({ title, quote }) => [title, quote]);
      const all = [row.id, row.question, row.history, row.answer, row.source, row.document, row.morphemes, answers, items, evidence, cites];
      haystacks.set(row, plain(all.flat(2).filter(known).join("\n")));
    }
    return haystacks.get(row);
  }

  function filter() {
    const { kind, outcome, rank, text } = Object.fromEntries(new FormData(form));
    const needle = plain(text.trim());
    found = rows.filter(
      (row) =>
        (!kind || row.kind === kind) && (!outcome || row.outcome === outcome) &&
        (!rank || inBand(row, rank)) && (!needle || haystack(row).includes(needle)),
    );
    const share = found.length === rows.length ? "" : ` · ${percent(found.length / rows.length)}`;
    document.getElementById("count").textContent = `${rows.length.toLocaleString("ko")}개 가운데 ${found.length.toLocaleString("ko")}개${share}`;
    list.replaceChildren();
    shown = 0;
    more();
  }

  function fill(name, choices) {
    const select = form.elements[name];
    select.append(new Option("모두", ""), ...choices.map(([value, text]) => new Option(text, value)));
    select.parentElement.hidden = choices.length < 2;
  }

  function counted(name) {
    const counts = new Map();
    for (const row of rows) if (known(row[name])) counts.set(row[name], (counts.get(row[name]) ?? 0) + 1);
    const order = Object.keys(words[name]);
    const place = (key) => (order.includes(key) ? order.indexOf(key) : order.length);
    return [...counts].sort(([a], [b]) => place(a) - place(b)).map(([key, count]) => [key, `${named(name, key)[0]} (${count.toLocaleString("ko")})`]);
  }

  const fold = () => document.querySelectorAll(".means").forEach((means) => (means.open = !narrow.matches));
  narrow.addEventListener("change", fold);
  fold();
  if (form && rows.length) {
    fill("kind", counted("kind"));
    fill("outcome", counted("outcome"));
    const some = rows.some((row) => row.ranks?.[first]);
    fill("rank", some ? [...Object.keys(bands).map((band) => [band, `${band}위`]), ["none", "50위 안에 없음"]] : []);
    let waiting = 0;
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(filter, 120);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter));
    further.addEventListener("click", () => {
      const next = shown;
      more();
      list.children[next]?.querySelector("summary").focus();
    });
    for (const link of document.querySelectorAll("a[data-filter]")) {
      link.addEventListener("click", () => {
        form.reset();
        form.elements[link.dataset.filter].value = link.dataset.value;
        setTimeout(filter);
      });
    }
    form.hidden = false;
    document.getElementById("unscripted").hidden = true;
    filter();
  }
  document.documentElement.dataset.ready = "";
})();
