// Requests to the server: with the token, with patience where it is busy, and with errors that are words.

const TOKEN = 'canet-token';

// Sends a request and gives the response, which is a good one. A wrong or missing token is asked for, and a busy
// server is tried again after the time that it names; the person sees that and can stop it. All else is a Trouble.
async function ask(path, { method = 'GET', body, signal, task = 'this request' } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const token = kept.get(TOKEN, sessionStorage);
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    let response;
    try {
      response = await fetch(path, { method, body, headers, signal, cache: 'no-store' });
    } catch (error) {
      if (signal?.aborted) throw new Trouble('cancelled', 'Cancelled.');
      throw new Trouble('unreachable', `No answer from ${location.host}.`);
    }
    if (response.ok) return response;
    const trouble = await troubleOf(response);
    if (trouble.status === 401) await newToken(token, trouble);
    else if (trouble.status === 503) await patience(trouble, attempt, signal, task);
    else throw trouble;
  }
}

// A response's body; a connection that breaks in it is no answer, either.
async function bodyOf(response, kind, signal) {
  try {
    return await response[kind]();
  } catch {
    if (signal?.aborted) throw new Trouble('cancelled', 'Cancelled.');
    throw new Trouble('unreachable', `The answer of ${location.host} broke off.`);
  }
}

let asking = null;

// Asks for the token, once for all requests that lack it. `used` is the one that was refused, if any.
function newToken(used, trouble) {
  if (kept.get(TOKEN, sessionStorage) !== used) return Promise.resolve(); // another request has got a newer one
  asking ??= new Promise((resolve, reject) => {
    const dialog = $('token-dialog');
    $('token-wrong').hidden = used === null;
    $('token').value = '';
    dialog.returnValue = '';
    $('token-cancel').onclick = () => dialog.close('');
    dialog.querySelector('form').onsubmit = (event) => {
      event.preventDefault();
      dialog.close('given');
    };
    dialog.onclose = () => {
      const token = $('token').value.trim();
      $('token').value = '';
      asking = null;
      if (dialog.returnValue !== 'given' || !token) return reject(trouble);
      kept.set(TOKEN, token, sessionStorage);
      resolve();
    };
    dialog.showModal();
    $('token').focus();
  });
  return asking;
}

// Waits, counting down in sight.
function patience(trouble, attempt, signal, task) {
  return new Promise((resolve, reject) => {
    let left = Math.ceil(trouble.wait);
    const wasHidden = $('busy').hidden;
    $('busy').hidden = true; // one message at a time
    const end = (finish) => {
      clearInterval(timer);
      dismiss('busy');
      $('busy').hidden = wasHidden;
      signal?.removeEventListener('abort', stop);
      finish();
    };
    const stop = () => end(() => reject(new Trouble('cancelled', 'Cancelled.')));
    const text = () => `${trouble.message} Trying ${task} again in ${left} s${attempt > 1 ? ` (attempt ${attempt + 1})` : ''}.`;
    const shown = notice('busy', {
      kind: 'warning', title: 'The server is busy', text: text(), closable: false,
      actions: [{ label: 'Try now', run: () => end(resolve) }, { label: 'Cancel', run: stop }],
    });
    const timer = setInterval(() => {
      left -= 1;
      if (left <= 0) end(resolve);
      else shown.say(text());
    }, 1000);
    signal?.addEventListener('abort', stop);
  });
}
