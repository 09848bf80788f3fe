// Small tools for the document. What comes from outside only ever becomes text (textContent), never markup.

const $ = (id) => document.getElementById(id);

// An element with properties and children; strings among the children become text.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Says something to those who listen instead of looking.
function announce(text) {
  $('said').textContent = text;
}

const percent = (share) => {
  if (share > 0 && share < 0.001) return '< 0.1 %';
  return `${(share * 100).toFixed(1)} %`;
};

function inBytes(n) {
  if (n < 1000) return `${n} bytes`;
  if (n < 1e6) return `${Math.round(n / 1000)} kB`;
  return `${(n / 1e6).toFixed(1)} MB`;
}

function inMilliseconds(ms) {
  if (ms >= 9950) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 9.95 || ms === 0 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

const inCount = (n) => n.toLocaleString('en-GB');
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

// What is wanted to last beyond this page; a browser that keeps nothing is no error.
const kept = {
  get(name, store = localStorage) {
    try { return store.getItem(name); } catch { return null; }
  },
  set(name, value, store = localStorage) {
    try { value === null ? store.removeItem(name) : store.setItem(name, value); } catch { /* kept for this page only */ }
  },
};
