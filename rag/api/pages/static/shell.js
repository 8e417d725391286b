// The frame of every page: colours, language, key. A page imports this first, then adds its own words.

import { inWords } from "./api.js";
import { el, iconButton } from "./dom.js";
import { addWords, language, setLanguage } from "./i18n.js";
import { isKept, key, setKey } from "./key.js";
import words from "./words/shell.js";

const KEY = "M8 20a4 4 0 1 1 0-8 4 4 0 0 1 0 8ZM11 13 20 4M17 7l3 3M14.5 9.5l2 2";
const THEMES = ["auto", "light", "dark"];

addWords(words);
document.getElementById("settings").append(languageChoice(), themeChoice(), keyButton());
document.addEventListener("rag:unauthorized", (event) => openKeyDialog(event.detail));

/** Ask for the key. error: why, if a request has just been refused. */
export function openKeyDialog(error = null) {
  if (document.getElementById("key-dialog")) return;
  const field = el("input", { id: "key-field", type: "password", autocomplete: "off", spellcheck: "false", value: key() });
  const keep = el("input", { id: "key-keep", type: "checkbox", checked: isKept() });
  const dialog = el(
    "dialog",
    { id: "key-dialog", "aria-labelledby": "key-title" },
    el(
      "form",
      { method: "dialog", on: { submit: () => setKey(field.value.trim(), { keep: keep.checked }) } },
      el("h2", { id: "key-title", t: "shell.key.title" }),
      error && el("p", { class: "error-text", role: "alert", dir: "auto" }, inWords(error)),
      el("p", { class: "quiet", t: "shell.key.why" }),
      el("label", { for: "key-field", t: "shell.key.field" }),
      field,
      el("p", { class: "check" }, keep, el("label", { for: "key-keep", t: "shell.key.keep" })),
      el(
        "div",
        { class: "buttons" },
        el("button", { class: "main-button", t: "shell.key.use" }),
        key() && el("button", { type: "button", t: "shell.key.forget", on: { click: () => (setKey(""), dialog.close()) } }),
        el("button", { type: "button", t: "shell.cancel", on: { click: () => dialog.close() } }),
      ),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  field.select();
}

function keyButton() {
  return iconButton(KEY, "shell.key", () => openKeyDialog(), { id: "key-button" });
}

function languageChoice() {
  const choice = el(
    "select",
    { id: "language", tLabel: "shell.language", on: { change: () => setLanguage(choice.value) } },
    el("option", { value: "en", lang: "en" }, "English"),
    el("option", { value: "zh", lang: "zh" }, "中文"),
  );
  choice.value = language();
  return choice;
}

function themeChoice() {
  const root = document.documentElement;
  const choose = () => {
    if (choice.value === "auto") delete root.dataset.theme;
    else root.dataset.theme = choice.value;
    try {
      localStorage.setItem("rag.theme", choice.value);
    } catch {
      // Storage is forbidden: it holds until the page is left.
    }
  };
  const choice = el(
    "select",
    { id: "theme", tLabel: "shell.theme", on: { change: choose } },
    THEMES.map((name) => el("option", { value: name, t: `shell.theme.${name}` })),
  );
  choice.value = root.dataset.theme ?? "auto";
  return choice;
}

