// The whole life of a workload; Ctrl-C and SIGTERM delete it, too.
import { Backend, DataClient, ManagementClient } from "@inferencekey/sdk";

const mgmt = ManagementClient.fromEnv();
const spec = {
  name: "support-bot",
  slug: "support-bot",
  model: "inferencekey-tiny",
  backend: Backend.LlamaCpp,
};

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
}
try {
  const ref = await mgmt.ensure(spec, { signal: stop.signal });
  await mgmt.waitUntilReady(ref.workloadSlug, { signal: stop.signal });
  const bot = DataClient.fromEnv().endpoint(ref.workloadSlug);
  console.log((await bot.generateText({ prompt: "Hola", signal: stop.signal })).text);
  for await (const chunk of bot.generateTextStream({ prompt: "What is a workload?", signal: stop.signal })) {
    process.stdout.write(chunk.text);
  }
} finally {
  // The signal can come in the middle of `ensure`: the workload exists before its answer is here.
  console.log("\ndeleted:", await mgmt.delete(spec.slug));
}
