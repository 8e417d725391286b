// The list of collections: choose one, make one, delete one.

import { getJson, listed } from "../api.js";
import { announce, el, say } from "../dom.js";
import { t } from "../i18n.js";
import { confirmed } from "../confirm.js";

export class Collections {
  #found = [];
  #chosen = null; // id

  /** fail(error); chosen(collection): the one that is to be shown, null: none. */
  constructor({ fail, chosen }) {
    this.fail = fail;
    this.chosen = chosen;
    this.list = el("ul", { class: "collection-list" });
    this.nothing = el("p", { class: "quiet", t: "docs.loading" });
    this.name = el("input", { id: "new-name", type: "text", maxlength: "256", autocomplete: "off", required: true });
    this.deleteButton = el("button", { type: "button", id: "delete-collection", class: "danger-link", t: "docs.delete_collection", on: { click: () => this.#delete() } });
    this.element = el(
      "section",
      { class: "panel collections", "aria-labelledby": "collections-title" },
      el("h2", { id: "collections-title", t: "docs.collections" }),
      this.nothing,
      this.list,
      el(
        "form",
        { class: "new-collection", on: { submit: (event) => this.#make(event) } },
        el("label", { for: "new-name", t: "docs.new.name" }),
        el("div", { class: "field-row" }, this.name, el("button", { t: "docs.new.make" })),
      ),
    );
    addEventListener("hashchange", () => this.#choose(decodeURIComponent(location.hash.slice(1))));
  }

  /** Ask for them again. anew: with another key, so that nothing of before holds. */
  async load({ anew = false } = {}) {
    try {
      const found = [];
      for await (const each of listed("v1/vector_stores?order=asc")) found.push(each);
      this.#found = found;
    } catch (error) {
      this.#found = anew ? [] : this.#found;
      this.fail(error);
    }
    this.nothing.hidden = this.#found.length > 0;
    say(this.nothing, "t", "docs.none");
    const before = anew ? null : this.#chosen;
    this.#choose(this.#chosen ?? decodeURIComponent(location.hash.slice(1)), { isSame: before !== null });
  }

  #choose(id, { isSame = false } = {}) {
    const collection = this.#found.find((each) => each.id === id) ?? this.#found.find(({ name }) => name === "default") ?? this.#found[0] ?? null;
    const isShown = isSame && collection?.id === this.#chosen;
    this.#chosen = collection?.id ?? null;
    this.#draw();
    if (!isShown) this.chosen(collection);
  }

  #draw() {
    const focused = document.activeElement?.dataset?.collection;
    this.list.replaceChildren(...this.#found.map((each) => el("li", {}, this.#button(each))));
    if (focused) this.list.querySelector(`[data-collection="${CSS.escape(focused)}"]`)?.focus();
  }

  #button({ id, name, file_counts: counts }) {
    const told = [
      counts.in_progress > 0 && el("span", { class: "is-working", t: ["docs.count.working", { n: counts.in_progress }] }),
      counts.failed > 0 && el("span", { class: "is-failed", t: ["docs.count.failed", { n: counts.failed }] }),
    ];
    return el(
      "button",
      { type: "button", class: "collection-button", "data-collection": id, "aria-current": id === this.#chosen ? "true" : null, on: { click: () => (location.hash = encodeURIComponent(id)) } },
      el("bdi", { class: "collection-name" }, name ?? id),
      el("span", { class: "counts" }, el("span", { t: ["docs.count", { n: counts.completed }] }), told),
    );
  }

  async #make(event) {
    event.preventDefault();
    const name = this.name.value.trim();
    if (!name) return;
    try {
      const made = await getJson("v1/vector_stores", { json: { name } });
      this.name.value = "";
      this.#chosen = made.id;
      await this.load({ anew: true });
      location.hash = encodeURIComponent(made.id);
      document.getElementById("collection-title").focus();
    } catch (error) {
      this.fail(error);
    }
  }

  async #delete() {
    const collection = this.#found.find(({ id }) => id === this.#chosen);
    const name = collection.name ?? collection.id;
    const isSure = await confirmed({
      title: ["docs.delete_collection.ask", { name }],
      lines: [["docs.delete_collection.why", { n: collection.file_counts.total }]],
      yes: "docs.delete.do",
    });
    if (!isSure) return;
    try {
      await getJson(`v1/vector_stores/${encodeURIComponent(collection.id)}`, { method: "DELETE" });
      announce(t("docs.deleted", { name }));
      this.#chosen = null;
      history.replaceState(null, "", location.pathname);
      await this.load({ anew: true });
      (this.list.querySelector("button") ?? this.name).focus();
    } catch (error) {
      this.fail(error);
    }
  }
}
