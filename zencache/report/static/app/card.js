// A step as a picture for the graph: its sign, its name, its state and time.

import { colour, icon, statusOf } from "zencache/status";
import { svg } from "zencache/dom";
import { short } from "zencache/format";

export const CARD = { width: 208, height: 54 };
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

/** The data URL of a card. What users named goes in as text of an XML document, which escapes it. */
export function card(name, status, detail) {
  const { width, height } = CARD;
  const sign = icon(status, 20, { fill: colour(status), on: colour("on-status") });
  sign.setAttribute("x", 14);
  sign.setAttribute("y", height / 2 - 10);
  const picture = svg("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width: width * 2, height: height * 2 },
    sign,
    svg("text", { x: 44, y: 23, "font-family": FONT, "font-size": 13, "font-weight": 600, fill: colour("text"), text: plain(short(name, 22)) }),
    svg("text", { x: 44, y: 40, "font-family": FONT, "font-size": 11, fill: colour("muted"), text: plain(short([statusOf(status).label, detail].filter(Boolean).join(" · "), 28)) }));
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(picture))}`;
}

/** Without what XML cannot hold: control characters and halves of surrogate pairs. */
function plain(text) {
  return text.replace(/[\u0000-\u001f\ufffe\uffff]/g, "\u00b7").replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}
