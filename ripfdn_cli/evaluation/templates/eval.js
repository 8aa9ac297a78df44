"use strict";

// The methods on either side of the line; a picture without the chosen one keeps what it shows.
const sides = { left: null, right: null };

function moveLine(input) {
  const stage = input.closest(".stage");
  stage.style.setProperty("--at", `${input.value}%`);
  const left = stage.querySelector(".is-left").dataset.label;
  const right = stage.querySelector(".is-right").dataset.label;
  input.setAttribute("aria-valuetext", `${Math.round(input.value)} % ${left}, the rest ${right}`);
}

// A drag may begin anywhere on the picture, on phones too, where a native range wants its thumb touched.
function followPointer(input, event) {
  const box = input.getBoundingClientRect();
  input.value = (100 * (event.clientX - box.left)) / box.width;
  moveLine(input);
}

function show(stage, side, label) {
  const shots = [...stage.querySelectorAll(".shot")];
  const chosen = shots.find((shot) => shot.dataset.label === label);
  if (!chosen) return;
  for (const shot of shots) shot.classList.toggle(`is-${side}`, shot === chosen);
  stage.querySelector(`.tag-${side}`).textContent = label;
  const input = stage.querySelector("input");
  const [left, right] = ["left", "right"].map((name) => stage.querySelector(`.is-${name}`).dataset.label);
  const line = `line between ${left} on its left and ${right} on its right`;
  input.setAttribute("aria-label", `${input.dataset.name}: ${line}`);
  moveLine(input);
}

function order(key) {
  const cards = document.querySelector(".cards");
  const rank = (card) => (card.dataset[key] === "" ? Infinity : Number(card.dataset[key]));
  cards.append(...[...cards.children].sort((a, b) => rank(a) - rank(b) || a.dataset.index - b.dataset.index));
}

for (const input of document.querySelectorAll(".stage input")) {
  input.addEventListener("input", () => moveLine(input));
  input.addEventListener("pointerdown", (event) => {
    input.setPointerCapture(event.pointerId);
    followPointer(input, event);
  });
  input.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) followPointer(input, event);
  });
  moveLine(input);
}
for (const select of document.querySelectorAll("[data-side]")) {
  select.addEventListener("change", () => {
    for (const stage of document.querySelectorAll(".stage")) show(stage, select.dataset.side, select.value);
  });
}
document.querySelector("[data-order]").addEventListener("change", (event) => order(event.target.value));
document.querySelector(".toolbar").hidden = false;
