// Zoom and move: wheel, drag, two fingers and the buttons.

const fingers = new Map(); // pointers that are down: id to {x, y} in device pixels

const toCanvas = (event) => {
  const box = canvas.getBoundingClientRect();
  return { x: (event.clientX - box.left) * place.ratio, y: (event.clientY - box.top) * place.ratio };
};

// The middle of all fingers, and how far two are apart.
function grip() {
  const all = [...fingers.values()];
  const x = all.reduce((sum, one) => sum + one.x, 0) / all.length;
  const y = all.reduce((sum, one) => sum + one.y, 0) / all.length;
  return { x, y, span: all.length > 1 ? Math.hypot(all[0].x - all[1].x, all[0].y - all[1].y) : 0 };
}

function startGestures() {
  canvas.addEventListener('wheel', (event) => {
    const scrolls = document.documentElement.scrollHeight > innerHeight + 1;
    if (!shownSize()?.width || (scrolls && !event.ctrlKey)) return; // where the page scrolls, the wheel is the page's
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
    const { x, y } = toCanvas(event);
    zoomBy(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), x, y);
  }, { passive: false });

  canvas.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    fingers.set(event.pointerId, toCanvas(event));
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = grip();
    fingers.set(event.pointerId, toCanvas(event));
    const after = grip();
    if (before.span && after.span) zoomBy(after.span / before.span, after.x, after.y);
    if (!place.fitted) moveBy(after.x - before.x, after.y - before.y);
  });
  for (const end of ['pointerup', 'pointercancel', 'lostpointercapture']) {
    canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  canvas.addEventListener('dblclick', (event) => {
    const { x, y } = toCanvas(event);
    if (place.fitted) zoomBy(4, x, y);
    else zoomToFit();
  });
  $('zoom-in').onclick = () => zoomBy(1.5);
  $('zoom-out').onclick = () => zoomBy(1 / 1.5);
  $('zoom-fit').onclick = zoomToFit;
}

function zoomToFit() {
  if (!shownSize()?.width) return;
  fit();
  settle();
}
