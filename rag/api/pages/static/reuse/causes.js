// The figures in one line, and why tokens had to be computed.

import { el } from "../dom.js";
import { number } from "../i18n.js";

const KNOWN = ["cold", "evicted", "prefix_changed", "history_edited", "client_system_changed", "other_group", "below_block", "unreported"];

/** A share as people read it: never 100 % of what is not whole. */
export const percent = (part, whole) => number(whole ? Math.floor((1000 * part) / whole) / 1000 : 0, { style: "percent", maximumFractionDigits: 1 });

/** The sums of several collections. */
export function added(collections) {
  const sums = { answers: 0, prompt_tokens: 0, cached_tokens: 0, misses: {} };
  for (const { reuse } of collections) {
    for (const name of ["answers", "prompt_tokens", "cached_tokens"]) sums[name] += reuse[name];
    for (const [reason, count] of Object.entries(reuse.misses)) sums.misses[reason] = (sums.misses[reason] ?? 0) + count;
  }
  return sums;
}

export function figures({ collections }) {
  const sums = added(collections);
  return { data: [collections.length, sums], draw: () => drawFigures(collections, sums) };
}

function drawFigures(collections, { answers, prompt_tokens: all, cached_tokens: cached }) {
  if (!collections.length) return [el("p", { t: "reuse.no_collections" })];
  if (!answers) return [el("p", { t: "reuse.nothing" })];
  const figure = (value, key, kind) => el("p", { class: `figure ${kind ?? ""}` }, el("strong", {}, value), " ", el("span", { t: key }));
  return [
    figure(percent(cached, all), "reuse.share", "main-figure"),
    figure(number(answers), ["reuse.answers", { n: answers }]),
    figure(number(cached), "reuse.cached", "is-reused"),
    figure(number(all - cached), "reuse.computed", "is-computed"),
  ];
}

export function causesSection({ collections }) {
  const { answers, misses } = added(collections);
  const causes = Object.entries(misses).sort((one, other) => other[1] - one[1]);
  return { data: answers ? causes : null, draw: () => [el("h2", { t: "reuse.why" }), ...drawCauses(causes)] };
}

function drawCauses(causes) {
  if (!causes.length) return [el("p", { t: "reuse.why.none" })];
  const row = ([reason, count]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", class: "cause" }, el("code", {}, reason), KNOWN.includes(reason) && el("span", { class: "cure", t: `miss.${reason}` })),
      el("td", { class: "number" }, number(count)),
    );
  return [
    el("p", { class: "quiet", t: "reuse.why.note" }),
    el(
      "table",
      { class: "table" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col", t: "reuse.cause" }), el("th", { scope: "col", class: "number", t: "reuse.n_answers" }))),
      el("tbody", {}, causes.map(row)),
    ),
  ];
}
