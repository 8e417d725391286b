// One conversation: what was said, what is being said, and keeping both.

import { ApiError, inWords } from "../api.js";
import { ask, asSent } from "./ask.js";
import { fromAnnotation } from "./citations.js";
import { dropMessages, keep, keepMessages, messagesOf } from "./store.js";

const TITLE_CHARS = 60;

/** A conversation that nothing was said in yet. */
export const newConversation = () => ({ id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, title: "", created: Date.now(), updated: Date.now() });

export class Conversation {
  messages = [];
  running = null; // {abort, ended} while an answer comes
  #writes = Promise.resolve();

  /** record: what is kept of it. thread: where it is shown. changed: called when its title or time changes. */
  constructor(record, thread, changed) {
    this.record = record;
    this.thread = thread;
    this.changed = changed;
    this.isShown = true;
  }

  /** Read what was kept, and show it. */
  async load() {
    for await (const some of messagesOf(this.record.id)) {
      if (!this.isShown) return;
      this.messages.push(...some);
      this.thread.restore(some);
    }
  }

  /** Ask, and show the answer as it comes. */
  async ask(content, { model, collection }) {
    if (!this.record.title) this.record.title = titleOf(content);
    const question = this.#add({ role: "user", content });
    this.thread.add(question);
    this.#write(() => Promise.all([this.#keepRecord({ model, collection }), keepMessages([question])]));
    await this.answer({ model, collection });
  }

  /** Have the last question answered. */
  async answer({ model, collection }) {
    const message = this.#add({ role: "assistant", content: "", citations: [], state: "waiting", model, collection });
    const view = this.thread.add(message);
    const stop = new AbortController();
    let hasEnded;
    const running = (this.running = { abort: () => stop.abort(), ended: new Promise((resolve) => (hasEnded = resolve)) });
    view.showState();
    this.changed();
    let isMoved = false;
    try {
      await ask({ messages: asSent(this.messages.slice(0, -1)), model, collection, signal: stop.signal }, (told) => {
        isMoved ||= this.#told(told, message, view);
      });
      message.state = "done";
    } catch (error) {
      if (error.name === "AbortError") message.state = "stopped";
      else Object.assign(message, { state: "failed", error: inWords(error), status: error instanceof ApiError ? error.status : null });
    }
    if (this.running === running) this.running = null;
    view.finish({ isMoved });
    this.#write(() => Promise.all([this.#keepRecord({ model, collection }), keepMessages([message])]));
    this.changed(message);
    hasEnded();
  }

  /** End the answer that is coming, if one is; what has come of it stays. */
  async stop() {
    this.running?.abort();
    await this.running?.ended;
  }

  /** Take away all from `message` on. */
  cut(message) {
    const { place } = message;
    this.messages.length = place;
    this.thread.cut(place);
    this.#write(() => dropMessages(this.record.id, place));
  }

  /** The tab may be closed now: keep what has come of the answer. */
  keepUnfinished() {
    if (this.running) this.#write(() => keepMessages([{ ...this.messages.at(-1), state: "stopped" }]));
  }

  /** Whether something was said after this message and its answer. */
  goesOnAfter(message) {
    return this.messages.length > message.place + (message.role === "user" ? 2 : 1);
  }

  /** When all is kept. */
  kept() {
    return this.#writes;
  }

  #told({ text, citation, rag, usage, finish }, message, view) {
    if (text) {
      if (!message.content) {
        message.state = "writing";
        view.showState();
      }
      message.content += text;
      view.add(text);
    }
    if (citation) {
      message.citations.push(fromAnnotation(citation));
      view.cited();
    }
    if (usage) message.usage = usage;
    if (finish) message.finish = finish;
    if (!rag) return false;
    const before = message.citations.map(spot).join(";");
    message.rag = { ...rag, citations: undefined };
    message.citations = rag.citations;
    return before !== rag.citations.map(spot).join(";");
  }

  #add(message) {
    const made = { conversation: this.record.id, place: this.messages.length, at: Date.now(), ...message };
    this.messages.push(made);
    return made;
  }

  #keepRecord(choices) {
    Object.assign(this.record, choices, { updated: Date.now() });
    return keep(this.record);
  }

  /** One after the other, so that what is dropped does not come back. Where nothing can be kept, all works until the tab closes. */
  #write(how) {
    this.#writes = this.#writes.then(how).catch((error) => console.warn(`not kept: ${error.name}`));
  }
}

const spot = ({ marker_start: start, marker_end: end, chunk_id: id }) => `${start}-${end} ${id}`;

const titleOf = (text) => {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > TITLE_CHARS ? `${line.slice(0, TITLE_CHARS - 1)}…` : line;
};
