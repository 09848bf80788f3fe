// Scenes of looking: views, opacity, wipe, classes, pointing, zoom, keys, theme, dialogs.

import { check, noOverflow, picture, settled, shown, text, until } from './checks.mjs';

const box = (page) => page.locator('#canvas').boundingBox();
const away = (page) => page.mouse.move(2, 2);

export async function views(page) {
  const seen = {};
  for (const view of ['overlay', 'classes', 'confidence', 'frame']) {
    await page.locator(`input[name="view"][value="${view}"] + span`).click();
    seen[view] = await picture(page);
    check(`the ramp is shown only for confidence: ${view}`, (await shown(page, '#ramp')) === (view === 'confidence'));
  }
  check('the four views differ', new Set(Object.values(seen)).size === 4, seen);
  await page.keyboard.press('1');
  check('key 1 gives the overlay again', (await picture(page)) === seen.overlay);
  const opacity = async (value) => {
    await page.locator('#opacity').fill(String(value));
    return picture(page);
  };
  check('opacity 0 is the frame', (await opacity(0)) === seen.frame);
  check('opacity 100 is neither overlay nor frame', ![seen.frame, seen.overlay].includes(await opacity(100)));
  await page.locator('#opacity').blur();
  await page.keyboard.press('[');
  check('[ lowers the opacity', (await text(page, '#opacity-value')) === '90 %', await text(page, '#opacity-value'));
  check('opacity 50 is the overlay of before', (await opacity(50)) === seen.overlay);
  return seen;
}

export async function wipe(page, seen) {
  await page.locator('#wipe-button').click();
  await settled(page);
  check('the wipe has a handle', await shown(page, '#wipe'));
  check('wiping changes the picture', ![seen.frame, seen.overlay].includes(await picture(page)));
  const parts = [await picture(page, 0, 0.4), await picture(page, 0.6, 1)];
  await page.keyboard.press('4');
  const frame = [await picture(page, 0, 0.4), await picture(page, 0.6, 1)];
  check('no handle where there is nothing to wipe', !(await shown(page, '#wipe')));
  await page.keyboard.press('1');
  await settled(page);
  check('left of the handle is the frame', parts[0] === frame[0]);
  check('right of the handle are labels', parts[1] !== frame[1]);
  const value = () => page.locator('#wipe').getAttribute('aria-valuenow').then(Number);
  await page.locator('#wipe').focus();
  await page.keyboard.press('ArrowRight');
  await settled(page);
  check('the right arrow moves the handle', (await value()) === 52, await value());
  await page.keyboard.press('Shift+ArrowLeft');
  await settled(page);
  check('with Shift it moves further', (await value()) === 42, await value());
  await page.keyboard.press('End');
  check('at the end all is frame', (await picture(page)) === seen.frame);
  await page.keyboard.press('Home');
  check('at the start all is overlay', (await picture(page)) === seen.overlay);
  const { x, y, width, height } = await page.locator('#wipe').boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  const stage = await box(page);
  await page.mouse.move(stage.x + stage.width * 0.3, y + height / 2, { steps: 4 });
  await page.mouse.up();
  await settled(page);
  check('dragging moves the handle', Math.abs((await value()) - 30) <= 3, await value());
}

export async function wipeOff(page, seen) {
  await page.locator('#wipe').focus();
  await page.keyboard.press('w');
  check('w ends the wipe', (await picture(page)) === seen.overlay && !(await shown(page, '#wipe')));
}

