// Markdown as elements. A library reads it; what it finds becomes nodes here, so nothing in an answer can be HTML.

import { el } from "../dom.js";
import { Lexer } from "../vendor/marked.js";
import { forCode, withoutMarks, splitAtMarks } from "./marks.js";

const SAFE = /^(https?:|mailto:)/i;
const NAMED = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
const FIRST_HEADING = 3; // answers stand below the page's own headings

/** The blocks of a text, as the library's tokens. */
export const blocksOf = (text) => new Lexer().lex(text);

/** The element for a block; null where there is nothing to show. context: {cite, outline} as of GrowingText. */
export function blockNode(token, context) {
  switch (token.type) {
    case "heading":
      return el(`h${headingLevel(token.depth, context.outline)}`, { dir: "auto" }, inline(token.tokens, context));
    case "paragraph":
      return el("p", { dir: "auto" }, inline(token.tokens, context));
    case "text": // of a tight list
      return el("span", { dir: "auto" }, token.tokens ? inline(token.tokens, context) : text(token.text, context));
    case "code":
      return codeNode(forCode(token.text), forCode(token.lang ?? ""));
    case "blockquote":
      return el("blockquote", { dir: "auto" }, blocks(token.tokens, context));
    case "list":
      return listNode(token, context);
    case "table":
      return tableNode(token, context);
    case "hr":
      return el("hr");
    case "html":
      return el("p", { dir: "auto", class: "as-is" }, text(token.text.trimEnd(), context));
    default: // space, def
      return null;
  }
}

/** A level that follows from those before, whatever the answer begins with. outline: their depths; it is changed. */
function headingLevel(depth, outline) {
  while (outline.length && outline.at(-1) >= depth) outline.pop();
  outline.push(depth);
  return Math.min(6, FIRST_HEADING - 1 + outline.length);
}

const blocks = (tokens, context) => tokens.map((token) => blockNode(token, context));

function codeNode(code, lang) {
  const name = lang.trim().split(/\s/)[0];
  // Code may be wider than the screen: it scrolls, by the keyboard as well.
  const shown = el("pre", { dir: "ltr", tabindex: "0", role: "group", tLabel: "chat.code" }, el("code", {}, code));
  return el(
    "div",
    { class: "code" },
    el("div", { class: "code-head" }, el("span", { translate: "no" }, name), el("button", { type: "button", class: "copy-code", t: "chat.copy" })),
    shown,
  );
}

function listNode(token, context) {
  const items = token.items.map((item) => el("li", { dir: "auto", class: item.task ? "task" : null }, blocks(item.tokens, context).flatMap((node, at) => task(item, item.tokens[at], node))));
  return token.ordered ? el("ol", { dir: "auto", start: token.start === 1 ? null : token.start }, items) : el("ul", { dir: "auto" }, items);
}

function task(item, token, node) {
  if (token.type !== "checkbox") return [node];
  return [el("span", { role: "img", tLabel: token.checked ? "chat.done" : "chat.todo" }, token.checked ? "☑ " : "☐ ")];
}

function tableNode(token, context) {
  const cell = (tag) => (each) => el(tag, { dir: "auto", class: each.align ? `to-${each.align}` : null, scope: tag === "th" ? "col" : null }, inline(each.tokens, context));
  return el(
    "div",
    { class: "scrolls", tabindex: "0", role: "group", tLabel: "chat.table" },
    el(
      "table",
      { class: "table" },
      el("thead", {}, el("tr", {}, token.header.map(cell("th")))),
      el("tbody", {}, token.rows.map((row) => el("tr", {}, row.map(cell("td"))))),
    ),
  );
}

const inline = (tokens, context) => tokens.flatMap((token) => inlineNodes(token, context));

function inlineNodes(token, context) {
  switch (token.type) {
    case "strong":
      return [el("strong", {}, inline(token.tokens, context))];
    case "em":
      return [el("em", {}, inline(token.tokens, context))];
    case "del":
      return [el("del", {}, inline(token.tokens, context))];
    case "codespan":
      return [el("code", { dir: "ltr" }, forCode(token.text))];
    case "br":
      return [el("br")];
    case "link":
      return linkNodes(token.href, inline(token.tokens, context));
    case "image": // is never fetched: it would tell its server that it was read
      return linkNodes(token.href, [`🖼 ${withoutMarks(token.text)}`]);
    default:
      return text(token.text ?? token.raw, context);
  }
}

function linkNodes(address, children) {
  const href = withoutMarks(address);
  if (!SAFE.test(href)) return children;
  return [el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, children)];
}

const text = (raw, context) => splitAtMarks(decoded(raw)).map((part) => (typeof part === "string" ? part : context.cite(part.index)));

function decoded(raw) {
  if (!raw.includes("&")) return raw;
  return raw.replace(/&(#x[\da-f]{1,6}|#\d{1,7}|[a-z]+);/gi, (whole, name) => {
    if (name[0] !== "#") return NAMED[name.toLowerCase()] ?? whole;
    const code = name[1].toLowerCase() === "x" ? parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code > 0 && code < 0x110000 ? String.fromCodePoint(code) : whole;
  });
}
