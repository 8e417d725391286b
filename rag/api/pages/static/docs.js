// The page of the API is whole without this: it brings the frame, the service's own address into the examples, and opens
// what a link leads to in browsers that do not do so themselves.

import "./shell.js";

const here = new URL(".", location.href).href.replace(/\/$/, "");
for (const example of document.querySelectorAll("pre code")) {
  example.textContent = example.textContent.replace("http://127.0.0.1:8000", here);
}
addEventListener("hashchange", reveal);
reveal();

function reveal() {
  const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const closed = wanted?.closest("details:not([open])");
  if (!closed) return;
  closed.open = true;
  wanted.scrollIntoView();
}