export async function classes(page, seen, { phone }) {
  const row = page.locator('#classes li').first();
  const ticked = () => page.locator('#classes input:checked').count();
  const all = await page.locator('#classes li').count();
  check('there are classes in the list', all >= 2, all);
  const shares = (await page.locator('#classes .share').allTextContents()).map((one) => Number(one.replace(/[^\d.]/g, '')));
  check('shares fall', shares.every((one, i) => i === 0 || one <= shares[i - 1] + 0.05), shares);
  check('shares sum to 100 %', Math.abs(shares.reduce((sum, one) => sum + one, 0) - 100) < 1.5, shares);
  const cost = await page.evaluate(async () => {
    const box = document.querySelector('#classes input');
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    const start = performance.now();
    for (let i = 0; i < 10; i += 1) {
      box.click();
      await frame();
    }
    return (performance.now() - start) / 10;
  });
  console.log(`  a toggled class is drawn in ${cost.toFixed(1)} ms, waiting for the screen included`);
  await row.locator('label').click();
  await away(page);
  check('hiding a class changes pixels', (await picture(page)) !== seen.overlay);
  check('one class is not ticked', (await ticked()) === all - 1, await ticked());
  await row.locator('label').click();
  await away(page);
  check('showing it again gives the picture back', (await picture(page)) === seen.overlay);
  const second = page.locator('#classes li').nth(1);
  await second.hover();
  if (!phone) check('pointing at a class lights it up', (await picture(page)) !== seen.overlay);
  await second.locator('.only').click();
  await away(page);
  check('only this: one class is ticked', (await ticked()) === 1, await ticked());
  const only = await picture(page);
  check('only this changes the picture', ![seen.overlay, seen.frame].includes(only));
  await page.locator('#none').click();
  await away(page);
  check('none: the frame remains', (await picture(page)) === seen.frame);
  await page.locator('#all').click();
  await away(page);
  check('all: the overlay is back', (await picture(page)) === seen.overlay);
}

// Points at a place of one colour in the view of classes, and asks whether the tip names a class of that colour.
export async function pointing(page, model, { phone }) {
  await page.evaluate(() => scrollTo(0, 0));
  await page.keyboard.press('2');
  await settled(page);
  const found = await page.evaluate(() => {
    const canvas = document.getElementById('canvas');
    const words = new Uint32Array(globalThis.pixelsOf(0, 0, canvas.width, canvas.height).buffer);
    const ratio = canvas.width / canvas.getBoundingClientRect().width;
    const places = new Map();
    for (let y = 20; y < canvas.height - 20; y += 5) {
      for (let x = 20; x < canvas.width - 20; x += 5) {
        const here = words[y * canvas.width + x];
        if (here >>> 24 !== 255 || places.has(here)) continue;
        let same = true;
        for (let j = -4; j <= 4 && same; j += 1) for (let i = -4; i <= 4 && same; i += 1) same = words[(y + j) * canvas.width + x + i] === here;
        if (same) places.set(here, [x / ratio, y / ratio]);
      }
    }
    return [...places].map(([word, [x, y]]) => ({ color: `#${[word & 255, (word >>> 8) & 255, (word >>> 16) & 255].map((part) => part.toString(16).padStart(2, '0')).join('')}`, x, y }));
  });
  check('the view of classes has places of one colour', found.length >= 2, found.length);
  const { x, y } = await box(page);
  for (const place of found.slice(0, 6)) {
    if (phone) await page.touchscreen.tap(x + place.x, y + place.y);
    else await page.mouse.move(x + place.x, y + place.y);
    await settled(page);
    const name = await text(page, '#tip b');
    const named = model.classes.filter(({ color }) => color.toLowerCase() === place.color).map((one) => one.name);
    check('the tip names the class of the colour', (await shown(page, '#tip')) && named.includes(name), { name, named, color: place.color });
    check('the tip tells confidence and place', /^\d+ % · \d+, \d+$/.test(await text(page, '#tip .sure')), await text(page, '#tip .sure'));
    check('its row is marked', (await text(page, '#classes li.under .name')) === name);
  }
  await page.keyboard.press('1');
  await away(page);
}

export async function keyboardProbe(page) {
  await page.locator('#canvas').focus();
  await page.keyboard.press('ArrowRight');
  await settled(page);
  check('an arrow shows the cross', await shown(page, '#cross'));
  check('what lies under it is said', /\d+ %$/.test(await text(page, '#said')), await text(page, '#said'));
  const before = await text(page, '#tip .sure');
  await page.keyboard.press('Shift+ArrowDown');
  await settled(page);
  const [from, to] = [before, await text(page, '#tip .sure')].map((one) => Number(one.split(', ')[1]));
  check('Shift moves it by one pixel', to === from + 1, [before, to]);
  await page.keyboard.press('Escape');
  check('Escape takes it away', !(await shown(page, '#cross')));
  await page.locator('#canvas').blur();
}

