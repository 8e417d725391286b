// A question as it was asked, and the field that changes it.

import { el, iconButton } from "../dom.js";
import { COPY, EDIT } from "../icons.js";

export class QuestionView {
  #tools;
  #bubble;

  /** on: {copyText, edit}; edit gets the message and what it shall be. */
  constructor(message, on) {
    this.message = message;
    this.on = on;
    this.#bubble = el("div", { class: "bubble", dir: "auto" }, message.content);
    this.#tools = el(
      "div",
      { class: "tools" },
      iconButton(EDIT, "chat.edit", () => this.#edit()),
      iconButton(COPY, "chat.copy_question", (event) => on.copyText(message.content, event.currentTarget)),
    );
    this.element = el("article", { class: "message question" }, el("h2", { class: "unseen", t: "chat.question" }), this.#bubble, this.#tools);
  }

  #edit() {
    const field = el("textarea", { class: "edit-field", dir: "auto", tLabel: "chat.edit", value: this.message.content });
    const close = () => {
      form.replaceWith(this.#bubble, this.#tools);
      this.#tools.firstElementChild.focus();
    };
    const form = el(
      "form",
      {
        class: "edit",
        on: {
          submit: (event) => {
            event.preventDefault();
            const text = field.value.trim();
            close();
            if (text) this.on.edit(this.message, text);
          },
          keydown: (event) => {
            if (event.key === "Escape") (event.stopPropagation(), close());
            if (event.key === "Enter" && !event.shiftKey && !event.isComposing) (event.preventDefault(), form.requestSubmit());
          },
        },
      },
      field,
      el("div", { class: "buttons" }, el("button", { class: "main-button", t: "chat.ask_again" }), el("button", { type: "button", t: "shell.cancel", on: { click: close } })),
    );
    this.#bubble.replaceWith(form);
    this.#tools.remove();
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }
}
