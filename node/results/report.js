"use strict";

// A stack of images of which one is shown: the slice viewer and the turning lungs are both one.
function stack(root, describe) {
  const layers = Array.from(root.querySelectorAll(".layer"));
  const slider = root.querySelector("input[type=range]");
  const output = root.querySelector("output");
  const endless = root.dataset.endless === "yes";
  let current = 0;

  function show(wanted) {
    const last = layers.length - 1;
    current = endless ? (wanted + layers.length) % layers.length : Math.min(Math.max(wanted, 0), last);
    layers.forEach((layer, index) => layer.classList.toggle("shown", index === current));
    slider.value = String(current);
    const words = describe(layers[current], current, layers.length);
    slider.setAttribute("aria-valuetext", words);
    output.textContent = words;
  }

  slider.addEventListener("input", () => show(Number(slider.value)));
  root.querySelectorAll("button[data-step]").forEach((button) => {
    button.addEventListener("click", () => show(current + Number(button.dataset.step)));
  });
  root.querySelectorAll("button[data-show]").forEach((button) => {
    button.addEventListener("click", () => show(Number(button.dataset.show)));
  });
  root.querySelector(".screen").addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, PageUp: -3, PageDown: 3 };
    if (event.key in steps) {
      event.preventDefault();
      show(current + steps[event.key]);
    }
  });
  show(Number(root.dataset.start ?? 0));
  return { show, current: () => current };
}

// Dragging across a third of the picture turns the lungs by a quarter.
function turnByDragging(screen, ring, count) {
  let from = null;
  screen.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, view: ring.current() };
    screen.setPointerCapture(event.pointerId);
  });
  screen.addEventListener("pointermove", (event) => {
    if (from === null) { return; }
    const share = (event.clientX - from.x) / screen.clientWidth;
    ring.show(((from.view - Math.round(share * count * 0.75)) % count + count) % count);
  });
  ["pointerup", "pointercancel"].forEach((name) => screen.addEventListener(name, () => { from = null; }));
}

function sortable(table) {
  const body = table.tBodies[0];
  table.querySelectorAll("th button").forEach((button) => {
    button.addEventListener("click", () => {
      const header = button.closest("th");
      const column = header.cellIndex;
      const rising = header.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const rows = Array.from(body.rows).sort((a, b) => {
        const order = key(a).localeCompare(key(b), "en", { numeric: true });
        const numbers = Number(key(a)) - Number(key(b));
        return (Number.isNaN(numbers) ? order : numbers) * (rising ? 1 : -1);
      });
      body.append(...rows);
    });
  });
}

const slicesRoot = document.getElementById("slices");
const slices = stack(slicesRoot, (layer, index, count) => `${index + 1} of ${count}: ${layer.dataset.name}`);
const overlay = document.getElementById("overlay");
const sliceScreen = slicesRoot.querySelector(".screen");
overlay.addEventListener("change", () => sliceScreen.classList.toggle("unmarked", !overlay.checked));
sliceScreen.addEventListener("keydown", (event) => {
  if (event.key === "o") { overlay.click(); }
});
document.querySelectorAll("a[data-slice]").forEach((link) => {
  link.addEventListener("click", () => slices.show(Number(link.dataset.slice)));
});

const lungsRoot = document.getElementById("lungs");
const sides = ["the front", "the patient's left", "the back", "the patient's right"];
const ring = stack(lungsRoot, (layer, index, count) => {
  const quarters = index * 4 / count;
  const nearer = sides[Math.floor(quarters) % 4];
  const next = sides[Math.ceil(quarters) % 4];
  return nearer === next ? `seen from ${nearer}` : `seen from between ${nearer} and ${next}`;
});
turnByDragging(lungsRoot.querySelector(".screen"), ring, lungsRoot.querySelectorAll(".layer").length);
document.querySelectorAll("table.sortable").forEach(sortable);
