// The camera: one frame, or one after the other. Live, the next frame is taken when the last one's labels are there, so
// that there is never more than one request in flight.

const video = $('video');
let stream = null;

async function openCamera() {
  if (stream) return stopCamera();
  dismiss('camera');
  try {
    if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('', 'SecurityError');
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: { ideal: 'environment' }, width: { ideal: 1280 }, height: { ideal: 720 } } });
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    stopCamera();
    return notice('camera', { kind: 'error', title: 'No camera', text: cameraTrouble(error) });
  }
  abandon();
  dismiss('frame', 'turned');
  stream.getVideoTracks()[0].onended = stopCamera;
  document.body.dataset.camera = '';
  shapeBox(video.videoWidth, video.videoHeight);
  for (const id of ['video', 'camera-bar', 'capture', 'go-live']) $(id).hidden = false;
  for (const id of ['empty', 'wipe']) $(id).hidden = true;
  $('camera-off').textContent = 'Close';
  $('capture').focus({ preventScroll: true });
}

function cameraTrouble({ name }) {
  return {
    SecurityError: 'Browsers lend the camera only to pages that come by HTTPS or from localhost.',
    NotAllowedError: 'The browser was told not to lend it. Allow it beside the address, then try again.',
    NotFoundError: 'There is none on this device.',
    NotReadableError: 'Another program uses it. Close that one, then try again.',
  }[name] ?? 'The browser could not start it.';
}

function stopCamera() {
  if (!stream) return;
  for (const track of stream.getTracks()) track.stop();
  stream = null;
  video.srcObject = null;
  const wasLive = state.live;
  state.live = false;
  delete document.body.dataset.camera;
  video.hidden = $('camera-bar').hidden = true;
  $('empty').hidden = false;
  $('live-rate').textContent = '';
  if (wasLive) {
    abandon();
    idle();
    tell('live');
    tell('result');
  }
  shapeBox(shownSize()?.width, shownSize()?.height);
  redrawSoon(1);
}

// What the camera shows now, as a file.
async function snap() {
  const shot = make('canvas', { width: video.videoWidth, height: video.videoHeight });
  shot.getContext('2d').drawImage(video, 0, 0);
  const name = `camera-${new Date().toISOString().slice(0, 19).replace(/[T:]/g, '-')}.jpg`;
  return { blob: await canvasFile(shot, 'image/jpeg'), name, width: shot.width, height: shot.height };
}

async function capture() {
  if (!stream || !video.videoWidth) return;
  const { blob, name } = await snap();
  take(blob, name);
}

async function goLive() {
  if (!stream || !video.videoWidth) return;
  const mine = stream;
  abandon();
  const request = new AbortController();
  underway = request;
  state.live = true;
  tell('live');
  $('capture').hidden = $('go-live').hidden = true;
  $('camera-off').textContent = 'Stop';
  try {
    while (stream === mine && !document.hidden) await liveFrame(mine, request.signal);
  } catch (error) {
    if (stream === mine) {
      const frame = state.frame;
      stopCamera();
      complain(error, frame);
    }
  }
  if (stream === mine) stopCamera(); // the page went out of sight
}

async function liveFrame(mine, signal) {
  const start = performance.now();
  const shot = await snap();
  const bitmap = await createImageBitmap(shot.blob); // not from the video: what is shown is what was sent
  const frame = { ...shot, bitmap, header: { kind: 'jpeg', turned: false, drop: [] } };
  const result = await labelsOf(frame, signal);
  if (stream !== mine) return bitmap.close();
  const first = !video.hidden;
  const old = state.frame?.bitmap;
  Object.assign(state, { frame, result });
  video.hidden = true;
  if (first) tell('frame');
  tell('result');
  old?.close();
  $('live-rate').textContent = `${(1000 / (performance.now() - start)).toFixed(1)} frames/s`;
  await new Promise(requestAnimationFrame);
}

function startCamera() {
  $('camera-button').onclick = openCamera;
  $('capture').onclick = capture;
  $('go-live').onclick = goLive;
  $('camera-off').onclick = stopCamera;
}
