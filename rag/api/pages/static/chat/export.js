// Answers and conversations for elsewhere: Markdown to read, JSON with everything.

import { anchorWords, numbersOf } from "./citations.js";
import { t } from "../i18n.js";

/** An answer as Markdown: the numbers that the page shows, and below them what they stand for. */
export function answerMarkdown({ content, citations = [] }) {
  if (!citations.length) return content;
  const numbers = numbersOf(citations);
  const points = [...content];
  let made = "";
  let at = 0;
  for (const { marker_start: start, marker_end: end, chunk_id: id } of [...citations].sort((one, other) => one.marker_start - other.marker_start)) {
    if (start < at) continue;
    made += `${points.slice(at, start).join("")}[${numbers.get(id)}]`;
    at = end;
  }
  const sources = [...numbers].map(([id, number]) => sourceLine(number, citations.filter((citation) => citation.chunk_id === id)));
  return `${made}${points.slice(at).join("")}\n\n${t("chat.sources")}:\n\n${sources.join("\n")}\n`;
}

function sourceLine(number, citations) {
  const { document, anchor } = citations[0];
  const where = anchorWords(anchor);
  const quotes = [...new Set(citations.map(({ quote, status }) => `${quote ? `“${quote.replace(/\s+/g, " ")}” ` : ""}(${t(`status.${status}`)})`))];
  return `${number}. ${document}${where ? `, ${where}` : ""}: ${quotes.join("; ")}`;
}

/** A conversation as Markdown. */
export function conversationMarkdown(conversation, messages) {
  const parts = messages.map((message) =>
    message.role === "user" ? `## ${t("chat.question")}\n\n${message.content}` : `## ${t("chat.answer")}\n\n${answerMarkdown(message)}`,
  );
  return `# ${conversation.title}\n\n${parts.join("\n\n")}\n`;
}

/** A conversation as JSON, with citations, what was found, and what was reused. */
export const conversationJson = (conversation, messages) =>
  `${JSON.stringify({ ...conversation, messages: messages.map(({ conversation: _, place: __, ...message }) => message) }, null, 2)}\n`;

/** Give a text to the reader as a file. */
export function download(name, text, kind) {
  const address = URL.createObjectURL(new Blob([text], { type: `${kind};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** A name for a file that every system takes. */
export const fileName = (title, ending) => `${title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "conversation"}.${ending}`;

/** Put a text on the clipboard. Gives whether it worked. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https the clipboard is not to be had this way.
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  return isDone;
}
