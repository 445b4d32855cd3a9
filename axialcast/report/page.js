// The page's own comforts: figures are saved, tables are copied, light and dark are switched.
"use strict";

const LIGHT = "#ffffff";
const PIXELS_EACH = 4; // of a saved picture, for each unit of its drawing

// An element with properties and children.
function made(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function download(blob, name) {
  const url = URL.createObjectURL(blob);
  made("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// A file's name from words.
function named(words, ending) {
  const name = words.normalize("NFKD").replace(/[^\p{L}\p{N}]+/gu, "_").slice(0, 80);
  return `${name.replace(/^_|_$/g, "") || "figure"}.${ending}`;
}

// A drawing as a file of its own: in light colours, whatever the page has, on white.
function alone(svg) {
  const copy = svg.cloneNode(true);
  const [left, top, width, height] = copy.getAttribute("viewBox").split(" ");
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const behind = document.createElementNS(copy.namespaceURI, "rect");
  const place = { x: left, y: top, width, height, fill: LIGHT };
  for (const [key, value] of Object.entries(place)) behind.setAttribute(key, value);
  copy.prepend(behind);
  const text = new XMLSerializer().serializeToString(copy);
  return text.replace(/var\(--[a-z]+, (#[0-9a-f]{6})\)/g, "$1");
}

async function savePng(svg, name) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(alone(svg))}`;
  await picture.decode();
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const canvas = made("canvas", { width: width * PIXELS_EACH, height: height * PIXELS_EACH });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => download(blob, named(name, "png")));
}

function saveSvg(svg, name) {
  download(new Blob([alone(svg)], { type: "image/svg+xml" }), named(name, "svg"));
}

// Rows of a table as comma-separated values, one line of heads, numbers as programs read them.
function csvOf(table) {
  const [groups, heads] = [...table.tHead.rows].map((row) =>
    [...row.cells].flatMap((cell) => Array(cell.colSpan).fill(cell.textContent.trim())));
  const first = heads ? heads.map((head, i) => [groups[i], head].filter(Boolean).join(", ")) : groups;
  const rows = [...table.tBodies[0].rows].map((row) =>
    [...row.cells].map((cell) => cell.tagName === "TH" ? cell.textContent.trim() : plain(cell)));
  const quoted = (text) => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return [first, ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n";
}

// A number without its dress: a proper minus sign, commas, a dash where there is none.
function plain(cell) {
  return cell.textContent.trim().replace("–", "").replaceAll(",", "").replace("−", "-");
}

async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = made("textarea", { value: text }); // a page that comes without TLS
  document.body.append(area);
  area.select();
  const did = document.execCommand("copy");
  area.remove();
  if (!did) throw new Error("the browser does not let this page copy");
}

// A button that says for a moment how it went.
function button(words, action) {
  const element = made("button", { type: "button", textContent: words });
  element.addEventListener("click", async () => {
    try {
      await action();
      element.textContent = "Done";
    } catch (error) {
      element.textContent = `Failed: ${error.message}`;
    }
    setTimeout(() => { element.textContent = words; }, 2000);
  });
  return element;
}

function menu(title, about, ...buttons) {
  const summary = made("summary", { textContent: title });
  summary.setAttribute("aria-label", `${title}: ${about}`);
  const details = made("details", { className: "save" }, summary, ...buttons);
  details.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { details.open = false; summary.focus(); }
  });
  return details;
}

for (const figure of document.querySelectorAll("figure")) {
  // A map of the atlas says itself what it draws at the moment.
  const drawing = () => figure.drawing ? figure.drawing() : figure.querySelector("svg");
  const name = () => figure.dataset.name || drawing().getAttribute("aria-label").split(": ")[0];
  figure.append(menu("Save", figure.dataset.name || name(),
    button("as SVG", () => saveSvg(drawing(), name())),
    button("as PNG", () => savePng(drawing(), name()))));
}

for (const table of document.querySelectorAll("table")) {
  const name = table.caption.textContent;
  table.closest(".sheet").append(menu("Copy", name,
    button("to the clipboard", () => copied(csvOf(table))),
    button("as a CSV file", () =>
      download(new Blob([csvOf(table)], { type: "text/csv" }), named(name, "csv")))));
}

// Light or dark: as the system has it, until somebody says otherwise.
const root = document.documentElement;
const wantsDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme || (wantsDark.matches ? "dark" : "light")) === "dark";
const theme = made("button", { type: "button", className: "theme" });
const label = () => { theme.textContent = isDark() ? "Light colours" : "Dark colours"; };
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
wantsDark.addEventListener("change", label);
label();
document.querySelector("header").prepend(theme);
