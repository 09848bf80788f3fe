// The server's answer into flat arrays: one byte a pixel for the class, one for the confidence.

// Runs of [id, length, id, length, ...], row by row, into a mask.
function unrolled(runs, width, height) {
  const mask = new Uint8Array(width * height);
  let at = 0;
  for (let i = 0; i + 1 < runs.length; i += 2) {
    mask.fill(runs[i], at, at + runs[i + 1]);
    at += runs[i + 1];
  }
  if (at !== mask.length) throw new Trouble('bad_answer', `The mask has ${inCount(at)} pixels, not ${width} × ${height}.`, { status: 500 });
  return mask;
}

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// The samples of a grey PNG of 8 bits. Read here, since a canvas would need four times the memory and may change values.
async function greyPng(bytes) {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height] = [data.getUint32(16), data.getUint32(20)];
  if (bytes[24] !== 8 || bytes[25] !== 0 || bytes[28] !== 0) throw new Error('not a plain grey PNG of 8 bits');
  const parts = [];
  for (let at = 8; at + 12 <= bytes.length; at += 12 + data.getUint32(at)) {
    if (matches(bytes, at + 4, [0x49, 0x44, 0x41, 0x54])) parts.push(bytes.subarray(at + 8, at + 8 + data.getUint32(at)));
  }
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream('deflate'));
  const rows = new Uint8Array(await new Response(stream).arrayBuffer());
  if (rows.length !== (width + 1) * height) throw new Error('the PNG has too few rows');
  return { width, height, samples: unfiltered(rows, width, height) };
}

// Takes the rows' filters back (PNG, chapter 9); one byte a pixel, so the byte before is the pixel before.
function unfiltered(rows, width, height) {
  const out = new Uint8Array(width * height);
  const above = new Uint8Array(width); // over the first row lie zeros
  for (let y = 0; y < height; y += 1) {
    const from = y * (width + 1);
    const row = out.subarray(y * width, (y + 1) * width);
    row.set(rows.subarray(from + 1, from + 1 + width));
    restore(row, y ? out.subarray((y - 1) * width, y * width) : above, rows[from]);
  }
  return out;
}

function restore(row, up, filter) {
  const { length } = row;
  if (filter === 1) for (let x = 1; x < length; x += 1) row[x] += row[x - 1];
  if (filter === 2) for (let x = 0; x < length; x += 1) row[x] += up[x];
  if (filter === 3) for (let x = 0, left = 0; x < length; x += 1) { row[x] += (left + up[x]) >> 1; left = row[x]; }
  if (filter === 4) for (let x = 0, left = 0, corner = 0; x < length; x += 1) {
    row[x] += paeth(left, up[x], corner);
    left = row[x];
    corner = up[x];
  }
}

function paeth(left, up, corner) {
  const a = Math.abs(up - corner);
  const b = Math.abs(left - corner);
  const c = Math.abs(left + up - 2 * corner);
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

// The answer to `include=rle,confidence`.
async function readResult(answer, total) {
  const { width, height } = answer;
  const mask = unrolled(answer.rle.runs, width, height);
  let confidence = null;
  try {
    const png = answer.confidence && await greyPng(fromBase64(answer.confidence));
    if (png && png.width === width && png.height === height) confidence = png.samples;
  } catch { /* shown without it */ }
  return { width, height, mask, confidence, classes: answer.classes, mean: answer.mean_confidence, times: answer.milliseconds ?? {}, total };
}
