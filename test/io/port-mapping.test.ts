/** What routers, and whoever pretends to be one, may answer to a request for a port; and how a mapping is kept. */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, describe, test } from "node:test";
import { parseGateway } from "../../src/io/gateway.ts";
import type { Mapping, MappingProtocol, MappingResult } from "../../src/io/mapping.ts";
import { mapByNatPmp } from "../../src/io/nat-pmp.ts";
import { findRoute, PortMapper } from "../../src/io/port-mapper.ts";
import { parseSearchAnswer } from "../../src/io/ssdp.ts";
import { mapByUpnp, parseDescription } from "../../src/io/upnp.ts";
import { type Endpoint, formatEndpoint, parseEndpoint, parseIp } from "../../src/protocol/inet-address.ts";

const LOCAL = parseIp("127.0.0.1")!;
const WANTED = { local: LOCAL, port: 40_000, wantedPort: 40_000 };
const open: (Socket | ReturnType<typeof createServer>)[] = [];
after(() => {
  for (const one of open) one.close();
});

/** A NAT-PMP router that answers with what `answer` makes of a request. */
async function natPmpRouter(answer: (request: Buffer) => Uint8Array[]): Promise<{ ip: Uint8Array; port: number }> {
  const socket = createSocket("udp4");
  open.push(socket);
  socket.on("message", (request, from) => {
    for (const bytes of answer(request)) socket.send(bytes, from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { ip: LOCAL, port: socket.address().port };
}

const address = (...ip: number[]) => Uint8Array.of(0, 128, 0, 0, 0, 0, 0, 9, ...ip);
const granted = (inner: number, outer: number) =>
  Uint8Array.of(0, 129, 0, 0, 0, 0, 0, 9, inner >> 8, inner & 255, outer >> 8, outer & 255, 0, 0, 2, 88);

const told = (result: MappingResult) => ("refused" in result ? result.refused : formatEndpoint(result.external));

describe("NAT-PMP", () => {
  test("takes the address and port that the router gives", async () => {
    const router = await natPmpRouter(([, op]) => [op === 0 ? address(44, 1, 2, 3) : granted(40_000, 41_000)]);
    assert.equal(told(await mapByNatPmp(router, WANTED)), "44.1.2.3/41000");
  });

  test("passes over what is no answer, and refuses what cannot be one", async () => {
    const junk = [new Uint8Array(0), Uint8Array.of(0, 128), Uint8Array.of(2, 128, 0, 0), Uint8Array.of(0, 128, 0, 0)];
    const noisy = await natPmpRouter(([, op]) => [...junk, op === 0 ? address(44, 1, 2, 3) : granted(40_000, 41_000)]);
    assert.equal(told(await mapByNatPmp(noisy, WANTED)), "44.1.2.3/41000");
    const nowhere = await natPmpRouter(() => [address(0, 0, 0, 0)]);
    assert.match(told(await mapByNatPmp(nowhere, WANTED)), /0\.0\.0\.0/);
    const other = await natPmpRouter(([, op]) => [op === 0 ? address(44, 1, 2, 3) : granted(40_001, 41_000)]);
    assert.equal(told(await mapByNatPmp(other, WANTED)), "an answer about another port");
    const off = await natPmpRouter(() => [Uint8Array.of(0, 128, 0, 2)]);
    assert.match(told(await mapByNatPmp(off, WANTED)), /not authorized/);
    assert.equal(told(await mapByNatPmp({ ip: LOCAL, port: 9 }, WANTED)), "ECONNREFUSED");
  });
});

describe("UPnP", () => {
  const answer = (text: string) => parseSearchAnswer(Buffer.from(text), "192.168.1.1")?.href ?? null;

  test("believes only answers that name the machine they come from", () => {
    const ok = "HTTP/1.1 200 OK\r\nLocation: http://192.168.1.1:5000/d.xml\r\n\r\n";
    assert.equal(answer(ok), "http://192.168.1.1:5000/d.xml");
    assert.equal(answer(ok.replace("192.168.1.1:", "192.168.1.9:")), null);
    assert.equal(answer(ok.replace("http:", "file:")), null);
    assert.equal(answer(ok.replace("//", "//192.168.1.9@")), null);
    assert.equal(answer(ok.replace("200", "500")), null);
    assert.equal(answer(ok + "x".repeat(5000)), null);
    assert.equal(answer("\r\n"), null);
  });

  test("takes from a description only services on the same machine, and few", () => {
    const at = new URL("http://192.168.1.1:5000/d.xml");
    const service = (control: string, type = "WANIPConnection:1") =>
      `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>${control}</controlURL></service>`;
    const urls = (xml: string) => parseDescription(xml, at).map(({ url }) => url.href);
    assert.deepEqual(urls(service("/ctl") + service("/other", "Layer3Forwarding:1")), ["http://192.168.1.1:5000/ctl"]);
    assert.deepEqual(urls(service("http://10.0.0.1/ctl")), []);
    assert.deepEqual(urls(service("x".repeat(600))), []);
    assert.deepEqual(urls("<service>".repeat(7000)), []);
    assert.equal(urls(service("/ctl").repeat(1000)).length, 64);
  });

  test("tries the next port when one is somebody else's, and leases without end where others are not known", async () => {
    const added: string[] = [];
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += String(chunk);
      });
      request.on("end", () => {
        if (request.method === "GET")
          return response.end(
            "<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/c</controlURL></service>",
          );
        if (body.includes("GetExternalIPAddress"))
          return response.end("<NewExternalIPAddress>44.1.2.3</NewExternalIPAddress>");
        const fail = (code: number) => response.writeHead(500).end(`<errorCode>${code}</errorCode>`);
        if (body.includes("<NewExternalPort>40000<")) return fail(718);
        if (!body.includes("<NewLeaseDuration>0<")) return fail(725);
        added.push(body);
        return response.end("");
      });
    }).listen(0, "127.0.0.1");
    open.push(server);
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const result = await mapByUpnp(WANTED, "Orrery/test", async () => [new URL(`http://127.0.0.1:${port}/`)]);
    assert.equal(told(result), "44.1.2.3/40001");
    assert.equal(added.length, 1);
    assert.equal((result as Mapping).leaseSeconds, 0);
    server.closeAllConnections();
  });

  test("gives up on a router that sends more than it should", async () => {
    const server = createServer((_, response) => response.end("x".repeat(100_000))).listen(0, "127.0.0.1");
    open.push(server);
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const result = await mapByUpnp(WANTED, "Orrery/test", async () => [new URL(`http://127.0.0.1:${port}/`)]);
    assert.match(told(result), /does not tell/);
    server.closeAllConnections();
  });
});

