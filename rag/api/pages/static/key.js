// The API key of this browser: for this tab, or kept until it is removed.

const NAME = "rag.key";

const stores = () => {
  try {
    return [sessionStorage, localStorage];
  } catch {
    return []; // storage is forbidden
  }
};

let inMemory = "";

/** The key, or "". */
export function key() {
  for (const store of stores()) {
    const value = store.getItem(NAME);
    if (value) return value;
  }
  return inMemory;
}

/** Whether the key outlives this tab. */
export const isKept = () => stores().length > 1 && localStorage.getItem(NAME) !== null;

/** Use this key from now on; "" for none. Pages listen for `rag:key` on the document. */
export function setKey(value, { keep = false } = {}) {
  inMemory = value;
  for (const store of stores()) store.removeItem(NAME);
  if (value) stores()[keep ? 1 : 0]?.setItem(NAME, value);
  document.dispatchEvent(new CustomEvent("rag:key"));
}
