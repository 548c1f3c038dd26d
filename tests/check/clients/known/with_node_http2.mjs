import { once } from "node:events";
import http2 from "node:http2";

const url = new URL(process.argv[2]);
const session = http2.connect(url.origin);
session.setTimeout(3000, () => session.destroy(new Error("timed out")));
const request = session.request({ ":path": url.pathname });
const [headers] = await once(request, "response");
if (headers[":status"] >= 400) throw new Error(`status ${headers[":status"]}`);
const pieces = [];
for await (const piece of request) pieces.push(piece);
process.stdout.write(Buffer.concat(pieces));
session.close();
