// Which collection and which model answer.

import { getJson, listed } from "../api.js";
import { el } from "../dom.js";

const NONE = ""; // no collection: the model alone

export class Choices {
  collections = [];

  constructor(collection, model) {
    this.collection = collection;
    this.model = model;
  }

  /** Ask the service what there is; what was chosen stays chosen. */
  async load() {
    const { data: models } = await getJson("v1/models");
    const stores = [];
    for await (const store of listed("v1/vector_stores")) stores.push(store);
    this.collections = stores;
    const chat = models.filter((model) => model.rag?.kind !== "embeddings");
    fill(this.model, chat.map(({ id }) => el("option", { value: id }, id)));
    const none = el("option", { value: NONE, t: "chat.no_collection" });
    fill(this.collection, [...stores.map((store) => el("option", { value: store.id }, store.name ?? store.id)), none], (stores.find((store) => store.name === "default") ?? stores[0])?.id);
  }

  /** {model, collection} as `ask` takes them. */
  chosen() {
    return { model: this.model.value, collection: this.collection.value === NONE ? null : this.collection.value };
  }

  /** Choose as a conversation did, as far as there still is what it chose. */
  choose({ model, collection }) {
    select(this.model, model);
    if (collection !== undefined) select(this.collection, collection ?? NONE);
  }

  /** The chosen collection; undefined: none. */
  store() {
    return this.collections.find((store) => store.id === this.collection.value);
  }
}

function fill(choice, options, first) {
  const was = choice.value;
  const isNew = choice.options.length === 0;
  choice.replaceChildren(...options);
  select(choice, isNew ? first : was);
}

function select(choice, value) {
  if (value !== undefined && [...choice.options].some((option) => option.value === value)) choice.value = value;
}
