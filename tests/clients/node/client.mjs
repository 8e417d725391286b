// The official Node client: chat, streams, tools, structured output, embeddings, files, vector stores, responses.
// node client.mjs URL
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const url = process.argv[2];
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });
const answer = "The warranty lasts 26 months. [1]";
const question = { role: "user", content: "How long does the standard warranty last?" };
const tool = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

// Chat, whole and streamed.
const whole = await client.chat.completions.create({ model: "tiny", messages: [question] });
assert.equal(whole.choices[0].message.content, answer);
assert.equal(whole.choices[0].message.annotations[0].type, "url_citation");
let text = "";
let usage;
for await (const chunk of await client.chat.completions.create({
  model: "gpt-4o", messages: [question], stream: true, stream_options: { include_usage: true },
})) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, answer);
assert.equal(usage.prompt_tokens, whole.usage.prompt_tokens);

// A tool, run by the client's own loop.
const runner = client.chat.completions.runTools({
  model: "tiny",
  messages: [{ role: "user", content: "What is the weather in Bergen?" }],
  tools: [{ ...tool, function: { ...tool.function, parse: JSON.parse, function: ({ city }) => `4 degrees in ${city}` } }],
});
assert.match(await runner.finalContent(), /4 degrees/);

// Structured output.
const schema = { type: "object", properties: { months: { type: "integer" } }, required: ["months"], additionalProperties: false };
const structured = await client.chat.completions.create({
  model: "tiny",
  messages: [{ role: "user", content: "As JSON: how many months?" }],
  response_format: { type: "json_schema", json_schema: { name: "months", schema, strict: true } },
});
assert.deepEqual(JSON.parse(structured.choices[0].message.content), { months: 26 });

// Embeddings, models, errors.
const vectors = await client.embeddings.create({ model: "fake", input: ["one river", "two rivers"] });
assert.deepEqual(vectors.data.map((item) => item.embedding.length), [64, 64]);
const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.ok(models.includes("tiny") && models.includes("gpt-4o"));
await assert.rejects(client.embeddings.create({ model: "none", input: "x" }), OpenAI.NotFoundError);
await assert.rejects(client.embeddings.create({ model: "fake", input: "" }), OpenAI.BadRequestError);

{
  const bytes = Buffer.from("# Ferry\n\nThe ferry to Bergen leaves at seven from quay nine.\n");
  const file = await client.files.create({ file: await toFile(bytes, "ferry.md"), purpose: "assistants" });
  assert.equal(await (await client.files.content(file.id)).text(), bytes.toString());
  const store = await client.vectorStores.create({ name: "ferries of node" });
  const attached = await client.vectorStores.files.createAndPoll(store.id, { file_id: file.id });
  assert.equal(attached.status, "completed");
  const batch = await client.vectorStores.fileBatches.uploadAndPoll(store.id, {
    files: [await toFile(Buffer.from("# Bus\n\nThe bus leaves at eight.\n"), "bus.md")],
  });
  assert.equal(batch.file_counts.completed, 1);
  const found = await client.vectorStores.search(store.id, { query: "When does the ferry leave?" });
  assert.equal(found.data[0].filename, "ferry.md");
  await client.vectorStores.delete(store.id);
  await client.files.delete(file.id);
}

{
  const tools = [{ type: "file_search", vector_store_ids: ["default"] }];
  const first = await client.responses.create({ model: "tiny", input: question.content, tools });
  assert.equal(first.output_text, answer);
  const kinds = [];
  const stream = client.responses.stream({ model: "tiny", input: "And in Norway?", tools, previous_response_id: first.id });
  for await (const event of stream) kinds.push(event.type);
  assert.equal(kinds[0], "response.created");
  assert.equal(kinds.at(-1), "response.completed");
  await client.responses.delete(first.id);
}
