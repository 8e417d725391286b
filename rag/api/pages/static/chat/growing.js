// A text that grows, as elements: what cannot change any more is drawn once, so a token costs what its block does.
//
// The text is kept in parts of some thousand characters, each with a box of its own that is laid out only when it is
// near the screen. Only the last, open block is drawn anew. A block that gets too long is cut.

import { el } from "../dom.js";
import { blockNode, blocksOf } from "./markdown.js";
import { clean, withMarks } from "./marks.js";

const PART_CHARS = 3000;
const SHORT_PARTS = 4; // a text of so few is laid out as a whole
const STEP_CHARS = 800;
const LONGEST_BLOCK = 1600;
const REST = 4; // the open block is left alone for so many times of what drawing it took

export class GrowingText {
  #waiting = []; // texts, the first of them drawn up to #read
  #read = 0;
  #held = "";
  #tail = ""; // of the open block
  #prefix = ""; // what is read before the tail though it stands elsewhere: a fence, the head of a table
  #ended = false;
  #parts = [];
  #tailBox = el("div", { class: "part tail" });
  #isTailNew = false;
  #tailAt = 0; // when it may be drawn again
  #places = []; // of citations: {at, index, end}, in code points
  #dirty = new Set();
  #outline = []; // depths of the headings that what is next stands below
  #cite;

