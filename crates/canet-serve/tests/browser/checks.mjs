// What the scenes share: counting checks, waiting, and looking at the canvas.

let passed = 0;
const failures = [];
let scene = '';

export function setScene(name) {
  scene = name;
}

export function check(name, ok, seen = '') {
  if (ok) {
    passed += 1;
    return;
  }
  failures.push(`${scene}: ${name}${seen === '' ? '' : ` (seen: ${typeof seen === 'string' ? seen : JSON.stringify(seen)})`}`);
  console.log(`FAILED ${failures.at(-1)}`);
}

export const totals = () => ({ passed, failures });

// Waits until `look` gives something true; a check either way.
export async function until(name, look, ms = 20_000) {
  const end = Date.now() + ms;
  let seen;
  while (Date.now() < end) {
    seen = await look();
    if (seen) break;
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  check(name, Boolean(seen), 'not in time');
  return seen;
}

// Two frames of the browser: what was asked for has been drawn.
export const settled = (page) => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

// Gives pages `pixelsOf(x, y, width, height)` of the canvas, read from a copy: reading the canvas itself would slow it down.
export const prepare = (page) => page.addInitScript(() => {
  globalThis.pixelsOf = (x, y, width, height) => {
    const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    copy.drawImage(document.getElementById('canvas'), -x, -y);
    return copy.getImageData(0, 0, width, height).data;
  };
});

// A number for the canvas, or for the part of it between two shares of its width.
export async function picture(page, from = 0, to = 1) {
  await settled(page);
  return page.evaluate(([left, right]) => {
    const canvas = document.getElementById('canvas');
    const [x, end] = [Math.round(canvas.width * left), Math.round(canvas.width * right)];
    const words = new Uint32Array(globalThis.pixelsOf(x, 0, end - x, canvas.height).buffer);
    let hash = 2166136261;
    for (let i = 0; i < words.length; i += 1) hash = Math.imul(hash ^ words[i], 16777619);
    return hash >>> 0;
  }, [from, to]);
}

export const text = (page, selector) => page.locator(selector).first().textContent();
export const shown = (page, selector) => page.locator(selector).first().isVisible();

// Uploads and waits for the labels.
export async function upload(page, file) {
  await forget(page);
  await page.setInputFiles('#file', file);
  await labelled(page, 'the frame is labelled');
}

export async function labelled(page, name, ms = 120_000) {
  await until(name, () => page.evaluate(() => document.getElementById('said').textContent.startsWith('Labelled')), ms);
  await settled(page);
}

export const forget = (page) => page.evaluate(() => { document.getElementById('said').textContent = ''; });

export async function noOverflow(page, where) {
  const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  check(`nothing is wider than the window: ${where}`, width[0] <= width[1], width);
}
