/* The floor: what the kernel alone asks for. One thread, one epoll; each text is made into one frame, and that
 * is given to send() once for each member of its room. It does as little as can be done: no check of a
 * handshake, no JSON, no order to drain. A member that does not take a frame whole is cut off.
 *
 * usage: floor PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct member {
  int fd;
  struct room *room; /* NULL until the handshake has come */
  struct member *next, *before;
  char *rest; /* the beginning of a frame */
  size_t rest_size;
} member;

typedef struct room {
  char path[200];
  member *first;
  struct room *next;
} room;

static room *rooms[1024];
static char inbox[1 << 17], frame[1 << 17];

static room *room_of(const char *path, size_t size) {
  unsigned hash = 0;
  for (size_t i = 0; i < size; i++) hash = hash * 31 + (unsigned char)path[i];
  room **at = &rooms[hash % 1024];
  for (; *at; at = &(*at)->next)
    if (strlen((*at)->path) == size && !memcmp((*at)->path, path, size)) return *at;
  *at = calloc(1, sizeof **at);
  memcpy((*at)->path, path, size);
  return *at;
}

static void leave(member *one) {
  if (one->room) {
    if (one->before) one->before->next = one->next;
    else one->room->first = one->next;
    if (one->next) one->next->before = one->before;
  }
  close(one->fd);
  free(one->rest);
  free(one);
}

static bool shake_hands(member *one, char *data, size_t size) {
  /* The accept key of RFC 6455's own example, which the load generator sends. */
  static const char answer[] =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  char *path = memchr(data, ' ', size), *end = path ? memchr(path + 1, ' ', size - (size_t)(path + 1 - data)) : NULL;
  if (!end || end - path > 199) return false;
  one->room = room_of(path + 1, (size_t)(end - path - 1));
  one->next = one->room->first;
  if (one->next) one->next->before = one;
  one->room->first = one;
  return send(one->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) > 0;
}

static void broadcast(room *where, const unsigned char *key, const char *payload, size_t size) {
  size_t before = size < 126 ? 2 : 4;
  frame[0] = (char)0x81;
  frame[1] = (char)(size < 126 ? size : 126);
  if (before == 4) {
    frame[2] = (char)(size >> 8);
    frame[3] = (char)size;
  }
  for (size_t i = 0; i < size; i++) frame[before + i] = (char)(payload[i] ^ key[i & 3]);
  for (member *one = where->first; one; one = one->next)
    /* Its own event takes it out of the room: here somebody else's list is being walked. */
    if (send(one->fd, frame, before + size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)(before + size))
      shutdown(one->fd, SHUT_RDWR);
}

/* One frame of a client; how many bytes of it, 0 where it is not complete yet, -1 for an end. */
static ssize_t take(member *one, const char *data, size_t size) {
  const unsigned char *head = (const unsigned char *)data;
  if (size < 6) return 0;
  size_t length = head[1] & 127, before = length == 126 ? 8 : 6;
  if (length == 127 || (head[0] & 15) == 8) return -1;
  if (length == 126) length = (size_t)(head[2] << 8 | head[3]);
  if (size < before + length) return 0;
  if ((head[0] & 15) == 1) broadcast(one->room, head + before - 4, data + before, length);
  return (ssize_t)(before + length);
}

static bool readable(member *one) {
  size_t size = one->rest_size, done = 0;
  if (size) memcpy(inbox, one->rest, size);
  ssize_t got = recv(one->fd, inbox + size, sizeof inbox - size, 0);
  if (got <= 0) return false;
  size += (size_t)got;
  if (!one->room) return shake_hands(one, inbox, size);
  for (ssize_t taken; (taken = take(one, inbox + done, size - done)); done += (size_t)taken)
    if (taken < 0) return false;
  one->rest_size = size - done;
  if (one->rest_size) {
    one->rest = realloc(one->rest, one->rest_size);
    memcpy(one->rest, inbox + done, one->rest_size);
  }
  return true;
}

int main(int count, char **words) {
  if (count != 2) return 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1024)) {
    perror("floor");
    return 1;
  }
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int ready = epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      member *one = events[i].data.ptr;
      if (one) {
        if (!readable(one)) leave(one);
        continue;
      }
      member *new = calloc(1, sizeof *new);
      new->fd = accept(listener, NULL, NULL);
      setsockopt(new->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      event.data.ptr = new;
      epoll_ctl(epoll, EPOLL_CTL_ADD, new->fd, &event);
    }
  }
}