  /** element: where it is drawn. cite: makes the button of the citation with this index. */
  constructor(element, cite) {
    this.element = element;
    this.#cite = cite;
    element.append(this.#tailBox);
    this.#open();
  }

  /** Add to the end. Nothing is drawn before `step`. */
  add(more) {
    let text = this.#held + more;
    this.#held = text.endsWith("\r") ? "\r" : ""; // it is one end of a line with what may follow
    if (this.#held) text = text.slice(0, -1);
    if (text) this.#waiting.push(text);
  }

  /** Nothing more will be added. */
  end() {
    if (this.#held) this.#waiting.push("\n");
    this.#held = "";
    this.#ended = true;
  }

  /** Show citations: [{start, end, index}] of their markers, in code points of the whole text. */
  citations(places) {
    const known = new Set(this.#places.map((place) => place.index));
    for (const place of places) if (!known.has(place.index)) this.#places.push({ ...place, done: false });
    this.#places.sort((one, other) => one.start - other.start);
    this.#assign();
  }

  /** Draw a little. Gives whether there is more to draw, or "later" if there is and it can wait. */
  step() {
    if (this.#waiting.length) {
      const some = this.#next();
      this.#tail += some;
      this.#isTailNew = true;
      // Blocks end with lines.
      if (some.includes("\n") || this.#tail.length > LONGEST_BLOCK) this.#settle();
      this.#assign();
    } else if (this.#ended && this.#tail) {
      this.#settleTokens(blocksOf(this.#prefix + this.#tail), this.#tail);
      this.#tail = this.#prefix = "";
      this.#tailBox.replaceChildren();
      this.#isTailNew = false;
      this.#assign();
    } else if (this.#dirty.size) {
      const [part] = this.#dirty;
      this.#dirty.delete(part);
      this.#redraw(part);
    } else if (this.#isTailNew && performance.now() >= this.#tailAt) {
      this.#drawTail();
    }
    if (this.#waiting.length || this.#dirty.size || (this.#ended && this.#tail)) return true;
    return this.#isTailNew ? "later" : false;
  }

  /** What is drawn next of what waits, taken from it: a whole message that was kept is not cut up at once. */
  #next() {
    let some = "";
    while (this.#waiting.length && some.length < STEP_CHARS) {
      const text = this.#waiting[0];
      let end = this.#read + STEP_CHARS - some.length;
      if (text[end - 1] === "\r") end += 1; // it is one end of a line with what may follow
      some += text.slice(this.#read, end);
      this.#read = end;
      if (end < text.length) break;
      this.#waiting.shift();
      this.#read = 0;
    }
    return clean(some);
  }

  #open() {
    const from = this.#parts.length ? this.#from() : 0;
    const box = el("div", { class: "part" });
    this.#tailBox.before(box);
    if (this.#parts.length === SHORT_PARTS) this.element.classList.add("long");
    this.#parts.push({ from, length: 0, source: "", prefix: "", box, places: [], outline: [...this.#outline] });
  }

  #settle() {
    const whole = this.#prefix + this.#tail;
    const tokens = blocksOf(whole);
    const open = lastBlock(tokens);
    const raw = tokens.slice(0, open).map((token) => token.raw).join("");
    if (open > 0 && whole.startsWith(raw)) {
      const settled = raw.slice(this.#prefix.length);
      this.#settleTokens(tokens.slice(0, open), settled);
      this.#tail = this.#tail.slice(settled.length);
      this.#continueWith("", { isCut: false });
    }
    if (this.#tail.length > LONGEST_BLOCK) this.#cut(tokens[open]);
    // What it showed may stand above it now.
    if (this.#waiting.length) this.#tailBox.replaceChildren();
    else this.#drawTail();
  }

  #drawTail() {
    const start = performance.now();
    this.#isTailNew = false;
    const from = this.#from();
    const places = this.#places.filter((place) => !place.done && place.start >= from);
    this.#draw(this.#tailBox, blocksOf(this.#prefix + marked(this.#tail, places, from)), this.#outline);
    this.#tailAt = performance.now() + REST * (performance.now() - start);
  }

  /** Where the tail begins, in code points. */
  #from() {
    const last = this.#parts.at(-1);
    return last.from + last.length;
  }

  #settleTokens(tokens, source) {
    const part = this.#parts.at(-1);
    part.source += source;
    part.length += codePoints(source);
    this.#append(part.box, tokens, this.#outline);
    if (part.source.length > PART_CHARS) this.#open();
  }

  /** Settle the beginning of a block that is too long. */
  #cut(token) {
    const at = cutAt(token, this.#tail, this.#prefix);
    const settled = this.#tail.slice(0, at);
    const prefix = this.#prefix || prefixOf(token);
    this.#settleTokens(blocksOf(this.#prefix + settled), settled);
    this.#tail = this.#tail.slice(at);
    this.#continueWith(prefix, { isCut: true });
  }

  /** From here on the tail is read behind `prefix`; isCut: it goes on with the block before it. */
  #continueWith(prefix, { isCut }) {
    this.#tailBox.classList.toggle("goes-on", isCut);
    if (!isCut && prefix === this.#prefix) return;
    this.#prefix = prefix;
    if (this.#parts.at(-1).source) this.#open();
    this.#parts.at(-1).prefix = prefix;
    this.#parts.at(-1).box.classList.toggle("goes-on", isCut);
  }

  #assign() {
    for (const place of this.#places) {
      if (place.done) continue;
      const part = this.#partAt(place.end);
      if (!part) continue; // not drawn yet
      place.done = true;
      part.places.push(place);
      this.#dirty.add(part);
    }
  }

  #partAt(codePoint) {
    let [low, high] = [0, this.#parts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#parts[middle].from < codePoint) low = middle;
      else high = middle - 1;
    }
    const part = this.#parts[low];
    return codePoint <= part.from + part.length ? part : null;
  }

  #redraw(part) {
    this.#draw(part.box, blocksOf(part.prefix + marked(part.source, part.places, part.from)), part.outline);
  }

  #draw(box, tokens, outline) {
    box.replaceChildren();
    this.#append(box, tokens, [...outline]);
  }

  #append(box, tokens, outline) {
    const context = { cite: this.#cite, outline };
    box.append(...tokens.map((token) => blockNode(token, context)).filter(Boolean));
  }
}

const lastBlock = (tokens) => {
  let last = tokens.length - 1;
  while (last > 0 && (tokens[last].type === "space" || tokens[last].type === "def")) last -= 1;
  return last;
};

function prefixOf(token) {
  const [first, second] = token.raw.split("\n", 2);
  if (token.type === "code") return /^ {0,3}(`{3,}|~{3,})/.test(first) ? `${first}\n` : "";
  return token.type === "table" ? `${first}\n${second}\n` : "";
}

/** Where to cut the tail, which begins with the block `token`. */
function cutAt(token, tail, prefix) {
  if (token.type === "list" && token.items.length > 1 && tail.startsWith(token.raw)) {
    return token.raw.length - token.items.at(-1).raw.length;
  }
  const most = LONGEST_BLOCK - 200;
  const line = tail.lastIndexOf("\n", most) + 1;
  const isByLine = prefix || token.type === "code" || token.type === "table";
  if (line > (isByLine ? 200 : most / 2)) return line;
  const space = tail.lastIndexOf(" ", most) + 1;
  if (space > most / 2) return space;
  return /[\ud800-\udbff]/.test(tail[most - 1]) ? most - 1 : most;
}

/** A text that begins at code point `from` of the whole, with marks at places of the whole. */
function marked(text, places, from) {
  if (!places.length) return text;
  const units = unitsOf(text);
  const own = places.map(({ start, end, index }) => ({ start: units(Math.max(0, start - from)), end: units(end - from), index }));
  return withMarks(text, own.sort((one, other) => one.start - other.start));
}

const codePoints = (text) => {
  let count = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xd800 && unit < 0xdc00) count -= 1;
  }
  return count;
};

/** From code points of a text to its UTF-16 units. */
function unitsOf(text) {
  if (codePoints(text) === text.length) return (at) => at;
  const starts = [];
  for (let at = 0; at < text.length; at += text.codePointAt(at) > 0xffff ? 2 : 1) starts.push(at);
  return (at) => starts[at] ?? text.length; // the end, or beyond it
}
