// The panel at the side that tells about what was chosen.

import { el, fill } from "zencache/dom";

export class Panel {
  constructor({ close }) {
    this.body = el("div", { class: "panel-body" });
    this.close = close;
    this.element = el("aside", { class: "panel", "aria-labelledby": "panel-title" },
      el("button", { type: "button", class: "close", title: "Close (Escape)", "aria-label": "Close", onclick: close, text: "×" }), this.body);
    this.asked = 0;
  }

  /** Show what `make()` gives, unless something else is asked for meanwhile. */
  async show(make, { focus = false, closable = true } = {}) {
    const asked = ++this.asked;
    this.element.classList.toggle("is-open", closable);
    let content;
    try {
      content = await make();
    } catch (error) {
      content = el("p", { class: "notice notice-warn", role: "alert", text: error.message });
    }
    if (asked !== this.asked) return;
    fill(this.body, content);
    if (focus) {
      this.element.scrollTop = 0;
      this.body.querySelector("#panel-title")?.focus({ preventScroll: true });
    }
  }
}
