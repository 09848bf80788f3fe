// Messages above the picture: what happened, what to do, and buttons that do it.

const notices = new Map();

// Shows a message; a newer one with the same key takes its place. `alert` interrupts a screen reader, others wait.
function notice(key, { kind = 'note', title = '', text = '', actions = [], closable = true }) {
  dismiss(key);
  const words = make('p', { textContent: text });
  const row = make('div', { className: 'row' });
  for (const { label, run, main = false } of actions) {
    row.append(make('button', {
      type: 'button', className: main ? 'small main' : 'small', textContent: label,
      onclick: () => { dismiss(key); run(); },
    }));
  }
  if (closable) row.append(make('button', { type: 'button', className: 'small', textContent: 'Dismiss', onclick: () => dismiss(key) }));
  row.style.flex = '0 0 auto';
  const box = make('div', { className: `notice ${kind}`, role: kind === 'error' ? 'alert' : 'status' },
    make('div', {}, make('b', { textContent: title }), words), row);
  box.dataset.key = key;
  notices.set(key, box);
  $('notices').append(box);
  return { say: (more) => { words.textContent = more; } };
}

function dismiss(...keys) {
  for (const key of keys) {
    notices.get(key)?.remove();
    notices.delete(key);
  }
}
