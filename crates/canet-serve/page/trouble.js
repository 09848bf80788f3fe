// What can go wrong, in words, and what to do about it.

// `code` is the server's, or one of this page's own: unreachable, cancelled, not_a_picture, too_large.
class Trouble extends Error {
  constructor(code, message, { status = 0, wait = 0 } = {}) {
    super(message);
    Object.assign(this, { code, status, wait });
  }
}

// The server's error body, or what its status means where a proxy answered instead.
async function troubleOf(response) {
  const { status } = response;
  const wait = Math.min(Number(response.headers.get('Retry-After')) || 2, 60);
  let error = {};
  try { error = (await response.json()).error ?? {}; } catch { /* not JSON: the status has to do */ }
  const text = typeof error.message === 'string' && error.message ? error.message : `The server answered with status ${status}.`;
  return new Trouble(typeof error.code === 'string' ? error.code : `status_${status}`, text, { status, wait });
}

// {title, advice, shrink, again}: what is written above and below the message, and which remedies are offered.
function remedy(trouble) {
  const { code, status } = trouble;
  if (code === 'unreachable') return { title: 'The server does not answer', advice: 'Is canet serve still running? Start it again, then try again.', again: true };
  if (code === 'not_a_picture' || status === 415) return { title: 'This is not a picture that can be labelled', advice: 'Choose a JPEG or PNG file.' };
  if (code === 'too_large' || status === 413) return { title: 'The frame is too large', advice: 'A smaller copy can be made here and sent instead; masks and polygons are then for that copy.', shrink: true };
  if (status === 401) return { title: 'The server wants a token', advice: 'Try again to enter it.', again: true };
  if (status === 408) return { title: 'Sending took too long', advice: 'Try again, or send a smaller copy.', again: true, shrink: true };
  if (status === 422) return { title: 'The picture is broken', advice: 'Export it again from where it came, or choose another.' };
  if (status === 504) return { title: 'Labelling took too long', advice: 'Try again when the server has less to do, or send a smaller copy.', again: true, shrink: true };
  if (status === 400 || status === 404 || status === 405) return { title: 'Page and server do not understand each other', advice: 'They may be of different versions: reload the page.' };
  if (status >= 500) return { title: 'The server failed', advice: 'Try again; if it fails again, its log tells more.', again: true };
  return { title: 'That did not work', advice: '', again: true };
}
