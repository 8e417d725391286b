// Words in two languages. Pages add dictionaries: `addWords({en: {"chat.send": "Send"}, zh: {…}})`.
// `{name}` in a text is filled in; numbers are written as the language writes them. `{n|file|files}` picks by the number,
// and what stands for `{@name}` is the key of other words.

import { translateWith } from "./dom.js";

const words = { en: {}, zh: {} };
const PLACES = [
  ["t", "textContent"],
  ["tLabel", "aria-label"],
  ["tPlaceholder", "placeholder"],
  ["tTitle", "title"],
];
const NAMED = PLACES.map(([place]) => `[data-${place.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}]`).join(",");

/** The language that is shown: "en" or "zh". */
export const language = () => (document.documentElement.lang === "zh" ? "zh" : "en");

/** Add the words of a page and translate what is there already. */
export function addWords(dictionaries) {
  for (const code of Object.keys(words)) Object.assign(words[code], dictionaries[code]);
  translate(document);
}

/** The words for a key; the key itself where nobody has written any. */
export function t(key, params = {}) {
  const text = words[language()][key] ?? words.en[key] ?? key;
  return text.replace(/\{(@?)(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (whole, isKey, name, one, many) => {
    const value = params[name];
    if (isKey) return t(value);
    if (one !== undefined) return value === 1 ? one : many;
    return typeof value === "number" ? number(value) : (value ?? whole);
  });
}

/** A number in the language's own way. options: of Intl.NumberFormat. */
export const number = (value, options) => new Intl.NumberFormat(language(), options).format(value);

/** A moment, as a date or a time. options: of Intl.DateTimeFormat. */
export const moment = (date, options = { dateStyle: "medium", timeStyle: "short" }) =>
  new Intl.DateTimeFormat(language(), options).format(date);

/** Show another language from now on. Whoever draws by hand listens for `rag:language` on the document. */
export function setLanguage(code) {
  document.documentElement.lang = code;
  try {
    localStorage.setItem("rag.language", code);
  } catch {
    // Storage is forbidden: it holds until the page is left.
  }
  translate(document);
  document.dispatchEvent(new CustomEvent("rag:language"));
}

function translate(root) {
  for (const element of root.querySelectorAll(NAMED)) translateOne(element);
}

function translateOne(element) {
  for (const [place, where] of PLACES) {
    const key = element.dataset[place];
    if (!key) continue;
    const params = element.dataset[`${place}With`];
    const text = t(key, params ? JSON.parse(params) : {});
    if (where === "textContent") element.textContent = text;
    else element.setAttribute(where, text);
  }
}

translateWith(translateOne);
