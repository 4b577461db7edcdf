// Socket.IO in its own words: rooms, and with BENCH_REDIS set its Redis adapter. usage: node socketio.js PORT
'use strict';
const { createServer } = require('http');
const { Server } = require('socket.io');

async function main() {
  const http = createServer();
  const io = new Server(http, { perMessageDeflate: false });
  if (process.env.BENCH_REDIS) {
    const { createClient } = require('redis');
    const { createAdapter } = require('@socket.io/redis-adapter');
    const publisher = createClient({ url: process.env.BENCH_REDIS });
    const subscriber = publisher.duplicate();
    await Promise.all([publisher.connect(), subscriber.connect()]);
    io.adapter(createAdapter(publisher, subscriber));
  }
  io.on('connection', (socket) => {
    socket.on('join', async (room) => {
      await socket.join(room);
      socket.data.room = room;
      socket.emit('joined', {});
    });
    socket.on('message', (data) => io.to(socket.data.room).emit('message', { message: data.message }));
  });
  http.listen(+process.argv[2], '127.0.0.1', 1024);
}

main();
