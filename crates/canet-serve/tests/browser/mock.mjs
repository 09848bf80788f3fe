// A server that answers as `canet serve` does, with made-up labels, to work on the page without building anything.
//
//   node mock.mjs [--port N] [--token T] [--delay MS]

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { GREY, PALETTE, RGB, encode, sizeOf } from './png.mjs';
import * as scene from './scene.mjs';

const { values: options } = parseArgs({ options: { port: { type: 'string', default: '8799' }, token: { type: 'string' }, delay: { type: 'string', default: '60' } } });
const LIMITS = { body_bytes: 16 << 20, pixels: 8192 * 8192, side: 8192, queue: 4, timeout_seconds: 30 };
const MODEL = {
  name: 'mock-street', network: 'canet-r50', parameters: 25_614_362, weights: '0f3a9c1be57d42886610c4d2a9e0f7b35c88e1d94b7602afdd13590c7e2ab416',
  input: [1280, 720], classes: scene.CLASSES, limits: LIMITS, training: { epochs: 40, validation: { mean_iou: 0.6421, pixel_accuracy: 0.9137 } },
};

const folder = new URL('../../page/', import.meta.url);
const read = (name) => readFileSync(new URL(name, folder), 'utf8');

const hashed = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

// The page, put together as its own first comment says, and the strictest policy that it has to work under.
function page() {
  const index = read('index.html');
  const list = (kind) => `\n${index.match(new RegExp(`${kind}:([^:]*?)(?:\\n\\s+\\w+:|\\n-->)`))[1].split(',').map((name) => read(name.trim())).join('\n')}`;
  const [style, script] = [list('style'), list('script')];
  const html = index.replace('<!-- style -->', () => `<style>${style}</style>`).replace('<!-- script -->', () => `<script type="module">${script}</script>`);
  const policy = `default-src 'none'; img-src 'self' blob: data:; media-src 'self' blob:; style-src ${hashed(style)}; script-src ${hashed(script)}; connect-src 'self'`;
  return ['text/html; charset=utf-8', html, { 'content-security-policy': policy }];
}

const samples = [['Market street', 3], ['Ring road', 11], ['Bus stand', 23]].map(([name, n]) => ({ name, png: encode(960, 540, RGB, scene.frame(960, 540, n)) }));

class Refusal extends Error {
  constructor(status, code, message, headers = {}) {
    super(message);
    Object.assign(this, { status, code, headers });
  }
}

async function bodyOf(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length <= LIMITS.body_bytes) parts.push(part);
  }
  if (length > LIMITS.body_bytes) throw new Refusal(413, 'body_too_large', `The body has ${length} bytes; at most ${LIMITS.body_bytes} are taken.`);
  return Buffer.concat(parts);
}

const BASE = 'application/json';

async function segment(request, query) {
  const body = await bodyOf(request);
  const size = sizeOf(body);
  if (!size) throw new Refusal(415, 'not_a_picture', 'The body is neither a JPEG nor a PNG.');
  const { width, height } = size;
  if (Math.max(width, height) > LIMITS.side) throw new Refusal(413, 'picture_too_large', `The picture is ${width}x${height}; at most ${LIMITS.side} a side are taken.`);
  const start = performance.now();
  const labels = scene.mask(width, height, 3);
  const network = performance.now() - start;
  await new Promise((resolve) => setTimeout(resolve, Number(options.delay)));
  const colours = scene.CLASSES.map(({ color }) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));
  const painted = () => encode(width, height, RGB, Uint8Array.from({ length: width * height * 3 }, (_, at) => colours[labels[Math.floor(at / 3)]][at % 3]));
  const objects = () => JSON.stringify({ imgHeight: height, imgWidth: width, objects: scene.polygons(width, height, 3).map(({ class: id, points }) => ({ label: scene.CLASSES[id].name, polygon: points })) });
  const format = query.get('format') ?? 'json';
  switch (format) {
    case 'json': return [BASE, JSON.stringify(numbers(labels, width, height, (query.get('include') ?? '').split(','), network))];
    case 'mask': return ['image/png', encode(width, height, PALETTE, labels, colours)];
    case 'confidence': return ['image/png', encode(width, height, GREY, scene.confidence(labels, width, height))];
    case 'color': case 'overlay': return ['image/png', painted()];
    case 'idd': case 'labelme': case 'coco': return [BASE, objects()];
    case 'cvat': return ['application/xml', '<?xml version="1.0" encoding="utf-8"?>\n<annotations/>\n'];
    default: throw new Refusal(400, 'bad_query', `There is no format ${format}.`);
  }
}

function numbers(labels, width, height, include, network) {
  const counts = new Array(256).fill(0);
  const runs = [];
  for (let at = 0; at < labels.length;) {
    const from = at;
    while (at < labels.length && labels[at] === labels[from]) at += 1;
    runs.push(labels[from], at - from);
    counts[labels[from]] += at - from;
  }
  const classes = scene.CLASSES.filter(({ id }) => counts[id]).map((one) => ({ ...one, pixels: counts[one.id], share: counts[one.id] / labels.length }));
  const sure = scene.confidence(labels, width, height);
  return {
    width, height, classes: classes.sort((a, b) => b.pixels - a.pixels), mean_confidence: sure.reduce((sum, value) => sum + value, 0) / sure.length / 255,
    milliseconds: { decode: 9.4, queue: 0, network, encode: 6.2 },
    ...(include.includes('rle') && { rle: { order: 'row-major', runs } }),
    ...(include.includes('polygons') && { polygons: scene.polygons(width, height, 3), background: 25 }),
    ...(include.includes('confidence') && { confidence: encode(width, height, GREY, sure).toString('base64') }),
  };
}

async function answer(request, url) {
  const path = url.pathname;
  if (path === '/') return page();
  if (path === '/healthz') return ['text/plain', 'ok'];
  if (options.token && request.headers.authorization !== `Bearer ${options.token}`) {
    throw new Refusal(401, 'unauthorized', 'This server wants a token: Authorization: Bearer TOKEN.', { 'www-authenticate': 'Bearer' });
  }
  if (path === '/v1/model') return [BASE, JSON.stringify(MODEL)];
  if (path === '/v1/samples') return [BASE, JSON.stringify(samples.map(({ name }, n) => ({ name, url: `/v1/samples/${n}` })))];
  const sample = samples[path.match(/^\/v1\/samples\/(\d+)$/)?.[1]];
  if (sample) return ['image/png', sample.png];
  if (path === '/v1/segment' && request.method === 'POST') return segment(request, url.searchParams);
  throw new Refusal(404, 'not_found', `There is nothing at ${path}.`);
}

const server = createServer(async (request, response) => {
  try {
    const [type, body, headers = {}] = await answer(request, new URL(request.url, 'http://mock'));
    response.writeHead(200, { 'content-type': type, ...headers }).end(body);
  } catch (error) {
    if (!(error instanceof Refusal)) console.error(error);
    const { status = 500, code = 'bug', headers = {} } = error;
    response.writeHead(status, { 'content-type': BASE, ...headers }).end(JSON.stringify({ error: { code, message: error.message } }));
  }
});
server.listen(Number(options.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
