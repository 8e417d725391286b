// Conversations, kept in this browser and nowhere else.

const NAME = "rag.conversations";
const BATCH = 100;

let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore("conversations", { keyPath: "id" });
      asked.result.createObjectStore("messages", { keyPath: ["conversation", "place"] });
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  return opened;
}

async function within(stores, mode, use) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(stores, mode);
    const asked = use(...stores.map((name) => transaction.objectStore(name)));
    transaction.oncomplete = () => resolve(asked?.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

const from = (id, place = 0) => IDBKeyRange.bound([id, place], [id, Infinity]);

/** All conversations, the last used first: {id, title, created, updated, collection, model}. */
export async function conversations() {
  const all = await within(["conversations"], "readonly", (store) => store.getAll());
  return all.sort((one, other) => other.updated - one.updated);
}

/** The messages of a conversation in order, some at a time. */
export async function* messagesOf(id) {
  for (let place = 0; ; ) {
    const some = await within(["messages"], "readonly", (store) => store.getAll(from(id, place), BATCH));
    yield some;
    if (some.length < BATCH) return;
    place = some.at(-1).place + 1;
  }
}

/** Keep a conversation. */
export const keep = (conversation) => within(["conversations"], "readwrite", (store) => store.put(conversation));

/** Keep messages, each with `conversation` and `place`. */
export const keepMessages = (messages) =>
  within(["messages"], "readwrite", (store) => {
    for (const message of messages) store.put(message);
  });

/** Drop the messages of a conversation from `place` on. */
export const dropMessages = (id, place) => within(["messages"], "readwrite", (store) => store.delete(from(id, place)));

/** Drop a conversation. */
export const dropConversation = (id) =>
  within(["conversations", "messages"], "readwrite", (store, messages) => {
    store.delete(id);
    messages.delete(from(id));
  });

/** Drop them all. */
export const dropAll = () =>
  within(["conversations", "messages"], "readwrite", (store, messages) => {
    store.clear();
    messages.clear();
  });
