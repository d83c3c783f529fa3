// A list of any length of which only the rows in sight are in the document.

import { el } from "zencache/dom";

const BEYOND = 8; // rows above and below those in sight

export class Rows {
  /** `make(item, i)` makes the element of a row, of `height` pixels. */
  constructor({ label, height, make, near }) {
    Object.assign(this, { height, make, near, items: [], at: 0, made: new Map() });
    this.room = el("div", { class: "rows-room" });
    this.element = el("div", { class: "rows", role: "list", "aria-label": label, onkeydown: (event) => this.#key(event) }, this.room);
    this.element.addEventListener("scroll", () => this.#paint(), { passive: true });
    new ResizeObserver(() => this.#paint()).observe(this.element);
  }

  show(items) {
    this.items = items;
    this.at = Math.min(this.at, Math.max(0, items.length - 1));
    this.room.style.height = `${items.length * this.height}px`;
    const hadFocus = this.element.contains(document.activeElement);
    this.made.forEach((row) => row.remove());
    this.made.clear();
    this.#paint();
    if (hadFocus) this.made.get(this.at)?.focus({ preventScroll: true });
  }

  focus() {
    this.#reach(this.at);
  }

  #paint() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.height) - BEYOND);
    const last = Math.min(this.items.length, Math.ceil((this.element.scrollTop + this.element.clientHeight) / this.height) + BEYOND);
    for (const [i, row] of this.made) {
      if ((i < first || i >= last) && row !== document.activeElement) { row.remove(); this.made.delete(i); }
    }
    for (let i = first; i < last; i++) {
      if (this.made.has(i)) continue;
      const row = this.make(this.items[i], i);
      row.style.transform = `translateY(${i * this.height}px)`;
      row.setAttribute("role", "listitem");
      row.setAttribute("aria-posinset", i + 1);
      row.setAttribute("aria-setsize", this.items.length);
      row.addEventListener("focus", () => { this.at = i; });
      this.made.set(i, row);
      const after = [...this.made].filter(([j]) => j > i).sort((a, b) => a[0] - b[0])[0];
      this.room.insertBefore(row, after ? after[1] : null);
    }
    for (const [i, row] of this.made) row.tabIndex = i === this.at || (i === first && !this.made.has(this.at)) ? 0 : -1;
    if (last >= this.items.length - 2 * BEYOND) this.near?.();
  }

  #key(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.height) - 1);
    const to = { ArrowDown: this.at + 1, ArrowUp: this.at - 1, PageDown: this.at + page, PageUp: this.at - page, Home: 0, End: this.items.length - 1 }[event.key];
    if (to === undefined || event.target.tagName === "INPUT") return;
    event.preventDefault();
    this.#reach(Math.max(0, Math.min(this.items.length - 1, to)));
  }

  #reach(i) {
    if (!this.items.length) return;
    const top = i * this.height;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + this.height > this.element.scrollTop + this.element.clientHeight) this.element.scrollTop = top + this.height - this.element.clientHeight;
    this.at = i;
    this.#paint();
    this.made.get(i)?.focus({ preventScroll: true });
    for (const [j, row] of this.made) row.tabIndex = j === i ? 0 : -1;
  }
}
