// Runs before anything is painted, so that nobody sees the wrong colours or language first.
try {
  const theme = localStorage.getItem("rag.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  const language = localStorage.getItem("rag.language") ?? navigator.language;
  document.documentElement.lang = language.toLowerCase().startsWith("zh") ? "zh" : "en";
} catch {
  // Storage may be forbidden; the browser's own choice then holds.
}
