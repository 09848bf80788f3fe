// Scenes of trouble: each has to be told in words, with what helps, and has to end well.

import { copyFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, forget, labelled, noOverflow, shown, text, until, upload } from './checks.mjs';
import { GREY, encode, sizeOf } from './png.mjs';

const SEGMENT = '**/v1/segment*';
const error = (status, code, message, headers = {}) => ({ status, headers, contentType: 'application/json', body: JSON.stringify({ error: { code, message } }) });
const notices = (page) => page.locator('#notices').textContent();
const press = (page, name) => page.locator('#notices').getByRole('button', { name }).click();

export async function noPicture(page, shot) {
  let asked = 0;
  const count = (request) => { asked += request.url().includes('/v1/segment') ? 1 : 0; };
  page.on('request', count);
  await page.setInputFiles('#file', { name: '<img src=x onerror=alert(1)>.txt', mimeType: 'text/plain', buffer: Buffer.from('not a picture') });
  await until('a text file is refused in words', async () => (await notices(page)).includes('not a picture'));
  check('what to do is told', (await notices(page)).includes('Choose a JPEG or PNG'), await notices(page));
  check('a name is text, never markup', (await page.locator('#notices img').count()) === 0 && (await notices(page)).includes('<img src=x'));
  check('it is not sent', asked === 0, asked);
  check('it interrupts a screen reader', (await page.locator('#notices [role="alert"]').count()) === 1);
  await noOverflow(page, 'notice');
  await shot('not-a-picture');
  page.off('request', count);
}

export async function tooLarge(page, frame, size, model, out, shot) {
  const large = join(out, 'too-large.png');
  copyFileSync(frame, large);
  truncateSync(large, model.limits.body_bytes + 1);
  await page.setInputFiles('#file', large);
  await until('a body over the limit is refused before it is sent', async () => (await notices(page)).includes('too large'), 60_000);
  await shot('too-large');
  await forget(page);
  await press(page, 'Send a smaller copy');
  await labelled(page, 'a smaller copy is labelled');
  truncateSync(large, 0);
  await page.route(SEGMENT, (route) => route.fulfill(error(413, 'picture_too_large', 'The picture is too large for <b>this</b> server.')), { times: 1 });
  await page.setInputFiles('#file', frame);
  await until('the server\'s 413 is told', async () => (await notices(page)).includes('too large for <b>this</b> server'));
  await forget(page);
  await press(page, 'Send a smaller copy');
  await labelled(page, 'a smaller copy is labelled after a 413, too');
  const half = `${Math.floor(size.width / 2)} × ${Math.floor(size.height / 2)}`;
  check('it has half the size', (await text(page, '#status')).includes(half), await text(page, '#status'));
}

export async function broken(page, frame) {
  const cases = [
    [422, 'broken', 'The picture ends too early.', 'broken', false],
    [504, 'took_too_long', 'It took more than 30 s.', 'too long', true],
    [408, 'slow_body', 'The body did not come in time.', 'Sending took too long', true],
    [500, 'bug', 'A bug.', 'failed', true],
    [400, 'bad_query', 'No such format.', 'do not understand', false],
  ];
  for (const [status, code, message, words, again] of cases) {
    await page.route(SEGMENT, (route) => route.fulfill(error(status, code, message)), { times: 1 });
    await page.setInputFiles('#file', frame);
    await until(`${status} is told`, async () => (await notices(page)).includes(message) && (await notices(page)).includes(words));
    check(`${status}: trying again is ${again ? '' : 'not '}offered`, ((await page.getByRole('button', { name: 'Try again' }).count()) > 0) === again);
  }
}

export async function unreachable(page, frame, shot) {
  await page.route(SEGMENT, (route) => route.abort('connectionrefused'));
  await page.setInputFiles('#file', frame);
  await until('a server that does not answer is told', async () => (await notices(page)).includes('does not answer'));
  await shot('unreachable');
  await page.unroute(SEGMENT);
  await forget(page);
  await press(page, 'Try again');
  await labelled(page, 'trying again works');
  check('the notice is gone', (await notices(page)) === '');
}

export async function token(page, frame, shot) {
  await page.route(SEGMENT, (route) => (route.request().headers().authorization === 'Bearer right'
    ? route.continue() : route.fulfill(error(401, 'unauthorized', 'A token is wanted.', { 'WWW-Authenticate': 'Bearer' }))));
  await page.setInputFiles('#file', frame);
  await until('401 asks for the token', () => shown(page, '#token-dialog'));
  check('at first nothing was wrong', !(await shown(page, '#token-wrong')));
  await noOverflow(page, 'token');
  await shot('token');
  await page.fill('#token', 'wrong');
  await page.keyboard.press('Enter');
  await until('a wrong one is told', () => shown(page, '#token-wrong'));
  await forget(page);
  await page.fill('#token', 'right');
  await page.locator('#token-dialog').getByRole('button', { name: 'Use this token' }).click();
  await labelled(page, 'with the right token the frame is labelled');
  const kept = await page.evaluate(() => [JSON.stringify({ ...sessionStorage }), JSON.stringify({ ...localStorage }), document.cookie]);
  check('the token is kept in this tab alone', kept[0].includes('right') && !kept[1].includes('right') && !kept[2].includes('right'), kept);
  await page.evaluate(() => sessionStorage.clear());
  await page.setInputFiles('#file', frame);
  await until('without it the page asks again', () => shown(page, '#token-dialog'));
  await page.locator('#token-cancel').click();
  await until('cancelling leaves words', async () => (await notices(page)).includes('wants a token'));
  await page.unroute(SEGMENT);
}