describe("the way to the router", () => {
  const ROUTES = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask
ztabc	00000000	0100000A	0003	0	0	0	00000000	0	0	0
eth1	00000000	0101A8C0	0003	0	0	200	00000000	0	0	0
eth0	00000000	0102A8C0	0003	0	0	100	00000000	0	0	0
eth0	0002A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0`;

  test("is the best default route that is no tunnel", () => {
    const gateway = parseGateway(ROUTES, true)!;
    assert.deepEqual([gateway.interfaceName, gateway.ip.join(".")], ["eth0", "192.168.2.1"]);
    assert.equal(parseGateway("nonsense\n\u0000\t\t", true), null);
  });

  test("begins at our private address there; an address that others reach needs no router", () => {
    const gateway = { ip: parseIp("192.168.2.1")!, interfaceName: "eth0" };
    const own = parseIp("192.168.2.7")!;
    assert.equal(findRoute([own], gateway, [{ name: "eth0", ip: own }])?.local, own);
    assert.equal(findRoute([parseIp("44.0.0.1")!], null, []), null);
    assert.equal(findRoute([own], null, [])?.gateway, null);
  });
});

describe("the port mapper", () => {
  test("falls back to UPnP, stays with what works, renews after 300 s and takes the mapping back", async () => {
    let time = 0;
    let removed = 0;
    const asked: MappingProtocol[] = [];
    const changes: (Endpoint | null)[] = [];
    const external = parseEndpoint("44.1.2.3/5000")!;
    const mapper = new PortMapper({
      port: () => 40_000,
      addresses: () => [LOCAL],
      description: String,
      changed: (now) => changes.push(now),
      now: () => time,
      route: () => ({ local: LOCAL, gateway: null }),
      ask: async (protocol) => {
        asked.push(protocol);
        if (protocol === "nat-pmp") return { refused: "no" };
        return { protocol, external, leaseSeconds: 600, remove: async () => void removed++ };
      },
    });
    const look = async () => {
      mapper.look();
      await new Promise((resolve) => setImmediate(resolve));
    };
    await look();
    await look();
    assert.deepEqual(asked, ["nat-pmp", "upnp"]);
    time = 300_000;
    await look();
    assert.deepEqual(asked, ["nat-pmp", "upnp", "upnp"]);
    assert.deepEqual(mapper.statistics.requests.upnp, { granted: 2, refused: 0 });
    await mapper.stop();
    assert.equal(removed, 1);
    assert.deepEqual(changes, [external, null]);
  });
});
