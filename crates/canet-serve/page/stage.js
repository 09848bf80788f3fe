// The canvas: what is seen of the picture, and drawing it. Frame and labels are kept as two layers of the screen's
// size, so that opacity and wipe only lay one over the other.

const MOST_SIDE = 4096; // of the canvas, whatever the screen
const MOST_ZOOM = 32;   // screen pixels per picture pixel

const canvas = $('canvas');
const pen = canvas.getContext('2d');
const frameLayer = make('canvas');
const labelLayer = make('canvas');

// Picture to canvas: canvas = picture * scale + (x, y), in device pixels.
const place = { scale: 1, x: 0, y: 0, fitted: true, ratio: 1 };

// 0: nothing, 1: lay the layers over each other, 2: paint the labels, too, 3: all.
let due = 0;

function redrawSoon(level) {
  if (due === 0) requestAnimationFrame(drawNow);
  due = Math.max(due, level);
}

const shownSize = () => state.result ?? state.frame;

function fit() {
  const size = shownSize();
  if (!size?.width) return;
  place.scale = fittedScale(size);
  place.x = (canvas.width - size.width * place.scale) / 2;
  place.y = (canvas.height - size.height * place.scale) / 2;
  place.fitted = true;
}

const fittedScale = ({ width, height }) => Math.min(canvas.width / width, canvas.height / height);

// Zooms by a factor around a point of the canvas.
function zoomBy(factor, x = canvas.width / 2, y = canvas.height / 2) {
  const size = shownSize();
  if (!size?.width) return;
  const least = fittedScale(size);
  const scale = clamp(place.scale * factor, least, Math.max(MOST_ZOOM * place.ratio, least));
  place.x = x - (x - place.x) * (scale / place.scale);
  place.y = y - (y - place.y) * (scale / place.scale);
  place.scale = scale;
  place.fitted = scale <= least * 1.0001;
  settle();
}

function moveBy(dx, dy) {
  place.x += dx;
  place.y += dy;
  settle();
}

// Keeps the picture over the canvas, or in its middle where it is smaller.
function settle() {
  const size = shownSize();
  if (place.fitted) fit();
  const [w, h] = [size.width * place.scale, size.height * place.scale];
  place.x = w <= canvas.width ? (canvas.width - w) / 2 : clamp(place.x, canvas.width - w, 0);
  place.y = h <= canvas.height ? (canvas.height - h) / 2 : clamp(place.y, canvas.height - h, 0);
  canvas.classList.toggle('zoomed', !place.fitted);
  $('zoom-value').textContent = `${Math.round((place.scale / place.ratio) * 100)} %`;
  redrawSoon(3);
}

// What is seen of the picture, in whole device pixels of the canvas.
function seen() {
  const size = shownSize();
  const x = Math.max(0, Math.round(place.x));
  const y = Math.max(0, Math.round(place.y));
  const right = Math.min(canvas.width, Math.round(place.x + (size?.width ?? 0) * place.scale));
  const bottom = Math.min(canvas.height, Math.round(place.y + (size?.height ?? 0) * place.scale));
  return { x, y, width: Math.max(0, right - x), height: Math.max(0, bottom - y) };
}

function drawNow() {
  const level = due;
  due = 0;
  if (level >= 3) drawFrame();
  if (level >= 2) drawLabels();
  compose();
  tell('drawn');
}

function drawFrame() {
  [frameLayer.width, frameLayer.height] = [canvas.width, canvas.height];
  const { frame } = state;
  if (!frame?.bitmap) return;
  const brush = frameLayer.getContext('2d');
  brush.imageSmoothingEnabled = place.scale < 3;
  brush.imageSmoothingQuality = 'high';
  const size = shownSize();
  brush.drawImage(frame.bitmap, place.x, place.y, size.width * place.scale, size.height * place.scale);
}

function drawLabels() {
  const { x, y, width, height } = seen();
  if (!state.result || !width || !height) return;
  [labelLayer.width, labelLayer.height] = [width, height];
  const image = new ImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  const area = { x: (x - place.x) / place.scale, y: (y - place.y) / place.scale, step: 1 / place.scale };
  const alpha = strengths();
  if (state.view === 'confidence' && state.result.confidence) paintConfidence(out, width, height, area, state.result, alpha);
  else paintClasses(out, width, height, area, state.result, colours(alpha));
  labelLayer.getContext('2d').putImageData(image, 0, 0);
}

function compose() {
  const { x, y, width, height } = seen();
  pen.clearRect(0, 0, canvas.width, canvas.height);
  const labels = state.result && state.view !== 'frame' && width && height;
  if (!labels || state.view === 'overlay') pen.drawImage(frameLayer, 0, 0);
  if (!labels) return;
  pen.globalAlpha = labelAlpha();
  pen.drawImage(labelLayer, x, y);
  pen.globalAlpha = 1;
  if (state.wipe === null) return;
  const edge = Math.round(width * state.wipe);
  if (!edge) return;
  pen.clearRect(x, y, edge, height);
  pen.drawImage(frameLayer, x, y, edge, height, x, y, edge, height);
}

function labelAlpha() {
  if (state.view !== 'overlay') return 1;
  return state.lit === null ? state.opacity : Math.max(state.opacity, 0.8);
}

// The canvas follows its box, at the screen's own resolution.
function resize() {
  const box = $('stage').getBoundingClientRect();
  const ratio = Math.min(devicePixelRatio || 1, MOST_SIDE / Math.max(box.width, box.height, 1));
  const [width, height] = [Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio))];
  if (width === canvas.width && height === canvas.height && ratio === place.ratio) return;
  [canvas.width, canvas.height] = [width, height];
  place.ratio = ratio;
  if (shownSize()?.width) settle();
  else redrawSoon(3);
}

// On narrow screens the box takes the picture's proportions.
function shapeBox(width, height) {
  if (width && height) document.documentElement.style.setProperty('--ratio', height / width);
}

// The picture's pixel under a point of the window; null beside the picture.
function pixelAt(clientX, clientY) {
  const size = shownSize();
  if (!size?.width) return null;
  const box = canvas.getBoundingClientRect();
  const x = Math.floor(((clientX - box.left) * place.ratio - place.x) / place.scale);
  const y = Math.floor(((clientY - box.top) * place.ratio - place.y) / place.scale);
  return x >= 0 && y >= 0 && x < size.width && y < size.height ? { x, y } : null;
}

function startStage() {
  new ResizeObserver(resize).observe($('stage'));
  resize();
  on('frame', () => {
    const size = shownSize();
    delete document.body.dataset.empty;
    shapeBox(size?.width, size?.height);
    place.fitted = true;
    resize();
    if (size?.width) settle();
  });
  on('result', () => (place.fitted ? settle() : redrawSoon(3)));
  on('view', () => redrawSoon(2));
  on('model', () => redrawSoon(2));
}
