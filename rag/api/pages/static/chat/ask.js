// One question to the service, and its answer as it comes.

import { events, request } from "../api.js";

/**
 * Ask, and call `told` with what has come: {text} of the answer, {citation}, {rag}, {usage}, {finish}.
 * collection: null for the model alone, without documents.
 */
export async function ask({ messages, model, collection, signal }, told) {
  const rag = collection === null ? { mode: "off" } : { collection };
  const body = { model, messages, stream: true, stream_options: { include_usage: true }, rag };
  const response = await request("v1/chat/completions", { json: body, signal, headers: { accept: "text/event-stream" } });
  for await (const chunk of events(response)) {
    const choice = chunk.choices[0];
    if (choice?.delta?.content) told({ text: choice.delta.content });
    for (const annotation of choice?.delta?.annotations ?? []) told({ citation: annotation.url_citation });
    if (choice?.finish_reason) told({ finish: choice.finish_reason });
    if (chunk.rag) told({ rag: chunk.rag });
    if (chunk.usage) told({ usage: chunk.usage });
  }
}

/** Messages of a conversation as the API takes them. A question that got no answer is left out with it. */
export function asSent(messages) {
  const hasAnswer = (at) => at === messages.length - 1 || messages[at + 1].content;
  return messages
    .filter(({ role, content }, at) => (role === "user" ? hasAnswer(at) : content))
    .map(({ role, content }) => ({ role, content }));
}
