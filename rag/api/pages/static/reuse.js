// What was reused, asked for every two seconds while somebody looks.

import "./shell.js";
import { ApiError, getJson, inWords } from "./api.js";
import { el, say } from "./dom.js";
import { addWords, moment } from "./i18n.js";
import { fillSection } from "./reuse/cache.js";
import { causesSection, figures } from "./reuse/causes.js";
import { minutesSection } from "./reuse/minutes.js";
import { growOlder, prefixesSection } from "./reuse/prefixes.js";
import { wordsOfChat } from "./words/of_chat.js";
import words from "./words/reuse.js";

const EVERY_MS = 2000;
const AFTER_FAILURE_MS = 5000;
const WAITS_FOR_KEY = [401, 403];

addWords(wordsOfChat("miss."));
addWords(words);

const lead = el("p", { class: "quiet", t: "reuse.loading" });
const choice = el("select", { id: "collection", on: { change: () => look() } }, el("option", { value: "", t: "reuse.every" }));
const pause = el("button", { type: "button", id: "pause", t: "reuse.pause", on: { click: () => setPaused(!isPaused) } });
const state = el("span", { class: "live-state", t: "reuse.live" });
const trouble = el("p", { class: "note bad", role: "alert", dir: "auto", hidden: true });
const places = ["figures", "minutes", "causes", "fill", "prefixes"].map((name) => el("section", { class: `panel ${name}`, hidden: true }));
document.querySelector(".page").append(
  lead,
  el("div", { class: "bar" }, el("label", { for: "collection", t: "reuse.collection" }), choice, state, pause),
  trouble,
  el("div", { class: "reuse-grid" }, places),
);

let isPaused = false;
let timer = null;
let asking = null; // aborts what is under way
let seen = null; // what was shown last

document.addEventListener("visibilitychange", () => !document.hidden && look());
document.addEventListener("rag:key", () => look());
document.addEventListener("rag:language", () => seen && draw(seen, { anew: true }));
setInterval(growOlder, 15_000);
look();

async function look() {
  clearTimeout(timer);
  asking?.abort();
  const mine = (asking = new AbortController());
  let wait = EVERY_MS;
  try {
    const query = choice.value ? `?collection=${encodeURIComponent(choice.value)}` : "";
    const found = await getJson(`v1/rag/reuse${query}`, { signal: mine.signal });
    trouble.hidden = true;
    draw(found);
  } catch (error) {
    if (error.name === "AbortError") return;
    wait = failed(error);
  }
  if (mine === asking && wait !== null && !isPaused && !document.hidden) timer = setTimeout(look, wait);
}

/** Tell of a failure; when to try again, null: not before something changes. */
function failed(error) {
  if (error instanceof ApiError && error.code === "collection_not_found" && choice.value) {
    choice.value = ""; // it was deleted
    return 0;
  }
  if (trouble.hidden || trouble.textContent !== inWords(error)) trouble.textContent = inWords(error);
  trouble.hidden = false;
  if (WAITS_FOR_KEY.includes(error.status)) return null;
  return error.retryAfter ? error.retryAfter * 1000 : AFTER_FAILURE_MS;
}

function setPaused(value) {
  isPaused = value;
  say(pause, "t", isPaused ? "reuse.go_on" : "reuse.pause");
  say(state, "t", isPaused ? "reuse.paused" : "reuse.live");
  state.classList.toggle("is-paused", isPaused);
  if (isPaused) clearTimeout(timer);
  else look();
}

function draw(found, { anew = false } = {}) {
  seen = found;
  say(lead, "t", ["reuse.lead", { since: moment(new Date(found.since * 1000)) }]);
  if (!choice.value) listChoices(found.collections);
  const sections = [figures(found), minutesSection(found), causesSection(found), fillSection(found, named()), prefixesSection(found)];
  sections.forEach((section, index) => show(places[index], section, anew));
  growOlder();
}

/** Draw a section where what it shows has changed: nobody's focus or selection is lost to the clock. */
function show(place, section, anew) {
  const same = JSON.stringify(section.data);
  place.hidden = section.data === null;
  if (!anew && place.shown === same) return;
  const opened = [...place.querySelectorAll("details")].map((each) => each.open);
  place.shown = same;
  place.replaceChildren(...(section.data === null ? [] : section.draw()));
  place.querySelectorAll("details").forEach((each, index) => (each.open = opened[index] ?? false));
}

function listChoices(collections) {
  const names = collections.map(({ id, name }) => [id, name]);
  if (JSON.stringify(names) === choice.shown) return;
  choice.shown = JSON.stringify(names);
  choice.replaceChildren(choice.firstElementChild, ...names.map(([id, name]) => el("option", { value: id }, name)));
}

const named = () => new Map([...choice.options].slice(1).map((option) => [option.value, option.textContent]));
