// A page of ours loads itself again when its session has ended elsewhere, or its person has logged in again.
import { init } from "./exeunt.js";

const issuer = import.meta.url.replace(/\/static\/.*$/, "");
const session = init({ issuer: issuer, cookie: true, transports: ["websocket", "sse"] });
session.on("sessionChange", () => location.reload());
