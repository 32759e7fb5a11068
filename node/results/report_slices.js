// The slice viewer: grey from 8-bit pictures through a table per window, marks drawn as lines on top.

// Centre and width in HU, PS3.3 C.11.2.1.2.
const WINDOWS = { lung: [-600, 1500], mediastinum: [40, 400], bone: [400, 1800], wide: [250, 2500] };
const WINDOW_KEYS = Object.keys(WINDOWS);
const PAGE = 10; // slices of Page Up and Page Down
const KEPT = 32; // decoded slices that stay in memory
const SCALE_BAR_MM = 50;
const DRAG_PX = 6; // of dragging are one slice

class SliceViewer {
  constructor(data, parts) {
    Object.assign(this, { data, ...parts, index: -1, window: "lung", marked: true, decoded: new Map() });
    this.huOf = Array.from({ length: 256 }, (_, grey) => interpolated(grey, data.knots_grey, data.knots_hu));
    new ResizeObserver(() => this.draw()).observe(this.screen);
  }

  show(wanted) {
    const index = Math.min(Math.max(wanted, 0), this.data.slices.length - 1);
    if (index === this.index) { return; }
    this.index = index;
    const { name, marks } = this.data.slices[index];
    const numbers = marks.map((mark) => mark.id).join(", ");
    const place = filled(words.slice_of, { number: index + 1, count: this.data.slices.length });
    const text = `${place}: ${name}${numbers && `, ${filled(words.nodule, { numbers })}`}`;
    this.slider.value = String(index);
    this.slider.setAttribute("aria-valuetext", text);
    this.output.textContent = text;
    this.onShow(marks.map((mark) => mark.id));
    this.draw();
  }

  showNodule(id) {
    this.show(this.data.nodules.find((nodule) => nodule.id === id).slice);
  }

  // The nearest measuring slice after (1) or before (-1) this one; round at the ends.
  stepNodule(direction) {
    const slices = [...new Set(this.data.nodules.map((nodule) => nodule.slice))].sort((a, b) => (a - b) * direction);
    if (slices.length) { this.show(slices.find((slice) => (slice - this.index) * direction > 0) ?? slices[0]); }
  }

