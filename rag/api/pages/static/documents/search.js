// A search without a chat model: what is found, how it scores, and why.

import { getJson } from "../api.js";
import { anchorWords } from "../chat/citations.js";
import { announce, el, say } from "../dom.js";
import { number, t } from "../i18n.js";
import { marked } from "./marked.js";

const N_RESULTS = 50;
const PAGE = 5;

export class SearchBox {
  #collection = null;
  #asking = null;
  #shown = null; // query, hits, and how many of them are drawn

  /** fail(error). */
  constructor({ fail }) {
    this.fail = fail;
    this.query = el("input", { id: "query", type: "search", autocomplete: "off", maxlength: "4000", tLabel: "docs.search.field", tPlaceholder: "docs.search.field" });
    this.note = el("p", { class: "quiet", hidden: true });
    this.results = el("ol", { class: "results" });
    this.more = el("button", { type: "button", hidden: true, t: "docs.more", on: { click: () => this.#showMore() } });
    this.element = el(
      "section",
      { class: "panel", "aria-labelledby": "search-title" },
      el("h3", { id: "search-title", t: "docs.search" }),
      el("form", { role: "search", class: "field-row", on: { submit: (event) => this.#search(event) } }, this.query, el("button", { class: "main-button", t: "docs.search.go" })),
      this.note,
      this.results,
      this.more,
    );
    document.addEventListener("rag:language", () => this.#draw());
  }

  show(collection) {
    this.#asking?.abort();
    this.#collection = collection;
    this.#shown = null;
    this.#draw();
  }

  async #search(event) {
    event.preventDefault();
    const query = this.query.value.trim();
    if (!query) return;
    this.#asking?.abort();
    const { signal } = (this.#asking = new AbortController());
    const json = { query, max_num_results: N_RESULTS, rag: { include: ["match"] } };
    try {
      const { data } = await getJson(`v1/vector_stores/${encodeURIComponent(this.#collection)}/search`, { json, signal });
      this.#shown = { query, hits: data, n: PAGE };
      this.#draw();
      announce(this.note.textContent);
    } catch (error) {
      this.fail(error);
    }
  }

  #draw() {
    const shown = this.#shown;
    this.note.hidden = shown === null;
    if (shown) this.note.textContent = shown.hits.length ? t("docs.search.found", { n: shown.hits.length }) : t("docs.search.none");
    this.results.replaceChildren(...(shown?.hits.slice(0, shown.n) ?? []).map((hit) => this.#result(hit, shown.query)));
    this.more.hidden = !shown || shown.hits.length <= shown.n;
  }

  #showMore() {
    const { hits, query, n } = this.#shown;
    this.#shown.n = n + PAGE;
    this.results.append(...hits.slice(n, n + PAGE).map((hit) => this.#result(hit, query)));
    this.more.hidden = hits.length <= this.#shown.n;
    this.results.children[n].querySelector("summary")?.focus();
  }

  #result(hit, query) {
    const { match, document, anchor, score, content } = hit;
    const text = el("p", { class: "result-text", dir: "auto" }, marked(content.map((part) => part.text).join("\n"), query));
    const around = el("button", { type: "button", class: "link-button", "aria-expanded": "false", t: "docs.around", on: { click: () => this.#around(hit, text, around) } });
    return el(
      "li",
      { class: "result", "data-chunk": hit.chunk_id },
      el("p", { class: "result-head" }, el("bdi", { class: "result-document" }, document), el("span", { class: "quiet" }, anchorWords(anchor))),
      el("p", { class: "result-score numbers" }, bar(match), el("span", { t: ["docs.score", { score: fixed(score) }] }), match && el("span", { class: `by by-${match.by}`, t: `docs.by.${match.by}` })),
      text,
      el("div", { class: "result-more" }, around, match && el("details", {}, el("summary", { t: "docs.why" }), why(match, score))),
    );
  }

  async #around({ chunk_id: id }, text, button) {
    if (button.alone) {
      text.replaceChildren(...button.alone);
      button.alone = null;
    } else {
      try {
        const found = await getJson(`v1/sources/${encodeURIComponent(id)}?in=${encodeURIComponent(this.#collection)}`);
        button.alone = [...text.childNodes];
        text.replaceChildren(el("span", { class: "quiet-text" }, found.before), ...button.alone, el("span", { class: "quiet-text" }, found.after));
      } catch (error) {
        this.fail(error);
      }
    }
    button.setAttribute("aria-expanded", String(Boolean(button.alone)));
    say(button, "t", button.alone ? "docs.around.less" : "docs.around");
  }
}

const part = ({ score, weight }) => score * weight;
const fixed = (value) => number(value, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** The score as a bar of its two parts. What it says stands beside it in words. */
function bar(match) {
  if (!match) return null;
  const pieces = ["dense", "lexical"].map((arm) => {
    const piece = el("span", { class: `arm-${arm}` });
    piece.style.width = `${100 * part(match[arm])}%`;
    return piece;
  });
  return el("span", { class: "score-bar", "aria-hidden": "true" }, pieces);
}

function why(match, score) {
  const line = (arm) => {
    const { rank, score: found, weight } = match[arm];
    const values = { score: fixed(found), weight: fixed(weight), part: fixed(part(match[arm])) };
    return el("li", {}, el("span", { t: [`docs.why.${arm}`, values] }), " ", el("span", { t: rank === null ? "docs.why.no_rank" : ["docs.why.rank", { rank }] }));
  };
  const isWhole = Math.abs(part(match.dense) + part(match.lexical) - score) < 0.001;
  return el("ul", { class: "why quiet numbers" }, line("dense"), line("lexical"), !isWhole && el("li", { t: "docs.why.reranked" }));
}
