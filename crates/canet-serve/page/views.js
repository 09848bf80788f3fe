// Which view, how opaque, and the line of figures below the picture.

function setView(view) {
  change({ view });
  document.querySelector(`input[name="view"][value="${view}"]`).checked = true;
}

function setOpacity(opacity) {
  change({ opacity: clamp(opacity, 0, 1) });
}

function showControls() {
  const value = Math.round(state.opacity * 100);
  $('opacity').value = value;
  $('opacity-value').textContent = `${value} %`;
  $('ramp').hidden = state.view !== 'confidence';
  $('opacity').disabled = state.view !== 'overlay';
}

function showFigures() {
  const { frame, result } = state;
  const rows = [];
  if (frame?.width) rows.push(['size', `${frame.width} × ${frame.height}, ${inBytes(frame.blob.size)}`]);
  if (result) {
    const { times } = result;
    if (result.mean !== undefined && result.mean !== null) rows.push(['confidence', percent(result.mean)]);
    rows.push(['in all', inMilliseconds(result.total), 'total']);
    for (const part of ['network', 'decode', 'queue', 'encode']) {
      if (Number.isFinite(times[part])) rows.push([part, inMilliseconds(times[part]), part === 'network' ? '' : 'detail']);
    }
  }
  $('status').replaceChildren(...rows.map(([name, value, className = '']) =>
    make('div', { className }, make('dt', { textContent: name }), make('dd', { textContent: value }))));
}

function describeCanvas() {
  const { frame, result } = state;
  canvas.tabIndex = frame ? 0 : -1;
  const most = result?.classes.slice(0, 3).map(({ name, pixels }) => `${name} ${percent(pixels / (result.width * result.height))}`).join(', ');
  canvas.setAttribute('aria-label', `${frame?.name ?? 'No frame yet'}${most ? `: ${most}. Arrow keys read single pixels.` : ''}`);
}

function startViews() {
  for (const radio of document.querySelectorAll('input[name="view"]')) radio.onchange = () => setView(radio.value);
  $('opacity').oninput = () => setOpacity(Number($('opacity').value) / 100);
  const brush = $('ramp-canvas').getContext('2d');
  const image = brush.createImageData(256, 1);
  new Uint32Array(image.data.buffer).set(RAMP);
  brush.putImageData(image, 0, 0);
  on('view', showControls);
  for (const event of ['frame', 'result']) {
    on(event, showFigures);
    on(event, describeCanvas);
  }
  showControls();
}
