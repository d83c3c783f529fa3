// Elements: text goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element; `facts` are attributes, `on…` listeners and `text`; children are elements, texts or nothing. */
export function el(tag, facts = {}, ...children) {
  return filled(document.createElement(tag), facts, children);
}

export function svg(tag, facts = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), facts, children);
}

function filled(element, facts, children) {
  for (const [name, value] of Object.entries(facts)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put children in the place of what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Tell a screen reader. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Arrow keys move the focus between the items of a list, of which Tab reaches one. */
export function rove(list, selector) {
  list.addEventListener("keydown", (event) => {
    const items = [...list.querySelectorAll(selector)].filter((item) => item.offsetParent !== null);
    const at = items.indexOf(document.activeElement);
    if (at < 0) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined || !items[to]) return;
    event.preventDefault();
    items[to].focus();
  });
  list.addEventListener("focusin", (event) => {
    const item = event.target.closest(selector);
    if (!item) return;
    for (const other of list.querySelectorAll(selector)) other.tabIndex = other === item ? 0 : -1;
  });
}
