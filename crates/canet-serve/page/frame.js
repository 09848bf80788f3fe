// A frame's way: read, checked, shown, sent, and its labels shown. A newer frame ends the older one's way.

let underway = null; // the AbortController of the request in flight

function abandon() {
  underway?.abort();
  underway = null;
}

// Takes a file (a File or Blob) from wherever it came.
async function take(file, name = file.name || 'pasted.png') {
  stopCamera();
  abandon();
  dismiss('frame', 'turned', 'busy');
  const mine = new AbortController();
  underway = mine;
  busy(`Reading ${name} …`);
  try {
    const frame = await readFrame(new Uint8Array(await file.arrayBuffer()), name);
    if (mine.signal.aborted) return frame.bitmap?.close();
    await accept(frame, mine);
  } catch (error) {
    if (underway !== mine) return;
    done(mine);
    complain(error instanceof Trouble ? error : new Trouble('not_a_picture', `${name} cannot be read.`), null);
  }
}

async function accept(frame, mine) {
  const over = overLimits(frame);
  if (over) {
    done(mine);
    return complain(new Trouble('too_large', over), frame);
  }
  if (!frame.header.kind) {
    done(mine);
    return notice('frame', {
      kind: 'warning', title: `${frame.name} is neither JPEG nor PNG`, text: 'The server takes only those two. A PNG with the same pixels can be made here.',
      actions: [{ label: 'Convert and label', main: true, run: () => again(frame, () => redraw(frame, {}), 'png') }],
    });
  }
  show(frame);
  if (frame.header.turned) {
    notice('turned', {
      title: 'This photo lies on its side', text: 'Its EXIF turns it; server and page use the pixels as they are stored.',
      actions: [{ label: 'Label an upright copy', run: () => again(frame, () => redraw(frame, { upright: true, type: 'image/jpeg' }), 'upright.jpg') }],
    });
  }
  await label(frame, mine);
}

// Another copy of the frame, made here, goes the same way.
async function again(frame, copy, ending) {
  busy('Making the copy …');
  const name = `${stem(frame.name)}-${ending}`.replace(/-(png)$/, '.$1');
  try {
    await take(await copy(), name);
  } catch {
    idle();
    notice('frame', { kind: 'error', title: 'The copy could not be made', text: 'This browser cannot work with so large a picture. Shrink it with another program.' });
  }
}

function show(frame) {
  if (state.frame?.bitmap !== frame.bitmap) state.frame?.bitmap?.close();
  Object.assign(state, { frame, result: null, lit: null });
  tell('frame');
  tell('result');
}

// Sends the frame that is shown and shows its labels.
async function label(frame, mine) {
  try {
    const result = await labelsOf(frame, mine.signal);
    if (state.frame !== frame) return;
    state.result = result;
    tell('result');
    announce(`Labelled: ${result.classes.length} classes in ${inMilliseconds(result.total)}`);
    if (frame.bitmap && (result.width !== frame.width || result.height !== frame.height)) {
      notice('frame', { kind: 'warning', title: 'Frame and labels differ in size', text: `The server labelled ${result.width} × ${result.height} pixels, this browser shows ${frame.width} × ${frame.height}.` });
    }
  } catch (error) {
    if (state.frame === frame && !mine.signal.aborted) complain(error, frame);
  } finally {
    done(mine);
  }
}

async function labelsOf(frame, signal) {
  busy(`Sending ${inBytes(frame.blob.size)} …`, 'Labelling');
  const start = performance.now();
  const response = await ask('/v1/segment?include=rle,confidence', { method: 'POST', body: frame.blob, signal, task: 'this frame' });
  const answer = await bodyOf(response, 'json', signal);
  return readResult(answer, performance.now() - start);
}

// Says what went wrong with a frame and offers what helps.
function complain(error, frame) {
  if (error.code === 'cancelled') return;
  const trouble = error instanceof Trouble ? error : new Trouble('page', `${error.message}.`, { status: 500 });
  const { title, advice, again: retry, shrink } = remedy(trouble);
  const actions = [];
  if (retry && frame) actions.push({ label: 'Try again', main: true, run: () => resend(frame) });
  if (shrink && frame?.bitmap) actions.push({ label: 'Send a smaller copy', main: !retry, run: () => again(frame, () => shrunk(frame), 'small.jpg') });
  notice('frame', { kind: 'error', title, text: `${trouble.message} ${actions.length || !shrink ? advice : ''}`.trim(), actions });
}

function resend(frame) {
  abandon();
  underway = new AbortController();
  label(frame, underway);
}

function done(mine) {
  if (underway !== mine) return;
  underway = null;
  idle();
}

let busyTimer = 0;

// Shows that something goes on; after a second with `then` and the seconds.
function busy(text, then = '') {
  clearInterval(busyTimer);
  if (state.live) return;
  $('busy').hidden = false;
  $('busy-text').textContent = text;
  const start = performance.now();
  if (then) busyTimer = setInterval(() => { $('busy-text').textContent = `${then} … ${Math.round((performance.now() - start) / 1000)} s`; }, 1000);
}

function idle() {
  clearInterval(busyTimer);
  $('busy').hidden = true;
}

const stem = (name) => name.replace(/\.[^.]*$/, '') || 'frame';

function startFrame() {
  $('cancel').onclick = () => {
    abandon();
    idle();
    announce('Cancelled');
  };
}
