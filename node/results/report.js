"use strict";

document.documentElement.classList.add("js");

function told(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

const words = told("words");

function filled(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

// Light or dark: as the system has it, until the switch is used.
function themeSwitch(button) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : system.matches;
  };
  const show = () => button.setAttribute("aria-checked", String(isDark()));
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  system.addEventListener("change", show);
  show();
}

// A heading sorts the rows by its column, again the other way round. Figures by value, words by alphabet.
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
        const order = key(a).localeCompare(key(b), document.documentElement.lang, { numeric: true });
        const numbers = Number(key(a)) - Number(key(b));
        return (Number.isNaN(numbers) ? order : numbers) * (rising ? 1 : -1);
      });
      body.append(...rows);
    });
  });
}

// Calls moved(dx, dy, event) in pixels of the page, since the call before, while a pointer drags across the element.
function dragged(element, moved) {
  let last = null;
  element.addEventListener("pointerdown", (event) => {
    last = event;
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    if (last === null) { return; }
    moved(event.clientX - last.clientX, event.clientY - last.clientY, event);
    last = event;
  });
  ["pointerup", "pointercancel"].forEach((name) => element.addEventListener(name, () => { last = null; }));
}

themeSwitch(document.getElementById("theme"));
document.querySelectorAll("table.sortable").forEach(sortable);
