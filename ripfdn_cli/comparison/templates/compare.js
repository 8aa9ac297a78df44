"use strict";

const LARGEST_ZOOM = 32;

// Zoom and place of all pictures: what is looked at moves in step. x and y are the shift in shares of the
// viewer's width, so that pictures of other sizes show the same place.
const look = { zoom: 1, x: 0, y: 0 };
const viewers = [...document.querySelectorAll(".viewer")];

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function draw() {
  for (const viewer of viewers) {
    const box = viewer.getBoundingClientRect();
    viewer.style.setProperty("--z", look.zoom);
    viewer.style.setProperty("--x", `${look.x * box.width}px`);
    viewer.style.setProperty("--y", `${look.y * box.width}px`);
    const size = (look.zoom * box.width) / viewer.dataset.width;
    viewer.classList.toggle("is-enlarged", size > 1.2);
    // Where there is nothing to move, a finger scrolls the page.
    viewer.classList.toggle("is-movable", look.zoom > 1 || lowest(viewer) < 0);
    viewer.closest(".picture").querySelector("output").textContent = `${Math.round(100 * size)} %`;
  }
}

// The shift at which the lower edge of the picture is that of the viewer; 0 where all is seen.
function lowest(viewer) {
  const box = viewer.getBoundingClientRect();
  const rest = box.height - look.zoom * viewer.querySelector("img").offsetHeight;
  return rest < -1 ? rest / box.width : 0;
}

function move(viewer, x, y) {
  look.x = clamp(x, 1 - look.zoom, 0);
  look.y = clamp(y, lowest(viewer), 0);
  draw();
}

// Zoom so that what is at (x, y), in shares of the viewer's width, stays there.
function zoomAt(viewer, factor, x, y) {
  const zoom = clamp(look.zoom * factor, 1, LARGEST_ZOOM);
  const change = zoom / look.zoom;
  look.zoom = zoom;
  move(viewer, x - (x - look.x) * change, y - (y - look.y) * change);
}

function zoomAtMiddle(viewer, factor) {
  const box = viewer.getBoundingClientRect();
  zoomAt(viewer, factor, 0.5, box.height / box.width / 2);
}

function fit(viewer) {
  look.zoom = 1;
  move(viewer, 0, 0);
}

function place(viewer, event) {
  const box = viewer.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.width };
}

function tell(picture) {
  const viewer = picture.querySelector(".viewer");
  const line = picture.querySelector(".line");
  const shown = ["left", "right"].map((side) => viewer.querySelector(`.is-${side}`).dataset);
  const [left, right] = shown.map((layer) => layer.label);
  viewer.style.setProperty("--at", `${line.value}%`);
  const tags = [viewer.querySelector(".tag-left"), viewer.querySelector(".tag-right")];
  tags.forEach((tag, index) => {
    const { label, time } = shown[index];
    tag.textContent = time ? `${label} · ${time}` : label;
  });
  line.setAttribute("aria-label", `${line.dataset.name}: line between ${left} on its left and ${right} on its right`);
  line.setAttribute("aria-valuetext", `${Math.round(line.value)} % ${left}, the rest ${right}`);
}

function show(picture, side, label) {
  for (const layer of picture.querySelectorAll(".layer")) {
    layer.classList.toggle(`is-${side}`, layer.dataset.label === label);
  }
  tell(picture);
}

// One pointer moves the line where it took it, else the picture; two zoom about the point between them.
function drag(picture, viewer) {
  const line = picture.querySelector(".line");
  const pointers = new Map();
  const onLine = new Set();
  const release = (event) => {
    pointers.delete(event.pointerId);
    onLine.delete(event.pointerId);
    viewer.classList.toggle("is-moving", pointers.size > onLine.size);
  };
  viewer.addEventListener("pointerdown", (event) => {
    event.target.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(viewer, event));
    if (event.target.closest(".handle")) onLine.add(event.pointerId);
    viewer.classList.toggle("is-moving", pointers.size > onLine.size);
  });
  viewer.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = place(viewer, event);
    pointers.set(event.pointerId, now);
    const other = [...pointers].find(([id]) => id !== event.pointerId);
    if (other) {
      const still = other[1];
      const distance = (point) => Math.max(Math.hypot(point.x - still.x, point.y - still.y), 0.01);
      zoomAt(viewer, distance(now) / distance(before), (now.x + still.x) / 2, (now.y + still.y) / 2);
    } else if (onLine.has(event.pointerId)) {
      line.value = 100 * now.x;
      tell(picture);
    } else {
      move(viewer, look.x + now.x - before.x, look.y + now.y - before.y);
    }
  });
  for (const name of ["pointerup", "pointercancel"]) viewer.addEventListener(name, release);
}

function keys(viewer, event) {
  const step = 0.1;
  const actions = {
    "+": () => zoomAtMiddle(viewer, 1.5),
    "=": () => zoomAtMiddle(viewer, 1.5),
    "-": () => zoomAtMiddle(viewer, 1 / 1.5),
    0: () => fit(viewer),
    ArrowLeft: () => move(viewer, look.x + step, look.y),
    ArrowRight: () => move(viewer, look.x - step, look.y),
    ArrowUp: () => move(viewer, look.x, look.y + step),
    ArrowDown: () => move(viewer, look.x, look.y - step),
  };
  if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}

for (const picture of document.querySelectorAll(".picture")) {
  const viewer = picture.querySelector(".viewer");
  drag(picture, viewer);
  viewer.addEventListener("keydown", (event) => keys(viewer, event));
  viewer.addEventListener("dblclick", () => fit(viewer));
  viewer.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const at = place(viewer, event);
      zoomAt(viewer, 1.0015 ** -event.deltaY, at.x, at.y);
    },
    { passive: false },
  );
  picture.querySelector(".line").addEventListener("input", () => tell(picture));
  for (const select of picture.querySelectorAll("[data-side]")) {
    select.addEventListener("change", () => show(picture, select.dataset.side, select.value));
  }
  const factors = { in: 1.5, out: 1 / 1.5 };
  for (const button of picture.querySelectorAll("[data-zoom]")) {
    const factor = factors[button.dataset.zoom];
    button.addEventListener("click", () => (factor ? zoomAtMiddle(viewer, factor) : fit(viewer)));
  }
  tell(picture);
}
window.addEventListener("resize", () => draw());
draw();
