// Files into pictures, and pictures into other files.

// Pictures with more pixels than this are kept smaller for showing; labels and downloads keep every pixel.
const FULL_PIXELS = 4096 * 4096;

// A frame from bytes: {blob, name, width, height, bitmap, header}. Trouble, if nobody could call it a picture.
async function readFrame(bytes, name) {
  const header = readHeader(bytes);
  const blob = new Blob([bytes], { type: header.kind ? `image/${header.kind}` : '' });
  let bitmap = null;
  try {
    bitmap = await decode(asStored(bytes, header), header);
  } catch {
    if (!header.kind) throw new Trouble('not_a_picture', `${name} holds no picture that this browser can read.`);
  }
  return { blob, name, bitmap, header, width: header.width || (bitmap?.width ?? 0), height: header.height || (bitmap?.height ?? 0) };
}

// The file without what would make the browser turn it.
function asStored(bytes, header) {
  const parts = [];
  let at = 0;
  for (const [from, to] of header.drop) {
    parts.push(bytes.subarray(at, from));
    at = to;
  }
  parts.push(bytes.subarray(at));
  return new Blob(parts);
}

function decode(blob, { width, height }) {
  const options = { imageOrientation: 'none' };
  if (width * height > FULL_PIXELS) {
    const factor = Math.sqrt(FULL_PIXELS / (width * height));
    options.resizeWidth = Math.max(1, Math.round(width * factor));
    options.resizeHeight = Math.max(1, Math.round(height * factor));
    options.resizeQuality = 'high';
  }
  return createImageBitmap(blob, options);
}

// Why the server would refuse a frame, by the limits that it tells; null where it would not.
function overLimits({ blob, name, width, height }) {
  const limits = state.model?.limits;
  if (!limits) return null;
  if (blob.size > limits.body_bytes) return `${name} has ${inBytes(blob.size)}; this server takes ${inBytes(limits.body_bytes)}.`;
  if (Math.max(width, height) > limits.side) return `${name} is ${width} × ${height}; this server takes at most ${inCount(limits.side)} pixels a side.`;
  if (width * height > limits.pixels) return `${name} has ${inCount(width * height)} pixels; this server takes ${inCount(limits.pixels)}.`;
  return null;
}

// A copy of the frame's file in another size or form. `upright` turns it as its EXIF says.
async function redraw(frame, { factor = 1, type = 'image/png', upright = false }) {
  const source = upright ? frame.blob : asStored(new Uint8Array(await frame.blob.arrayBuffer()), frame.header);
  const options = factor < 1
    ? { resizeWidth: Math.max(1, Math.floor(frame.width * factor)), resizeHeight: Math.max(1, Math.floor(frame.height * factor)), resizeQuality: 'high' }
    : {};
  const bitmap = await createImageBitmap(source, options);
  const canvas = make('canvas', { width: bitmap.width, height: bitmap.height });
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  bitmap.close();
  const blob = await canvasFile(canvas, type);
  canvas.width = 0; // gives the memory back at once
  return blob;
}

function canvasFile(canvas, type) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the browser made no file'))), type, 0.92);
  });
}

// A copy that the server's limits let pass; without limits to go by, one of half the size.
async function shrunk(frame) {
  const limits = state.model?.limits;
  const { width, height } = frame;
  const over = overLimits(frame);
  let factor = over ? Math.min(1, limits.side / Math.max(width, height), Math.sqrt(limits.pixels / (width * height))) : 0.5;
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const blob = await redraw(frame, { factor, type: 'image/jpeg' });
    if (!limits || blob.size <= limits.body_bytes) return blob;
    factor *= 0.75;
  }
  throw new Error('no copy is small enough');
}
