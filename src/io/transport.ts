/**
 * The port to the physical network: datagrams in, datagrams out, and what is counted on the way. The portable
 * implementation is dgram.ts; faster ones share this interface and the contract test.
 */
import type { Datagram, Outbox } from "../node/ports.ts";
import type { Endpoint } from "../protocol/inet-address.ts";
import type { AddressOptions, PortChoice, PortRole } from "./local-sockets.ts";

/** Size of one socket's receive buffer, UDP payload plus the kernel's bookkeeping, in bytes. */
export interface SocketBuffer {
  readonly socket: number;
  readonly local: Endpoint;
  readonly primary: boolean;
  /** What the configuration asks for. */
  readonly askedBytes: number;
  /** What the kernel gave (Linux caps it silently at net.core.rmem_max). */
  readonly grantedBytes: number;
}

/** An address that should be bound and is not. Retried at every rescan. */
export interface BindProblem {
  readonly local: Endpoint;
  /** The system's code, such as EADDRINUSE. */
  readonly code: string;
}

/** Counters since the transport was made; monotonic. Bytes are UDP payload. */
export interface TransportStatistics {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  /** Datagrams that the system or the transport refused to send, all codes. */
  readonly sendErrors: number;
  /** The same by code: the system's (ENETUNREACH …) or ours (QUEUE_FULL, NO_SOCKET, BAD_ENDPOINT). */
  readonly sendErrorsByCode: Readonly<Record<string, number>>;
  readonly receiveErrors: number;
  /** Receive buffers of the sockets that are open now. */
  readonly buffers: readonly SocketBuffer[];
  /** Addresses that could not be bound when last tried. */
  readonly problems: readonly BindProblem[];
}

/** A set of UDP sockets. Call order: open once, then anything, then close once. */
export interface Transport extends Outbox {
  /**
   * Binds the sockets and hands every datagram to `receive`, whose argument is only valid during the call.
   * Throws an IoError if a primary port cannot be had.
   */
  open(receive: (datagram: Datagram) => void): Promise<void>;
  /** Looks at the interfaces again: binds addresses that appeared, closes sockets whose address is gone. */
  rescan(): Promise<void>;
  /** Replaces what decides which addresses are bound, then looks again. Ports already bound stay. */
  reconfigure(addresses: AddressOptions): Promise<void>;
  /**
   * Another random port in place of the one with that role, if there is one: sockets of the old one are closed.
   * Rejects with an IoError if no port is free; then the old one stays.
   */
  changePort(role: PortRole): Promise<void>;
  /**
   * While `keep`, what a socket sends leaves through the interface that has the socket's address, whatever the routes
   * say: a default route of a virtual network must not catch the packets that carry that network. False if that is
   * asked for and not possible for every socket; then it may be done for some.
   */
  keepToInterfaces(keep: boolean): boolean;
  /** The ports in use, with random ones resolved; empty before `open`. */
  readonly ports: readonly PortChoice[];
  /** Closes every socket; afterwards sends are counted as errors. */
  close(): Promise<void>;
  readonly statistics: TransportStatistics;
}
