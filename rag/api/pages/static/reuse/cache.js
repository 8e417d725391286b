// What fills each engine's cache: by collection and part, as far as the service knows it.

import { el } from "../dom.js";
import { number, t } from "../i18n.js";
import { percent } from "./causes.js";

const KINDS = { system: "system", shared_prefix: "shared", history: "history", tail: "tail", question: "tail", answer: "answer" };
const ORDER = ["system", "shared", "history", "tail", "answer", "other", "free"];

/** names: of collections by id. */
export function fillSection({ engines, collections }, names) {
  const known = new Map([...names, ...collections.map(({ id, name }) => [id, name])]);
  const data = engines.map((engine) => ({ ...engine, boxes: boxes(engine, known) }));
  return { data, draw: () => [el("h2", { t: "reuse.fill" }), el("p", { class: "quiet", t: "reuse.fill.note" }), ...data.map(drawEngine)] };
}

/** Tokens by kind and collection, in the order in which they are drawn. */
function boxes({ parts, held_tokens: held, capacity_tokens: capacity }, names) {
  const found = new Map();
  for (const { collection, part, tokens } of parts) {
    const kind = KINDS[part] ?? "tail";
    const name = collection === null ? null : (names.get(collection) ?? collection);
    const key = `${kind} ${name ?? ""}`;
    const sum = found.get(key) ?? { kind, name, tokens: 0 };
    sum.tokens += tokens;
    found.set(key, sum);
  }
  const listed = [...found.values()].sort((one, other) => ORDER.indexOf(one.kind) - ORDER.indexOf(other.kind) || other.tokens - one.tokens);
  const known = listed.reduce((sum, { tokens }) => sum + tokens, 0);
  if (held === null) return listed; // how full the cache is, is not this key's business
  if (held > known) listed.push({ kind: "other", name: null, tokens: held - known });
  if (capacity !== null && capacity > held) listed.push({ kind: "free", name: null, tokens: capacity - held });
  return listed;
}

function drawEngine(engine) {
  const { engine: index, url, state, mirror, capacity_tokens: capacity, held_tokens: held, parts, boxes: all } = engine;
  const title = el("h3", { t: url ? ["reuse.engine.at", { number: index + 1, url }] : ["reuse.engine", { number: index + 1 }] });
  if (state === "down" || state === "starting") return el("div", { class: "engine" }, title, el("p", { class: "note", t: ["reuse.engine.down", { state }] }));
  const known = parts.reduce((sum, { tokens }) => sum + tokens, 0);
  const told = held === null ? t("reuse.held.part", { held: known }) : t("reuse.held", { held, capacity: capacity === null ? "?" : capacity });
  const whole = held === null ? (capacity ?? known) : Math.max(capacity ?? held, held);
  return el(
    "div",
    { class: "engine" },
    title,
    el("p", { class: "quiet numbers" }, `${told} · ${t(`reuse.mirror.${mirror}`)}`),
    known || held ? [strip(all, whole), table(all, whole)] : el("p", { t: "reuse.empty" }),
  );
}

function strip(all, whole) {
  const parts = all
    .filter(({ kind }) => kind !== "free")
    .map(({ kind, tokens }) => {
      const part = el("span", { class: `kind-${kind}` });
      part.style.width = `${(100 * tokens) / whole}%`;
      return part;
    });
  return el("div", { class: "strip", "aria-hidden": "true" }, parts);
}

function table(all, whole) {
  const row = ({ kind, name, tokens }) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, el("span", { class: `swatch kind-${kind}`, "aria-hidden": "true" }), el("span", { t: `reuse.part.${kind}` })),
      el("td", {}, name === null ? el("span", { class: "quiet" }, "–") : el("bdi", {}, name)),
      el("td", { class: "number" }, number(tokens)),
      el("td", { class: "number" }, percent(tokens, whole)),
    );
  const heads = [["reuse.part"], ["reuse.collection"], ["reuse.tokens", "number"], ["reuse.ratio", "number"]];
  return el(
    "table",
    { class: "table" },
    el("thead", {}, el("tr", {}, heads.map(([key, kind]) => el("th", { scope: "col", t: key, class: kind ?? null })))),
    el("tbody", {}, all.map(row)),
  );
}
