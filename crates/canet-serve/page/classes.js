// The list of classes: share, shown or not, only this one, and pointing at one in the picture.

const rowOf = new Map(); // class id to its row; rows are made once, so that nothing jumps or loses the focus
let liveOrder = [];      // ids in the order of the first live frame

function makeRow({ id, name, color }) {
  const box = make('input', { type: 'checkbox', checked: true });
  const row = make('li', {},
    make('label', {}, box, make('span', { className: 'name', textContent: name }), make('span', { className: 'share' }), make('span', { className: 'length' })),
    make('button', { type: 'button', className: 'only', textContent: 'only', 'aria-label': `Only ${name}` }));
  row.dataset.id = id;
  row.style.setProperty('--c', color);
  const [r, g, b] = colourOf(color);
  row.style.setProperty('--tick', r * 0.3 + g * 0.59 + b * 0.11 > 140 ? '#000' : '#fff');
  box.onchange = () => showClasses([id], box.checked);
  row.querySelector('.only').onclick = () => onlyClass(id);
  row.onpointerenter = (event) => event.pointerType === 'mouse' && light(id);
  row.onpointerleave = () => light(null);
  box.onfocus = () => box.matches(':focus-visible') && light(id);
  box.onblur = () => light(null);
  rowOf.set(id, row);
  return row;
}

function light(id) {
  if (state.lit === id) return;
  change({ lit: state.result?.classes.some((one) => one.id === id) ? id : null });
}

function showClasses(ids, shown) {
  for (const id of ids) shown ? state.hidden.delete(id) : state.hidden.add(id);
  tell('view');
}

function allClasses() {
  return [...rowOf.keys()];
}

// Only this one; a second time, all again.
function onlyClass(id) {
  const others = allClasses().filter((one) => one !== id);
  const already = !state.hidden.has(id) && others.every((one) => state.hidden.has(one));
  showClasses(others, already);
  showClasses([id], true);
  announce(already ? 'All classes shown' : `Only ${classOf(id).name} shown`);
}

// Ticks follow the state.
function showTicks() {
  for (const [id, row] of rowOf) {
    const shown = !state.hidden.has(id);
    row.querySelector('input').checked = shown;
    row.classList.toggle('off', !shown);
  }
}

// Rows of the classes that occur, largest first, then the others, folded away.
function listClasses() {
  const found = state.result?.classes ?? [];
  const pixels = new Map(found.map((one) => [one.id, one.pixels]));
  const total = state.result ? state.result.width * state.result.height : 1;
  const known = [...(state.model?.classes ?? [])];
  for (const one of found) if (!known.some(({ id }) => id === one.id)) known.push(one);
  for (const one of known) if (!rowOf.has(one.id)) makeRow(one);
  const order = known.map(({ id }) => id);
  if (state.live && liveOrder.length === order.length) order.splice(0, order.length, ...liveOrder); // live, rows stay where they are
  else order.sort((a, b) => (pixels.get(b) ?? 0) - (pixels.get(a) ?? 0));
  liveOrder = state.live ? order : [];
  const occur = state.result ? order.filter((id) => pixels.get(id)) : order;
  for (const id of order) {
    const share = (pixels.get(id) ?? 0) / total;
    const row = rowOf.get(id);
    row.querySelector('.share').textContent = state.result ? percent(share) : '';
    row.style.setProperty('--share', `${share * 100}%`);
  }
  $('classes').classList.toggle('plain', !state.result);
  $('absent-classes').classList.add('plain');
  arrange($('classes'), occur);
  arrange($('absent-classes'), order.filter((id) => !occur.includes(id)));
  const missing = order.length - occur.length;
  $('absent').hidden = missing === 0;
  $('absent').querySelector('summary').textContent = `${missing} not in this frame`;
  showTicks();
}

function arrange(list, ids) {
  const wanted = ids.map((id) => rowOf.get(id));
  if (wanted.length === list.children.length && wanted.every((row, i) => list.children[i] === row)) return;
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  list.replaceChildren(...wanted);
  if (focused?.isConnected) focused.focus({ preventScroll: true });
}

// The row of the class under the pointer.
function markRow(id) {
  for (const [one, row] of rowOf) row.classList.toggle('under', one === id);
}

function startClasses() {
  $('all').onclick = () => showClasses(allClasses(), true);
  $('none').onclick = () => showClasses(allClasses(), false);
  on('model', listClasses);
  on('result', listClasses);
  on('view', showTicks);
}
