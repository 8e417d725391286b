// The messages on the screen. However many there are, only those near the screen are laid out.

import { el, iconButton } from "../dom.js";
import { AnswerView } from "./answer.js";
import { DOWN } from "../icons.js";
import { QuestionView } from "./question.js";
import { drop, work } from "./work.js";

const NEAR_END_PX = 48;
const GROUP = 4; // messages that are laid out, or not, together: a browser looks at each box in each frame

export class Thread {
  #filling = [];
  #isAtEnd = true;
  #top = 0;
  #on;

  /** scroll: what scrolls. list: where messages stand in it. on: of the views. */
  constructor(scroll, list, on) {
    this.scroll = scroll;
    this.list = list;
    this.#on = on;
    this.latest = iconButton(DOWN, "chat.latest", () => this.toEnd(), { class: "latest", hidden: true });
    scroll.after(this.latest);
    scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#isAtEnd && this.#jump()).observe(list);
  }

  /** Show other messages from now on; null in their place: none yet. */
  clear(instead = null) {
    this.#filling.forEach(drop);
    this.#filling = [];
    this.list.replaceChildren(...(instead ? [instead] : []));
    this.#isAtEnd = true;
    this.latest.hidden = true;
  }

  /** Add kept messages at the end. They take their place at once and are drawn later, the last ones first. */
  restore(messages) {
    const boxes = messages.map(() => el("article", { class: "message unfilled" }));
    for (const box of boxes) this.#append(box);
    for (const [at, message] of messages.entries()) {
      const fill = work(() => {
        this.#filling.splice(this.#filling.indexOf(fill), 1);
        const view = this.#view(message);
        boxes[at].replaceWith(view.element);
        view.restore?.();
        return false;
      }, { isNext: true });
      this.#filling.push(fill);
    }
  }

  /** Add a new message. Gives its view. */
  add(message) {
    const view = this.#view(message);
    this.#append(view.element);
    this.toEnd();
    return view;
  }

  /** Take away all from the message at `place` on. */
  cut(place) {
    for (const message of [...this.list.querySelectorAll(".message")].slice(place)) message.remove();
    for (const group of [...this.list.children]) if (!group.childElementCount) group.remove();
  }

  toEnd() {
    this.#isAtEnd = true;
    this.latest.hidden = true;
    this.#jump();
  }

  #view(message) {
    return message.role === "user" ? new QuestionView(message, this.#on) : new AnswerView(message, this.#on);
  }

  #append(message) {
    let group = this.list.lastElementChild;
    if (!group?.classList.contains("group") || group.childElementCount >= GROUP) {
      group = el("div", { class: "group" });
      this.list.append(group);
    }
    group.append(message);
  }

  #jump() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroll;
    const isNear = scrollTop + clientHeight >= scrollHeight - NEAR_END_PX;
    // What grows above or below moves nothing up: only the reader does.
    if (isNear) this.#isAtEnd = true;
    else if (scrollTop < this.#top) this.#isAtEnd = false;
    this.#top = scrollTop;
    this.latest.hidden = this.#isAtEnd || isNear;
  }
}
