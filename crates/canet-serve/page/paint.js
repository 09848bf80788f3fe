// Labels into colours. A layer is painted for the pixels of the screen, not of the picture, so that its cost is the
// screen's however large the frame is; a toggled class costs one pass over the screen.

const rgba = (r, g, b, a) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0; // ImageData is little-endian on all that browsers run on

const colourOf = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) || 0);

// From unsure (bright) to certain (dark), even in lightness: stops of the colour map inferno, turned round.
const RAMP_STOPS = [[252, 255, 164], [250, 193, 39], [243, 120, 25], [211, 67, 58], [159, 42, 99], [106, 23, 110], [53, 9, 96], [8, 5, 29]];

function rampColour(value) {
  const at = (value / 255) * (RAMP_STOPS.length - 1);
  const i = Math.min(Math.floor(at), RAMP_STOPS.length - 2);
  return RAMP_STOPS[i].map((low, k) => Math.round(low + (RAMP_STOPS[i + 1][k] - low) * (at - i)));
}

const RAMP = Uint32Array.from({ length: 256 }, (_, value) => rgba(...rampColour(value), 255));

// How strongly each class is shown, 0 to 255: hidden ones not at all, and all but the lit one faintly.
function strengths() {
  const alpha = new Uint8Array(256);
  for (let id = 0; id < 256; id += 1) {
    const shown = !state.hidden.has(id);
    if (state.lit === null) alpha[id] = shown ? 255 : 0;
    else alpha[id] = id === state.lit ? 255 : shown ? 36 : 0;
  }
  return alpha;
}

function colours(alpha) {
  const table = new Uint32Array(256);
  for (const { id, color } of [...(state.result?.classes ?? []), ...(state.model?.classes ?? [])]) table[id] = rgba(...colourOf(color), alpha[id]);
  return table;
}

// Which two samples of the picture an output pixel stands for: the same one twice where the picture is enlarged.
function taps(count, start, step, limit) {
  const near = new Int32Array(count);
  const far = new Int32Array(count);
  const spread = step > 1 ? 0.25 : 0;
  for (let i = 0; i < count; i += 1) {
    near[i] = clamp(Math.floor(start + (i + 0.5 - spread) * step), 0, limit - 1);
    far[i] = clamp(Math.floor(start + (i + 0.5 + spread) * step), 0, limit - 1);
  }
  return [near, far];
}

// The mean of four colours, weighted by their alpha.
function mean4(a, b, c, d) {
  const [wa, wb, wc, wd] = [a >>> 24, b >>> 24, c >>> 24, d >>> 24];
  const sum = wa + wb + wc + wd;
  if (sum === 0) return 0;
  const part = (shift) => (((a >>> shift) & 255) * wa + ((b >>> shift) & 255) * wb + ((c >>> shift) & 255) * wc + ((d >>> shift) & 255) * wd) / sum;
  return rgba(part(0), part(8), part(16), sum >> 2);
}

// The classes' colours for a screen area of `w` x `h`, whose corner is the picture's (x, y), `step` picture pixels apart.
function paintClasses(out, w, h, { x, y, step }, { mask, width, height }, table) {
  const [left, right] = taps(w, x, step, width);
  const [top, bottom] = taps(h, y, step, height);
  for (let j = 0, at = 0; j < h; j += 1) {
    const [upper, lower] = [top[j] * width, bottom[j] * width];
    for (let i = 0; i < w; i += 1, at += 1) {
      const a = mask[upper + left[i]];
      const b = mask[upper + right[i]];
      const c = mask[lower + left[i]];
      const d = mask[lower + right[i]];
      out[at] = a === b && a === c && a === d ? table[a] : mean4(table[a], table[b], table[c], table[d]);
    }
  }
}

// The confidence for the same area; of classes that are not shown, nothing.
function paintConfidence(out, w, h, { x, y, step }, { mask, confidence, width, height }, alpha) {
  const [left, right] = taps(w, x, step, width);
  const [top, bottom] = taps(h, y, step, height);
  for (let j = 0, at = 0; j < h; j += 1) {
    const [upper, lower] = [top[j] * width, bottom[j] * width];
    for (let i = 0; i < w; i += 1, at += 1) {
      const value = (confidence[upper + left[i]] + confidence[upper + right[i]] + confidence[lower + left[i]] + confidence[lower + right[i]]) >> 2;
      out[at] = (RAMP[value] & 0xffffff) | (alpha[mask[upper + left[i]]] << 24);
    }
  }
}
