// Files to keep: from the server, which gets the frame once more, and the overlay as it is seen, made here.

const FILES = [
  ['Pictures', [
    { format: 'mask', name: 'Mask', note: 'PNG, a class id a pixel', ending: '-mask.png' },
    { format: null, name: 'Overlay', note: 'PNG, as it is shown', ending: '-overlay.png' },
    { format: 'color', name: 'Colours', note: 'PNG, every class', ending: '-color.png' },
    { format: 'confidence', name: 'Confidence', note: 'PNG, white is certain', ending: '-confidence.png' },
  ]],
  ['Polygons, exact to the pixel', [
    { format: 'idd', name: 'IDD', note: 'JSON', ending: '_gtFine_polygons.json' },
    { format: 'labelme', name: 'LabelMe', note: 'JSON', ending: '.labelme.json' },
    { format: 'cvat', name: 'CVAT', note: 'XML', ending: '.cvat.xml' },
    { format: 'coco', name: 'COCO', note: 'JSON', ending: '.coco.json' },
  ]],
];

async function download({ format, name, ending }) {
  const { frame, result } = state;
  if (!frame || !result) return;
  $('save').hidePopover?.();
  const here = format === null && frame.width * frame.height <= FULL_PIXELS && frame.bitmap;
  const way = format ?? `overlay&opacity=${state.opacity}`;
  dismiss('download');
  busy(`Making ${name} …`);
  try {
    if (format === null && !here) notice('download', { title: 'All classes are in this overlay', text: 'The frame is too large to draw here, so the server draws it.' });
    const blob = here ? await drawnOverlay(frame, result) : await fromServer(way, frame);
    saveAs(blob, `${stem(frame.name)}${ending}`);
  } catch (error) {
    if (error.code === 'cancelled') return;
    const { title, advice } = error instanceof Trouble ? remedy(error) : { title: 'The browser could not make the file', advice: '' };
    notice('download', { kind: 'error', title, text: `${error.message} ${advice}`, actions: [{ label: 'Try again', main: true, run: () => download({ format, name, ending }) }] });
  } finally {
    if (!underway) idle();
  }
}

async function fromServer(format, frame) {
  const response = await ask(`/v1/segment?format=${format}`, { method: 'POST', body: frame.blob, task: 'this file' });
  return bodyOf(response, 'blob');
}

// The frame under the classes that are shown, at full size, drawn in strips.
async function drawnOverlay({ bitmap }, result) {
  const { width, height, mask } = result;
  const sheet = make('canvas', { width, height });
  const brush = sheet.getContext('2d');
  brush.drawImage(bitmap, 0, 0);
  const alpha = Uint8Array.from({ length: 256 }, (_, id) => (state.hidden.has(id) ? 0 : 255));
  const table = colours(alpha);
  const strip = make('canvas', { width, height: Math.min(height, 256) });
  const stripBrush = strip.getContext('2d');
  brush.globalAlpha = state.opacity;
  for (let top = 0; top < height; top += strip.height) {
    const rows = Math.min(strip.height, height - top);
    const image = new ImageData(width, rows);
    const out = new Uint32Array(image.data.buffer);
    for (let i = 0, at = top * width; i < out.length; i += 1, at += 1) out[i] = table[mask[at]];
    stripBrush.putImageData(image, 0, 0);
    brush.drawImage(strip, 0, 0, width, rows, 0, top, width, rows);
  }
  const blob = await canvasFile(sheet, 'image/png');
  sheet.width = 0;
  return blob;
}

function saveAs(blob, name) {
  const link = make('a', { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  announce(`Saved ${name}, ${inBytes(blob.size)}`);
}

function startDownloads() {
  for (const [title, files] of FILES) {
    $('save').append(make('h2', { textContent: title }));
    for (const file of files) {
      const button = make('button', { type: 'button', className: 'item', onclick: () => download(file) },
        make('span', { textContent: file.name }), make('small', { textContent: file.note }));
      button.dataset.format = file.format ?? 'shown';
      $('save').append(button);
    }
  }
  on('result', () => { $('save-button').disabled = !state.result; });
  for (const menu of [$('save'), $('samples')]) menu.addEventListener('toggle', () => placeMenu(menu));
}

// Below its button, inside the window. (On narrow screens the style sheet has the say.)
function placeMenu(menu) {
  if (!menu.matches(':popover-open')) return;
  const button = document.querySelector(`[popovertarget="${menu.id}"]`).getBoundingClientRect();
  menu.style.top = `${button.bottom + 6}px`;
  menu.style.left = `${clamp(button.right - menu.offsetWidth, 8, innerWidth - menu.offsetWidth - 8)}px`;
  menu.querySelector('button')?.focus({ preventScroll: true });
}
