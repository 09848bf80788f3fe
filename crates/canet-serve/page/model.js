// The model's card: what /v1/model tells.

async function loadModel() {
  dismiss('model');
  try {
    state.model = await bodyOf(await ask('/v1/model', { task: 'the model' }), 'json');
  } catch (error) {
    if (error.code === 'cancelled') return;
    const { title, advice } = error instanceof Trouble ? remedy(error) : { title: 'The page failed', advice: '' };
    $('model-name').textContent = 'no model';
    notice('model', { kind: 'error', title, text: `${error.message} ${advice}`, actions: [{ label: 'Try again', main: true, run: loadModel }] });
    return;
  }
  tell('model');
  await loadSamples();
}

function showModel() {
  const { model } = state;
  document.title = `${model.name} – CANet`;
  $('model-name').textContent = `${model.name} · ${model.classes.length} classes`;
  $('model-button').disabled = false;
  $('model-button').setAttribute('aria-label', `Model ${model.name}: show what is known about it`);
  const limits = model.limits ?? {};
  $('model-title').textContent = model.name;
  $('model-body').replaceChildren(
    facts([
      ['Network', model.network],
      ['Parameters', inCount(model.parameters)],
      ['Weights', make('code', { textContent: model.weights })],
      ['Input', model.input ? `${model.input[0]} × ${model.input[1]}` : 'any size'],
      ['Takes', limits.side && `JPEG or PNG up to ${inBytes(limits.body_bytes)}, ${inCount(limits.side)} pixels a side, ${inCount(limits.pixels)} in all`],
      ['Gives up after', limits.timeout_seconds && `${limits.timeout_seconds} s`],
    ]),
    make('h3', { textContent: `${model.classes.length} classes` }),
    make('ul', { className: 'names' }, ...model.classes.map(className)),
    ...trainingFacts(model.training));
}

function className({ name, color }) {
  const swatch = make('span', { className: 'swatch' });
  swatch.style.setProperty('--c', color);
  return make('li', {}, swatch, name);
}

function facts(rows) {
  const list = make('dl', { className: 'facts' });
  for (const [name, value] of rows) {
    if (value === undefined || value === null || value === '') continue;
    list.append(make('dt', { textContent: name }), make('dd', {}, typeof value === 'number' ? inFigures(value) : value instanceof Node ? value : String(value)));
  }
  return list;
}

const inFigures = (n) => (Number.isInteger(n) ? inCount(n) : n.toPrecision(4).replace(/\.?0+$/, ''));

// Whatever the server tells about the training: one line a figure, inner objects by their path.
function trainingFacts(training) {
  if (!training || typeof training !== 'object') return [];
  const rows = [];
  const walk = (value, path) => {
    if (value !== null && typeof value === 'object') {
      for (const [name, inner] of Object.entries(value)) walk(inner, [...path, name.replaceAll('_', ' ')]);
    } else {
      rows.push([path.join(' · '), value]);
    }
  };
  walk(training, []);
  return rows.length ? [make('h3', { textContent: 'Training' }), facts(rows)] : [];
}

function openDialog(id) {
  $(id).showModal();
}

function startModel() {
  on('model', showModel);
  $('model-button').onclick = () => openDialog('model');
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.querySelector('[data-close]')?.addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (event) => event.target === dialog && dialog.id !== 'token-dialog' && dialog.close());
  }
  loadModel();
}