  setWindow(name) {
    this.window = name;
    this.windowButtons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.window === name)));
    this.draw();
  }

  toggleMarks() {
    this.marked = !this.marked;
    this.marksButton.setAttribute("aria-pressed", String(this.marked));
    this.draw();
  }

  async draw() {
    const index = this.index;
    if (index < 0) { return; }
    const plane = await this.planeOf(index);
    if (index !== this.index) { return; } // the reader has moved on
    const { rows, columns, spacing_mm: [down, across] } = this.data;
    const width = Math.max(1, Math.round(this.screen.clientWidth * devicePixelRatio));
    this.canvas.width = width;
    this.canvas.height = Math.round(width * rows * down / (columns * across));
    const context = this.canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.windowed(plane), 0, 0, this.canvas.width, this.canvas.height);
    const scale = { x: this.canvas.width / columns, y: this.canvas.height / rows, px: devicePixelRatio };
    if (this.marked) { this.drawMarks(context, scale); }
    this.drawFrame(context, scale);
    Object.assign(this.canvas.dataset, { slice: index, window: this.window, marks: this.marked ? "on" : "off" });
    for (const near of [index + 1, index - 1, index + 2]) {
      if (this.data.slices[near]) { this.planeOf(near); }
    }
  }

  // Greys of a slice, decoded once; the oldest go when there are too many.
  planeOf(index) {
    if (!this.decoded.has(index)) {
      this.decoded.set(index, decode(this.data.slices[index].jpeg));
      if (this.decoded.size > KEPT) { this.decoded.delete(this.decoded.keys().next().value); }
    }
    return this.decoded.get(index);
  }

  windowed({ width, height, grey }) {
    const [centre, span] = WINDOWS[this.window];
    const table = Uint32Array.from(this.huOf, (hu) => {
      const level = Math.round(Math.min(Math.max((hu - centre) / span + 0.5, 0), 1) * 255);
      return (0xff000000 | (level << 16) | (level << 8) | level) >>> 0;
    });
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let place = 0; place < grey.length; place += 1) { pixels[place] = table[grey[place]]; }
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  drawMarks(context, scale) {
    const taken = [];
    for (const mark of this.data.slices[this.index].marks) {
      const colour = this.data.nodules.find((nodule) => nodule.id === mark.id).colour;
      mark.outlines.forEach((line) => stroke(context, line, scale, colour, 1.6));
      mark.axes.forEach((line) => stroke(context, line, scale, "#f0f3f6", 1.2));
      label(context, mark, scale, colour, taken);
    }
  }

  // Letters of the patient's sides, slice, window and scale: they stay when the marks go.
  drawFrame(context, scale) {
    const { width, height } = this.canvas;
    const [left, right, top, bottom] = this.data.letters;
    const size = Math.min(14 * scale.px, width / 32); // on a telephone the slice's name must not meet the letter
    const edge = 6 * scale.px;
    const [centre, span] = WINDOWS[this.window];
    write(context, left, edge, height / 2, size, "#ffc857", "left", "middle");
    write(context, right, width - edge, height / 2, size, "#ffc857", "right", "middle");
    write(context, top, width / 2, edge, size, "#ffc857", "center", "top");
    write(context, bottom, width / 2, height - edge, size, "#ffc857", "center", "bottom");
    write(context, this.data.slices[this.index].name, edge, edge, size * 0.9, "#f0f3f6", "left", "top");
    write(context, `C ${centre}  W ${span}`, edge, edge + size * 1.3, size * 0.9, "#c3ccd5", "left", "top");
    const bar = SCALE_BAR_MM / this.data.spacing_mm[1] * scale.x;
    const [x, y] = [width - edge * 2 - bar, height - edge * 2];
    const line = [[x, y - edge], [x, y], [x + bar, y], [x + bar, y - edge]];
    stroke(context, line, { x: 1, y: 1, px: scale.px }, "#f0f3f6", 1.4);
    write(context, `${SCALE_BAR_MM / 10} cm`, x + bar / 2, y - edge, size * 0.9, "#f0f3f6", "center", "bottom");
  }
}

function interpolated(value, from, to) {
  const last = from.findIndex((knot) => knot >= value);
  if (last <= 0) { return to[0]; }
  const share = (value - from[last - 1]) / (from[last] - from[last - 1]);
  return to[last - 1] + share * (to[last] - to[last - 1]);
}

async function decode(base64) {
  const image = new Image();
  image.src = `data:image/jpeg;base64,${base64}`;
  await image.decode();
  const { naturalWidth: width, naturalHeight: height } = image;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, width, height).data;
  const grey = new Uint8Array(width * height);
  for (let place = 0; place < grey.length; place += 1) { grey[place] = pixels[4 * place]; }
  return { width, height, grey };
}

// A line with a dark halo, so that it is seen on lung and on bone.
function stroke(context, points, scale, colour, width) {
  const path = new Path2D();
  points.forEach(([x, y]) => path.lineTo(x * scale.x, y * scale.y));
  context.lineJoin = "round";
  for (const [style, extra] of [["rgb(0 0 0 / 50%)", 1.6], [colour, 0]]) {
    context.strokeStyle = style;
    context.lineWidth = (width + extra) * scale.px;
    context.stroke(path);
  }
}

