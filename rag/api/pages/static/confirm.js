// A question before something is deleted.

import { el } from "./dom.js";

/** Whether the answer was yes. title, lines, yes: words of the dictionary, as of `el`. */
export function confirmed({ title, lines = [], yes }) {
  return new Promise((resolve) => {
    const no = el("button", { type: "button", t: "shell.cancel", on: { click: () => dialog.close("no") } });
    const dialog = el(
      "dialog",
      { class: "confirm", "aria-labelledby": "confirm-title" },
      el("h2", { id: "confirm-title", t: title }),
      lines.map((line) => el("p", { t: line })),
      el("div", { class: "buttons" }, el("button", { type: "button", class: "danger-button", t: yes, on: { click: () => dialog.close("yes") } }), no),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
