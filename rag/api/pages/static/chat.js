// The chat page.

import "./shell.js";
import { ApiError, inWords } from "./api.js";
import { Choices } from "./chat/choices.js";
import { Conversation, newConversation } from "./chat/conversation.js";
import { answerMarkdown, conversationJson, conversationMarkdown, copy, download, fileName } from "./chat/export.js";
import { Sidebar } from "./chat/sidebar.js";
import { SourcePanel } from "./chat/source.js";
import { conversations, dropAll, dropConversation, keep, keepMessages } from "./chat/store.js";
import { Thread } from "./chat/thread.js";
import { confirmed } from "./confirm.js";
import { announce, el, icon, iconButton, say } from "./dom.js";
import { addWords, t } from "./i18n.js";
import { DELETE, EXPORT, LIST, NEW, SEND, STOP } from "./icons.js";
import words from "./words/chat.js";

const RETRY_MS = 3000;
const SPOKEN_CHARS = 1000; // of an answer, to screen readers

addWords(words);
const at = (id) => document.getElementById(id);
const [field, send, banner, head] = ["question", "send", "banner", "thread-head"].map(at);
const on = { copy: copyAnswer, copyText, edit, retry, source: (source, how) => panel.show(source, how) };
const panel = new SourcePanel(at("source"));
const thread = new Thread(at("scroll"), at("messages"), on);
const choices = new Choices(at("collection"), at("model"));
const listButton = iconButton(LIST, "chat.conversations", () => sidebar.reveal(), { class: "list-button", "aria-expanded": "false", "aria-controls": "conversations" });
const sidebar = new Sidebar(at("conversations"), listButton, { open, remove });
const title = el("p", { class: "title", dir: "auto" });
const more = exportMenu();
let current = null;
let isDue = false; // a question was sent before it was known what can answer

head.append(listButton, title, more, iconButton(NEW, "chat.new", () => start(), { class: "new-button" }));
at("new").prepend(icon(NEW));
at("new").addEventListener("click", () => start());
at("delete-all").prepend(icon(DELETE));
at("delete-all").addEventListener("click", removeAll);
at("composer").addEventListener("submit", (event) => (event.preventDefault(), submit()));
field.addEventListener("input", () => ((isDue = false), refresh()));
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!current.running) submit();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if (!panel.element.hidden) panel.close();
  else current.stop();
});
document.addEventListener("visibilitychange", () => document.hidden && current.keepUnfinished());
document.addEventListener("rag:key", () => connect());
document.addEventListener("rag:language", () => showTitle());
at("collection").addEventListener("change", () => current.messages.length === 0 && greet());

start();
connect();

/** Read what the service has, until it answers. */
async function connect() {
  clearTimeout(connect.again);
  try {
    await choices.load();
    if (current.record.model) choices.choose(current.record);
    banner.replaceChildren();
    if (current.messages.length === 0) greet();
    if (isDue) submit();
  } catch (error) {
    banner.replaceChildren(el("p", { class: "note bad", role: "alert", dir: "auto" }, inWords(error)));
    const willPass = error instanceof ApiError && (error.status === 0 || error.status >= 500);
    if (willPass) connect.again = setTimeout(connect, RETRY_MS);
  }
  refresh();
}

/** Begin a conversation, or go on with one that was kept. */
async function start(record = newConversation()) {
  if (current) current.isShown = false;
  current = new Conversation(record, thread, changed);
  const mine = current;
  thread.clear();
  panel.close();
  sidebar.hide({ isQuiet: true });
  if (record.model) choices.choose(record);
  showTitle();
  showList();
  if (record.title) {
    await mine.load();
    if (current === mine) thread.toEnd();
  } else greet();
  refresh();
  field.focus();
}

function open(record) {
  return start(record);
}

async function submit(content = field.value.trim()) {
  if (current.running) return current.stop();
  if (!content) return;
  isDue = !choices.model.value; // `connect` sends it
  if (isDue) return announce(t("chat.waiting"));
  if (current.messages.length === 0) thread.clear();
  field.value = "";
  announce(t("chat.waiting"));
  const asked = current.ask(content, choices.chosen());
  refresh();
  await asked;
}

/** Have the question of this answer answered anew. What came later stays, in a conversation of its own. */
async function retry(message) {
  await current.stop();
  if (current.goesOnAfter(message)) await fork(message.place);
  else current.cut(message);
  await current.answer(choices.chosen());
}

