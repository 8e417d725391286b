// Work in small pieces between frames, so that the page answers while much is drawn.

// What is drawn must be laid out and painted as well, which takes several times as long where it is on the screen.
const [LEAST_MS, MOST_MS] = [2, 7];
const SLOW_FRAME_MS = 45;

const queue = []; // the first one is next
let isPlanned = false;
let budget = MOST_MS;
let last = 0; // when the frame before began

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

function run(now) {
  isPlanned = false;
  budget = now - last > SLOW_FRAME_MS ? Math.max(LEAST_MS, budget / 2) : Math.min(MOST_MS, budget + 0.5);
  last = now;
  const until = performance.now() + budget;
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
