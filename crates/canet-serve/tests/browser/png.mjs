// As much of PNG as the mock and the driver need: writing grey, palette and RGB of 8 bits, and reading a header.

import { crc32, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
export const GREY = 0;
export const RGB = 2;
export const PALETTE = 3;

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

// `palette` is [[r, g, b], ...] for PALETTE. Rows are written with the filters in turn, so that readers meet each.
export function encode(width, height, kind, samples, palette = []) {
  const bytes = kind === RGB ? 3 : 1;
  const line = width * bytes;
  const rows = Buffer.alloc((line + 1) * height);
  for (let y = 0; y < height; y += 1) {
    const filter = kind === PALETTE ? 0 : y % 5;
    const at = y * (line + 1);
    rows[at] = filter;
    for (let x = 0; x < line; x += 1) {
      const left = x >= bytes ? samples[y * line + x - bytes] : 0;
      const up = y ? samples[(y - 1) * line + x] : 0;
      const corner = x >= bytes && y ? samples[(y - 1) * line + x - bytes] : 0;
      rows[at + 1 + x] = samples[y * line + x] - predicted(filter, left, up, corner);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  header[9] = kind;
  const parts = [SIGNATURE, chunk('IHDR', header)];
  if (kind === PALETTE) parts.push(chunk('PLTE', Buffer.from(palette.flat())));
  parts.push(chunk('IDAT', deflateSync(rows, { level: 3 })), chunk('IEND', Buffer.alloc(0)));
  return Buffer.concat(parts);
}

function predicted(filter, left, up, corner) {
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  if (filter === 0) return 0;
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

// {width, height, kind: 'png' | 'jpeg'}, or null.
export function sizeOf(bytes) {
  if (bytes.length >= 29 && bytes.subarray(0, 8).equals(SIGNATURE)) {
    return { kind: 'png', width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), bits: bytes[24], colour: bytes[25] };
  }
  if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) return null;
  for (let at = 2; at + 9 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1];
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { kind: 'jpeg', width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) };
    }
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return null;
}
