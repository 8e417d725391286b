// LangChain for Node as n8n 2.41.1 sets it up for its nodes "OpenAI Chat Model", which asks for responses unless that is
// switched off, and "Embeddings OpenAI": its versions, its fields, a header of the credentials. n8n itself is 3 GB.
// node client_langchain.mjs URL
import assert from "node:assert/strict";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";

const answer = "The warranty lasts 26 months. [1]";
const question = "How long does the standard warranty last?";
const configuration = { baseURL: `${process.argv[2]}/v1`, defaultHeaders: { "X-RAG-Collection": "default" } };
const fields = { apiKey: "any", model: "tiny", maxRetries: 0, configuration, modelKwargs: {}, supportsStrictToolCalling: false };
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

for (const useResponsesApi of [true, false]) {
  const chat = new ChatOpenAI({ ...fields, useResponsesApi });
  const whole = await chat.invoke(question);
  assert.equal(whole.text, answer);
  assert.ok(whole.usage_metadata.input_tokens > 100); // with passages: it was searched for, without being told to
  if (useResponsesApi) assert.equal(whole.content[0].annotations[0].source, "file_citation");
  let text = "";
  for await (const chunk of await chat.stream(question)) text += chunk.text;
  assert.equal(text, answer);
  const asked = await chat.bindTools([weather]).invoke("What is the weather in Bergen?");
  assert.deepEqual(asked.tool_calls.map(({ name, args }) => [name, args]), [["get_weather", { city: "Bergen" }]]);
}

// Its built-in tool "File Search", with the filters cleared; as OpenAI, the service refuses the empty object that stands there.
const responses = new ChatOpenAI({ ...fields, useResponsesApi: true });
const search = { type: "file_search", vector_store_ids: ["default"], max_num_results: 1 };
assert.equal((await responses.invoke(question, { tools: [search] })).text, answer);
await assert.rejects(responses.invoke(question, { tools: [{ ...search, filters: {} }] }), /filters/);

const sandbox = { type: "code_interpreter", container: { type: "auto" } };
for (const tool of [sandbox, { type: "web_search", search_context_size: "medium" }]) {
  await assert.rejects(responses.invoke(question, { tools: [tool] }), /tools/);
}

// A header that names no collection is told: it is what decides.
const elsewhere = { ...configuration, defaultHeaders: { "X-RAG-Collection": "nowhere" } };
await assert.rejects(new ChatOpenAI({ ...fields, configuration: elsewhere }).invoke(question), /nowhere/);

const embeddings = new OpenAIEmbeddings({ model: "fake", apiKey: "any", configuration });
assert.equal((await embeddings.embedQuery("one river")).length, 64);
assert.deepEqual((await embeddings.embedDocuments(["one river", "two rivers"])).map((each) => each.length), [64, 64]);
