// The page's behaviour in the browser. Gradio calls this once the header is drawn, with element and trigger.
// The server renders everything; this moves focus, scrolls, remembers choices and sends events.
const root = document.documentElement;
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 1023px)");
const low = matchMedia("(max-width: 1023px) and (max-height: 479px)"); // no room for two things at once
const send = {
  ask: (question) => trigger("ask", { question }),
  open: (target) => trigger("open", target),
  remove: (id) => trigger("remove", { document: id }),
  renew: () => trigger("renew", {}),
  retry: () => trigger("retry", {}),
};
const page = { target: null, follow: null, focus: false, origin: null, heard: "", dialog: null, silence: 0, asked: "", stamp: "" };

// --- Language and theme -------------------------------------------------------------------------------------------

function speak(language) {
  root.lang = language;
  for (const each of all("[data-attr]")) {
    const word = each.dataset[language];
    if (each.dataset.attr !== "text") each.setAttribute(each.dataset.attr, word);
    else if (each.textContent !== word) each.textContent = word; // only then: it is a mutation, and settles again
  }
  // Words around a mark stand in the style sheet, where they are spoken or seen and never part of the text.
  for (const name of ["answer-begins", "answer-ends", "not-an-answer"]) {
    root.style.setProperty(`--word-${name}`, JSON.stringify(find(`#word-${name}`).textContent));
  }
}

function turnLanguage() {
  const next = root.lang === "ko" ? "en" : "ko";
  localStorage.setItem("geungeo-language", next);
  speak(next);
  all(".too-large").forEach((each) => (each.hidden = true));
}

function showTheme() {
  find('[data-do="theme"]').setAttribute("aria-pressed", String(root.dataset.theme === "dark"));
}

function turnTheme() {
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("geungeo-theme", root.dataset.theme);
}

// --- The side with source and documents ---------------------------------------------------------------------------

// On a narrow screen the side is closed, "half" under the conversation, or "full" over it; a wide one always has it.
function showDesk(tab, size) {
  root.dataset.tab = tab;
  if (size) root.dataset.desk = size;
  for (const each of all('[role="tab"]')) {
    const selected = each.dataset.tab === tab;
    each.setAttribute("aria-selected", String(selected));
    each.tabIndex = selected ? 0 : -1;
  }
}

function openSize() {
  return narrow.matches && root.dataset.desk === "full" ? "full" : "half";
}

function closeDesk() {
  root.dataset.desk = "closed";
  returnFocus();
}

function returnFocus() {
  const origin = page.origin?.isConnected ? page.origin : find("#question-box");
  origin?.focus();
}

function turnTab(event) {
  const tabs = all('[role="tab"]');
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  showDesk(next.dataset.tab);
  next.focus();
}

// --- Citations ----------------------------------------------------------------------------------------------------

// follow is the key of the place that is to be scrolled to as soon as the reader shows it.
function follow(key, target, focus) {
  Object.assign(page, { follow: key, target, focus });
  showDesk("reader", openSize());
  markCurrent();
  arrive();
}

function markCurrent() {
  const key = page.follow ?? find(".paper")?.dataset.key;
  for (const each of all("[data-cite]")) {
    if (each.dataset.key === key) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
  }
}

function arrive() {
  const paper = find(".reader .paper");
  if (page.follow === null || paper?.dataset.key !== page.follow) return;
  page.follow = null;
  const pane = find(".reader");
  const mark = find("#cited");
  if (!mark || find(".notice", paper)) {
    pane.scrollTo({ top: 0 });
    if (page.focus) (mark ?? pane).focus({ preventScroll: true });
    return;
  }
  const room = Math.max(24, (pane.clientHeight - mark.getBoundingClientRect().height) / 3);
  const top = pane.scrollTop + mark.getBoundingClientRect().top - pane.getBoundingClientRect().top - room;
  glide(pane, top);
  if (page.focus) mark.focus({ preventScroll: true });
}

