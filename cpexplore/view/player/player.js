// The skeleton player: one module for JupyterLab (anywidget) and for saved pages.
//
// All frames arrive once, as bytes; nothing is sent while playing. A Pane draws one
// walk, a Player moves one or two panes through time.

const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const TRAIL_S = 0.6;
const EVENT_S = 0.05; // an event is named while the cursor is this near
const GUTTER = 110; // px left of the panels, for names
const EDGE = 12; // px right of the panels
const ROW = 9; // px per keypoint in the heat map
const BAR = 40; // px kept free for the colour bar
const CURVE = 66; // px per joint angle
const AXIS = 18; // px below the panels
const FONT = '11px system-ui, "Segoe UI", "Liberation Sans", sans-serif';
const TYPES = { float32: Float32Array, uint16: Uint16Array, uint8: Uint8Array };
const LOCKS = {
  time: ["time", null],
  left: ["left gait cycle", ["left", "left"]],
  right: ["right gait cycle", ["right", "right"]],
  sides: ["left against right", ["left", "right"]],
};
const ICONS = {
  play: ["solid:M6 3.5v13l11-6.5z"],
  pause: ["solid:M6 4h2.6v12H6z", "solid:M11.4 4H14v12h-2.6z"],
  back: ["M12.5 4.5 7 10l5.5 5.5"],
  forward: ["M7.5 4.5 13 10l-5.5 5.5"],
  previousEvent: ["M14 4.5 8.5 10l5.5 5.5", "M5 4.5v11"],
  nextEvent: ["M6 4.5 11.5 10 6 15.5", "M15 4.5v11"],
  loop: ["M4 9.5V8a3 3 0 0 1 3-3h8.5", "M13 2.5 15.5 5 13 7.5", "M16 10.5V12a3 3 0 0 1-3 3H4.5", "M7 17.5 4.5 15 7 12.5"],
  follow: ["M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z", "M10 2.5v3M10 14.5v3M2.5 10h3M14.5 10h3"],
  trails: ["M3 14.5c4 0 4-8 8-8", "solid:M14.5 4.2a2.3 2.3 0 1 0 0 4.6 2.3 2.3 0 0 0 0-4.6z"],
  smooth: ["M2.5 12c2.5 0 2.5-5 5-5s2.5 7 5 7 2.5-4 5-4"],
};

// ---------------------------------------------------------------- small helpers

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  for (const stroke of ICONS[name]) {
    const path = document.createElementNS(space, "path");
    if (stroke.startsWith("solid:")) path.setAttribute("class", "solid");
    path.setAttribute("d", stroke.replace("solid:", ""));
    svg.append(path);
  }
  return svg;
}

function button(name, label, action) {
  const node = element("button", { type: "button", "aria-label": label, title: label }, icon(name));
  node.addEventListener("click", action);
  return node;
}

function select(label, options, value, action) {
  const node = element("select", { "aria-label": label });
  for (const [name, text] of options) node.append(element("option", { value: name }, text));
  node.value = value;
  node.addEventListener("change", () => action(node.value));
  return element("label", {}, label, node);
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const words = (name) => name.replaceAll("_", " ");
const short = (value) => (Number.isNaN(value) ? "none" : String(Number(value.toPrecision(3))));

/** Index of the last frame that is not after t. */
function locate(time, t) {
  let low = 0;
  let high = time.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (time[middle] <= t) low = middle;
    else high = middle - 1;
  }
  return low;
}

function nearestFrame(time, t) {
  const i = locate(time, t);
  return i + 1 < time.length && time[i + 1] - t < t - time[i] ? i + 1 : i;
}

/** Between two values; where one is missing, the value of the nearer frame. */
function mix(a, b, share) {
  const value = a + (b - a) * share;
  return Number.isNaN(value) ? (share < 0.5 ? a : b) : value;
}

