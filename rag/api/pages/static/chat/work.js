// Work in small pieces between frames, so that the page answers while much is drawn.

const BUDGET_MS = 7;

const queue = []; // the first one is next
let isPlanned = false;

/** Call `step` until it gives false, some of it in each frame; "later" is not before the next one. isNext: before all that waits. Gives the work's handle. */
export function work(step, { isNext = false } = {}) {
  const one = { step };
  if (isNext) queue.unshift(one);
  else queue.push(one);
  plan();
  return one;
}

/** Do nothing more of it. */
export function drop(one) {
  const at = queue.indexOf(one);
  if (at >= 0) queue.splice(at, 1);
}

function plan() {
  if (isPlanned) return;
  isPlanned = true;
  requestAnimationFrame(run);
}

function run() {
  isPlanned = false;
  const until = performance.now() + BUDGET_MS;
  const waiting = new Set();
  for (;;) {
    const one = queue.find((each) => !waiting.has(each));
    if (!one) break;
    const isMore = one.step();
    if (!isMore) drop(one);
    if (isMore === "later") waiting.add(one);
    if (performance.now() >= until) break;
  }
  if (queue.length) plan();
}
