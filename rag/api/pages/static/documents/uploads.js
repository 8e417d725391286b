// Files on their way in: chosen or dropped, sent with their progress, and followed until they can be searched.

import { getJson, inWords, upload } from "../api.js";
import { announce, el, iconButton, say } from "../dom.js";
import { number, t } from "../i18n.js";
import { CLOSE } from "../icons.js";
import { filesOf } from "./dropped.js";

const AT_ONCE = 3;
const POLL_MS = 500;

export class Uploads {
  #collection = null;
  #waiting = [];
  #nSending = 0;

  /** changed(): a file was attached; indexed(): one is searchable, or could not be made so. */
  constructor({ changed, indexed }) {
    this.changed = changed;
    this.indexed = indexed;
    this.chooser = el("input", { id: "files", type: "file", multiple: true, class: "unseen", tLabel: "docs.upload", on: { change: () => this.#chosen() } });
    this.list = el("ul", { class: "uploads" });
    const zone = el(
      "div",
      { class: "drop-zone" },
      el("p", {}, el("span", { t: "docs.drop" }), " ", this.chooser, el("label", { for: "files", class: "file-button", t: "docs.choose" })),
    );
    const mark = (isOver) => (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      zone.classList.toggle("is-over", isOver);
    };
    for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, mark(true));
    zone.addEventListener("dragleave", (event) => !zone.contains(event.relatedTarget) && mark(false)(event));
    zone.addEventListener("drop", async (event) => {
      mark(false)(event);
      this.#add(await filesOf(event.dataTransfer));
    });
    // A file that misses the zone must not replace the page.
    for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
    this.element = el("section", { class: "panel", "aria-labelledby": "upload-title" }, el("h3", { id: "upload-title", t: "docs.upload" }), zone, this.list);
  }

  show(collection) {
    this.#collection = collection;
  }

  #chosen() {
    this.#add([...this.chooser.files]);
    this.chooser.value = "";
  }

  #add(files) {
    for (const file of files) {
      const item = new Item(file, this.#collection);
      this.list.append(item.element);
      this.#waiting.push(item);
    }
    this.#next();
  }

  #next() {
    while (this.#waiting.length && this.#nSending < AT_ONCE) {
      this.#nSending += 1;
      this.#send(this.#waiting.shift()).finally(() => {
        this.#nSending -= 1;
        this.#next();
      });
    }
  }

  async #send(item) {
    try {
      const id = await item.send();
      this.changed();
      // The next file is sent while this one is indexed.
      item.follow(id).then(
        () => this.indexed(),
        (error) => item.fail(error),
      );
    } catch (error) {
      item.fail(error);
    }
  }
}

/** One file in the list. */
class Item {
  #stopped = new AbortController();

  constructor(file, collection) {
    this.file = file;
    this.store = `v1/vector_stores/${encodeURIComponent(collection)}/files`;
    this.bar = el("progress", { max: "1", value: "0", "aria-label": file.name });
    this.state = el("span", { class: "upload-state numbers", t: "docs.waiting" });
    this.button = iconButton(CLOSE, ["docs.stop", { name: file.name }], () => this.#end());
    this.element = el("li", { class: "upload" }, el("bdi", { class: "upload-name" }, file.name), this.bar, this.state, this.button);
  }

  /** The id of the file, once it is sent and attached. */
  async send() {
    const { signal } = this.#stopped;
    signal.throwIfAborted();
    const form = new FormData();
    form.append("purpose", "user_data");
    form.append("file", this.file, this.file.name);
    const onProgress = (share) => {
      this.bar.value = share;
      say(this.state, "t", ["docs.sending", { percent: number(share, { style: "percent" }) }]);
    };
    const { id } = await upload("v1/files", form, { onProgress, signal });
    await getJson(this.store, { json: { file_id: id } });
    this.bar.removeAttribute("value");
    this.button.hidden = true;
    say(this.state, "t", "docs.indexing");
    return id;
  }

  /** Nothing, once the file is searchable or has failed. */
  async follow(id) {
    let found = { status: "in_progress" };
    while (found.status === "in_progress") {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      found = await getJson(`${this.store}/${id}`);
    }
    if (found.status !== "completed") throw new Error(found.last_error?.message ?? found.status);
    this.bar.value = 1;
    this.element.remove();
    announce(t("docs.said_done", { name: this.file.name }));
  }

  fail(error) {
    const isStopped = error.name === "AbortError";
    const why = isStopped ? t("docs.stopped") : error.status === undefined ? error.message : inWords(error);
    this.bar.remove();
    this.element.classList.add("is-failed");
    delete this.state.dataset.t;
    this.state.textContent = why;
    this.state.dir = "auto";
    this.button.hidden = false;
    say(this.button, "tLabel", ["docs.dismiss", { name: this.file.name }]);
    say(this.button, "tTitle", ["docs.dismiss", { name: this.file.name }]);
    if (!isStopped) announce(t("docs.said_failed", { name: this.file.name, why }));
  }

  #end() {
    if (this.element.classList.contains("is-failed")) this.element.remove();
    else this.#stopped.abort();
  }
}
