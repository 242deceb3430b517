/** A platform that keeps workloads: as much of one as their life needs. */
import { answer, chunk, chunkedHead, Double, HANG, LAST_CHUNK } from "./double.mjs";

export const SPEC = { name: "N", slug: "brief", model: "m", backend: "vllm" };

const READY = [chunkedHead(), chunk('data: {"phase":"ready"}\n\n'), LAST_CHUNK];
/** A readiness stream that is open, and says nothing. */
export const STARTING = [chunkedHead(), HANG];

/** `before(request)` may answer in place of the platform; `live` is what runs there. */
export async function hosted(before = () => undefined) {
  const live = [];
  const serve = async (request) => {
    const { method, target, json } = request;
    const scripted = await before(request, live);
    if (scripted !== undefined) return scripted;
    if (target.endsWith("/readiness-events")) return READY;
    if (method === "GET") return answer(live);
    if (method === "DELETE") {
      const id = target.split("/").at(-1);
      const index = live.findIndex((workload) => workload.id === id);
      if (index < 0) return answer("", 404);
      live.splice(index, 1);
      return answer("", 204);
    }
    if (target.endsWith("/chat/completions")) return answer({ choices: [{ message: { content: "Hi" } }] });
    live.push({ ...json(), id: `wl_${live.length + 1}` });
    return answer(live.at(-1), 201);
  };
  const double = await Double.start(serve);
  const sent = (method) => double.requests.filter((request) => request.method === method).length;
  return { double, live, sent };
}

/** A workload whose wait for `ready` does not end. */
export const neverReady = () => hosted(({ target }) => (target.endsWith("/readiness-events") ? STARTING : undefined));

export const isWaited = ({ requests }) => requests.some(({ target }) => target.endsWith("/readiness-events"));
