// The words of a query, marked in a passage that was found.

import { el } from "../dom.js";

const WORD = /[\p{L}\p{N}\p{M}]+/gu;
const SHORT = 4; // words of fewer letters are everywhere, unless they are numbers
const STEM = 5; // letters after which endings may differ
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;

/** The text in pieces, those that the query has too in `mark`. It helps the eye; what counted, the service says. */
export function marked(text, query) {
  const wanted = [...query.matchAll(WORD)].flatMap(([word]) => wantedIn(folded(word)));
  if (!wanted.length) return [text];
  const pieces = [];
  let end = 0;
  for (const { index, 0: word } of text.matchAll(WORD)) {
    for (const [from, to] of spans(word, wanted)) {
      pieces.push(text.slice(end, index + from), el("mark", {}, text.slice(index + from, index + to)));
      end = index + to;
    }
  }
  return [...pieces, text.slice(end)];
}

const folded = (word) => word.toLowerCase();

function wantedIn(word) {
  if (!UNSPACED.test(word)) return word.length < SHORT && !/\p{N}/u.test(word) ? [] : [word];
  const letters = [...word];
  return letters.length < 2 ? letters : letters.slice(1).map((letter, at) => letters[at] + letter);
}

/** Where a word of the text has what is wanted: as a whole, or in writing without spaces in pairs of letters. */
function spans(word, wanted) {
  const lower = folded(word);
  if (!UNSPACED.test(word)) return wanted.some((each) => isAlike(lower, each)) ? [[0, word.length]] : [];
  const found = [];
  for (let at = 0; at < lower.length; at += 1) {
    const hit = wanted.find((each) => lower.startsWith(each, at));
    if (!hit) continue;
    const last = found.at(-1);
    if (last && last[1] >= at) last[1] = Math.max(last[1], at + hit.length);
    else found.push([at, at + hit.length]);
  }
  return found;
}

function isAlike(one, other) {
  if (one === other) return true;
  const least = Math.min(one.length, other.length);
  return least >= STEM && one.slice(0, STEM) === other.slice(0, STEM) && Math.abs(one.length - other.length) <= 3;
}
