// The obvious chat on Node's `ws`. usage: node node_ws.js PORT
'use strict';
const { WebSocketServer } = require('ws');

const rooms = new Map();
const options = { host: '127.0.0.1', port: +process.argv[2], backlog: 1024, perMessageDeflate: false };

new WebSocketServer(options).on('connection', (socket, request) => {
  if (!rooms.has(request.url)) rooms.set(request.url, new Set());
  const room = rooms.get(request.url);
  room.add(socket);
  socket.on('message', (data) => {
    const text = JSON.stringify({ message: JSON.parse(data).message });
    const ready = Buffer.from(text);
    for (const other of room) other.send(ready, { binary: false });
  });
  socket.on('close', () => room.delete(socket));
  socket.on('error', () => {});
});
