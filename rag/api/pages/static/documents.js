// Collections and their documents: put in, look at, search, delete. All by the public API.

import "./shell.js";
import { inWords } from "./api.js";
import { el } from "./dom.js";
import { addWords } from "./i18n.js";
import { Collections } from "./documents/collections.js";
import { DocumentList } from "./documents/list.js";
import { SearchBox } from "./documents/search.js";
import { Uploads } from "./documents/uploads.js";
import words from "./words/documents.js";
import { wordsOfChat } from "./words/of_chat.js";

addWords(wordsOfChat("anchor."));
addWords(words);

const trouble = el("p", { class: "note bad", role: "alert", dir: "auto", hidden: true });
const list = new DocumentList({ fail, recovered: () => (trouble.hidden = true), changed: () => collections.load() });
const uploads = new Uploads({ changed: () => list.load(), indexed: () => Promise.all([list.load(), collections.load()]) });
const search = new SearchBox({ fail });
const title = el("h2", { id: "collection-title", tabindex: "-1" });
const detail = el("div", { class: "collection-detail", hidden: true }, el("div", { class: "detail-head" }, title), uploads.element, search.element, list.element);
const collections = new Collections({ fail, chosen: show });
detail.querySelector(".detail-head").append(collections.deleteButton);
document.querySelector(".page").append(trouble, el("div", { class: "documents-grid" }, collections.element, detail));

document.addEventListener("rag:key", start);
document.addEventListener("visibilitychange", () => !document.hidden && list.load());
start();

function start() {
  trouble.hidden = true;
  collections.load({ anew: true });
}

/** Show a collection; null: there is none. */
function show(collection) {
  detail.hidden = collection === null;
  if (!collection) return;
  title.replaceChildren(el("bdi", {}, collection.name ?? collection.id));
  for (const part of [uploads, search, list]) part.show(collection.id);
}

/** Tell of a request that failed. */
function fail(error) {
  if (error.name === "AbortError") return;
  trouble.textContent = inWords(error);
  trouble.hidden = false;
}
