// The documents of a collection: state, chunks, causes; the newest first, a page at a time.

import { getJson } from "../api.js";
import { announce, el, iconButton, say } from "../dom.js";
import { moment, number, t } from "../i18n.js";
import { DELETE, RETRY } from "../icons.js";
import { chunksRow } from "./chunks.js";
import { confirmed } from "../confirm.js";

const PAGE = 50;
const POLL_MS = 1000;
const AFTER_FAILURE_MS = 5000;
const WAITS_FOR_KEY = [401, 403, 404];
const TYPING_MS = 250;
const HEADS = [["name"], ["state"], ["chunks", "number"], ["size", "number"], ["added"], ["actions"]];
const SIGNS = { completed: "✓", in_progress: "…", failed: "✕", cancelled: "–" };

export class DocumentList {
  #collection = null;
  #found = [];
  #total = 0;
  #wanted = PAGE; // rows
  #asking = null;
  #timer = null;
  #open = new Map(); // rows of chunks by document id
  #hasFailed = false; // the last time

  /** fail(error); recovered(): what failed works again; changed(): the number of documents may be another one. */
  constructor({ fail, recovered, changed }) {
    this.fail = fail;
    this.recovered = recovered;
    this.changed = changed;
    this.filter = el("input", { id: "filter", type: "search", autocomplete: "off", tPlaceholder: "docs.filter", tLabel: "docs.filter", on: { input: () => this.#typed() } });
    // The roles are told because rows are no table's rows to a browser where they are drawn as a grid, on a phone.
    this.rows = el("tbody", { role: "rowgroup" });
    this.note = el("p", { class: "quiet", t: "docs.loading" });
    this.more = el("button", { type: "button", hidden: true, t: "docs.more", on: { click: () => ((this.#wanted += PAGE), this.load()) } });
    this.shown = el("span", { class: "quiet numbers" });
    this.table = el(
      "table",
      { class: "table documents-table", role: "table", hidden: true },
      el("caption", { class: "unseen", t: "docs.documents" }),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, HEADS.map(([name, kind]) => el("th", { scope: "col", role: "columnheader", class: kind }, el("span", { class: name === "actions" ? "unseen" : null, t: `docs.${name}` }))))),
      this.rows,
    );
    this.element = el(
      "section",
      { class: "panel", "aria-labelledby": "documents-title" },
      el("div", { class: "list-head" }, el("h3", { id: "documents-title", t: "docs.documents" }), this.filter),
      this.note,
      this.table,
      el("p", { class: "list-foot" }, this.shown, " ", this.more),
    );
    document.addEventListener("rag:language", () => this.#draw());
  }

  show(collection) {
    this.#collection = collection;
    [this.#found, this.#total, this.#wanted] = [[], 0, PAGE];
    this.#open.clear();
    this.filter.value = "";
    this.rows.replaceChildren();
    this.load();
  }

  /** Ask for them again, and once more as long as something is being indexed. */
  async load() {
    if (!this.#collection) return;
    clearTimeout(this.#timer);
    this.#asking?.abort();
    const { signal } = (this.#asking = new AbortController());
    try {
      const found = [];
      let page = { has_more: true, last_id: null, total: 0 };
      while (page.has_more && found.length < this.#wanted) {
        page = await getJson(this.#path(page.last_id), { signal });
        found.push(...page.data);
      }
      const wasWorking = this.#found.some(isWorking);
      [this.#found, this.#total] = [found, page.total];
      this.#draw();
      if (this.#hasFailed) this.recovered();
      this.#hasFailed = false;
      if (found.some(isWorking)) this.#timer = setTimeout(() => this.load(), POLL_MS);
      else if (wasWorking) this.changed();
    } catch (error) {
      if (error.name === "AbortError") return;
      this.fail(error);
      this.#hasFailed = true;
      if (!WAITS_FOR_KEY.includes(error.status)) this.#timer = setTimeout(() => this.load(), AFTER_FAILURE_MS);
    }
  }

  #path(after) {
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (after) query.set("after", after);
    if (this.filter.value.trim()) query.set("name", this.filter.value.trim());
    return `v1/rag/collections/${encodeURIComponent(this.#collection)}/documents?${query}`;
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.load(), TYPING_MS);
  }

  #draw() {
    const isEmpty = !this.#found.length;
    this.note.hidden = !isEmpty;
    say(this.note, "t", this.filter.value.trim() ? "docs.no_match" : "docs.empty");
    this.table.hidden = isEmpty;
    this.more.hidden = this.#found.length >= this.#total;
    this.shown.textContent = isEmpty ? "" : t("docs.shown", { shown: this.#found.length, total: this.#total });
    const old = new Map([...this.rows.children].filter((row) => row.shown).map((row) => [row.shown, row]));
    const rows = this.#found.flatMap((document) => {
      const key = JSON.stringify(document) + globalThis.document.documentElement.lang;
      const row = old.get(key) ?? Object.assign(this.#row(document), { shown: key });
      return [row, this.#open.get(document.id)].filter(Boolean);
    });
    // Rows that stay are not touched: nobody loses the place or the focus to the clock.
    for (const row of [...this.rows.children]) if (!rows.includes(row)) row.remove();
    rows.forEach((row, index) => this.rows.children[index] !== row && this.rows.insertBefore(row, this.rows.children[index] ?? null));
  }

  #row(document) {
    const { id, document: name, status, last_error: error, failing_since: since, chunks, bytes, created_at: at, uploaded } = document;
    const path = chunks
      ? el("button", { type: "button", class: "link-button", "aria-expanded": String(this.#open.has(id)), on: { click: (event) => this.#toggle(document, event.currentTarget) } }, el("bdi", {}, name))
      : el("bdi", {}, name);
    return el(
      "tr",
      { role: "row", "data-document": id },
      el(
        "th",
        { scope: "row", role: "rowheader", class: "document-name" },
        path,
        el("span", { class: "quiet how", t: uploaded ? "docs.how.uploaded" : "docs.how.ingested" }),
        error && el("p", { class: "error-text cause", dir: "auto" }, error.message),
        since && el("p", { class: "quiet cause", t: ["docs.since", { when: moment(new Date(since * 1000), { dateStyle: "medium", timeStyle: "short" }) }] }),
      ),
      el("td", { role: "cell" }, el("span", { class: `status status-${status}` }, el("span", { "aria-hidden": "true" }, SIGNS[status] ?? ""), " ", el("span", { t: `docs.status.${status}` }))),
      el("td", { role: "cell", class: "number" }, number(chunks), el("span", { class: "on-phone", t: ["docs.unit", { n: chunks }] })),
      el("td", { role: "cell", class: "number" }, bytes === null ? "–" : size(bytes)),
      el("td", { role: "cell", class: "added" }, moment(new Date(at * 1000), { dateStyle: "medium" })),
      el(
        "td",
        { role: "cell", class: "actions" },
        status === "failed" && uploaded && iconButton(RETRY, ["docs.again", { name }], () => this.#again(document)),
        // What rag ingest could not read is nowhere to be deleted from: it goes when the file is mended or gone.
        (uploaded || status !== "failed") && iconButton(DELETE, ["docs.delete", { name }], () => this.#delete(document), { class: "delete-document" }),
      ),
    );
  }

  #toggle(document, button) {
    const isOpen = !this.#open.has(document.id);
    if (isOpen) this.#open.set(document.id, chunksRow(this.#collection, document, { fail: this.fail }));
    else this.#open.delete(document.id);
    button.setAttribute("aria-expanded", String(isOpen));
    this.#draw();
  }

  async #again({ id }) {
    try {
      await getJson(`v1/vector_stores/${encodeURIComponent(this.#collection)}/files`, { json: { file_id: id } });
    } catch (error) {
      this.fail(error);
    }
    await this.load();
  }

  async #delete({ id, document: name, uploaded }) {
    const lines = ["docs.delete.why", ...(uploaded ? [] : ["docs.delete.ingested"])];
    if (!(await confirmed({ title: ["docs.delete.ask", { name }], lines, yes: "docs.delete.do" }))) return;
    const store = encodeURIComponent(this.#collection);
    try {
      const { collections } = await getJson(`v1/rag/collections/${store}/documents/${id}?limit=0`);
      await getJson(`v1/vector_stores/${store}/files/${id}`, { method: "DELETE" });
      // An upload that stands nowhere else goes as well: nobody would find it again to delete it.
      if (uploaded && collections <= 1) await getJson(`v1/files/${id}`, { method: "DELETE" });
      this.#open.delete(id);
      announce(t("docs.deleted", { name }));
      this.filter.focus();
    } catch (error) {
      this.fail(error);
    }
    await this.load();
    this.changed();
  }
}

const isWorking = ({ status }) => status === "in_progress";

const UNITS = [
  ["gigabyte", 1e9],
  ["megabyte", 1e6],
  ["kilobyte", 1e3],
  ["byte", 1],
];

function size(bytes) {
  const [unit, one] = UNITS.find((each) => bytes >= each[1]) ?? UNITS.at(-1);
  return number(bytes / one, { style: "unit", unit, unitDisplay: unit === "byte" ? "long" : "short", maximumSignificantDigits: 3 });
}
