// An answer: its text as it grows, and under it the sources, what was found besides, and what was reused.

import { el, iconButton } from "../dom.js";
import { citeButton, anchorWords, numbersOf, placesOf, statusBadge } from "./citations.js";
import { GrowingText } from "./growing.js";
import { COPY, RETRY } from "../icons.js";
import { reuseBar } from "./reuse_bar.js";
import { drop, work } from "./work.js";

export class AnswerView {
  #text = null;
  #drawing = null;
  #foot = el("div", { class: "foot" });
  #state = el("p", { class: "state", role: "presentation" });

  /** message: what is kept of it. on: {copy, retry, source}, each called with the message. */
  constructor(message, on) {
    this.message = message;
    this.on = on;
    this.body = el("div", { class: "text" });
    this.element = el("article", { class: "message answer" }, el("h2", { class: "unseen", t: "chat.answer" }), this.body, this.#state, this.#foot);
    this.body.addEventListener("click", (event) => this.#clicked(event.target));
    this.#start();
  }

  /** More of the text has come; it stands in the message already. */
  add(text) {
    this.#text.add(text);
    this.#draw();
  }

  /** More citations stand in the message. */
  cited() {
    this.#text.citations(placesOf(this.message.citations));
    this.#draw();
  }

  /** The message has ended, one way or another. isMoved: its citations are others than those that came one by one. */
  finish({ isMoved = false } = {}) {
    if (isMoved) {
      this.#start();
      this.#text.add(this.message.content);
      this.#text.citations(placesOf(this.message.citations));
    }
    this.#text.end();
    this.#draw();
    this.showState();
    this.#showFoot();
  }

  /** Draw all of a message that was kept. */
  restore() {
    this.#text.add(this.message.content);
    this.cited();
    this.finish();
  }

  /** The line that says how the answer stands. */
  showState() {
    const { state, finish, error, rag } = this.message;
    const lines = [];
    if (state === "waiting") lines.push(el("span", { class: "writing", t: "chat.waiting" }));
    if (state === "writing") lines.push(el("span", { class: "writing", t: "chat.writing" }));
    if (state === "stopped") lines.push(el("span", { t: "chat.stopped" }));
    if (finish === "length") lines.push(el("span", { t: "chat.cut" }));
    if (rag?.turns_dropped) lines.push(el("span", { t: ["chat.turns_dropped", { n: rag.turns_dropped }] }));
    if (error) lines.push(el("span", { class: "error-text", dir: "auto" }, error), el("button", { type: "button", class: "main-button", t: "chat.retry", on: { click: () => this.on.retry(this.message) } }));
    this.#state.className = error ? "state note bad" : "state quiet";
    this.#state.hidden = lines.length === 0;
    this.#state.replaceChildren(...lines);
  }

  #start() {
    if (this.#drawing) drop(this.#drawing);
    this.#drawing = null;
    this.body.replaceChildren();
    this.#text = new GrowingText(this.body, (index) => this.#cite(index));
  }

  #draw() {
    this.#drawing ??= work(
      () => {
        const isMore = this.#text.step();
        if (!isMore) this.#drawing = null;
        return isMore;
      },
      { isNext: true },
    );
  }

  #cite(index) {
    const citation = this.message.citations[index];
    const button = citeButton(numbersOf(this.message.citations).get(citation.chunk_id), citation);
    button.dataset.index = String(index);
    return button;
  }

  #clicked(target) {
    const cite = target.closest(".cite");
    if (cite) this.#open(this.message.citations[Number(cite.dataset.index)]);
    const copy = target.closest(".copy-code");
    if (copy) this.on.copyText(codeFrom(copy, this.body), copy);
  }

  #open(citation) {
    this.on.source(citation, { number: numbersOf(this.message.citations).get(citation.chunk_id) });
  }

  #showFoot() {
    const { rag, content, state } = this.message;
    this.#foot.replaceChildren();
    if (content) {
      this.#foot.append(
        el(
          "div",
          { class: "tools" },
          iconButton(COPY, "chat.copy_answer", (event) => this.on.copy(this.message, event.currentTarget)),
          iconButton(RETRY, "chat.retry", () => this.on.retry(this.message)),
        ),
      );
    }
    if (!rag || state === "failed") return;
    if (rag.collection !== null) this.#foot.append(...[this.#sources(), this.#others()].filter(Boolean));
    this.#foot.append(reuseBar(rag));
  }

  #sources() {
    const { citations } = this.message;
    if (!citations.length) return el("p", { class: "quiet", t: "chat.no_sources" });
    const numbers = numbersOf(citations);
    const shown = distinct(citations).sort((one, other) => numbers.get(one.chunk_id) - numbers.get(other.chunk_id));
    return el(
      "div",
      { class: "sources", role: "group", tLabel: "chat.sources" },
      el("h3", { t: "chat.sources" }),
      el("ol", {}, shown.map((citation) => this.#source(numbers.get(citation.chunk_id), citation))),
    );
  }

  #source(number, citation) {
    const where = anchorWords(citation.anchor);
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: "source-row", on: { click: () => this.#open(citation) } },
        el("span", { class: "source-number" }, String(number)),
        el("span", { class: "source-name" }, el("bdi", {}, citation.document), where && el("span", { class: "quiet" }, ` ${where}`), citation.quote && el("q", { class: "source-quote", dir: "auto" }, shortened(citation.quote))),
        statusBadge({ status: citation.status }),
      ),
    );
  }

  #others() {
    const cited = new Set(this.message.citations.map((citation) => citation.chunk_id));
    const others = this.message.rag.retrieved.filter((hit) => !cited.has(hit.chunk_id));
    if (!others.length) return null;
    const row = (hit) =>
      el(
        "li",
        {},
        el(
          "button",
          { type: "button", class: "source-row", on: { click: () => this.on.source(hit) } },
          el("span", { class: "source-name" }, el("bdi", {}, hit.document)),
          el("span", { class: "quiet numbers" }, el("span", { t: `placed.${hit.placed}` }), ` · ${hit.score.toFixed(2)}`),
        ),
      );
    return el("details", { class: "others" }, el("summary", { t: ["chat.others", { n: others.length }] }), el("ul", {}, others.map(row)));
  }
}

/** One of several citations of the same words by the same document. */
function distinct(citations) {
  const seen = new Map();
  for (const citation of citations) {
    const name = [citation.chunk_id, citation.source_start, citation.source_end, citation.status].join();
    if (!seen.has(name)) seen.set(name, citation);
  }
  return [...seen.values()];
}

const shortened = (text) => (text.length > 160 ? `${text.slice(0, 159)}…` : text);

/** The code under a button, with the pieces that a long one was cut into. */
function codeFrom(button, body) {
  const all = [...body.querySelectorAll(".code")];
  const pieces = [button.closest(".code")];
  for (const next of all.slice(all.indexOf(pieces[0]) + 1)) {
    if (!next.parentElement.classList.contains("goes-on") || next !== next.parentElement.firstElementChild) break;
    pieces.push(next);
  }
  return pieces.map((piece) => piece.querySelector("code").textContent).join("\n");
}