// Smoothly over short ways only: nobody wants to watch a long text fly by.
function glide(pane, top) {
  const near = Math.abs(top - pane.scrollTop) < pane.clientHeight * 1.5;
  pane.scrollTo({ top, behavior: near && !calm.matches ? "smooth" : "auto" });
}

function openCitation(button) {
  page.origin = button;
  send.open({ cite: button.dataset.cite });
  follow(button.dataset.key, { cite: button.dataset.cite }, true);
}

function openDocument(button) {
  const target = { document: button.dataset.open, at: Number(button.dataset.at ?? 0) };
  page.origin = button;
  send.open(target);
  follow(`${target.document}:${target.at}`, target, true);
  if (narrow.matches) root.dataset.desk = "full";
}

// --- Asking -------------------------------------------------------------------------------------------------------

const waiting = () => find('.turn[data-state="waiting"]') !== null;

function ask(question) {
  if (!question.trim() || waiting() || page.silence) return;
  const box = find("#question-box");
  page.asked = question.trim();
  send.ask(page.asked);
  box.value = "";
  fitBox();
  // The server answers at once with the question; after silence, look whether it is there at all.
  page.silence = setTimeout(lookForServer, 5000);
}

async function lookForServer() {
  clearTimeout(page.silence);
  page.silence = 1; // one look at a time, and no question meanwhile
  const there = await fetch("./", { method: "HEAD", cache: "no-store" }).then(
    () => true,
    () => false,
  );
  page.silence = there ? 0 : setTimeout(lookForServer, 3000);
  find(".banner").hidden = there;
  if (there || !page.asked) return;
  find("#question-box").value ||= page.asked; // it has not arrived, and is not to be lost
  page.asked = "";
  fitBox();
}