export async function zoom(page, seen) {
  await page.keyboard.press('+');
  check('+ zooms in', (await picture(page)) !== seen.overlay);
  await page.keyboard.press('+');
  const { x, y, width, height } = await box(page);
  const before = await picture(page);
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width / 2 - 40, y + height / 2 - 20, { steps: 3 });
  await page.mouse.up();
  await away(page);
  check('dragging moves the picture', (await picture(page)) !== before);
  await page.keyboard.press('0');
  check('0 fits it again', (await picture(page)) === seen.overlay);
  await page.locator('#zoom-in').click();
  check('the button zooms in', (await picture(page)) !== seen.overlay);
  await page.locator('#zoom-fit').click();
  check('the button fits', (await picture(page)) === seen.overlay);
}

// Two fingers, as the browser gets them from a touch screen.
export async function pinch(page, seen) {
  const { x, y, width, height } = await box(page);
  const touch = await page.context().newCDPSession(page);
  const at = (apart) => [-1, 1].map((side, id) => ({ x: x + width / 2 + side * apart, y: y + height / 2, id }));
  await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at(30) });
  for (let apart = 35; apart <= 90; apart += 5) await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at(apart) });
  await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  check('two fingers zoom in', (await picture(page)) !== seen.overlay);
  check('by as much as they part', await page.evaluate(() => document.getElementById('canvas').classList.contains('zoomed')));
  await page.keyboard.press('0');
  check('and it fits again', (await picture(page)) === seen.overlay);
}

export async function dialogs(page, model, shot) {
  await page.keyboard.press('?');
  check('? opens the help', await shown(page, '#help'));
  check('every key is in it', (await page.locator('#keys tr').count()) >= 18, await page.locator('#keys tr').count());
  await noOverflow(page, 'help');
  await shot('help');
  await page.locator('#keys-on').uncheck();
  await page.keyboard.press('Escape');
  const before = await picture(page);
  await page.keyboard.press('2');
  check('keys can be switched off', (await picture(page)) === before);
  await page.locator('#help-button').click();
  await page.locator('#keys-on').check();
  await page.locator('#help [data-close]').click();
  await page.keyboard.press('m');
  await until('m opens the model card', () => shown(page, '#model'));
  const card = await text(page, '#model');
  for (const part of [model.name, model.network, model.weights, model.classes.at(-1).name]) check(`the card tells ${part.slice(0, 20)}`, card.includes(part), card.slice(0, 200));
  await noOverflow(page, 'model card');
  await shot('model');
  await page.keyboard.press('Escape');
  check('Escape closes it', !(await shown(page, '#model')));
}

export async function theme(page) {
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const seen = [await paper()];
  for (let i = 0; i < 3; i += 1) {
    await page.locator('#theme').click();
    seen.push(await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => resolve(getComputedStyle(document.body).backgroundColor)))));
  }
  check('the switch gives light and dark, and the system\'s again', seen[1] !== seen[2] && seen[0] === seen[3], seen);
}

// Names for all that can be used, and room for a thumb.
export async function access(page, { phone }) {
  const nameless = await page.evaluate(() => [...document.querySelectorAll('button, input:not([type="file"]), canvas[tabindex="0"], [role="slider"]')]
    .filter((one) => !(one.textContent.trim() || one.getAttribute('aria-label') || one.labels?.length)).map((one) => one.outerHTML.slice(0, 80)));
  check('every control has a name', nameless.length === 0, nameless);
  if (phone) {
    const small = await page.evaluate(() => [...document.querySelectorAll('.actions button, .top button, .views span, .classes label, .tools button, .bar-head button')]
      .filter((one) => one.offsetParent).filter((one) => one.getBoundingClientRect().height < 40).map((one) => one.outerHTML.slice(0, 60)));
    check('controls are high enough for a thumb', small.length === 0, small);
    const bar = await page.locator('.actions').boundingBox();
    check('the actions are at the lower edge', bar.y + bar.height >= page.viewportSize().height - 1, bar);
  }
  await page.keyboard.press('Tab');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  check('the focus is seen', outline !== 'none', outline);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  const still = await page.evaluate(() => getComputedStyle(document.querySelector('.busy i'), '::after').animationName);
  check('nothing moves for those who asked for less motion', still === 'none', still);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
}
