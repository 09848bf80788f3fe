// The wipe: frame to the left of a handle, labels to the right of it.

const wipeHandle = $('wipe');

function setWipe(share) {
  change({ wipe: share === null ? null : clamp(share, 0, 1) });
}

function toggleWipe() {
  setWipe(state.wipe === null ? 0.5 : null);
  announce(state.wipe === null ? 'Wipe off' : 'Wipe on');
  if (state.wipe !== null && wipeUsable()) wipeHandle.focus({ preventScroll: true });
}

const wipeUsable = () => Boolean(state.result) && state.view !== 'frame';

// Puts the handle where the wipe is.
function placeWipe() {
  const shown = state.wipe !== null && wipeUsable();
  $('wipe-button').setAttribute('aria-pressed', String(state.wipe !== null));
  wipeHandle.hidden = !shown;
  if (!shown) return;
  const { x, y, width, height } = seen();
  wipeHandle.style.left = `${(x + width * state.wipe) / place.ratio}px`;
  wipeHandle.style.top = `${y / place.ratio}px`;
  wipeHandle.style.height = `${height / place.ratio}px`;
  const value = Math.round(state.wipe * 100);
  wipeHandle.setAttribute('aria-valuenow', value);
  wipeHandle.setAttribute('aria-valuetext', `${value} % frame`);
}

function startWipe() {
  $('wipe-button').onclick = toggleWipe;
  wipeHandle.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    wipeHandle.setPointerCapture(event.pointerId);
    wipeHandle.focus({ preventScroll: true });
  });
  wipeHandle.addEventListener('pointermove', (event) => {
    if (!wipeHandle.hasPointerCapture(event.pointerId)) return;
    const { x, width } = seen();
    const left = canvas.getBoundingClientRect().left;
    setWipe(((event.clientX - left) * place.ratio - x) / Math.max(width, 1));
  });
  wipeHandle.addEventListener('keydown', (event) => {
    const step = event.shiftKey ? 0.1 : 0.02;
    const to = {
      ArrowLeft: state.wipe - step, ArrowDown: state.wipe - step, ArrowRight: state.wipe + step, ArrowUp: state.wipe + step,
      PageDown: state.wipe - 0.1, PageUp: state.wipe + 0.1, Home: 0, End: 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    setWipe(to);
  });
  on('drawn', placeWipe);
}
