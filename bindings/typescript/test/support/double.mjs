/** A scripted platform on loopback, with a journal of what reached it: the journal, not the client, is the oracle. */
import { once } from "node:events";
import net from "node:net";
import { after } from "node:test";

/** Steps of a script besides bytes. */
export const FIN = Symbol("FIN");
export const RST = Symbol("RST");
export const HANG = Symbol("HANG");

/** A whole HTTP answer. */
export function answer(body = "", status = 200, headers = {}) {
  const content =
    Buffer.isBuffer(body) || typeof body === "string" ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
  const all = { "content-type": "application/json", ...headers };
  const lines = Object.entries(all).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}`));
  const length = status === 204 ? [] : [`content-length: ${content.length}`];
  const head = [`HTTP/1.1 ${status} Some Reason`, ...lines, ...length, "", ""].join("\r\n");
  return [Buffer.concat([Buffer.from(head), content])];
}

export function chunkedHead(type = "text/event-stream") {
  const media = type === null ? "" : `content-type: ${type}\r\n`;
  return Buffer.from(`HTTP/1.1 200 OK\r\n${media}transfer-encoding: chunked\r\n\r\n`);
}

export function chunk(bytes) {
  const body = Buffer.from(bytes);
  return Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from("\r\n")]);
}

export const LAST_CHUNK = Buffer.from("0\r\n\r\n");

/** One frame of a chat's stream. */
export function frame(text, finish = null) {
  return chunk(
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text }, finish_reason: finish }] })}\n\n`,
  );
}

export const DONE = chunk("data: [DONE]\n\n");

/**
 * Answers each request by what `script(request)` gives: an array of bytes and steps, or a promise of one; a number is a
 * pause in milliseconds.
 */
export class Double {
  static #all = [];
  requests = [];
  closed = 0;
  connections = 0;
  /** Keeps no journal: for many thousands of requests. */
  forgets = false;
  #server;
  #sockets = new Set();

  static async start(script) {
    const double = new Double();
    Double.#all.push(double);
    double.#server = net.createServer((socket) => double.#serve(socket, script));
    double.#server.listen(0, "127.0.0.1");
    await once(double.#server, "listening");
    double.port = double.#server.address().port;
    double.url = `http://127.0.0.1:${double.port}`;
    return double;
  }

  /** Resolves once the client has closed `count` connections. */
  async untilClosed(count = 1) {
    while (this.closed < count) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async until(condition) {
    while (!condition(this)) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** At the end of a test file. */
  static closeAll() {
    for (const double of Double.#all) {
      for (const socket of double.#sockets) socket.destroy();
      double.#server.close();
    }
  }

  #serve(socket, script) {
    this.#sockets.add(socket);
    this.connections += 1;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed += 1;
      this.#sockets.delete(socket);
    });
    let bytes = Buffer.alloc(0);
    let turn = Promise.resolve();
    socket.on("data", (data) => {
      bytes = Buffer.concat([bytes, data]);
      for (let request = taken(bytes); request; request = taken(bytes)) {
        bytes = bytes.subarray(request.size);
        if (!this.forgets) this.requests.push(request);
        turn = turn.then(() => play(socket, script, request));
      }
    });
    socket.on("end", () => socket.end());
  }
}

after(() => Double.closeAll());

function taken(bytes) {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first, ...lines] = bytes.subarray(0, end).toString().split("\r\n");
  const [method, target] = first.split(" ");
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]),
  );
  const size = end + 4 + Number(headers["content-length"] ?? 0);
  if (bytes.length < size) return undefined;
  const text = bytes.subarray(end + 4, size).toString();
  return { method, target, headers, text, size, json: () => (text === "" ? null : JSON.parse(text)) };
}

async function play(socket, script, request) {
  for (const step of await script(request)) {
    if (socket.destroyed) return;
    if (step === FIN) socket.end();
    else if (step === RST) socket.resetAndDestroy();
    else if (step === HANG) return;
    else if (typeof step === "number") await new Promise((resolve) => setTimeout(resolve, step));
    else await new Promise((resolve) => socket.write(step, resolve));
  }
}
