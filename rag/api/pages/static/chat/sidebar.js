// The list of conversations.

import { el, iconButton } from "../dom.js";
import { moment } from "../i18n.js";
import { DELETE } from "../icons.js";

export class Sidebar {
  #toggle;

  /** on: {open, remove}, each called with a conversation's record. toggle: the button that shows the list on phones. */
  constructor(element, toggle, on) {
    this.element = element;
    this.list = element.querySelector("ul");
    this.on = on;
    this.#toggle = toggle;
    element.addEventListener("keydown", (event) => event.key === "Escape" && this.hide());
    document.addEventListener("pointerdown", (event) => {
      if (!element.contains(event.target) && !toggle.contains(event.target)) this.hide({ isQuiet: true });
    });
  }

  /** Show these conversations, of which one is open. */
  show(records, openId) {
    this.list.replaceChildren(...records.map((record) => this.#row(record, record.id === openId)));
    this.element.querySelector("#delete-all").hidden = records.length < 2;
  }

  /** On phones: show the list over the conversation. */
  reveal() {
    this.element.classList.add("shown");
    this.#toggle.setAttribute("aria-expanded", "true");
    this.element.querySelector("button").focus();
  }

  hide({ isQuiet = false } = {}) {
    if (!this.element.classList.contains("shown")) return;
    this.element.classList.remove("shown");
    this.#toggle.setAttribute("aria-expanded", "false");
    if (!isQuiet) this.#toggle.focus();
  }

  #row(record, isOpen) {
    return el(
      "li",
      { class: isOpen ? "open" : null },
      el(
        "button",
        { type: "button", class: "conversation", "aria-current": isOpen ? "true" : null, title: moment(record.updated), on: { click: () => this.on.open(record) } },
        el("bdi", {}, record.title),
      ),
      iconButton(DELETE, ["chat.delete", { title: record.title }], () => this.on.remove(record), { class: "remove" }),
    );
  }
}
