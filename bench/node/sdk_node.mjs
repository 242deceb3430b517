/** The SDK in TypeScript. */
import { DataClient } from "../../bindings/typescript/index.mjs";

export function client(origin) {
  const data = new DataClient({ baseUrl: origin, project: "bench", apiKey: "ik_live_bench" });
  const endpoints = new Map();
  const of = (slug) => endpoints.get(slug) ?? endpoints.set(slug, data.endpoint(slug)).get(slug);
  return {
    async chat(prompt) {
      return (await of("chat").generateText({ prompt })).text;
    },
    async read(slug, each) {
      for await (const { text } of of(slug).generateTextStream({ prompt: "x" })) each(text);
    },
    async lists(slug, input) {
      return (await of(slug).embed({ input })).embeddings;
    },
  };
}
