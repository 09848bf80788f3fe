// Where frames come from: a file, a drop, the clipboard, the server's samples. (The camera has its own file.)

function chooseFile() {
  $('file').click();
}

const isFileDrag = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');

function startDrops() {
  addEventListener('dragover', (event) => {
    if (!isFileDrag(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    $('drop').hidden = false;
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) $('drop').hidden = true; // it left the window
  });
  addEventListener('drop', (event) => {
    if (!isFileDrag(event)) return;
    event.preventDefault();
    $('drop').hidden = true;
    const { files } = event.dataTransfer;
    if (files.length) take(files[0]);
    if (files.length > 1) notice('many', { title: 'One frame at a time', text: `The first of ${files.length} was taken; canet segment does whole folders.` });
  });
}

function startPaste() {
  addEventListener('paste', (event) => {
    if (event.target.matches?.('input:not([type="checkbox"], [type="radio"], [type="range"])')) return;
    const file = [...(event.clipboardData?.files ?? [])][0];
    if (file) {
      event.preventDefault();
      take(file);
    } else {
      notice('paste', { kind: 'warning', title: 'No picture in the clipboard', text: 'Copy a picture, not its address, and paste again.' });
    }
  });
}

// The server's samples, as buttons with small pictures.
async function loadSamples() {
  try {
    const told = await bodyOf(await ask('/v1/samples', { task: 'the samples' }), 'json');
    const samples = told.slice(0, 12).map(({ name, url }) => ({ name, url, picture: null }));
    for (const list of document.querySelectorAll('[data-samples]')) list.replaceChildren(...samples.map(sampleButton));
    $('samples-button').hidden = $('empty-samples').hidden = samples.length === 0;
    for (const sample of samples) await showSample(sample);
  } catch { /* the page works without them */ }
}

function sampleButton(sample) {
  const button = make('button', { type: 'button', onclick: () => pickSample(sample) },
    make('img', { alt: '' }), make('span', { textContent: sample.name }));
  button.dataset.url = sample.url;
  return make('li', {}, button);
}

// An <img> cannot send the token, so samples are fetched and shown from memory.
const fetchSample = (sample) => (sample.picture ??= ask(sample.url, { task: 'a sample' }).then((response) => bodyOf(response, 'blob')));

async function showSample(sample) {
  const address = URL.createObjectURL(await fetchSample(sample));
  for (const button of document.querySelectorAll('[data-samples] button')) {
    if (button.dataset.url === sample.url) button.querySelector('img').src = address;
  }
}

async function pickSample(sample) {
  $('samples').hidePopover?.();
  try {
    const name = /\.(png|jpe?g)$/i.test(sample.name) ? sample.name : `${sample.name}.png`;
    await take(await fetchSample(sample), name);
  } catch (error) {
    sample.picture = null;
    complain(error, null);
  }
}

function startSources() {
  $('host').textContent = location.host || 'this server';
  $('open').onclick = $('choose').onclick = chooseFile;
  $('file').onchange = () => {
    const [file] = $('file').files;
    $('file').value = '';
    if (file) take(file);
  };
  startDrops();
  startPaste();
}
