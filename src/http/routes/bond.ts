/** /bond: local-api.md §3, error texts as recorded. */
import type { JsonObject } from "../../json/json.ts";
import type { MtuResult } from "../../node/queries.ts";
import { parseAddress } from "../../protocol/address.ts";
import { parseIp } from "../../protocol/inet-address.ts";
import { json, type Reply } from "../reply.ts";
import { type Route, route } from "../router.ts";
import type { ServiceBackend } from "../service.ts";
import { peerObject } from "./peers.ts";

const SET_MTU = /^\/bond\/setmtu\/([0-9]{1,6})\/([A-Za-z0-9_]{1,16})\/([0-9a-fA-F.:]{1,39})$/;
const NOTHING: JsonObject = {};

function mtuReply(result: MtuResult): Reply {
  switch (result) {
    case "done":
      return json(NOTHING);
    case "off":
      return json(NOTHING, 400);
    case "unreasonable":
      return { kind: "raw-json", status: 400, text: "Specified MTU is not reasonable" };
    case "unknown":
      return { kind: "raw-json", status: 400, text: "Unable to find specified link" };
  }
}

export function bondRoutes(backend: ServiceBackend): Route[] {
  const { node } = backend;
  return [
    route("GET", "/bond/show/{10}", (_request, [digits]) => {
      const address = parseAddress(digits ?? "");
      const peer = address === null ? null : node.peer(address, backend.now());
      return peer?.bond === undefined ? json(NOTHING, 400) : json(peerObject(peer, backend.config().tcpFallbackActive));
    }),
    route("POST", "/bond/rotate/{10}", (_request, [digits]) => {
      const address = parseAddress(digits ?? "");
      return json(NOTHING, address !== null && backend.bonds.rotate(address, backend.now()) ? 200 : 400);
    }),
    {
      method: "POST",
      pattern: SET_MTU,
      handle: (_request, [mtu, device, ip]) => {
        const address = parseIp(ip ?? "");
        return mtuReply(address === null ? "unknown" : backend.bonds.setMtu(Number(mtu), device ?? "", address));
      },
    },
  ];
}
