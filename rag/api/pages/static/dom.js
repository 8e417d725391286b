// Elements without strings of HTML: what is given as text can only ever be text.

const PROPERTIES = new Set(["checked", "disabled", "hidden", "open", "selected", "value", "textContent", "dir"]);

/**
 * An element. props: attributes; `class`; `on`: {event: listener}; `t`, `tLabel`, `tPlaceholder`, `tTitle`: a key of
 * the dictionary, or [key, params], for text, aria-label, placeholder and title. Children that are null are left out.
 */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") made.className = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (name === "t") say(made, "t", value);
    else if (name === "tLabel") say(made, "tLabel", value);
    else if (name === "tPlaceholder") say(made, "tPlaceholder", value);
    else if (name === "tTitle") say(made, "tTitle", value);
    else if (PROPERTIES.has(name)) made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Give an element words of the dictionary, which change with the language. place: t, tLabel, tPlaceholder, tTitle. */
export function say(element, place, key, params) {
  const [name, values] = Array.isArray(key) ? key : [key, params];
  element.dataset[place] = name;
  if (values) element.dataset[`${place}With`] = JSON.stringify(values);
  else delete element.dataset[`${place}With`];
  translator?.(element);
}

let translator = null;

/** i18n.js tells how an element is translated. */
export function translateWith(translate) {
  translator = translate;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon of a single stroke, hidden from screen readers: what it means stands in the label of its button. */
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** A button with an icon and a name that is read aloud and shown when pointed at. */
export function iconButton(path, key, listener, props = {}) {
  return el("button", { type: "button", tLabel: key, tTitle: key, ...props, class: `icon-button ${props.class ?? ""}`, on: { click: listener } }, icon(path));
}

/** Say something to screen readers, without moving anything. */
export function announce(text) {
  const live = document.getElementById("live");
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = text));
}
