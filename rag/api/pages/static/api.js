// The public API, as any client sees it. Paths are given as "v1/models": relative to where the pages are served.

import { key } from "./key.js";
import { t } from "./i18n.js";

const BASE = new URL("../../", import.meta.url);
const AT_ONCE_MS = 8;

/** A request that failed. status 0: the service was not reached. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = null, param = null, requestId = null, retryAfter = null } = {}) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, code, param, requestId, retryAfter });
  }
}

/** The address of a path of the API. */
export const address = (path) => new URL(path, BASE);

/**
 * The response to a request that succeeded; everything else is an ApiError. Stopping by `signal` stays an AbortError.
 * options: method, json (a body), headers, signal.
 */
export async function request(path, { method, json, headers = {}, signal } = {}) {
  const secret = key();
  let response;
  try {
    response = await fetch(address(path), {
      method: method ?? (json === undefined ? "GET" : "POST"),
      headers: {
        accept: "application/json",
        ...(json === undefined ? {} : { "content-type": "application/json" }),
        ...(secret ? { authorization: `Bearer ${secret}` } : {}),
        ...headers,
      },
      body: json === undefined ? undefined : JSON.stringify(json),
      signal,
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(t("api.unreachable"));
  }
  if (response.ok) return response;
  throw failed(response.status, await response.text().catch(() => ""), response.headers);
}

/** The JSON that a request gives. */
export const getJson = async (path, options) => (await request(path, options)).json();

/** All objects of a list that comes in pages of OpenAI's kind. */
export async function* listed(path, { limit = 100, signal } = {}) {
  let after = "";
  for (;;) {
    const join = path.includes("?") ? "&" : "?";
    const page = await getJson(`${path}${join}limit=${limit}${after ? `&after=${encodeURIComponent(after)}` : ""}`, { signal });
    yield* page.data;
    if (!page.has_more || !page.last_id) return;
    after = page.last_id;
  }
}

/** The events of a stream as objects, until `[DONE]`. An error in the stream is an ApiError. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let until = performance.now() + AT_ONCE_MS;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        if (error.name === "AbortError") throw error;
        throw new ApiError(t("api.broken"));
      });
      if (performance.now() > until) {
        await new Promise((resolve) => setTimeout(resolve)); // else what lies ready is read before the page has its turn
        until = performance.now() + AT_ONCE_MS;
      }
      if (done) throw new ApiError(t("api.broken"));
      rest += value;
      let from = 0;
      for (let end = rest.indexOf("\n", from); end >= 0; end = rest.indexOf("\n", from)) {
        const line = rest.slice(from, end).replace(/\r$/, "");
        from = end + 1;
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (data === "[DONE]") return;
        const event = JSON.parse(data);
        if (event.error) throw failed(event.error.status ?? 200, data);
        yield event;
      }
      rest = rest.slice(from);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Send a form; onProgress gets the share that is sent, 0 to 1. Gives the JSON of the answer. */
export function upload(path, form, { onProgress, signal } = {}) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest(); // fetch does not tell how much it has sent
    sending.open("POST", address(path));
    sending.setRequestHeader("accept", "application/json");
    const secret = key();
    if (secret) sending.setRequestHeader("authorization", `Bearer ${secret}`);
    sending.upload.addEventListener("progress", (event) => event.lengthComputable && onProgress?.(event.loaded / event.total));
    sending.addEventListener("load", () => {
      if (sending.status < 300) resolve(JSON.parse(sending.responseText));
      else reject(failed(sending.status, sending.responseText, { get: (name) => sending.getResponseHeader(name) }));
    });
    sending.addEventListener("error", () => reject(new ApiError(t("api.unreachable"))));
    sending.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    signal?.addEventListener("abort", () => sending.abort());
    sending.send(form);
  });
}

/** What to tell a person about an error: one sentence, in the service's own words where it has said any. */
export const inWords = (error) => (error instanceof ApiError ? error.message : t("api.fault", { what: error.message }));

function failed(status, text, headers) {
  let told = {};
  try {
    told = JSON.parse(text).error ?? {};
  } catch {
    // Something between here and the service has answered.
  }
  const error = new ApiError(told.message ?? t("api.status", { status: String(status) }), {
    status,
    code: told.code ?? null,
    param: told.param ?? null,
    requestId: headers?.get("x-request-id") ?? null,
    retryAfter: Number(headers?.get("retry-after")) || null,
  });
  if (status === 401) document.dispatchEvent(new CustomEvent("rag:unauthorized", { detail: error }));
  return error;
}
