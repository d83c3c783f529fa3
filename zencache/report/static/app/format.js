// Numbers and moments as people read them.

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0.0005) return "0 ms";
  if (value < 0.9995) return `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms`;
  if (value < 60) return `${value.toFixed(value < 10 ? 2 : 1)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
}

export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return unit ? `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}` : `${value} ${value === 1 ? "byte" : "bytes"}`;
}

export function count(value) {
  return value.toLocaleString("en-US");
}

export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function number(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (value === 0 || (size >= 0.001 && size < 1e7)) return String(Number(value.toPrecision(5)));
  return value.toExponential(3);
}

export function moment(iso) {
  if (!iso) return "–";
  const when = new Date(iso);
  const sameYear = when.getFullYear() === new Date().getFullYear();
  const day = when.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: sameYear ? undefined : "numeric" });
  return `${day}, ${when.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })}`;
}

export function short(text, length = 24) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** The last part of a type's name: `ndarray` of `numpy:ndarray`. */
export function typeName(name) {
  return name.split(":").pop();
}