/** Make a canvas sharp at this size in px and return its context. */
function fit(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** Read one packed array; the largest code of an integer type is missing. */
function unpack(spec, buffer) {
  const codes = new TYPES[spec.dtype](buffer, spec.offset, spec.size);
  if (spec.dtype === "float32") return codes;
  const missing = spec.dtype === "uint8" ? 255 : 65535;
  return Float32Array.from(codes, (code) => (code === missing ? NaN : spec.low + spec.step * code));
}

/** Average over five frames with binomial weights, leaving missing values out. */
function smoothed(values, nFrames, nKeypoints) {
  const result = new Float32Array(values.length).fill(NaN);
  for (let v = 0; v < nKeypoints; v++) {
    for (let frame = 0; frame < nFrames; frame++) {
      let sum = 0;
      let weight = 0;
      [1, 4, 6, 4, 1].forEach((w, k) => {
        const value = values[(frame + k - 2) * nKeypoints + v];
        if (value === undefined || Number.isNaN(value)) return;
        sum += w * value;
        weight += w;
      });
      if (!Number.isNaN(values[frame * nKeypoints + v])) result[frame * nKeypoints + v] = sum / weight;
    }
  }
  return result;
}

/** Strides of one side as [start, end] in s, initial contact to initial contact. */
function strides(clip, side) {
  const contacts = clip.events.filter(([s, event]) => s === side && event === "initial_contact").map((e) => e[2]);
  const pairs = contacts.slice(1).map((end, k) => [contacts[k], end]);
  return pairs.filter(([start, end]) => !clip.excluded.some(([a, b]) => a < end && b > start));
}

/** The moment of clip `to` that belongs to moment `t` of clip `from`. */
function transfer(t, from, to, sides) {
  const cycles = sides ? [strides(from, sides[0]), strides(to, sides[1])] : [[], []];
  const k = cycles[0].findIndex(([start, end]) => t >= start && t < end);
  if (k < 0 || !cycles[1].length) return clamp(t - from.time[0] + to.time[0], to.time[0], to.time.at(-1));
  const [start, end] = cycles[0][k];
  const [toStart, toEnd] = cycles[1][k % cycles[1].length];
  return toStart + ((t - start) / (end - start)) * (toEnd - toStart);
}

function decode(header, buffer) {
  const clip = { ...header };
  for (const name of ["time", "position", "confidence", "centre"]) clip[name] = unpack(header[name], buffer);
  clip.direction = header.direction ? unpack(header.direction, buffer) : null;
  clip.curves = header.curves.map((curve) => ({
    label: curve.label,
    lines: curve.lines.map((line) => ({ side: line.side, values: unpack(line, buffer) })),
  }));
  const size = clip.time.length * clip.names.length;
  clip.maps = header.methods.map((method) => {
    const all = unpack(method, buffer);
    return header.levels.map((_, k) => all.subarray(k * size, (k + 1) * size));
  });
  return clip;
}

// ---------------------------------------------------------------- one walk

class Pane {
  constructor(clip, player) {
    this.clip = clip;
    this.player = player;
    this.level = clip.levels.findIndex((level) => level.name === clip.level);
    this.method = clip.methods.findIndex((method) => method.name === clip.method);
    this.selected = -1;
    this.t = clip.time[0];
    this.rows = clip.rows.flatMap(([, members]) => members);
    this.heatHeight = clip.maps.length ? ROW * clip.names.length : 0;
    this.points = clip.names.map(() => ({}));
    this.build();
    this.chooseMap();
  }

  build() {
    const { clip } = this;
    const title = element("div", { class: "cpx-title" }, element("b", {}, clip.title), element("span", {}, clip.subtitle));
    this.head = element("div", { class: "cpx-head" }, title, ...this.choices());
    this.stageCanvas = element("canvas", { role: "img", "aria-label": "Skeleton" });
    this.now = element("span", { class: "now", "aria-live": "off" });
    const legend = element("div", { class: "cpx-legend" }, ...["left", "right"].map((side) => element("span", { class: side }, element("i"), side)), this.now);
    this.bar = element("div", { class: "cpx-bar" });
    this.stage = element("div", { class: "cpx-stage" }, this.stageCanvas, legend, this.bar);
    const body = element("div", { class: "cpx-body" }, this.stage);
    if (this.heatHeight || clip.curves.length) {
      this.panelCanvas = element("canvas", { role: "img", "aria-label": "Saliency by keypoint and joint angles over time" });
      this.cursor = element("div", { class: "cpx-cursor" });
      this.panels = element("div", { class: "cpx-panels" }, this.panelCanvas, this.cursor);
      body.append(this.panels);
      this.panels.addEventListener("pointerdown", (event) => this.onPanel(event, true));
      this.panels.addEventListener("pointermove", (event) => this.onPanel(event, event.buttons === 1));
      this.panels.addEventListener("pointerleave", () => this.player.hideTip());
      this.panels.addEventListener("pointerup", () => this.player.commit());
    } else body.classList.add("bare");
    this.stage.addEventListener("pointermove", (event) => this.onStage(event));
    this.stage.addEventListener("pointerleave", () => this.player.hideTip());
    this.stage.addEventListener("click", (event) => {
      const v = this.nearest(event);
      this.player.pick(v < 0 || v === this.selected ? "" : this.clip.names[v]);
      this.player.commit();
    });
    this.root = element("section", { class: "cpx-pane" }, this.head, body);
  }

  choices() {
    const { levels, methods } = this.clip;
    const named = (options) => options.map(({ label }, k) => [k, label]);
    const pick = (what) => (value) => {
      this[what] = Number(value);
      this.chooseMap();
      this.redraw();
      this.player.commit();
    };
    const controls = [];
    if (levels.length > 1) controls.push(select("Level", named(levels), this.level, pick("level")));
    if (methods.length > 1) controls.push(select("Method", named(methods), this.method, pick("method")));
    return controls;
  }

  choose(what, name) {
    const k = this.clip[`${what}s`].findIndex((option) => option.name === name);
    if (k < 0 || k === this[what]) return;
    this[what] = k;
    this.head.querySelector(`[aria-label="${what === "level" ? "Level" : "Method"}"]`).value = k;
    this.chooseMap();
    this.redraw();
  }

  /** Take the saliency map of the chosen level and method and label its colours. */
  chooseMap() {
    const { clip } = this;
    this.map = null;
    if (!clip.maps.length) return;
    const map = clip.maps[this.method][this.level];
    this.map = this.player.smooth ? smoothed(map, clip.time.length, clip.names.length) : map;
    this.range = clip.methods[this.method];
    const colours = element("i");
    colours.style.background = `linear-gradient(90deg, ${this.player.colours.join(",")})`;
    const ends = element("span", {}, ...[this.range.from, this.range.to].map((end) => element("span", {}, short(end))));
    const label = [this.range.label || "saliency", clip.levels[this.level].label];
    this.bar.replaceChildren(label.filter(Boolean).join(", "), colours, ends);
  }

  share(value) {
    return clamp((value - this.range.from) / (this.range.to - this.range.from), 0, 1);
  }

  colour(value) {
    const { colours } = this.player;
    return colours[Math.round(this.share(value) * (colours.length - 1))];
  }

  // -- layout

  redraw() {
    const style = getComputedStyle(this.player.root);
    this.ink = Object.fromEntries(
      ["bg", "stage", "fg", "muted", "faint", "line", "left", "right", "middle", "veil", "rim"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]),
    );
    if (this.panels) this.drawPanels();
    const { clientWidth, clientHeight } = this.stage;
    this.size = [clientWidth, clientHeight];
    this.context = fit(this.stageCanvas, clientWidth, clientHeight);
    this.draw(this.t);
  }

  // -- the stage

  /** Position, confidence and saliency of every keypoint at time t, in stage px. */
  sample(t) {
    const { clip, map, points } = this;
    const { time, position, confidence, centre } = clip;
    const i = locate(time, t);
    const j = Math.min(i + 1, time.length - 1);
    const share = j > i ? clamp((t - time[i]) / (time[j] - time[i]), 0, 1) : 0;
    const width = this.size[0];
    const height = this.size[1] - (map ? BAR : 0);
    const n = points.length;
    let box = clip.view;
    if (this.player.follow) {
      const [x, y] = [0, 1].map((k) => mix(centre[2 * i + k], centre[2 * j + k], share));
      box = [x - clip.reach[0], y - clip.reach[1], x + clip.reach[0], y + clip.reach[1]];
    }
    const scale = Math.min(width / (box[2] - box[0]), height / (box[3] - box[1]));
    const shift = [width / 2 - (scale * (box[0] + box[2])) / 2, height / 2 - (scale * (box[1] + box[3])) / 2];
    points.forEach((point, v) => {
      const [a, b] = [i * n + v, j * n + v];
      point.px = mix(position[2 * a], position[2 * b], share);
      point.py = mix(position[2 * a + 1], position[2 * b + 1], share);
      point.x = shift[0] + scale * point.px;
      point.y = shift[1] + scale * point.py;
      point.seen = !Number.isNaN(point.px);
      point.confidence = mix(confidence[a], confidence[b], share);
      point.saliency = map ? mix(map[a], map[b], share) : NaN;
      const rest = map && this.range.from < 0 ? Math.abs(point.saliency) / this.range.to : map ? this.share(point.saliency) : 0;
      point.weight = Number.isNaN(rest) ? 0 : rest;
    });
    this.frame = nearestFrame(time, t);
    this.camera = { scale, shift, reach: clip.reach[1] };
  }

  draw(t) {
    this.t = t;
    if (!this.context || !this.size[0]) return;
    this.sample(t);
    const { context } = this;
    context.clearRect(0, 0, ...this.size);
    this.drawGround();
    if (this.player.trails) this.drawTrails();
    this.drawBones();
    this.drawJoints();
    const event = this.clip.events.find(([, , time]) => Math.abs(time - t) < EVENT_S);
    this.now.textContent = event ? `${event[0]} ${words(event[1])}` : "";
    if (this.cursor) this.cursor.style.transform = `translateX(${this.toX(t)}px)`;
  }

  /** Faint verticals fixed to the world, so that travel is seen when following. */
  drawGround() {
    const { context, camera, size } = this;
    const step = camera.reach * camera.scale * 0.5;
    context.strokeStyle = this.ink.line;
    context.lineWidth = 1;
    context.beginPath();
    for (let x = ((camera.shift[0] % step) + step) % step; x < size[0]; x += step) {
      context.moveTo(Math.round(x) + 0.5, 0);
      context.lineTo(Math.round(x) + 0.5, size[1]);
    }
    context.stroke();
  }

  drawBones() {
    const { context, clip, points, ink } = this;
    const far = clip.direction && clip.direction[this.frame] < 0 ? "right" : "left";
    const order = [far, "", far === "left" ? "right" : "left"];
    context.lineCap = "round";
    for (const side of order) {
      context.strokeStyle = ink[side || "middle"];
      context.setLineDash(side === "left" ? [7, 6] : []);
      context.lineWidth = side ? 3.2 : 2.6;
      for (const [outer, inner] of clip.bones) {
        const [a, b] = [points[outer], points[inner]];
        if (clip.sides[outer] !== side || !a.seen || !b.seen) continue;
        context.globalAlpha = 0.18 + 0.77 * Math.min(a.confidence, b.confidence);
        context.beginPath();
        context.moveTo(a.x, a.y);
        context.lineTo(b.x, b.y);
        context.stroke();
      }
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  drawJoints() {
    const { context, clip, ink, map } = this;
    const order = this.points.map((point, v) => [point, v]).sort(([a], [b]) => a.weight - b.weight);
    for (const [point, v] of order) {
      if (!point.seen) continue;
      const evidence = !Number.isNaN(point.saliency);
      const radius = 3 + (map ? 8 * point.weight : 0.6);
      context.globalAlpha = 0.25 + 0.75 * point.confidence;
      if (v === this.selected) {
        context.strokeStyle = ink.fg;
        context.lineWidth = 1.5;
        this.circle(point, radius + 4.5);
        context.stroke();
      }
      context.fillStyle = evidence ? this.colour(point.saliency) : map ? ink.stage : ink[clip.sides[v] || "middle"];
      context.strokeStyle = evidence ? ink.rim : ink.faint;
      context.lineWidth = 1.1;
      this.circle(point, radius);
      context.fill();
      if (map) context.stroke();
    }
    context.globalAlpha = 1;
  }

  circle(point, radius) {
    this.context.beginPath();
    this.context.arc(point.x, point.y, radius, 0, 2 * Math.PI);
  }

  /** Where the chosen keypoint, or both ankles, have just been. */
  drawTrails() {
    const { context, clip, camera, ink } = this;
    const { time, position, names } = clip;
    const traced = this.selected >= 0 ? [this.selected] : ["left_ankle", "right_ankle"].map((name) => names.indexOf(name));
    const last = locate(time, this.t);
    context.lineWidth = 2;
    for (const v of traced.filter((index) => index >= 0)) {
      context.strokeStyle = ink[clip.sides[v] || "middle"];
      for (let k = locate(time, this.t - TRAIL_S); k < last; k++) {
        const [a, b] = [k, k + 1].map((frame) => 2 * (frame * names.length + v));
        context.globalAlpha = 0.7 * clamp(1 - (this.t - time[k]) / TRAIL_S, 0, 1);
        context.beginPath();
        context.moveTo(camera.shift[0] + camera.scale * position[a], camera.shift[1] + camera.scale * position[a + 1]);
        context.lineTo(camera.shift[0] + camera.scale * position[b], camera.shift[1] + camera.scale * position[b + 1]);
        context.stroke();
      }
    }
    context.globalAlpha = 1;
  }

  // -- the panels: heat map and joint angles over one time axis

  toX(t) {
    const { time } = this.clip;
    const length = time.at(-1) - time[0] || 1;
    return GUTTER + ((t - time[0]) / length) * (this.panelWidth - GUTTER - EDGE);
  }

  toTime(x) {
    const { time } = this.clip;
    const share = (x - GUTTER) / (this.panelWidth - GUTTER - EDGE);
    return time[0] + clamp(share, 0, 1) * (time.at(-1) - time[0]);
  }

  drawPanels() {
    const { clip, ink } = this;
    this.panelWidth = this.panels.clientWidth;
    const height = this.heatHeight + CURVE * clip.curves.length + AXIS;
    const context = fit(this.panelCanvas, this.panelWidth, height);
    context.font = FONT;
    context.textBaseline = "middle";
    if (this.heatHeight) this.drawHeat(context);
    clip.curves.forEach((curve, k) => this.drawCurve(context, curve, this.heatHeight + CURVE * k));
    context.fillStyle = ink.veil;
    for (const [start, end] of clip.excluded) context.fillRect(this.toX(start), 0, this.toX(end) - this.toX(start), height - AXIS);
    this.drawAxis(context, height - AXIS);
  }

  /** The saliency map, one px per frame and keypoint; no evidence is transparent. */
  heatImage() {
    const { rows, map } = this;
    const frames = this.clip.time.length;
    const image = new ImageData(frames, rows.length);
    rows.forEach((v, row) => {
      for (let frame = 0; frame < frames; frame++) {
        const value = map[frame * rows.length + v];
        if (Number.isNaN(value)) continue;
        const colour = parseInt(this.colour(value).slice(1), 16);
        image.data.set([colour >> 16, (colour >> 8) & 255, colour & 255, 255], 4 * (row * frames + frame));
      }
    });
    const canvas = new OffscreenCanvas(frames, rows.length);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  drawHeat(context) {
    const { clip, ink, rows } = this;
    const { time } = clip;
    const image = this.heatImage();
    const half = time.length > 1 ? (time.at(-1) - time[0]) / (time.length - 1) / 2 : 1;
    context.fillStyle = ink.stage;
    context.fillRect(GUTTER, 0, this.panelWidth - GUTTER - EDGE, this.heatHeight);
    context.imageSmoothingEnabled = false;
    time.forEach((t, frame) => {
      const [left, right] = [this.toX(Math.max(t - half, time[0])), this.toX(Math.min(t + half, time.at(-1)))];
      context.drawImage(image, frame, 0, 1, rows.length, left, 0, right - left + 0.6, this.heatHeight);
    });
    context.textAlign = "right";
    let row = 0;
    for (const [part, members] of clip.rows) {
      context.fillStyle = ink.muted;
      context.fillText(part, GUTTER - 12, (row + members.length / 2) * ROW + 0.5);
      row += members.length;
      context.fillStyle = ink.bg;
      if (row < rows.length) context.fillRect(0, row * ROW - 0.75, this.panelWidth, 1.5);
    }
    const chosen = rows.indexOf(this.selected);
    if (chosen < 0) return;
    context.strokeStyle = ink.fg;
    context.lineWidth = 1.2;
    context.strokeRect(GUTTER - 1, chosen * ROW - 0.5, this.panelWidth - GUTTER - EDGE + 2, ROW + 1);
  }

  drawCurve(context, curve, top) {
    const { clip, ink } = this;
    const finite = curve.lines.flatMap((line) => Array.from(line.values).filter((value) => !Number.isNaN(value)));
    const low = Math.min(0, ...finite.length ? [finite.reduce((a, b) => Math.min(a, b))] : []);
    const high = Math.max(10, ...finite.length ? [finite.reduce((a, b) => Math.max(a, b))] : []);
    const toY = (value) => top + CURVE - 9 - ((value - low) / (high - low)) * (CURVE - 18);
    this.drawEvents(context, top + 4, top + CURVE - 4);
    context.textAlign = "right";
    context.fillStyle = ink.muted;
    curve.label.split(" ").forEach((word, k) => context.fillText(word, GUTTER - 38, top + CURVE / 2 - 7 + 14 * k));
    context.fillStyle = ink.faint;
    for (const value of [low, high]) context.fillText(`${Math.round(value)}°`, GUTTER - 8, toY(value));
    context.strokeStyle = ink.line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(GUTTER, Math.round(toY(0)) + 0.5);
    context.lineTo(this.panelWidth - EDGE, Math.round(toY(0)) + 0.5);
    context.stroke();
    context.lineWidth = 1.6;
    for (const { side, values } of curve.lines) {
      context.strokeStyle = ink[side || "middle"];
      context.setLineDash(side === "left" ? [5, 3] : []);
      context.beginPath();
      let drawing = false;
      values.forEach((value, frame) => {
        const missing = Number.isNaN(value);
        if (!missing) context[drawing ? "lineTo" : "moveTo"](this.toX(clip.time[frame]), toY(value));
        drawing = !missing;
      });
      context.stroke();
    }
    context.setLineDash([]);
  }

  /** Initial contacts solid, foot offs dashed. */
  drawEvents(context, top, bottom) {
    context.lineWidth = 1;
    context.globalAlpha = 0.45;
    for (const [side, event, time] of this.clip.events) {
      context.strokeStyle = this.ink[side];
      context.setLineDash(event === "foot_off" ? [2, 3] : []);
      context.beginPath();
      context.moveTo(this.toX(time), top);
      context.lineTo(this.toX(time), bottom);
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  drawAxis(context, top) {
    const { time } = this.clip;
    const length = time.at(-1) - time[0];
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].find((s) => length / s <= 8) || 200;
    context.fillStyle = this.ink.faint;
    context.textAlign = "center";
    for (let tick = Math.ceil(time[0] / step) * step; tick <= time.at(-1) + 1e-6; tick += step) {
      context.fillText(`${Number(tick.toFixed(2))} s`, clamp(this.toX(tick), GUTTER + 6, this.panelWidth - EDGE - 4), top + 11);
    }
  }

  // -- pointer

  nearest(event) {
    const bounds = this.stage.getBoundingClientRect();
    const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
    let found = -1;
    let best = 18;
    this.points.forEach((point, v) => {
      const distance = Math.hypot(point.x - x, point.y - y);
      if (distance < best) [found, best] = [v, distance];
    });
    return found;
  }

  onStage(event) {
    const v = this.nearest(event);
    if (v < 0) return this.player.hideTip();
    const point = this.points[v];
    const lines = [
      words(this.clip.names[v]),
      `x ${point.px.toFixed(1)}   y ${point.py.toFixed(1)} px`,
      `confidence ${point.confidence.toFixed(2)}`,
    ];
    if (this.map) lines.push(`saliency ${short(point.saliency)}`);
    this.player.showTip(event, lines);
  }

  onPanel(event, seek) {
    const bounds = this.panelCanvas.getBoundingClientRect();
    const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
    const t = this.toTime(x);
    const row = Math.floor(y / ROW);
    const v = y >= 0 && y < this.heatHeight ? this.rows[row] : -1;
    if (event.type === "pointerdown" && v >= 0) this.player.pick(this.clip.names[v]);
    if (seek) this.player.seek(this.player.fromPane(this, t));
    const frame = nearestFrame(this.clip.time, t);
    const lines = [`${t.toFixed(2)} s`];
    if (v >= 0) lines.push(words(this.clip.names[v]), `saliency ${short(this.map[frame * this.rows.length + v])}`);
    const curve = this.clip.curves[Math.floor((y - this.heatHeight) / CURVE)];
    if (v < 0 && curve) lines.push(curve.label, ...curve.lines.map(({ side, values }) => `${side} ${Number.isNaN(values[frame]) ? "missing" : `${values[frame].toFixed(1)}°`}`.trim()));
    this.player.showTip(event, lines);
  }
}

// ---------------------------------------------------------------- time and controls

class Player {
  constructor(host, scene, buffer, onCommit = () => {}) {
    this.colours = scene.colours;
    this.theme = scene.theme;
    this.onCommit = onCommit;
    this.speed = scene.speed || 1;
    this.playing = false;
    this.loop = true;
    this.follow = true;
    this.trails = false;
    this.smooth = false;
    this.lock = "time";
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.panes = scene.clips.map((header) => new Pane(decode(header, buffer), this));
    this.main = this.panes[0].clip;
    this.t = this.main.time[clamp(scene.frame ?? this.main.start, 0, this.main.time.length - 1)];
    this.build(host);
    this.listen();
    this.setTheme();
    this.seek(this.t);
    if (scene.playing) this.play();
  }

  build(host) {
    const compared = this.panes.length > 1;
    const { time, events, title } = this.main;
    this.playButton = button("play", "Play (space)", () => this.toggle());
    this.playButton.classList.add("play");
    const group = (...nodes) => element("div", { class: "cpx-group" }, ...nodes);
    const transport = group(
      ...(events.length ? [button("previousEvent", "Previous event ([)", () => this.jump(-1))] : []),
      button("back", "Previous frame (left arrow)", () => this.step(-1)),
      this.playButton,
      button("forward", "Next frame (right arrow)", () => this.step(1)),
      ...(events.length ? [button("nextEvent", "Next event (])", () => this.jump(1))] : []),
    );
    this.slider = element("input", { type: "range", min: 0, max: time.length - 1, step: 1, "aria-label": "Frame" });
    const scrub = element("div", { class: "cpx-scrub" }, this.slider, this.ticks());
    this.readout = element("span", { class: "cpx-time" });
    this.speedSelect = select("Speed", SPEEDS.map((speed) => [speed, `${speed}×`]), this.speed, (speed) => this.setSpeed(Number(speed)));
    const switches = group(
      this.switch("loop", "Loop"),
      this.switch("follow", "Camera follows the person"),
      this.switch("trails", "Trails"),
      ...(this.panes.some((pane) => pane.map) ? [this.switch("smooth", "Smooth the saliency")] : []),
    );
    const foot = element("div", { class: "cpx-foot" }, transport, scrub, this.readout, this.speedSelect, switches);
    if (compared) {
      const options = Object.entries(LOCKS).map(([name, [label]]) => [name, label]);
      foot.append(select("Locked by", options, this.lock, (lock) => { this.lock = lock; this.seek(this.t); }));
    }
    this.tip = element("div", { class: "cpx-tip", role: "status" });
    const panes = element("div", { class: `cpx-panes${compared ? " compare" : ""}` }, ...this.panes.map((pane) => pane.root));
    this.root = element("div", { class: "cpx", tabindex: 0, role: "group", "aria-label": `Skeleton player, ${title}`, "data-lm-suppress-shortcuts": "true" }, panes, foot, this.tip);
    host.append(this.root);
  }

  ticks() {
    const { time, events } = this.main;
    const length = time.at(-1) - time[0] || 1;
    const marks = events.map(([side, event, at]) => {
      const mark = element("i", { class: `${side} ${event}` });
      mark.style.left = `${(100 * (at - time[0])) / length}%`;
      return mark;
    });
    return element("div", { class: "cpx-ticks", "aria-hidden": "true" }, ...marks);
  }

  switch(name, label) {
    const node = button(name, label, () => {
      this[name] = !this[name];
      node.setAttribute("aria-pressed", this[name]);
      if (name === "smooth") this.panes.forEach((pane) => { pane.chooseMap(); pane.redraw(); });
      this.seek(this.t);
    });
    node.setAttribute("aria-pressed", this[name]);
    return node;
  }

  listen() {
    this.slider.addEventListener("input", () => this.seek(this.main.time[this.slider.valueAsNumber]));
    this.slider.addEventListener("change", () => this.commit());
    this.root.addEventListener("keydown", (event) => this.onKey(event));
    this.resizing = new ResizeObserver(() => this.panes.forEach((pane) => pane.redraw()));
    this.panes.forEach((pane) => this.resizing.observe(pane.stage));
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.onTheme = () => this.setTheme();
    this.dark.addEventListener("change", this.onTheme);
    this.themes = new MutationObserver(this.onTheme);
    this.themes.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  }

  destroy() {
    cancelAnimationFrame(this.request);
    this.resizing.disconnect();
    this.themes.disconnect();
    this.dark.removeEventListener("change", this.onTheme);
    this.root.remove();
  }

  /** JupyterLab says which theme it has; elsewhere the reader's system does. */
  setTheme() {
    const lab = document.body.dataset.jpThemeLight;
    const system = this.dark.matches ? "dark" : "light";
    const automatic = lab === undefined ? system : lab === "true" ? "light" : "dark";
    this.root.dataset.theme = this.theme === "auto" ? automatic : this.theme;
    this.panes.forEach((pane) => pane.redraw());
  }

  get frame() {
    return nearestFrame(this.main.time, this.t);
  }

  get selectedName() {
    return this.main.names[this.panes[0].selected] || "";
  }

  /** Show moment t in every pane. */
  seek(t) {
    const { time } = this.main;
    this.t = clamp(t, time[0], time.at(-1));
    this.panes.forEach((pane, k) => pane.draw(k ? transfer(this.t, this.main, pane.clip, LOCKS[this.lock][1]) : this.t));
    const frame = this.frame;
    if (frame === this.shown) return;
    this.shown = frame;
    this.slider.value = frame;
    const text = `${this.t.toFixed(2)} s, frame ${frame + 1} of ${time.length}`;
    this.slider.setAttribute("aria-valuetext", text);
    this.readout.replaceChildren(element("b", {}, `${this.t.toFixed(2)} s`), `  ${frame + 1} / ${time.length}`);
  }

  fromPane(pane, t) {
    const sides = LOCKS[this.lock][1];
    return pane === this.panes[0] ? t : transfer(t, pane.clip, this.main, sides && [sides[1], sides[0]]);
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    if (this.t >= this.main.time.at(-1)) this.seek(this.main.time[0]);
    let last = performance.now();
    const tick = (now) => {
      const passed = Math.min((now - last) / 1000, 0.1) * this.speed;
      last = now;
      this.advance(Math.max(passed, 0));
      if (this.playing) this.request = requestAnimationFrame(tick);
    };
    this.request = requestAnimationFrame(tick);
    this.showPlaying();
  }

  /** Move on by some seconds; with reduced motion the picture goes frame by frame. */
  advance(seconds) {
    const { time } = this.main;
    this.clock = Math.max(this.clock ?? this.t, this.t) + seconds;
    if (this.clock >= time.at(-1)) {
      this.clock = this.loop ? time[0] : time.at(-1);
      if (!this.loop) this.pause();
    }
    const t = this.still ? time[locate(time, this.clock)] : this.clock;
    this.seek(t);
    if (!this.still) this.clock = undefined;
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.clock = undefined;
    cancelAnimationFrame(this.request);
    this.seek(this.main.time[this.frame]);
    this.showPlaying();
    this.commit();
  }

  toggle() {
    if (this.playing) return this.pause();
    this.play();
    this.commit();
  }

  showPlaying() {
    const label = this.playing ? "Pause (space)" : "Play (space)";
    this.playButton.replaceChildren(icon(this.playing ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", label);
    this.playButton.title = label;
  }

  goto(frame) {
    this.clock = undefined;
    this.seek(this.main.time[clamp(frame, 0, this.main.time.length - 1)]);
  }

  step(by) {
    this.pause();
    this.goto(this.frame + by);
    this.commit();
  }

  jump(way) {
    const times = this.main.events.map((event) => event[2]);
    const next = way > 0 ? times.find((t) => t > this.t + 1e-3) : times.findLast((t) => t < this.t - 1e-3);
    if (next === undefined) return;
    this.pause();
    this.seek(next);
    this.commit();
  }

  setSpeed(speed) {
    this.speed = clamp(speed, SPEEDS[0], SPEEDS.at(-1));
    this.speedSelect.lastChild.value = this.speed;
    this.commit();
  }

  /** Select a keypoint by name in every pane; "" selects none. */
  pick(name) {
    for (const pane of this.panes) {
      pane.selected = pane.clip.names.indexOf(name);
      pane.redraw();
    }
  }

  commit() {
    const { clip, level, method } = this.panes[0];
    this.onCommit({
      frame: this.frame,
      playing: this.playing,
      speed: this.speed,
      selected_keypoint: this.selectedName,
      level: clip.levels[level]?.name || "",
      method: clip.methods[method]?.name || "",
    });
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const near = SPEEDS.reduce((a, b) => (Math.abs(b - this.speed) < Math.abs(a - this.speed) ? b : a));
    const faster = (by) => this.setSpeed(SPEEDS[clamp(SPEEDS.indexOf(near) + by, 0, SPEEDS.length - 1)]);
    const stride = event.shiftKey ? 10 : 1;
    const actions = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.step(-stride),
      ArrowRight: () => this.step(stride),
      Home: () => this.step(-this.main.time.length),
      End: () => this.step(this.main.time.length),
      "+": () => faster(1),
      "=": () => faster(1),
      "-": () => faster(-1),
      "[": () => this.jump(-1),
      "]": () => this.jump(1),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    actions[event.key]();
  }

  showTip(event, lines) {
    const bounds = this.root.getBoundingClientRect();
    this.tip.textContent = lines.join("\n");
    const x = clamp(event.clientX - bounds.left + 14, 4, bounds.width - this.tip.offsetWidth - 4);
    const y = clamp(event.clientY - bounds.top + 14, 4, bounds.height - this.tip.offsetHeight - 4);
    this.tip.style.transform = `translate(${x}px, ${y}px)`;
    this.tip.classList.add("shown");
  }

  hideTip() {
    this.tip.classList.remove("shown");
  }
}

// ---------------------------------------------------------------- the two doors

/** anywidget: state comes from traits, and goes back once per release. */
function render({ model, el }) {
  const bytes = model.get("_blob");
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const traits = ["frame", "playing", "speed", "selected_keypoint", "level", "method", "theme"];
  const scene = { ...model.get("_scene"), ...Object.fromEntries(traits.map((trait) => [trait, model.get(trait)])) };
  const player = new Player(el, scene, buffer, (state) => {
    for (const [trait, value] of Object.entries(state)) model.set(trait, value);
    model.save_changes();
  });
  const react = {
    frame: (frame) => frame !== player.frame && player.goto(frame),
    playing: (playing) => playing !== player.playing && (playing ? player.play() : player.pause()),
    speed: (speed) => speed !== player.speed && player.setSpeed(speed),
    selected_keypoint: (name) => name !== player.selectedName && player.pick(name),
    level: (name) => player.panes[0].choose("level", name),
    method: (name) => player.panes[0].choose("method", name),
    theme: (theme) => { player.theme = theme; player.setTheme(); },
  };
  for (const trait of ["selected_keypoint", "level", "method"]) react[trait](model.get(trait));
  for (const trait of traits) model.on(`change:${trait}`, () => react[trait](model.get(trait)));
  return () => {
    for (const trait of traits) model.off(`change:${trait}`);
    player.destroy();
  };
}

/** Saved pages: every mount holds its scene as JSON, its bytes deflated in base64. */
export async function mountAll(root = document) {
  for (const mount of root.querySelectorAll(".cpx-mount")) {
    const scene = JSON.parse(mount.querySelector("script").textContent);
    const packed = Uint8Array.from(atob(scene.blob), (letter) => letter.charCodeAt(0));
    const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    new Player(mount, scene, await new Response(inflated).arrayBuffer());
  }
}

export default { render };