export async function queueFull(page, frame, shot) {
  const full = (wait) => error(503, 'queue_full', 'Four frames are waiting.', { 'Retry-After': String(wait) });
  await page.route(SEGMENT, (route) => route.fulfill(full(2)), { times: 1 });
  await forget(page);
  await page.setInputFiles('#file', frame);
  await until('503 is told with the seconds', async () => /Four frames are waiting.*again in \d s/.test(await notices(page)));
  check('one message at a time', !(await shown(page, '#busy')));
  await shot('busy');
  await labelled(page, 'after them the frame is labelled by itself');
  let asked = 0;
  await page.route(SEGMENT, (route) => { asked += 1; return route.fulfill(full(1)); });
  await page.setInputFiles('#file', frame);
  await until('it goes on trying', () => asked >= 2);
  await until('and says which attempt it is', async () => (await notices(page)).includes('attempt 3'));
  await press(page, 'Cancel');
  const then = asked;
  await page.waitForTimeout(1600);
  check('cancel ends it', asked === then && (await notices(page)) === '', [asked, then]);
  await page.unroute(SEGMENT);
  await upload(page, frame);
}

// A page that is opened while the server wants a token, and one while it does not answer.
export async function opening(context, url, model, prepare) {
  const guarded = '**/v1/**';
  const refuse = (route) => (route.request().headers().authorization === 'Bearer right' ? route.continue() : route.fulfill(error(401, 'unauthorized', 'A token is wanted.')));
  const page = await context.newPage();
  await prepare(page);
  await page.route(guarded, refuse);
  await page.goto(url);
  await until('a guarded server asks for the token at once', () => shown(page, '#token-dialog'));
  await page.fill('#token', 'right');
  await page.keyboard.press('Enter');
  await until('then the model is named', async () => (await text(page, '#model-name')).includes(model.name));
  await until('and the samples are shown', () => page.evaluate(() => [...document.querySelectorAll('#empty-samples img')].filter((one) => one.naturalWidth > 0).length > 0));
  await page.unroute(guarded);
  await page.route(guarded, (route) => route.abort('connectionrefused'));
  await page.goto(url);
  await until('no answer at the start is told', async () => (await notices(page)).includes('does not answer'));
  await page.unroute(guarded);
  await press(page, 'Try again');
  await until('trying again names the model', async () => (await text(page, '#model-name')).includes(model.name));
  await page.close();
}

// The largest frame that the limits let pass, up to 8192 a side; its labels come from here, to spare the server.
export async function huge(page, model, out, shot) {
  const side = Math.min(8192, model.limits.side);
  const [width, height] = [side, Math.min(side, Math.floor(model.limits.pixels / side))];
  const grey = encode(width, height, GREY, new Uint8Array(width * height).fill(120));
  const file = join(out, 'huge.png');
  writeFileSync(file, grey);
  const [first, second] = model.classes;
  const half = width * Math.floor(height / 2);
  const answer = {
    width, height, mean_confidence: 0.5, milliseconds: { decode: 1, queue: 0, network: 1, encode: 1 }, confidence: grey.toString('base64'),
    classes: [first, second].map((one, i) => ({ ...one, pixels: i ? width * height - half : half, share: 0.5 })),
    rle: { order: 'row-major', runs: [first.id, half, second.id, width * height - half] },
  };
  await page.route(SEGMENT, (route) => route.fulfill({ contentType: 'application/json', body: JSON.stringify(answer) }));
  await page.setInputFiles('#file', []);
  await forget(page);
  const start = Date.now();
  await page.setInputFiles('#file', file);
  await labelled(page, `${width} x ${height} is shown`);
  console.log(`  ${width} x ${height}: ${Date.now() - start} ms from the file to the labels`);
  const canvas = await page.evaluate(() => [document.getElementById('canvas').width, document.getElementById('canvas').height]);
  check('the canvas has no more than the screen', Math.max(...canvas) <= 4096, canvas);
  await page.locator('#canvas').focus();
  await page.keyboard.press('ArrowRight');
  for (let row = 0; row < 5; row += 1) { // each of PNG's filters
    await page.keyboard.press('Shift+ArrowDown');
    check('a pixel\'s confidence is right', (await text(page, '#tip .sure')).startsWith('47 %'), await text(page, '#tip .sure'));
  }
  await shot('huge');
  await page.unroute(SEGMENT);
  truncateSync(file, 0);
  return sizeOf(grey);
}
