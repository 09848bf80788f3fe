// What the first bytes of a file say: whether it is a JPEG or PNG, its size, and which way up a photo was taken.

const EXIF = [0x45, 0x78, 0x69, 0x66]; // Exif
const matches = (bytes, at, wanted) => wanted.every((value, i) => bytes[at + i] === value);

// {kind, width, height, turned, drop}: `kind` is jpeg, png or null. `drop` are the stretches that only say how to turn
// the picture: browsers turn it whatever `imageOrientation` says, while the server labels pixels as they are stored.
function readHeader(bytes) {
  const nothing = { kind: null, width: 0, height: 0, turned: false, drop: [] };
  try {
    if (matches(bytes, 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return pngHeader(bytes, { ...nothing, kind: 'png' });
    if (matches(bytes, 0, [0xff, 0xd8, 0xff])) return jpegHeader(bytes, { ...nothing, kind: 'jpeg' });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // it ends too early: the server will say so
  }
  return nothing;
}

function pngHeader(bytes, header) {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  header.width = data.getUint32(16);
  header.height = data.getUint32(20);
  for (let at = 8; at + 12 <= bytes.length;) {
    const length = data.getUint32(at);
    if (matches(bytes, at + 4, [0x65, 0x58, 0x49, 0x66])) { // eXIf
      header.turned ||= orientation(bytes, at + 8) > 1;
      header.drop.push([at, at + 12 + length]);
    }
    at += 12 + length;
  }
  return header;
}

function jpegHeader(bytes, header) {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    if (marker === 0xff) { at += 1; continue; } // fill bytes
    if (marker === 0xda) break; // the picture itself
    const length = data.getUint16(at + 2);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      header.height = data.getUint16(at + 5);
      header.width = data.getUint16(at + 7);
    }
    if (marker === 0xe1 && matches(bytes, at + 4, EXIF)) {
      header.turned ||= orientation(bytes, at + 10) > 1;
      header.drop.push([at, at + 2 + length]);
    }
    at += 2 + length;
  }
  return header;
}

// The orientation (1 to 8) in the Exif data at `start`; 1 where it says nothing.
function orientation(bytes, start) {
  try {
    const data = new DataView(bytes.buffer, bytes.byteOffset + start);
    const little = data.getUint16(0) === 0x4949;
    const folder = data.getUint32(4, little);
    const entries = data.getUint16(folder, little);
    for (let i = 0; i < entries; i += 1) {
      const entry = folder + 2 + 12 * i;
      if (data.getUint16(entry, little) === 0x0112) return data.getUint16(entry + 8, little);
    }
  } catch { /* broken Exif turns nothing */ }
  return 1;
}
