// What Fanfare is measured against: Socket.IO 4 with its default settings, relaying positions and messages to rooms.
//
// It checks tokens as Fanfare does (HS256), so that both serve authenticated users. It keeps nothing on disk.
// Prints "listening <port>". With BENCH_CERT and BENCH_KEY it speaks TLS.

import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { Server } from "socket.io";

const secret = process.env.BENCH_SECRET;
const { BENCH_CERT: cert, BENCH_KEY: key } = process.env;

function verify(token) {
  const [header, payload, signature] = String(token).split(".");
  const expected = createHmac("sha256", secret).update(`${header}.${payload}`).digest();
  const given = Buffer.from(signature ?? "", "base64url");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new Error("bad token");
  }
  const claims = JSON.parse(Buffer.from(payload, "base64url"));
  if (claims.exp * 1000 < Date.now()) {
    throw new Error("expired");
  }
  return claims;
}

const http =
  cert && key ? createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }) : createServer();
const io = new Server(http);
const heads = new Map();

io.use((socket, next) => {
  try {
    socket.data.user = verify(socket.handshake.auth.token).sub;
    next();
  } catch (error) {
    next(error);
  }
});

io.on("connection", (socket) => {
  socket.on("subscribe", (room, done) => {
    socket.join(room);
    done();
  });
  socket.on("location:update", (fix) => {
    io.to("locations").emit("location:update", { agent_id: socket.data.user, ...fix });
  });
  socket.on("message:send", ({ client_id, conversation_id, text }, done) => {
    const seq = (heads.get(conversation_id) ?? 0) + 1;
    heads.set(conversation_id, seq);
    const at = Date.now();
    const by = socket.data.user;
    io.to(conversation_id).emit("message:new", { conversation_id, seq, at, by, client_id, text });
    done({ seq, at });
  });
});

http.listen(0, "127.0.0.1", () => console.log(`listening ${http.address().port}`));
