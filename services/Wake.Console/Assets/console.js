// What a page does without the server: keys, times that go on, copying, and telling whether it can be seen.
'use strict';

window.wakeConsole = (() => {
  const themes = ['system', 'light', 'dark'];
  let layout = null;
  let wantsPalette = false;
  let timer = 0;

  function relative(at, now) {
    const distance = Math.abs(now - at) / 1000;
    if (distance < 10) return 'now';
    if (distance >= 60 * 86400) return new Date(at).toISOString().slice(0, 10);
    const text =
      distance < 60 ? `${Math.round(distance)} s`
      : distance < 3600 ? `${Math.floor(distance / 60)} min`
      : distance < 48 * 3600 ? `${Math.floor(distance / 3600)} h`
      : `${Math.floor(distance / 86400)} d`;
    return at > now ? `in ${text}` : `${text} ago`;
  }

  // The text node itself stays: the server knows it.
  function tick() {
    const now = Date.now();
    for (const time of document.querySelectorAll('time.ago')) {
      const text = relative(Date.parse(time.dateTime), now);
      if (time.firstChild && time.firstChild.data !== text) time.firstChild.data = text;
    }
  }

  function isTyping(target) {
    return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName);
  }

  function move(step) {
    const rows = [...document.querySelectorAll('main [data-row]')].filter(x => x.offsetParent !== null);
    if (rows.length === 0) return;
    const at = rows.indexOf(document.activeElement);
    rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1)].focus();
  }

  // Of who is quicker than the connection, too.
  function openPalette() {
    if (layout) layout.invokeMethodAsync('OpenPalette');
    else wantsPalette = true;
  }

  function onKey(e) {
    if ((e.ctrlKey || e.metaKey) && !e.altKey && e.key.toLowerCase() === 'k') {
      e.preventDefault();
      openPalette();
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || isTyping(e.target)) return;
    if (e.key === '/') {
      e.preventDefault();
      const search = document.querySelector('main [data-search]');
      if (search) search.focus();
      else openPalette();
    } else if (e.key === 'j' || e.key === 'k') move(e.key === 'j' ? 1 : -1);
  }

  document.addEventListener('keydown', onKey);

  const onVisibility = () => layout.invokeMethodAsync('SetVisible', !document.hidden);

  return {
    start(reference) {
      layout = reference;
      document.addEventListener('visibilitychange', onVisibility);
      timer = setInterval(tick, 5000);
      if (document.hidden) onVisibility();
      if (wantsPalette) openPalette();
      wantsPalette = false;
      return localStorage.getItem('wake-theme') || 'system';
    },

    stop() {
      layout = null;
      document.removeEventListener('visibilitychange', onVisibility);
      clearInterval(timer);
    },

    nextTheme() {
      const next = themes[(themes.indexOf(localStorage.getItem('wake-theme') || 'system') + 1) % themes.length];
      localStorage.setItem('wake-theme', next);
      window.wakeTheme();
      return next;
    },

    reveal() {
      const named = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (!named) return;
      named.classList.add('named');
      named.scrollIntoView({ block: 'start' });
    },

    async copy(text) {
      try {
        await navigator.clipboard.writeText(text);
        return true;
      } catch {
        return false;
      }
    },
  };
})();
