// What was made of a document: its chunks, each with its place and text.

import { getJson } from "../api.js";
import { anchorWords } from "../chat/citations.js";
import { el } from "../dom.js";
import { t } from "../i18n.js";

const PAGE = 20;

/** A row of the table, below the document's own, which fills itself. */
export function chunksRow(collection, { id, document: name, chunks: total }, { fail }) {
  const list = el("ol", { class: "chunks" });
  const more = el("button", { type: "button", hidden: true, t: "docs.more", on: { click: () => load() } });
  const box = el("div", { class: "chunks-box", role: "region", "aria-label": t("docs.chunks.of", { name }), tabindex: "0" }, list, more);

  async function load() {
    more.disabled = true;
    try {
      const first = list.children.length;
      const { data } = await getJson(`v1/rag/collections/${encodeURIComponent(collection)}/documents/${id}?first=${first}&limit=${PAGE}`);
      list.append(...data.map(item));
      more.hidden = list.children.length >= total || !data.length;
    } catch (error) {
      fail(error);
    }
    more.disabled = false;
  }

  load();
  return el("tr", { role: "row", class: "chunks-row", "data-chunks-of": id }, el("td", { role: "cell", colspan: "6" }, box));
}

function item({ number: at, anchor, text }) {
  return el("li", {}, el("p", { class: "quiet" }, el("span", { t: ["docs.chunk", { n: at + 1 }] }), " · ", anchorWords(anchor)), el("p", { class: "chunk-text", dir: "auto" }, text));
}
