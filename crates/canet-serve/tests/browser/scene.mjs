// A made-up street: polygons in painter's order, the mask that they give, a confidence, and a frame to match.

export const CLASSES = [
  ['road', '#804080'], ['drivable fallback', '#510051'], ['sidewalk', '#f423e8'], ['non-drivable fallback', '#98fb98'], ['person', '#dc143c'],
  ['rider', '#ff0000'], ['motorcycle', '#0000e6'], ['bicycle', '#770b20'], ['autorickshaw', '#ffcc36'], ['car', '#00008e'], ['truck', '#000046'],
  ['bus', '#003c64'], ['vehicle fallback', '#88819d'], ['curb', '#dcbe28'], ['wall', '#66669c'], ['fence', '#be9999'], ['guard rail', '#b4a5b4'],
  ['billboard', '#aeaa00'], ['traffic sign', '#dcdc00'], ['traffic light', '#faaa1e'], ['pole', '#999999'], ['obs-str-bar-fallback', '#a9bb9e'],
  ['building', '#464646'], ['bridge', '#969664'], ['vegetation', '#6b8e23'], ['sky', '#4682b4'],
].map(([name, color], id) => ({ id, name, color }));

const idOf = (name) => CLASSES.find((one) => one.name === name).id;
const FRAME = { road: [112, 110, 112], sky: [176, 203, 226], building: [178, 164, 146], vegetation: [74, 104, 52], sidewalk: [150, 140, 128], autorickshaw: [222, 178, 44], car: [196, 200, 206], motorcycle: [60, 60, 70], rider: [150, 60, 50], person: [70, 84, 130], pole: [92, 92, 94], billboard: [206, 98, 70], truck: [216, 146, 38], 'drivable fallback': [138, 122, 104] };

function circle(x, y, r, squash = 1) {
  return Array.from({ length: 20 }, (_, k) => [x + r * Math.cos((k * Math.PI) / 10), y + r * squash * Math.sin((k * Math.PI) / 10)]);
}

const box = (x, y, w, h) => [[x, y], [x + w, y], [x + w, y + h], [x, y + h]];

// In a space 16 wide and 9 high; `n` moves things about.
export function outlines(n = 0) {
  const s = (k) => Math.sin(n * 7.3 + k * 2.9);
  const all = [['sky', box(0, 0, 16, 9)]];
  for (let k = 0; k < 5; k += 1) {
    all.push(['building', box(k * 1.25 - 0.2, 0.6 + k * 0.55 + s(k) * 0.5, 1.35, 5)], ['building', box(14.9 - k * 1.3, 0.4 + k * 0.6 + s(k + 9) * 0.5, 1.4, 5)]);
  }
  all.push(['vegetation', circle(6.3 + s(3), 3.5, 0.9, 0.8)], ['vegetation', circle(10.4 + s(4), 3.4, 1.1, 0.8)], ['vegetation', circle(1.6 + s(5), 2.6, 1.3, 0.9)]);
  all.push(['drivable fallback', [[0, 6.2], [7.2, 4.2], [8.8, 4.2], [16, 6.4], [16, 9], [0, 9]]], ['sidewalk', [[0, 6.2], [6.6, 4.3], [7.3, 4.2], [0, 7.6]]]);
  all.push(['road', [[7.4, 4.2], [8.7, 4.2], [15.2, 9], [-0.5, 9], [0.4, 8.1]]], ['billboard', box(11.5 + s(1), 1.3, 1.7, 0.9)]);
  for (const x of [3.2 + s(6) * 0.3, 13.4 + s(7) * 0.4]) all.push(['pole', box(x, 0.7, 0.14, 5.4)]);
  all.push(['truck', box(9.1 + s(8) * 0.3, 3.1, 1.5, 1.9)], ['car', circle(7.1 + s(2) * 0.4, 4.9, 0.55, 0.55)], ['car', [[10.6, 6.6], [10.8, 5.6], [11.2, 5.0], [12.9, 5.0], [13.3, 5.6], [13.5, 6.7], [13.2, 7], [10.8, 7]]]);
  const a = 4.1 + s(11) * 0.7;
  all.push(['autorickshaw', [[a, 7.3], [a, 5.6], [a + 0.3, 4.9], [a + 1.5, 4.9], [a + 1.8, 5.7], [a + 1.8, 7.3], [a + 1.4, 7.6], [a + 0.3, 7.6]]]);
  const m = 8.3 + s(12) * 0.6;
  all.push(['motorcycle', circle(m, 6.9, 0.42, 1.5)], ['rider', circle(m, 5.8, 0.3, 2.2)], ['person', circle(1.4 + s(13) * 0.5, 6.5, 0.25, 3)], ['person', circle(2.2 + s(14) * 0.3, 6.3, 0.22, 3)]);
  return all.map(([name, points]) => ({ id: idOf(name), points }));
}

export function polygons(width, height, n) {
  return outlines(n).map(({ id, points }) => ({ class: id, points: points.map(([x, y]) => [Math.round((x / 16) * width), Math.round((y / 9) * height)]) }));
}

export function mask(width, height, n) {
  const out = new Uint8Array(width * height).fill(idOf('sky'));
  for (const { class: id, points } of polygons(width, height, n)) {
    for (let y = 0; y < height; y += 1) {
      const hits = [];
      points.forEach(([x0, y0], k) => {
        const [x1, y1] = points[(k + 1) % points.length];
        if ((y0 <= y + 0.5) !== (y1 <= y + 0.5)) hits.push(x0 + ((y + 0.5 - y0) / (y1 - y0)) * (x1 - x0));
      });
      hits.sort((p, q) => p - q);
      for (let k = 0; k + 1 < hits.length; k += 2) {
        const [from, to] = [Math.max(0, Math.ceil(hits[k] - 0.5)), Math.min(width, Math.ceil(hits[k + 1] - 0.5))];
        if (to > from) out.fill(id, y * width + from, y * width + to);
      }
    }
  }
  return out;
}

// Sure inside, unsure at borders.
export function confidence(labels, width, height) {
  const out = new Uint8Array(labels.length);
  const reach = [1, 2, 4, 7].map((k) => Math.max(1, Math.round((k * width) / 960)));
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      let value = 250 - ((x * 7 + y * 13) % 11);
      for (const k of reach) {
        const id = labels[at];
        const edge = (x >= k && labels[at - k] !== id) || (x + k < width && labels[at + k] !== id) || (y >= k && labels[at - k * width] !== id) || (y + k < height && labels[at + k * width] !== id);
        if (edge) value -= 36;
      }
      out[at] = value;
    }
  }
  return out;
}

export function frame(width, height, n) {
  const labels = mask(width, height, n);
  const out = new Uint8Array(labels.length * 3);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      const colour = FRAME[CLASSES[labels[at]].name] ?? [128, 128, 128];
      const grain = ((x * 12345 + y * 6789 + x * y) % 23) - 11;
      for (let k = 0; k < 3; k += 1) out[at * 3 + k] = Math.max(0, Math.min(255, colour[k] * (0.8 + (0.35 * y) / height) + grain));
    }
  }
  return out;
}