function write(context, text, x, y, size, colour, align, baseline) {
  context.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
  context.textAlign = align;
  context.textBaseline = baseline;
  context.lineWidth = size / 5;
  context.lineJoin = "round";
  context.strokeStyle = "rgb(0 0 0 / 75%)";
  context.strokeText(text, x, y);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

// Number and size beside the nodule, on the side with more room, below labels that are there already.
function label(context, mark, scale, colour, taken) {
  const points = mark.outlines.flat();
  const right = Math.max(...points.map(([x]) => x)) * scale.x;
  const left = Math.min(...points.map(([x]) => x)) * scale.x;
  const gap = 12 * scale.px;
  const size = 15 * scale.px;
  const onRight = right + 90 * scale.px < context.canvas.width;
  let y = Math.max(Math.min(...points.map(([, row]) => row)) * scale.y - gap, 48 * scale.px);
  while (taken.some((other) => Math.abs(other - y) < size * 1.2)) { y += size * 1.2; }
  taken.push(y);
  write(context, mark.label, onRight ? right + gap : left - gap, y, size, colour, onRight ? "left" : "right", "middle");
}

const byId = (id) => document.getElementById(id);
const nodulesTable = byId("nodules");
const viewer = new SliceViewer(told("viewer-data"), {
  screen: byId("slice-screen"),
  canvas: byId("slice-canvas"),
  slider: byId("slice"),
  output: byId("slice-text"),
  marksButton: byId("marks"),
  windowButtons: Array.from(document.querySelectorAll("button[data-window]")),
  onShow: (ids) => nodulesTable?.querySelectorAll("tr[data-nodule]").forEach((row) => {
    row.setAttribute("aria-current", String(ids.includes(Number(row.dataset.nodule))));
  }),
});

viewer.slider.addEventListener("input", () => viewer.show(Number(viewer.slider.value)));
viewer.marksButton.addEventListener("click", () => viewer.toggleMarks());
viewer.windowButtons.forEach((button) => button.addEventListener("click", () => viewer.setWindow(button.dataset.window)));
byId("previous").addEventListener("click", () => viewer.show(viewer.index - 1));
byId("next").addEventListener("click", () => viewer.show(viewer.index + 1));
byId("previous-nodule")?.addEventListener("click", () => viewer.stepNodule(-1));
byId("next-nodule")?.addEventListener("click", () => viewer.stepNodule(1));

// Keys that move act on the picture; letters and digits also on its controls, but nowhere else on the page.
const moves = {
  ArrowLeft: () => viewer.show(viewer.index - 1),
  ArrowUp: () => viewer.show(viewer.index - 1),
  ArrowRight: () => viewer.show(viewer.index + 1),
  ArrowDown: () => viewer.show(viewer.index + 1),
  PageUp: () => viewer.show(viewer.index - PAGE),
  PageDown: () => viewer.show(viewer.index + PAGE),
  Home: () => viewer.show(0),
  End: () => viewer.show(viewer.data.slices.length - 1),
};
const letters = { o: () => viewer.toggleMarks(), n: () => viewer.stepNodule(1), p: () => viewer.stepNodule(-1) };
WINDOW_KEYS.forEach((name, place) => { letters[String(place + 1)] = () => viewer.setWindow(name); });
byId("slices").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) { return; }
  const action = letters[event.key.toLowerCase()] ?? (event.target === viewer.screen ? moves[event.key] : undefined);
  if (action) {
    event.preventDefault();
    action();
  }
});
viewer.screen.addEventListener("wheel", (event) => {
  if (document.activeElement !== viewer.screen) { return; } // until it was clicked, the wheel moves the page
  event.preventDefault();
  viewer.show(viewer.index + Math.sign(event.deltaY));
}, { passive: false });
// A mouse drags up and down; a finger to the side, because up and down moves the page.
let dragRest = 0;
dragged(viewer.screen, (dx, dy, event) => {
  dragRest += event.pointerType === "mouse" ? dy : dx;
  const steps = Math.trunc(dragRest / DRAG_PX);
  dragRest -= steps * DRAG_PX;
  if (steps) { viewer.show(viewer.index + steps); }
});

nodulesTable?.querySelectorAll("tr[data-nodule]").forEach((row) => row.addEventListener("click", (event) => {
  event.preventDefault();
  viewer.showNodule(Number(row.dataset.nodule));
  viewer.screen.focus({ preventScroll: true });
  byId("slices").scrollIntoView({ block: "start" });
}));

viewer.show(viewer.data.nodules.length ? viewer.data.nodules[0].slice : Math.floor(viewer.data.slices.length / 2));
