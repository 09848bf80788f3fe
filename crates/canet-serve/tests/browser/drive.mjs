// Drives the page of a running server in Chromium, on a desk and in a hand, in light and dark.
//
//   node drive.mjs URL OUT [FRAME]
//
// OUT gets the screenshots. Without FRAME one of the server's samples is uploaded. CHROMIUM names the browser.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';
import { check, noOverflow, prepare, setScene, settled, shown, text, totals, until, upload } from './checks.mjs';
import * as errors from './errors.mjs';
import * as files from './files.mjs';
import * as looking from './looking.mjs';
import { sizeOf } from './png.mjs';

const [address, out, given] = process.argv.slice(2);
if (!address || !out) {
  console.error('usage: node drive.mjs URL OUT [FRAME]');
  process.exit(2);
}
const url = new URL('/', address);
mkdirSync(out, { recursive: true });

const get = async (path) => {
  const response = await fetch(new URL(path, url));
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response;
};
const model = await (await get('/v1/model')).json();
const samples = await (await get('/v1/samples')).json();
let frame = given && resolve(given);
if (!frame) {
  frame = resolve(join(out, 'sample.png'));
  writeFileSync(frame, Buffer.from(await (await get(samples[0].url)).arrayBuffer()));
}
const size = sizeOf(readFileSync(frame));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
});

async function drive(kind, colorScheme) {
  const phone = kind === 'phone';
  setScene(`${kind} ${colorScheme}`);
  const context = await browser.newContext({
    viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 900 }, deviceScaleFactor: phone ? 2 : 1,
    hasTouch: phone, isMobile: phone, colorScheme, acceptDownloads: true, permissions: ['camera'],
  });
  const page = await context.newPage();
  await prepare(page);
  const complaints = [];
  const strangers = [];
  let provoked = false; // in scenes of trouble the browser itself reports each failed request
  page.on('console', (message) => {
    const expected = provoked && message.text().startsWith('Failed to load resource');
    if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error.stack)));
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (!['blob:', 'data:'].includes(to.protocol) && to.host !== url.host) strangers.push(request.url());
  });
  const shot = async (name) => {
    await settled(page);
    await page.screenshot({ path: join(out, `${kind}-${colorScheme}-${name}.png`) });
  };

  await page.goto(url.href);
  await until('the model is named', async () => (await text(page, '#model-name')).includes(model.name));
  await until('the samples are shown', () => page.evaluate(() => [...document.querySelectorAll('#empty-samples img')].every((one) => one.naturalWidth > 0) && document.querySelectorAll('#empty-samples img').length > 0));
  check('nothing can be downloaded yet', await page.locator('#save-button').isDisabled());
  await noOverflow(page, 'empty');
  await shot('empty');

  await upload(page, frame);
  check('the frame\'s size is told', (await text(page, '#status')).includes(`${size.width} × ${size.height}`), await text(page, '#status'));
  check('times are told', /in all\s*[\d.]+ m?s/.test(await text(page, '#status')) && /network/.test(await text(page, '#status')), await text(page, '#status'));
  await noOverflow(page, 'labelled');
  await shot('overlay');

  const seen = await looking.views(page);
  await looking.wipe(page, seen);
  await shot('wipe');
  await looking.wipeOff(page, seen);
  await looking.classes(page, seen, { phone });
  await looking.pointing(page, model, { phone });
  await looking.keyboardProbe(page);
  await looking.zoom(page, seen);
  if (phone) await looking.pinch(page, seen);
  await page.keyboard.press('3');
  await shot('confidence');
  await page.keyboard.press('2');
  await shot('classes');
  await page.keyboard.press('1');
  await looking.dialogs(page, model, shot);
  await looking.theme(page);
  await looking.access(page, { phone });
  await files.downloads(page, size, shot);
  await files.otherWays(page, readFileSync(frame), shot);
  await files.turned(page);
  await files.camera(page, shot);
  check('no complaint in the console', complaints.length === 0, complaints);

  provoked = true;
  await errors.noPicture(page, shot);
  await errors.tooLarge(page, frame, size, model, out, shot);
  await errors.broken(page, frame);
  await errors.unreachable(page, frame, shot);
  await errors.token(page, frame, shot);
  await errors.queueFull(page, frame, shot);
  await errors.opening(context, url.href, model, prepare);
  if (!phone && colorScheme === 'light') await errors.huge(page, model, out, shot);
  check('no complaint in the console but of the failed requests', complaints.length === 0, complaints);
  check('nothing is asked of another host', strangers.length === 0, strangers);
  check('no dialog is left open', !(await shown(page, 'dialog[open]')));
  await context.close();
}

for (const kind of ['desktop', 'phone']) {
  for (const colorScheme of ['light', 'dark']) {
    const before = totals().passed;
    try {
      await drive(kind, colorScheme);
    } catch (error) {
      check('the drive comes to its end', false, String(error.stack));
    }
    console.log(`${kind}, ${colorScheme}: ${totals().passed - before} checks passed`);
  }
}
await browser.close();
const { passed, failures } = totals();
console.log(`${passed} passed, ${failures.length} failed`);
process.exit(failures.length ? 1 : 0);
