// Light, dark, or as the system has it.

const THEMES = ['system', 'light', 'dark'];

function setTheme(theme) {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $('theme').querySelector('use').setAttribute('href', `#i-${theme}`);
  const text = `Colours: ${theme === 'system' ? 'as the system' : theme}`;
  $('theme').title = `${text} (t)`;
  $('theme').setAttribute('aria-label', text);
}

function nextTheme() {
  const now = document.documentElement.dataset.theme ?? 'system';
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  setTheme(next);
  kept.set('canet-theme', next === 'system' ? null : next);
  announce($('theme').getAttribute('aria-label'));
}

function startTheme() {
  const theme = kept.get('canet-theme');
  setTheme(THEMES.includes(theme) ? theme : 'system');
  $('theme').onclick = nextTheme;
}
