/** `openai` for Node.js, with its defaults. */
import OpenAI from "openai";

export function client(origin) {
  const openai = new OpenAI({ baseURL: origin, apiKey: "ik_live_bench" });
  const workloads = new Map();
  const made = (slug) => openai.withOptions({ baseURL: `${origin}/endpoint/bench/${slug}/v1` });
  const of = (slug) => workloads.get(slug) ?? workloads.set(slug, made(slug)).get(slug);
  return {
    async chat(prompt) {
      const answer = await of("chat").chat.completions.create({
        model: "chat",
        messages: [{ role: "user", content: prompt }],
      });
      return answer.choices[0].message.content;
    },
    async read(slug, each) {
      const stream = await of(slug).chat.completions.create({
        model: slug,
        messages: [{ role: "user", content: "x" }],
        stream: true,
      });
      for await (const chunk of stream) each(chunk.choices[0].delta.content ?? "");
    },
    async lists(slug, input) {
      const answer = await of(slug).embeddings.create({ model: slug, input, encoding_format: "float" });
      return answer.data.map(({ embedding }) => embedding);
    },
  };
}
