// The share of reused tokens, minute by minute: bars for those who see, a table for everybody.

import { el } from "../dom.js";
import { moment, number, t } from "../i18n.js";
import { percent } from "./causes.js";

const SVG = "http://www.w3.org/2000/svg";
const MINUTES = 60;
const STEP = 10; // of one minute, in the picture's own units
const HEIGHT = 160;

export function minutesSection({ collections, now }) {
  const minutes = joined(collections);
  const newest = Math.floor(now / 60) * 60;
  const hasAnswers = collections.some(({ reuse }) => reuse.answers);
  return { data: hasAnswers ? [minutes, newest] : null, draw: () => [el("h2", { t: "reuse.minutes" }), ...draw(minutes, newest)] };
}

/** The minutes of all collections, the oldest first. */
function joined(collections) {
  const found = new Map();
  for (const minute of collections.flatMap((each) => each.minutes)) {
    const sum = found.get(minute.at) ?? { at: minute.at, answers: 0, prompt_tokens: 0, cached_tokens: 0 };
    for (const name of ["answers", "prompt_tokens", "cached_tokens"]) sum[name] += minute[name];
    found.set(minute.at, sum);
  }
  return [...found.values()].sort((one, other) => one.at - other.at);
}

function draw(minutes, newest) {
  if (!minutes.length) return [el("p", { t: "reuse.minutes.quiet" })];
  return [
    el("div", { class: "chart" }, scale(), picture(minutes, newest)),
    el("p", { class: "chart-ends quiet", "aria-hidden": "true" }, el("span", { t: "reuse.hour_ago" }), el("span", { t: "reuse.now" })),
    el(
      "details",
      {},
      el("summary", { t: "reuse.minutes.table" }),
      el("div", { class: "scrolls minutes-table", tabindex: "0", role: "region", tLabel: "reuse.minutes.table" }, table(minutes)),
    ),
  ];
}

const scale = () => el("div", { class: "scale quiet numbers", "aria-hidden": "true" }, [1, 0.5, 0].map((share) => el("span", {}, number(share, { style: "percent" }))));

function picture(minutes, newest) {
  const svg = shape("svg", { viewBox: `0 0 ${MINUTES * STEP} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": summary(minutes) });
  for (const share of [0, 0.5, 1]) svg.append(shape("line", { class: "grid", x1: 0, x2: MINUTES * STEP, y1: HEIGHT * share, y2: HEIGHT * share }));
  for (const minute of minutes) {
    const left = (MINUTES - 1 - (newest - minute.at) / 60) * STEP;
    if (left < 0) continue;
    const share = minute.prompt_tokens ? minute.cached_tokens / minute.prompt_tokens : 0;
    const group = shape("g", {});
    const box = { x: left + 1, width: STEP - 2 };
    group.append(
      shape("rect", { ...box, class: "bar-computed", y: 0, height: HEIGHT * (1 - share) }),
      shape("rect", { ...box, class: "bar-reused", y: HEIGHT * (1 - share), height: HEIGHT * share }),
      words(minute),
    );
    svg.append(group);
  }
  return svg;
}

function words({ at, answers, prompt_tokens: tokens, cached_tokens: cached }) {
  const title = shape("title", {});
  title.textContent = t("reuse.minutes.one", { at: clock(at), share: percent(cached, tokens), tokens, answers });
  return title;
}

function summary(minutes) {
  const shares = minutes.map((minute) => (minute.prompt_tokens ? minute.cached_tokens / minute.prompt_tokens : 0));
  const said = (share) => percent(share, 1);
  return t("reuse.minutes.summary", { n: minutes.length, low: said(Math.min(...shares)), high: said(Math.max(...shares)), last: said(shares.at(-1)) });
}

function table(minutes) {
  const heads = ["reuse.minute", "reuse.n_answers", "reuse.tokens", "reuse.of_them", "reuse.ratio"];
  const row = ({ at, answers, prompt_tokens: tokens, cached_tokens: cached }) =>
    el("tr", {}, el("th", { scope: "row" }, clock(at)), [number(answers), number(tokens), number(cached), percent(cached, tokens)].map((text) => el("td", { class: "number" }, text)));
  return el(
    "table",
    { class: "table" },
    el("thead", {}, el("tr", {}, heads.map((key, at) => el("th", { scope: "col", t: key, class: at ? "number" : null })))),
    el("tbody", {}, [...minutes].reverse().map(row)),
  );
}

const clock = (at) => moment(new Date(at * 1000), { timeStyle: "short" });

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
