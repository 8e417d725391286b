// The shared prefixes of each collection: what they show, who used them, how old they are.

import { el } from "../dom.js";
import { language, moment, number, t } from "../i18n.js";

export function prefixesSection({ collections, engines }) {
  const data = collections.map(({ id, name, shared_prefix: shared, prefixes }) => ({ id, name, shared, prefixes }));
  return { data: data.length ? data : null, draw: () => draw(data, engines.length) };
}

function draw(collections, nEngines) {
  return [el("h2", { t: "reuse.prefixes" }), el("p", { class: "quiet", t: "reuse.prefixes.note" }), ...collections.map((each) => drawCollection(each, nEngines))];
}

function drawCollection({ name, shared, prefixes }, nEngines) {
  const title = el("h3", {}, el("bdi", {}, name));
  if (!shared) return el("div", { class: "collection" }, title, el("p", { class: "quiet", t: "reuse.prefixes.closed" }));
  if (!prefixes.length) return el("div", { class: "collection" }, title, el("p", { class: "quiet", t: "reuse.prefixes.none" }));
  const isCut = shared.prefixes > prefixes.length;
  return el(
    "div",
    { class: "collection" },
    title,
    el("p", { class: "quiet numbers" }, el("span", { t: ["reuse.prefixes.all", shared] }), isCut && ` · ${t("reuse.prefixes.more", { shown: prefixes.length, all: shared.prefixes })}`),
    el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": `${t("reuse.prefixes")}: ${name}` }, table(prefixes, nEngines)),
  );
}

function table(prefixes, nEngines) {
  const heads = [["reuse.documents"], ["reuse.tokens", "number"], ["reuse.hits", "number"], ["reuse.hits.cached", "number"], ["reuse.first"], ["reuse.last"], ["reuse.where"]];
  return el(
    "table",
    { class: "table prefixes-table" },
    el("thead", {}, el("tr", {}, heads.map(([key, kind]) => el("th", { scope: "col", t: key, class: kind ?? null })))),
    el("tbody", {}, prefixes.map((prefix) => row(prefix, nEngines))),
  );
}

function row(prefix, nEngines) {
  const { documents, names, tokens, answers, cached_tokens: cached, first_used_at: first, last_used_at: last, engines } = prefix;
  const where = !engines.length
    ? el("span", { t: "reuse.where.no" })
    : nEngines === 1
      ? el("span", { t: "reuse.where.yes" })
      : el("span", { t: ["reuse.where.engines", { list: engines.map((number) => number + 1).join(", ") }] });
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row", class: "names" },
      names.map((name) => el("bdi", {}, name)),
      documents > names.length && el("span", { class: "quiet", t: ["reuse.others", { n: documents - names.length }] }),
    ),
    [tokens, answers, cached].map((value) => el("td", { class: "number" }, number(value))),
    [first, last].map((at) => el("td", {}, at === null ? el("span", { class: "quiet", t: "reuse.never" }) : age(at))),
    el("td", {}, where),
  );
}

const age = (at) => el("time", { datetime: new Date(at * 1000).toISOString(), title: moment(new Date(at * 1000)), "data-age": String(at) });

const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** Say anew how long ago things were. */
export function growOlder() {
  const ago = new Intl.RelativeTimeFormat(language(), { numeric: "always", style: "short" });
  for (const element of document.querySelectorAll("[data-age]")) {
    const seconds = Math.max(0, Date.now() / 1000 - Number(element.dataset.age));
    const [unit, size] = UNITS.find((each) => seconds >= each[1]) ?? [];
    const text = unit ? ago.format(-Math.floor(seconds / size), unit) : t("reuse.just_now");
    if (element.textContent !== text) element.textContent = text;
  }
}
