// The panel beside the answer: a passage of a document, with what was quoted marked in its place.

import { address, inWords, request } from "../api.js";
import { el, iconButton } from "../dom.js";
import { t } from "../i18n.js";
import { CLOSE } from "../icons.js";
import { anchorWords, statusBadge } from "./citations.js";

export class SourcePanel {
  #back = null; // what had the focus
  #stop = null; // ends what is loaded for what was shown before
  #picture = null;

  /** element: the panel; it is hidden until something is shown. */
  constructor(element) {
    this.element = element;
  }

  /** Show the source of a citation, or a passage that was found: {chunk_id, document}. */
  async show(source, { number = null } = {}) {
    if (!this.element.contains(document.activeElement)) this.#back = document.activeElement;
    this.#stop?.abort();
    this.#stop = new AbortController();
    const signal = this.#stop.signal;
    const body = el("div", { class: "source-body" }, el("p", { class: "quiet", t: "source.loading" }));
    const title = el("h2", { id: "source-title", tabindex: "-1", dir: "auto" }, source.title ?? source.document);
    this.element.replaceChildren(
      el("div", { class: "source-head" }, number !== null && el("span", { class: "source-number", "aria-hidden": "true" }, String(number)), title, iconButton(CLOSE, "shell.close", () => this.close())),
      el("p", { class: "quiet path" }, el("bdi", {}, source.document)),
      source.status ? el("p", { class: "status-line" }, statusBadge(source)) : el("p", { class: "quiet", t: "source.not_cited" }),
      body,
    );
    this.element.hidden = false;
    this.element.parentElement.classList.add("with-source");
    title.focus({ preventScroll: true });
    try {
      const link = linkOf(source);
      const found = await (await request(link, { signal })).json();
      body.replaceChildren(...passage(source, found), whole(source));
      body.querySelector("mark")?.scrollIntoView({ block: "center" });
      await this.#showPicture(body, source, found, signal);
    } catch (error) {
      if (error.name !== "AbortError") body.replaceChildren(el("p", { class: "note bad", role: "alert", dir: "auto" }, inWords(error)), whole(source));
    }
  }

  close() {
    if (this.element.hidden) return;
    this.#stop?.abort();
    this.element.hidden = true;
    this.element.parentElement.classList.remove("with-source");
    if (this.#back?.isConnected) this.#back.focus();
  }

  /** The page of a PDF. It is fetched with the key, which a picture by its address would not be. */
  async #showPicture(body, source, found, signal) {
    if (!found.anchor.page || !/\.pdf$/i.test(found.document)) return;
    const response = await request(linkOf(source, "/page.png"), { signal, headers: { accept: "image/png" } }).catch(() => null);
    if (!response) return;
    if (this.#picture) URL.revokeObjectURL(this.#picture);
    this.#picture = URL.createObjectURL(await response.blob());
    body.append(el("figure", {}, el("img", { src: this.#picture, alt: t("source.page") })));
  }
}

/** The address of a source below where the API is: links name the service as others reach it. */
function linkOf({ url, chunk_id: id }, below = "") {
  const query = url ? new URL(url).search : "";
  return `v1/sources/${encodeURIComponent(id)}${below}${query}`;
}

function passage(source, found) {
  const span = quoted(source, found);
  const text = found.before + found.text + found.after;
  const where = anchorWords(source.anchor ?? found.anchor);
  const shown = span
    ? [text.slice(0, span[0]), el("mark", {}, text.slice(...span)), text.slice(span[1])]
    : [el("span", { class: "around" }, found.before), found.text, el("span", { class: "around" }, found.after)];
  const isMissing = source.quote && !span;
  return [
    el("p", { class: "quiet numbers" }, where),
    isMissing && el("p", { class: "note", t: "source.changed" }),
    el("div", { class: "source-text", dir: "auto", tabindex: "0", role: "region", tLabel: "source.text" }, shown),
  ].filter(Boolean);
}

/** Where the quote is in before + text + after, in UTF-16 units; null: nowhere. */
function quoted({ quote, source_start: start }, { before, text, after, source_start: from }) {
  if (!quote) return null;
  const whole = before + text + after;
  const expected = unitsAt(whole, start - (from - [...before].length));
  if (expected >= 0 && whole.startsWith(quote, expected)) return [expected, expected + quote.length];
  const at = whole.indexOf(quote);
  return at < 0 ? null : [at, at + quote.length];
}

const unitsAt = (text, codePoint) => (codePoint < 0 ? -1 : [...text].slice(0, codePoint).join("").length);

/** The document as a page of its own; only links of citations open one without a key. */
const whole = (source) => {
  if (!source.url) return "";
  const href = `${address(linkOf(source)).href}${source.quote ? "#quote" : ""}`;
  return el("p", { class: "whole" }, el("a", { href, target: "_blank", rel: "noopener", t: "source.whole" }));
};
