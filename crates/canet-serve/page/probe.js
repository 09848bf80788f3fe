// Class and confidence of the pixel that is pointed at: by mouse, by finger, or by a cross that the arrows move.

const tip = $('tip');
let cross = null;     // the pixel of the keyboard's cross
let tipTimer = 0;

// {id, name, sure} of a pixel, or null.
function readPixel({ x, y }) {
  if (!state.result) return null;
  const at = y * state.result.width + x;
  const id = state.result.mask[at];
  const sure = state.result.confidence ? `${Math.round((state.result.confidence[at] / 255) * 100)} %` : '';
  return { id, name: classOf(id).name, sure };
}

// Shows the tip for a pixel near a point of the stage (in CSS pixels); above a finger, beside a mouse.
function showTip(pixel, left, top, above) {
  const read = pixel && readPixel(pixel);
  if (!read) return hideTip();
  clearTimeout(tipTimer);
  tip.querySelector('b').textContent = read.name;
  tip.querySelector('.sure').textContent = [read.sure, `${pixel.x}, ${pixel.y}`].filter(Boolean).join(' · ');
  tip.querySelector('.swatch').style.setProperty('--c', classOf(read.id).color);
  tip.hidden = false;
  const stage = $('stage').getBoundingClientRect();
  const x = clamp(above ? left - tip.offsetWidth / 2 : left + 14, 4, stage.width - tip.offsetWidth - 4);
  const below = top + 18 + tip.offsetHeight < stage.height;
  const y = above || !below ? top - tip.offsetHeight - (above ? 28 : 10) : top + 18;
  tip.style.transform = `translate(${Math.round(x)}px, ${Math.round(Math.max(y, 4))}px)`;
  markRow(read.id);
  return read;
}

function hideTip() {
  clearTimeout(tipTimer);
  tip.hidden = true;
  markRow(null);
}

function probeAt(event) {
  const box = canvas.getBoundingClientRect();
  const pixel = fingers.size > 1 ? null : pixelAt(event.clientX, event.clientY);
  showTip(pixel, event.clientX - box.left, event.clientY - box.top, event.pointerType !== 'mouse');
}

// The cross in the middle of what is seen, if it is not there already.
function crossIn() {
  const { x, y, width, height } = seen();
  const box = canvas.getBoundingClientRect();
  return cross ?? pixelAt(box.left + (x + width / 2) / place.ratio, box.top + (y + height / 2) / place.ratio);
}

function moveCross(event) {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (event.key === 'Escape' && cross) return dropCross();
  if (!way || !state.result || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const from = crossIn();
  if (!from) return;
  const { width, height } = state.result;
  const step = event.shiftKey ? 1 : Math.max(1, Math.round((16 * place.ratio) / place.scale));
  cross = { x: clamp(from.x + way[0] * step, 0, width - 1), y: clamp(from.y + way[1] * step, 0, height - 1) };
  const read = placeCross();
  if (read) announce(`${read.name} ${read.sure}`);
}

function placeCross() {
  $('cross').hidden = !cross;
  if (!cross) return null;
  const left = (place.x + (cross.x + 0.5) * place.scale) / place.ratio;
  const top = (place.y + (cross.y + 0.5) * place.scale) / place.ratio;
  $('cross').style.left = `${left}px`;
  $('cross').style.top = `${top}px`;
  return showTip(cross, left, top, false);
}

function dropCross() {
  if (!cross) return;
  cross = null;
  $('cross').hidden = true;
  hideTip();
}

function startProbe() {
  canvas.addEventListener('pointermove', (event) => {
    dropCross();
    if (event.pointerType === 'mouse' || fingers.has(event.pointerId)) probeAt(event);
  });
  canvas.addEventListener('pointerdown', probeAt);
  canvas.addEventListener('pointerleave', (event) => event.pointerType === 'mouse' && hideTip());
  canvas.addEventListener('pointerup', (event) => {
    if (event.pointerType !== 'mouse') tipTimer = setTimeout(hideTip, 2500);
  });
  canvas.addEventListener('pointercancel', hideTip);
  canvas.addEventListener('keydown', moveCross);
  canvas.addEventListener('blur', dropCross);
  on('drawn', () => cross && placeCross());
  on('frame', () => { cross = null; $('cross').hidden = true; hideTip(); });
}