/** Ask something else in place of this question. */
async function edit(message, content) {
  await current.stop();
  if (current.goesOnAfter(message)) await fork(message.place);
  else current.cut(message);
  await current.ask(content, choices.chosen());
}

/** Go on in a new conversation that has the messages before `place`. */
async function fork(place) {
  const kept = current.messages.slice(0, place);
  const record = { ...newConversation(), ...choices.chosen(), title: t("chat.copy_of", { title: current.record.title }) };
  const copied = kept.map((message) => ({ ...message, conversation: record.id }));
  await keep(record);
  await keepMessages(copied);
  await start(record);
}

/** A conversation has changed. ended: the answer that has just ended. */
function changed(ended) {
  if (ended?.status === 401 || ended?.status === 0) connect();
  if (ended && !document.querySelector("dialog[open]")) {
    const how = { done: "chat.answered", stopped: "chat.stopped", failed: "chat.failed" }[ended.state];
    announce(`${t(how, { n: ended.citations.length })} ${ended.error ?? spoken(ended.content)}`);
  }
  showTitle();
  showList();
  refresh();
}

/** The beginning of an answer without the signs of Markdown. */
const spoken = (content) => content.slice(0, SPOKEN_CHARS).replace(/\[\d+\]|[#*_`|>~]|:?-{2,}:?/g, " ").replace(/\s+/g, " ");

function refresh() {
  const isRunning = Boolean(current?.running);
  send.replaceChildren(icon(isRunning ? STOP : SEND));
  say(send, "tLabel", isRunning ? "chat.stop" : "chat.send");
  say(send, "tTitle", isRunning ? "chat.stop" : "chat.send");
  send.classList.toggle("stops", isRunning);
  send.disabled = !isRunning && !field.value.trim();
  more.hidden = !current?.messages.length;
}

async function showList() {
  const shown = current;
  await shown.kept();
  sidebar.show(await conversations().catch(() => []), current.record.id);
}

function showTitle() {
  title.textContent = current.record.title || t("chat.new");
}

/** What stands where no message does yet. */
function greet() {
  const store = choices.store();
  const isEmpty = choices.model.value && choices.collections.length === 0;
  const about = store && el("p", { class: "quiet", t: ["chat.about", { n: store.file_counts.total, name: store.name ?? store.id }] });
  thread.clear(
    el(
      "div",
      { class: "greeting" },
      el("h2", { t: "chat.greeting" }),
      el("p", { t: "chat.promise" }),
      isEmpty ? el("p", { class: "note" }, el("span", { t: "chat.no_documents" }), " ", el("a", { href: "./documents", t: "chat.add_documents" })) : about,
    ),
  );
}

async function remove(record) {
  if (!(await confirmed({ title: ["chat.delete_sure", { title: record.title }], yes: "chat.delete_yes" }))) return;
  if (record.id === current.record.id) await current.stop();
  await current.kept();
  await dropConversation(record.id);
  if (record.id === current.record.id) await start();
  else await showList();
}

async function removeAll() {
  if (!(await confirmed({ title: "chat.delete_all_sure", yes: "chat.delete_yes" }))) return;
  await current.stop();
  await current.kept();
  await dropAll();
  await start();
}

function copyAnswer(message, button) {
  return copyText(answerMarkdown(message), button);
}

async function copyText(text, button) {
  const isDone = await copy(text);
  announce(t(isDone ? "chat.copied" : "chat.not_copied"));
  button.classList.add(isDone ? "was-copied" : "was-not-copied");
  setTimeout(() => button.classList.remove("was-copied", "was-not-copied"), 1500);
}

function exportMenu() {
  const give = (make, ending, kind) => () => {
    menu.open = false;
    download(fileName(current.record.title, ending), make(current.record, current.messages), kind);
  };
  const menu = el(
    "details",
    { class: "menu", hidden: true, on: { keydown: (event) => event.key === "Escape" && (event.stopPropagation(), (menu.open = false)) } },
    el("summary", { class: "icon-button", tLabel: "chat.export", tTitle: "chat.export" }, icon(EXPORT)),
    el(
      "div",
      { class: "menu-items" },
      el("button", { type: "button", t: "chat.export_markdown", on: { click: give(conversationMarkdown, "md", "text/markdown") } }),
      el("button", { type: "button", t: "chat.export_json", on: { click: give(conversationJson, "json", "application/json") } }),
    ),
  );
  document.addEventListener("pointerdown", (event) => !menu.contains(event.target) && (menu.open = false));
  return menu;
}