function fitBox() {
  const box = find("#question-box");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 168)}px`;
}

function boxKey(event) {
  // While a syllable is being composed, Enter belongs to the input method. Safari reports that only as keyCode 229.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  ask(event.target.value);
}

// --- What the server has drawn ------------------------------------------------------------------------------------

function settle() {
  const turns = all(".turn");
  root.dataset.talking = String(turns.length > 0);
  find(".send")?.setAttribute("aria-disabled", String(waiting()));
  const last = turns.at(-1);
  const heard = last ? `${turns.length}:${last.dataset.state}` : "";
  if (heard !== page.heard) {
    page.heard = heard;
    if (last) hear(last);
  }
  const count = find(".docs")?.dataset.count;
  const badge = find("#tab-documents .badge");
  if (badge.textContent !== (count ?? "")) badge.textContent = count ?? ""; // writing is a mutation, and calls this
  const stamp = find(".docs")?.dataset.stamp ?? "none";
  if (page.stamp && page.stamp !== stamp && page.target) send.open(page.target); // it may be gone, or changed
  page.stamp = stamp;
  speak(root.lang);
  arrive();
  markCurrent();
}

// A question that was sent, or its reply: into view, spoken, and its first evidence beside it.
function hear(turn) {
  clearTimeout(page.silence);
  page.silence = 0;
  page.asked = "";
  const talk = find(".talk");
  const top = talk.scrollTop + turn.getBoundingClientRect().top - talk.getBoundingClientRect().top - 20;
  glide(talk, top);
  find("#live").textContent = all(".answer, .certainty, .verdict, .why, .waiting", turn).map((each) => each.innerText).join("\n");
  const first = find(".cites [data-cite]", turn);
  if (narrow.matches && turn.dataset.state !== "waiting" && !first) root.dataset.desk = "closed";
  if (turn.dataset.state !== "answered" || !first || low.matches) return;
  page.origin = first;
  follow(first.dataset.key, { cite: first.dataset.cite }, false);
}

// --- Files --------------------------------------------------------------------------------------------------------

function addFiles(list) {
  const limit = Number(find(".drop").dataset.limit) * 1024 * 1024;
  const small = [...list].filter((file) => file.size <= limit);
  const large = [...list].filter((file) => file.size > limit);
  const note = find(".too-large");
  note.hidden = large.length === 0;
  note.textContent = large.length ? `${large.map((file) => file.name).join(", ")}: ${note.dataset[root.lang]}` : "";
  showDesk("documents", narrow.matches ? "full" : undefined);
  if (small.length === 0) return;
  const carried = new DataTransfer();
  small.forEach((file) => carried.items.add(file));
  const input = find('#carrier input[type="file"]');
  input.files = carried.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

function drag(event) {
  if (!hasFiles(event)) return;
  event.preventDefault();
  if (event.type === "dragleave" && event.relatedTarget !== null) return;
  root.dataset.drag = String(event.type === "dragover");
  if (event.type === "drop") addFiles(event.dataTransfer.files);
}

function confirmRemoval(button) {
  page.dialog = { id: button.dataset.remove, origin: button };
  find(".confirm-name").textContent = button.dataset.title;
  find(".confirm").showModal();
  find('.confirm [data-do="keep"]').focus();
}

function removeDocument() {
  page.origin = null;
  send.remove(page.dialog.id);
  find(".confirm").close();
  find("#tab-documents").focus();
}

// --- Events -------------------------------------------------------------------------------------------------------

const actions = {
  language: turnLanguage,
  theme: turnTheme,
  renew: () => {
    send.renew();
    page.target = null;
    find("#question-box").focus();
  },
  retry: send.retry,
  documents: () => {
    showDesk("documents", "full");
    find("#tab-documents").focus();
  },
  close: closeDesk,
  grow: () => (root.dataset.desk = root.dataset.desk === "full" ? "half" : "full"),
  keep: () => find(".confirm").close(),
  remove: removeDocument,
  dismiss: () => (find(".intakes").dataset.dismissed = "true"),
};

function click(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const data = button.dataset;
  if (data.cite) openCitation(button);
  else if (data.open) openDocument(button);
  else if (data.remove) confirmRemoval(button);
  else if (data.example) ask(data.example);
  else if (data.tab) showDesk(data.tab);
  else if (Object.hasOwn(actions, data.do)) actions[data.do]();
}

function key(event) {
  if (event.target.id === "question-box") boxKey(event);
  else if (event.target.role === "tab") turnTab(event);
  else if (event.key === "Escape" && event.target.closest?.("#desk")) narrow.matches ? closeDesk() : returnFocus();
}

document.addEventListener("click", click);
document.addEventListener("keydown", key);
document.addEventListener("input", (event) => event.target.id === "question-box" && fitBox());
document.addEventListener("submit", (event) => {
  if (!event.target.matches(".composer")) return;
  event.preventDefault();
  ask(find("#question-box").value);
});
document.addEventListener("change", (event) => {
  if (event.target.id !== "file-picker") return;
  addFiles(event.target.files);
  event.target.value = "";
});
for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, drag);
find(".confirm").addEventListener("close", () => page.dialog?.origin.isConnected && page.dialog.origin.focus());
// Gradio's own notices are in another language and look, and hidden; that one appears is a reason to look.
new MutationObserver((changes) => changes.some(isNotice) && page.silence !== 1 && lookForServer()).observe(document.body, {
  childList: true,
  subtree: true,
});
new MutationObserver(showTheme).observe(root, { attributeFilter: ["data-theme"] });

function isNotice(change) {
  return [...change.addedNodes].some((node) => node instanceof Element && find(".toast-body", node.parentElement ?? node));
}

function begin() {
  // Gradio draws its components one after the other; begin with all of them.
  if (!find("#question-box") || !find(".documents") || !find(".reader")) return void setTimeout(begin, 20);
  showDesk("documents", "closed");
  showTheme();
  speak(localStorage.getItem("geungeo-language") ?? find(".top").dataset.defaultLanguage);
  new MutationObserver(settle).observe(find("#geungeo"), { childList: true, characterData: true, subtree: true });
  settle();
  root.dataset.ready = "true";
}
begin();
