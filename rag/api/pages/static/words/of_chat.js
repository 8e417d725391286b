// Words of the chat page that other pages say as well.

import chat from "./chat.js";

/** Those whose keys begin so. */
export const wordsOfChat = (start) =>
  Object.fromEntries(Object.entries(chat).map(([code, words]) => [code, Object.fromEntries(Object.entries(words).filter(([key]) => key.startsWith(start)))]));
