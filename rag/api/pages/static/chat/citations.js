// Citations of an answer: their numbers, and what they are in words.

import { el, icon } from "../dom.js";
import { t } from "../i18n.js";

const ICONS = {
  exact: "M4 12.5 9.5 18 20 6.5",
  normalized: "M4 12.5 9.5 18 20 6.5",
  fuzzy: "M4 9c3-3 5 3 8 0s5 3 8 0M4 15c3-3 5 3 8 0s5 3 8 0",
  unsupported: "M6 6l12 12M18 6 6 18",
};

/** A number for each source, from 1 in the order in which the answer names them: {chunk_id: number}. */
export function numbersOf(citations) {
  const numbers = new Map();
  const inOrder = [...citations].sort((one, other) => one.marker_start - other.marker_start);
  for (const { chunk_id } of inOrder) if (!numbers.has(chunk_id)) numbers.set(chunk_id, numbers.size + 1);
  return numbers;
}

/** A citation of a stream as those of a whole answer are. */
export const fromAnnotation = ({ start_index, end_index, ...rest }) => ({ marker_start: start_index, marker_end: end_index, anchor: null, ...rest });

/** Where the markers stand, for GrowingText. */
export const placesOf = (citations) => citations.map(({ marker_start, marker_end }, index) => ({ start: marker_start, end: marker_end, index }));

/** The button with a citation's number. */
export function citeButton(number, citation) {
  return el(
    "button",
    {
      type: "button",
      class: `cite ${citation.status}`,
      tLabel: ["chat.cite", { number: String(number), document: citation.document, status: `status.${citation.status}` }],
      title: citation.document,
    },
    String(number),
    citation.status === "unsupported" ? "?" : "",
  );
}

/** The status of a citation: a sign and its words. */
export function statusBadge({ status, problem }) {
  return el(
    "span",
    { class: `status ${status}` },
    icon(ICONS[status]),
    el("span", { t: `status.${status}` }),
    problem && el("span", { class: "problem", t: `problem.${problem}` }),
  );
}

/** Where in its document something stands, in words; "" where nobody knows. */
export function anchorWords(anchor) {
  if (!anchor) return "";
  const known = ["heading", "page", "slide", "sheet", "cells", "line"].filter((name) => anchor[name] !== undefined && anchor[name] !== null);
  return known.map((name) => (name === "heading" ? anchor.heading : t(`anchor.${name}`, { at: String(anchor[name]) }))).join(" · ");
}
