// The atlas: maps of a forecast, of the analysis and of their difference, drawn point by point from
// what atlas.py packed, as the controls above them say.
"use strict";

(async () => {
  const at = (id) => document.getElementById(`atlas-${id}`);
  if (!at("data")) return;
  const atlas = JSON.parse(at("data").textContent);
  const [height, width] = atlas.grid;
  const [down, across] = atlas.pixels;
  const KINDS = ["forecast", "analysis", "difference"];
  const MISSING = 255, OUTSIDE = 65535, FINE = 8; // FINE: parts of a byte's step that colours tell
  const BETWEEN = 900, AT_END = 1800; // milliseconds between the pictures of an animation
  const maps = KINDS.map((kind) => document.querySelector(`figure[data-map="${kind}"]`));
  const canvases = maps.map((map) => Object.assign(map.querySelector("canvas"),
    { width: across, height: down }));
  const frame = maps[0].querySelector(".chart svg"); // written once, for all
  maps.slice(1).forEach((map) => map.querySelector(".chart").append(frame.cloneNode(true)));
  const unpacked = new Map(); // fields of a channel by its number

  async function bytes(text) {
    const raw = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Response(stream).arrayBuffer();
  }

  // Fields (…, rows, columns) from their differences, in place.
  function summed(numbers, columns, size) {
    for (let start = 0; start < numbers.length; start += size) {
      for (let i = start + columns; i < start + size; i++) numbers[i] += numbers[i - columns];
      for (let i = start; i < start + size; i++) if (i % columns) numbers[i] += numbers[i - 1];
    }
    return numbers;
  }

  // For each pixel the four grid points about it, and how far it lies towards the last.
  function looks(rows, columns) {
    const last = atlas.periodic ? width : width - 1, size = rows.length;
    const corners = [0, 1, 2, 3].map(() => new Int32Array(size));
    const [right, low] = [new Float32Array(size), new Float32Array(size)];
    for (let i = 0; i < size; i++) {
      if (rows[i] === OUTSIDE || columns[i] === OUTSIDE) { corners[0][i] = -1; continue; }
      const y = rows[i] * (height - 1) / (OUTSIDE - 1), x = columns[i] * last / (OUTSIDE - 1);
      const row = Math.min(Math.floor(y), height - 2), column = Math.min(Math.floor(x), last - 1);
      const next = (column + 1) % width;
      low[i] = y - row;
      right[i] = x - column;
      corners[0][i] = row * width + column;
      corners[1][i] = row * width + next;
      corners[2][i] = (row + 1) * width + column;
      corners[3][i] = (row + 1) * width + next;
    }
    return { corners, right, low };
  }

  // Which band of colour each part of a byte's step belongs to.
  function bands(scale) {
    const [low, high] = scale.ends, found = new Uint8Array(254 * FINE + 1);
    let band = 0;
    for (let i = 0; i < found.length; i++) {
      const value = low + (high - low) * i / (254 * FINE);
      while (band < scale.levels.length && value >= scale.levels[band]) band++;
      found[i] = band;
    }
    return found;
  }

  const rgb = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  const word = ([r, g, b], depth = 1) =>
    (255 << 24 | Math.round(b * depth) << 16 | Math.round(g * depth) << 8 | Math.round(r * depth)) >>> 0;

  function draw(canvas, field, scale, look) {
    const bandOf = bands(scale), colours = scale.colours.map(rgb);
    const full = colours.map((c) => word(c)), edge = colours.map((c) => word(c, 0.78));
    const { corners: [a, b, c, d], right, low } = look;
    const context = canvas.getContext("2d"), image = context.createImageData(across, down);
    const pixels = new Uint32Array(image.data.buffer), seen = new Uint8Array(pixels.length).fill(255);
    const none = word([216, 221, 226]);
    for (let i = 0; i < pixels.length; i++) {
      if (a[i] < 0) continue;
      const x = right[i], y = low[i];
      const near = field[y < 0.5 ? (x < 0.5 ? a[i] : b[i]) : (x < 0.5 ? c[i] : d[i])];
      if (near === MISSING) { pixels[i] = none; continue; }
      const of = (corner) => field[corner] === MISSING ? near : field[corner];
      const top = of(a[i]) * (1 - x) + of(b[i]) * x, under = of(c[i]) * (1 - x) + of(d[i]) * x;
      const band = bandOf[Math.round((top * (1 - y) + under * y) * FINE)];
      seen[i] = band;
      const left = i % across ? seen[i - 1] : 255, above = i >= across ? seen[i - across] : 255;
      const crossed = (left !== 255 && left !== band) || (above !== 255 && above !== band);
      pixels[i] = crossed ? edge[band] : full[band];
    }
    context.putImageData(image, 0, 0);
  }

  // The colours of a scale, with some of its levels.
  function bar(scale, label) {
    const num = scale.colours.length, each = 320 / num;
    const boxes = scale.colours.map((colour, i) =>
      `<rect x="${i * each}" y="0" width="${each + 0.5}" height="9" fill="${colour}"/>`);
    const ticks = Object.entries(scale.ticks).map(([place, text]) =>
      `<text x="${(Number(place) + 1) * each}" y="20" text-anchor="middle">${text}</text>`);
    const svg = new DOMParser().parseFromString(
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 34" aria-hidden="true"
        style="font-size: 9.5px; fill: var(--grey, #5f6b76)">${boxes.join("")}${ticks.join("")}` +
      `<text x="160" y="32" text-anchor="middle"></text></svg>`, "image/svg+xml").documentElement;
    svg.lastChild.textContent = label;
    return svg;
  }

  // A map as one drawing: words, field, frame and colours, for a file.
  function drawing(map) {
    const frame = map.querySelector(".chart svg"), colours = map.querySelector(".bar svg");
    const [, , w, h] = frame.getAttribute("viewBox").split(" ").map(Number);
    const box = atlas.box.map((share, i) => share / 100 * (i % 2 ? h : w));
    const whole = document.createElementNS(frame.namespaceURI, "svg");
    whole.setAttribute("viewBox", `0 0 ${w} ${h + 76}`);
    whole.innerHTML = `<g style="font: 11px sans-serif; fill: #1c2733">
      <text x="${box[0]}" y="15" font-weight="bold"></text><text x="${box[0]}" y="29"></text></g>
      <image x="${box[0]}" y="${34 + box[1]}" width="${box[2]}" height="${box[3]}"
        preserveAspectRatio="none" href="${map.querySelector("canvas").toDataURL()}"/>`;
    const [title, note] = whole.querySelectorAll("text");
    title.textContent = map.querySelector("b").textContent;
    note.textContent = map.querySelector("figcaption span").textContent;
    for (const [part, top, tall] of [[frame, 34, h], [colours, h + 38, 34]]) {
      const copy = part.cloneNode(true);
      const place = { x: 0, y: top, width: w, height: tall };
      for (const [key, value] of Object.entries(place)) copy.setAttribute(key, value);
      whole.append(copy);
    }
    return whole;
  }

  const [rows, columns] = await Promise.all([atlas.rows, atlas.columns].map(async (text) =>
    summed(new Uint16Array(await bytes(text)), across, across * down)));
  const look = looks(rows, columns);

  async function fieldsOf(number) {
    if (!unpacked.has(number)) {
      const packed = await bytes(atlas.channels[number].bytes);
      unpacked.set(number, summed(new Uint8Array(packed), width, width * height));
    }
    return unpacked.get(number);
  }

  let asked = 0;
  async function show() {
    const request = ++asked;
    const [number, init, lead] = ["channel", "init", "lead"].map((id) => Number(at(id).value));
    const fields = await fieldsOf(number), channel = atlas.channels[number];
    if (request !== asked) return; // somebody was faster
    const ahead = atlas.leads[lead], valid = atlas.valid[init][lead];
    const [rmse, bias] = channel.errors[init][lead];
    const titles = [`${atlas.said}, ${ahead} ahead`, "Analysis", "Forecast minus analysis"];
    maps.forEach((map, kind) => {
      const scale = channel.scales[kind < 2 ? "state" : "error"];
      const place = (kind * atlas.inits.length + init) * atlas.leads.length + lead;
      const field = fields.subarray(place * width * height, (place + 1) * width * height);
      draw(canvases[kind], field, scale, look);
      map.querySelector("b").textContent = titles[kind];
      map.querySelector("figcaption span").textContent = `${channel.name}, ${valid}`;
      map.querySelector(".bar").replaceChildren(bar(scale, channel.units));
      map.dataset.name = `${titles[kind]}, ${channel.name}, ${valid}`;
      const [least, most] = kind < 2 ? channel.ranges[kind][init][lead] : [];
      canvases[kind].setAttribute("aria-label", `Map of ${map.dataset.name}: ` + (kind < 2
        ? `from ${least} to ${most} ${channel.units}`
        : `root-mean-square ${rmse}, mean ${bias} ${channel.units}`));
    });
    at("ahead").textContent = ahead;
    at("lead").setAttribute("aria-valuetext", `${ahead} ahead, ${valid}`);
    at("said").textContent = `${channel.name}, ${ahead} ahead, ${valid}: ` +
      `root-mean-square error ${rmse}, bias ${bias} ${channel.units}.`;
  }

  let timer = null;
  function stop() {
    clearTimeout(timer);
    timer = null;
    at("play").textContent = "Play";
    at("said").setAttribute("aria-live", "polite");
  }
  async function step() {
    at("lead").value = (Number(at("lead").value) + 1) % atlas.leads.length;
    await show();
    const isLast = Number(at("lead").value) === atlas.leads.length - 1;
    if (timer !== null) timer = setTimeout(step, isLast ? AT_END : BETWEEN);
  }
  at("play").addEventListener("click", () => {
    if (timer !== null) return stop();
    at("play").textContent = "Pause";
    at("said").setAttribute("aria-live", "off"); // a screen reader could not keep up
    timer = setTimeout(step, 0);
  });
  at("lead").addEventListener("input", () => { stop(); show(); });
  at("lead").addEventListener("keydown", (event) => { if (event.key === " ") at("play").click(); });
  for (const id of ["init", "channel"]) at(id).addEventListener("change", show);
  maps.forEach((map) => { map.drawing = () => drawing(map); });
  await show();
  document.documentElement.dataset.atlas = "drawn";
  performance.mark("maps drawn");
})();
