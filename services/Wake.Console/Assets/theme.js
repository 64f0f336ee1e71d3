// Before anything is drawn: the colours that were chosen here. Without a choice they are the system's.
'use strict';

window.wakeTheme = () => {
  const theme = localStorage.getItem('wake-theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
};
window.wakeTheme();
