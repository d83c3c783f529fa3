// Which view is shown stands behind the # of the address: it can be linked to, and Back works.

export function link(view, about = {}) {
  const given = Object.fromEntries(Object.entries(about).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  const query = new URLSearchParams(given).toString();
  return `#/${view}${query ? `?${query}` : ""}`;
}

export function go(view, about = {}, { replace = false } = {}) {
  const target = link(view, about);
  if (target === location.hash) return;
  if (replace) {
    history.replaceState(null, "", target);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = target;
  }
}

/** The view and what it is about: `["run", {name: "…"}]`. */
export function here() {
  const [view, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return [view, Object.fromEntries(new URLSearchParams(query))];
}
