// Scenes of files: what is downloaded, and the ways a frame comes in.

import { readFileSync } from 'node:fs';
import { check, forget, labelled, noOverflow, picture, settled, shown, text, until } from './checks.mjs';
import { PALETTE, sizeOf } from './png.mjs';

async function download(page, format) {
  await page.locator('#save-button').click();
  const [file] = await Promise.all([page.waitForEvent('download', { timeout: 120_000 }), page.locator(`#save [data-format="${format}"]`).click()]);
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
}

export async function downloads(page, size, shot) {
  await page.locator('#save-button').click();
  await settled(page);
  check('the menu of files opens', await shown(page, '#save'));
  await noOverflow(page, 'menu of files');
  await shot('download');
  await page.keyboard.press('Escape');
  for (const format of ['mask', 'shown', 'color', 'confidence']) {
    const { name, bytes } = await download(page, format);
    const found = sizeOf(bytes);
    check(`${format}: a PNG of the frame's size`, found?.kind === 'png' && found.width === size.width && found.height === size.height, found);
    check(`${format}: its name ends in .png`, /^[^/]+\.png$/.test(name), name);
    if (format === 'mask') check('the mask has a palette', found?.colour === PALETTE, found);
  }
  const before = await download(page, 'shown');
  await page.locator('#classes li').first().locator('label').click();
  const after = await download(page, 'shown');
  check('the overlay has the classes that are shown', !before.bytes.equals(after.bytes));
  await page.locator('#all').click();
  for (const format of ['idd', 'labelme', 'coco']) {
    const { name, bytes } = await download(page, format);
    let value = null;
    try { value = JSON.parse(bytes.toString('utf8')); } catch { /* the check says it */ }
    check(`${format}: JSON`, value !== null && typeof value === 'object' && name.endsWith('.json'), bytes.subarray(0, 40).toString());
  }
  const { name, bytes } = await download(page, 'cvat');
  check('cvat: XML', bytes.subarray(0, 5).toString() === '<?xml' && name.endsWith('.xml'), bytes.subarray(0, 40).toString());
}

// A DataTransfer with the file, in the page.
const carry = (page, file, event) => page.evaluate(([base64, name, kind]) => {
  const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: 'image/png' }));
  const made = kind === 'paste'
    ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
  document.body.dispatchEvent(made);
}, [file.toString('base64'), 'carried.png', event]);

export async function otherWays(page, file, shot) {
  await forget(page);
  await carry(page, file, 'dragover');
  check('a frame over the page is invited', await shown(page, '#drop'));
  await shot('drag');
  await carry(page, file, 'drop');
  await labelled(page, 'a dropped frame is labelled');
  check('the invitation is gone', !(await shown(page, '#drop')));
  await forget(page);
  await carry(page, file, 'paste');
  await labelled(page, 'a pasted frame is labelled');
  await forget(page);
  await page.locator('#samples-button').click();
  await noOverflow(page, 'menu of samples');
  await shot('samples');
  const before = await picture(page);
  await page.locator('#samples [data-url]').last().click();
  await labelled(page, 'a sample is labelled');
  check('the sample is another picture', (await picture(page)) !== before);
}

// A JPEG, red to the left and blue to the right, whose EXIF wants it turned by a quarter.
const turnedPhoto = (page) => page.evaluate(async () => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 96, height: 64 });
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#f00';
  pen.fillRect(0, 0, 48, 64);
  pen.fillStyle = '#00f';
  pen.fillRect(48, 0, 48, 64);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.95));
  const bytes = [...new Uint8Array(await blob.arrayBuffer())];
  const exif = [0xff, 0xe1, 0, 34, 0x45, 0x78, 0x69, 0x66, 0, 0, 0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
  return [...bytes.slice(0, 2), ...exif, ...bytes.slice(2)];
});

export async function turned(page) {
  const photo = Buffer.from(await turnedPhoto(page));
  await forget(page);
  await page.setInputFiles('#file', { name: 'photo.jpg', mimeType: 'image/jpeg', buffer: photo });
  await labelled(page, 'a photo with EXIF is labelled');
  check('it has the size of the stored pixels', (await text(page, '#status')).includes('96 × 64'), await text(page, '#status'));
  check('frame and labels agree in size', !(await page.locator('#notices').textContent()).includes('differ'));
  await page.keyboard.press('4');
  await settled(page);
  const sides = await page.evaluate(() => {
    const canvas = document.getElementById('canvas');
    const at = (x) => [...globalThis.pixelsOf(Math.round(canvas.width * x), canvas.height >> 1, 1, 1)];
    return [at(0.4), at(0.6)];
  });
  check('it is shown as it is stored', sides[0][0] > 200 && sides[0][2] < 60 && sides[1][2] > 200 && sides[1][0] < 60, sides);
  await page.keyboard.press('1');
  await forget(page);
  await page.getByRole('button', { name: 'Label an upright copy' }).click();
  await labelled(page, 'an upright copy is labelled');
  check('the copy stands', (await text(page, '#status')).includes('64 × 96'), await text(page, '#status'));
}

export async function camera(page, shot) {
  let flying = 0;
  let most = 0;
  let finished = 0;
  const isLabelling = (request) => request.url().includes('/v1/segment');
  const start = (request) => { if (isLabelling(request)) most = Math.max(most, (flying += 1)); };
  const end = (request) => { if (isLabelling(request)) { flying -= 1; finished += 1; } };
  page.on('request', start).on('requestfinished', end).on('requestfailed', end);
  await page.locator('#camera-button').click();
  await until('the camera is shown', () => page.evaluate(() => document.getElementById('video').videoWidth > 0));
  await noOverflow(page, 'camera');
  await shot('camera');
  await forget(page);
  await page.locator('#capture').click();
  await labelled(page, 'a captured frame is labelled');
  check('the camera is off after it', !(await shown(page, '#video')) && !(await shown(page, '#camera-bar')));
  await page.locator('#camera-button').click();
  await until('the camera is shown again', () => page.evaluate(() => document.getElementById('video').videoWidth > 0));
  finished = 0;
  await page.locator('#go-live').click();
  await until('live: three frames are labelled', () => finished >= 3, 180_000);
  await shot('live');
  check('live tells its rate', /frames\/s/.test(await text(page, '#live-rate')), await text(page, '#live-rate'));
  check('never more than one request in flight', most === 1, most);
  await page.locator('#camera-off').click();
  check('stop ends it', !(await shown(page, '#camera-bar')));
  await page.waitForTimeout(400);
  const then = finished;
  await page.waitForTimeout(600);
  check('no frame is sent after it', finished === then);
  page.off('request', start).off('requestfinished', end).off('requestfailed', end);
}
