/** Whether a UDP and a TCP port are free on this machine: the only way to know is to bind them for a moment. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { errorCode } from "../io/errors.ts";

/** Null if the port could be bound, else the system's code (EADDRINUSE, EACCES …). */
export type PortState = string | null;

/** Tries UDP `port` on all IPv4 addresses. */
export function tryUdpPort(port: number): Promise<PortState> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", (error) => {
      socket.close();
      resolve(errorCode(error));
    });
    socket.bind({ port, exclusive: true }, () => socket.close(() => resolve(null)));
  });
}

/** Tries TCP `port` on loopback, where the service API listens. */
export function tryTcpPort(port: number): Promise<PortState> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(errorCode(error)));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(null)));
  });
}
