// Where citations stand in a text: each marker is replaced by a mark that survives Markdown, `[` + number + `]` with
// the number between two private characters. It keeps its brackets so that Markdown reads what is around it alike.

const [OPEN, CLOSE] = ["\ue000", "\ue001"];
const MARK = /\[\ue000(\d+):([^\ue001]*)\ue001\]/g;

/** A text of the same length without the characters that marks are made of, and with ends of lines of one kind. */
export const clean = (text) => text.replace(/[\ue000\ue001]/g, "\ufffd").replace(/\r(?=\n)/g, " ").replace(/\r/g, "\n");

/** `text` with a mark for each place {start, end, index}; places are sorted and count UTF-16 units. */
export function withMarks(text, places) {
  let made = "";
  let at = 0;
  for (const { start, end, index } of places) {
    if (start < at) continue; // they overlap: the first one stands
    made += `${text.slice(at, start)}[${OPEN}${index}:${text.slice(start, end).replace(/[[\]]/g, "")}${CLOSE}]`;
    at = end;
  }
  return made + text.slice(at);
}

/** Strings and {index} in turn. */
export function splitAtMarks(text) {
  if (!text.includes(OPEN)) return [text];
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(MARK)) {
    if (match.index > at) parts.push(text.slice(at, match.index));
    parts.push({ index: Number(match[1]) });
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

/** What stood there: in code a number in brackets is code. */
export const forCode = (text) => (text.includes(OPEN) ? text.replace(MARK, (whole, index, was) => (was ? `[${was}]` : "")) : text);

/** The text alone. */
export const withoutMarks = (text) => text.replace(MARK, "");
