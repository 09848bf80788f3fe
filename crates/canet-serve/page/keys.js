// Single keys, and the table of them.

const KEYS = [
  ['o', 'open a file', chooseFile],
  ['s', 'samples', () => !$('samples-button').hidden && $('samples').togglePopover()],
  ['c', 'camera on or off', () => $('camera-button').click()],
  ['d', 'download', () => !$('save-button').disabled && $('save').togglePopover()],
  ['1', 'view: overlay', () => setView('overlay')],
  ['2', 'view: classes alone', () => setView('classes')],
  ['3', 'view: confidence', () => setView('confidence')],
  ['4', 'view: frame', () => setView('frame')],
  ['[', 'less opaque', () => setOpacity(state.opacity - 0.1)],
  [']', 'more opaque', () => setOpacity(state.opacity + 0.1)],
  ['w', 'wipe; then arrows move it, with Shift faster', toggleWipe],
  ['a', 'all classes', () => $('all').click()],
  ['n', 'no classes', () => $('none').click()],
  ['+', 'zoom in', () => zoomBy(1.5)],
  ['-', 'zoom out', () => zoomBy(1 / 1.5)],
  ['0', 'zoom to fit', zoomToFit],
  ['m', 'about the model', () => !$('model-button').disabled && openDialog('model')],
  ['t', 'colours: system, light, dark', nextTheme],
  ['?', 'this help', () => openDialog('help')],
];

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !$('keys-on').checked) return;
  if (document.querySelector('dialog[open]') || event.target.matches?.('input[type="password"], input[type="text"]')) return;
  const key = event.key === '=' ? '+' : event.key.toLowerCase();
  const entry = KEYS.find(([name]) => name === key);
  if (!entry) return;
  event.preventDefault();
  entry[2]();
}

function startKeys() {
  addEventListener('keydown', pressed);
  const rows = [['Ctrl V', 'label the picture in the clipboard'], ...KEYS];
  $('keys').tBodies[0].append(...rows.map(([key, does]) =>
    make('tr', {}, make('th', { scope: 'row' }, make('kbd', { textContent: key })), make('td', { textContent: does }))));
  $('help-button').onclick = () => openDialog('help');
  $('keys-on').checked = kept.get('canet-keys') !== 'off';
  $('keys-on').onchange = () => kept.set('canet-keys', $('keys-on').checked ? null : 'off');
}
