/**
 * Loaded into a process before anything else (`--import`): it may reach this machine only. Every attempt to reach another, or to ask
 * a name server, fails and is written to the file that NO_NETWORK_LOG names, one line each. Sockets of http, https, http2, fetch and
 * undici all pass through here.
 */
import dgram from "node:dgram";
import dns from "node:dns";
import { appendFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";

type Callable = (...args: never[]) => unknown;

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i;

function refuse(what: string): Error {
  appendFileSync(process.env["NO_NETWORK_LOG"]!, `${what}\n`);
  return Object.assign(new Error(`no network: ${what}`), { code: "ENETUNREACH" });
}

/** The host that a socket is asked to connect to; undefined for a unix socket and for this machine. */
function foreignHost(args: readonly unknown[]): string | undefined {
  const [first, second] = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
  if (typeof first === "string" && Number.isNaN(Number(first))) return undefined; // a path
  const { path, host } = typeof first === "object" && first !== null ? (first as { path?: string; host?: string }) : { host: second };
  return path !== undefined || typeof host !== "string" || LOOPBACK.test(host) ? undefined : host;
}

const connect = net.Socket.prototype.connect as Callable;
net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]) {
  const host = foreignHost(args);
  if (host === undefined) return connect.apply(this, args as never[]);
  const error = refuse(`connect ${host}`);
  process.nextTick(() => this.destroy(error)); // whoever connects listens for errors only afterwards
  return this;
} as typeof net.Socket.prototype.connect;

const send = dgram.Socket.prototype.send as Callable;
dgram.Socket.prototype.send = function (this: dgram.Socket, ...args: unknown[]) {
  const host = args.findLast((arg) => typeof arg === "string");
  if (host !== undefined && !LOOPBACK.test(String(host))) throw refuse(`send ${String(host)}`);
  return send.apply(this, args as never[]);
} as typeof dgram.Socket.prototype.send;

/** Whatever asks for a name, of either style: the last argument is the callback, where there is one. */
function guarded(holder: object): void {
  for (const [name, ask] of Object.entries(holder) as [string, unknown][]) {
    if (typeof ask !== "function" || !/^(lookup|resolve|reverse)/.test(name)) continue;
    const guard = (...args: unknown[]) => {
      if (LOOPBACK.test(String(args[0]))) return (ask as Callable)(...(args as never[]));
      const error = refuse(`${name} ${String(args[0])}`);
      const callback = args.at(-1);
      if (typeof callback !== "function") return Promise.reject(error);
      return process.nextTick(() => void callback(error));
    };
    Object.assign(holder, { [name]: guard });
  }
}

guarded(dns);
guarded(dns.promises);
syncBuiltinESMExports();
