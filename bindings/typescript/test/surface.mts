/** The public surface of wire.md 6.2, letter by letter: that this compiles is the test (surface.test.mjs). */
import type * as sdk from "@inferencekey/sdk";
import { Backend, ManagementClient, OnDrift } from "@inferencekey/sdk";

type ChatParams = {
  prompt?: string;
  messages?: { role: string; content: string }[];
  temperature?: number;
  maxTokens?: number;
};
interface WorkloadSpec {
  name: string;
  slug: string;
  model: string;
  backend: Backend | string;
  project?: string;
  description?: string;
  command?: string;
  vllmVersion?: string;
  taskType?: string;
  config?: Record<string, unknown>;
  executionPolicy?: string;
  executionPolicyConfig?: Record<string, unknown>;
  workerId?: string;
  gpuResourceId?: string;
}
interface EndpointRef {
  projectSlug: string;
  workloadSlug: string;
}
interface TextResult {
  text: string;
  model: string;
  finishReason?: string;
  raw: unknown;
}
interface TextChunk {
  text: string;
  finishReason?: string;
  raw: unknown;
}
interface EmbedResult {
  embeddings: number[][];
  model: string;
  raw: unknown;
}
type ReadinessPhase = "scheduling" | "provisioning" | "bootstrapping" | "ready" | "error";
interface ReadinessEvent {
  phase: ReadinessPhase;
  message: string;
  elapsedMs: number;
  step?: string;
}

interface Management {
  ensure(spec: WorkloadSpec, opts?: { onDrift?: OnDrift; project?: string }): Promise<EndpointRef>;
  waitUntilReady(
    workloadSlug: string,
    opts?: { project?: string; timeoutMs?: number; onProgress?: (event: ReadinessEvent) => void; silent?: boolean },
  ): Promise<void>;
  delete(workloadSlug: string, opts?: { project?: string }): Promise<boolean>;
}
interface Data {
  endpoint(workloadSlug: string, opts?: { apiKey?: string }): Endpoint;
}
interface Endpoint {
  workloadSlug: string;
  generateText(params: ChatParams): Promise<TextResult>;
  generateTextStream(params: ChatParams): AsyncGenerator<TextChunk, void, unknown>;
  embed(params: { input: string | string[] }): Promise<EmbedResult>;
}

/** Compiles where the package's own class can stand for it. */
declare function takes<Wanted>(given: Wanted): void;
declare const management: sdk.ManagementClient;
declare const data: sdk.DataClient;
takes<Management>(management);
takes<Data>(data);
takes<(opts?: { baseUrl?: string; project?: string; sdkToken?: string }) => Management>(ManagementClient.fromEnv);
takes<(opts?: { baseUrl?: string; project?: string; apiKey?: string }) => Data>(
  (null as unknown as typeof sdk.DataClient).fromEnv,
);

// What a program declares for itself, and values that go both ways.
const spec: sdk.WorkloadSpec = {
  name: "N",
  slug: "s",
  model: "m",
  backend: Backend.StableDiffusionCpp,
  taskType: "omni",
};
takes<WorkloadSpec>(spec);
takes<sdk.WorkloadSpec>({
  name: "N",
  slug: "s",
  model: "m",
  backend: "mine" as string,
  executionPolicy: "fixed" as string,
});
takes<sdk.ReadinessPhase>("ready" as ReadinessPhase);
takes<string[]>([
  Backend.Ollama,
  Backend.Vllm,
  Backend.VllmOmni,
  Backend.Sglang,
  Backend.LlamaCpp,
  Backend.StableDiffusionCpp,
]);
takes<OnDrift[]>([OnDrift.Reconcile, OnDrift.Fail, OnDrift.DryRun, OnDrift.Warn, OnDrift.Ignore]);
takes<EndpointRef>(null as unknown as sdk.EndpointRef);
takes<sdk.ChatParams>(null as unknown as ChatParams);

// @ts-expect-error: a key of a spec that does not exist
takes<sdk.WorkloadSpec>({ name: "N", slug: "s", model: "m", backend: "vllm", onDrift: "fail" });
// @ts-expect-error: a policy that does not exist is text, but `slug` is none
takes<sdk.WorkloadSpec>({ name: "N", slug: 7, model: "m", backend: "vllm" });

export async function disposable(client: sdk.ManagementClient, endpoint: sdk.Endpoint): Promise<void> {
  using closed = client;
  await using stream = endpoint.generateTextStream({ prompt: "Hi", onTruncated: "allow" });
  await using brief = await closed.ephemeral(spec, { silent: true });
  for await (const { text, finishReason } of stream) takes<[string, string | undefined]>([text, finishReason]);
  takes<string>((await brief.generateText({ prompt: "Hi" }, { signal: AbortSignal.timeout(1) })).text);
}
