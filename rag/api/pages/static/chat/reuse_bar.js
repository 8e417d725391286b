// How much of a prompt was there already: a bar by segment, and on a click every figure and the reason in words.

import { el } from "../dom.js";
import { number } from "../i18n.js";

const STAGES = ["queue", "retrieve", "compose", "first_token", "check", "total"];

/** The bar under an answer. rag: its extension. */
export function reuseBar({ reuse, timings_ms: timings }) {
  if (!reuse?.prompt_tokens) return el("p", { class: "quiet", t: "reuse.not_asked" });
  const details = el("div", { class: "reuse-details", hidden: true });
  const button = el(
    "button",
    { type: "button", class: "reuse-button", "aria-expanded": "false", tTitle: "reuse.why", on: { click: () => toggle() } },
    el("span", { class: "reuse-bar", "aria-hidden": "true" }, reuse.segments.map((segment) => segmentBox(segment, reuse.prompt_tokens))),
    el("span", { class: "reuse-words numbers", t: [reuse.cached_tokens === null ? "reuse.unknown" : "reuse.line", lineWords(reuse, timings)] }),
  );
  const toggle = () => {
    const isOpen = details.hidden;
    if (isOpen) details.replaceChildren(...figures(reuse, timings));
    details.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
  };
  return el("div", { class: "reuse" }, button, details);
}

const lineWords = (reuse, timings) => ({ all: reuse.prompt_tokens, cached: reuse.cached_tokens ?? 0, percent: percent(reuse), first: firstToken(timings) });

const percent = ({ cached_tokens: cached, prompt_tokens: all }) => Math.floor((100 * (cached ?? 0)) / all);

const firstToken = (timings) => (timings?.first_token === undefined ? "?" : duration(timings.first_token));

/** A time as people say it. */
export const duration = (ms) => (ms < 1000 ? `${number(ms, { maximumFractionDigits: ms < 10 ? 1 : 0 })} ms` : `${number(ms / 1000, { maximumSignificantDigits: 3 })} s`);

function segmentBox({ tokens, cached }, all) {
  const box = el("span", { class: `segment${cached === null ? " unknown" : ""}` }, el("span", { class: "cached" }));
  // Set by script, which the policy allows where an attribute would not be.
  box.style.flexGrow = String(tokens / all);
  box.firstChild.style.width = `${tokens ? (100 * (cached ?? 0)) / tokens : 0}%`;
  return box;
}

function figures(reuse, timings) {
  const reason = reuse.cached_tokens === null ? "unreported" : reuse.miss_reason;
  return [
    el("p", { class: "reason" }, el("strong", { t: reason ? "reuse.missed" : "reuse.complete" }), " ", el("span", { t: `miss.${reason ?? "none"}` })),
    el(
      "div",
      { class: "scrolls" },
      el(
        "table",
        { class: "table" },
        el("caption", { class: "unseen", t: "reuse.by_segment" }),
        el("thead", {}, el("tr", {}, ["reuse.segment", "reuse.tokens", "reuse.cached", "reuse.computed"].map((key, at) => el("th", { scope: "col", t: key, class: at ? "number" : null })))),
        el("tbody", {}, reuse.segments.map(row), row({ name: "all", tokens: reuse.prompt_tokens, cached: reuse.cached_tokens })),
      ),
    ),
    el(
      "p",
      { class: "quiet numbers" },
      STAGES.filter((stage) => timings?.[stage] !== undefined).map((stage) => el("span", { class: "stage" }, el("span", { t: `stage.${stage}` }), ` ${duration(timings[stage])}`)),
    ),
    el("p", { class: "quiet numbers", t: ["reuse.predicted", { predicted: reuse.predicted_cached_tokens }] }),
  ];
}

function row({ name, tokens, cached }) {
  const known = ["system", "shared_prefix", "history", "tail", "question", "all"].includes(name);
  const cell = (value) => el("td", { class: "number" }, value === null ? "?" : number(value));
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, known ? el("span", { t: `segment.${name}` }) : name),
    cell(tokens),
    cell(cached),
    cell(cached === null ? null : tokens - cached),
  );
}

