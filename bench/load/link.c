#define _GNU_SOURCE
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"

enum { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

uint64_t frames_in, bytes_in;

static int epoll, timer;
/* All links read into this one: thousands of idle links then cost no memory here. */
static char inbox[1 << 20];

static void watch(wslink *link, int how, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = link};
  epoll_ctl(epoll, how, link->fd, &event);
}

void links_begin(void) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  epoll = epoll_create1(0);
  /* epoll_wait knows milliseconds only, which is too coarse to send a message when it is due. */
  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
  epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
}

void link_close(wslink *link) {
  if (link->state == CLOSED) return;
  bool had_socket = link->state != UNOPENED;
  link->state = CLOSED;
  if (had_socket) close(link->fd);
  free(link->rest);
  free(link->out);
  link->rest = link->out = NULL;
  link->rest_size = link->out_size = link->out_space = 0;
  link_is_closed(link);
}

void link_open(wslink *link, int port, bool narrow) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  link->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (link->fd < 0) {
    perror("socket");
    exit(1);
  }
  int on = 1;
  setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (narrow) {
    /* With a loopback's large segments the server's kernel takes 3 MB for a client that reads nothing, and the
     * server does not notice for long. With those of a network it is some 120 KB. */
    int window = 8192, segment = 1448;
    setsockopt(link->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    setsockopt(link->fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
  }
  link->state = CONNECTING;
  watch(link, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
  link->wants_out = true;
  if (connect(link->fd, (void *)&address, sizeof address) && errno != EINPROGRESS) {
    perror("connect");
    link_close(link);
  }
}

static void queue(wslink *link, const void *bytes, size_t size) {
  if (link->out_size + size > link->out_space) {
    link->out_space = (link->out_size + size) * 2;
    link->out = realloc(link->out, link->out_space);
  }
  memcpy(link->out + link->out_size, bytes, size);
  link->out_size += size;
}

static void queue_frame(wslink *link, int opcode, const char *payload, size_t size) {
  unsigned char head[14] = {(unsigned char)(0x80 | opcode)};
  size_t length = 2;
  if (size < 126) {
    head[1] = (unsigned char)(0x80 | size);
  } else if (size < 65536) {
    head[1] = 0x80 | 126;
    head[2] = (unsigned char)(size >> 8);
    head[3] = (unsigned char)size;
    length = 4;
  } else {
    head[1] = 0x80 | 127;
    for (int i = 0; i < 8; i++) head[2 + i] = (unsigned char)((uint64_t)size >> (56 - 8 * i));
    length = 10;
  }
  /* A masking key of zeros leaves the payload as it is; the server cannot tell, and does its work. */
  length += 4;
  queue(link, head, length);
  queue(link, payload, size);
}

void link_text(wslink *link, const char *text, size_t size) { queue_frame(link, TEXT, text, size); }

void link_flush(wslink *link) {
  size_t done = 0;
  while (done < link->out_size) {
    ssize_t sent = send(link->fd, link->out + done, link->out_size - done, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) break;
    if (sent < 0) {
      link_close(link);
      return;
    }
    done += (size_t)sent;
  }
  link->out_size -= done;
  if (link->out_size) memmove(link->out, link->out + done, link->out_size);
  bool wants_out = link->out_size > 0;
  if (wants_out != link->wants_out) {
    link->wants_out = wants_out;
    watch(link, EPOLL_CTL_MOD, EPOLLIN | (wants_out ? EPOLLOUT : 0));
  }
}

void link_stop_reading(wslink *link) {
  if (link->state == OPEN) epoll_ctl(epoll, EPOLL_CTL_DEL, link->fd, NULL);
}

static void upgrade(wslink *link) {
  char path[512], request[1024];
  const char *subprotocol = NULL;
  link_asks(link, path, sizeof path, &subprotocol);
  int size = snprintf(request, sizeof request,
                      "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                      path, subprotocol ? "Sec-WebSocket-Protocol: " : "", subprotocol ? subprotocol : "",
                      subprotocol ? "\r\n" : "");
  link->state = UPGRADING;
  queue(link, request, (size_t)size);
  link_flush(link);
}

/* The head of the answer; how many bytes of it, 0 where it is not complete yet. */
static size_t take_answer(wslink *link, char *data, size_t size) {
  char *end = memmem(data, size, "\r\n\r\n", 4);
  if (!end) return 0;
  if (memcmp(data, "HTTP/1.1 101", 12)) {
    static bool told;
    if (!told) fprintf(stderr, "refused: %.*s\n", (int)strcspn(data, "\r\n"), data);
    told = true;
    link_close(link);
    return 0;
  }
  link->state = OPEN;
  link_is_open(link);
  return (size_t)(end + 4 - data);
}

/* One frame; how many bytes of it, 0 where it is not complete yet. */
static size_t take_frame(wslink *link, char *data, size_t size, uint64_t at) {
  const unsigned char *head = (unsigned char *)data;
  if (size < 2) return 0;
  uint64_t length = head[1] & 127;
  size_t before = length == 126 ? 4 : length == 127 ? 10 : 2;
  if (size < before) return 0;
  if (length >= 126) {
    length = 0;
    for (size_t i = 2; i < before; i++) length = length << 8 | head[i];
  }
  if (size - before < length) return 0;
  switch (head[0] & 15) {
    case PING:
      queue_frame(link, PONG, data + before, length);
      link_flush(link);
      break;
    case CLOSE:
      link_close(link);
      break;
    case PONG:
      break;
    default:
      frames_in++;
      link_has_text(link, data + before, length, at);
  }
  return before + length;
}

static void take(wslink *link, size_t size, uint64_t at) {
  size_t done = 0;
  if (link->state == UPGRADING) done = take_answer(link, inbox, size);
  while (link->state == OPEN) {
    size_t taken = take_frame(link, inbox + done, size - done, at);
    if (!taken) break;
    done += taken;
  }
  if (link->state == CLOSED) return;
  link->rest_size = size - done;
  if (link->rest_size) {
    link->rest = realloc(link->rest, link->rest_size);
    memcpy(link->rest, inbox + done, link->rest_size);
  }
}

static void read_all(wslink *link) {
  for (;;) {
    size_t kept = link->rest_size;
    if (kept == sizeof inbox) {
      fprintf(stderr, "a frame larger than %zu bytes\n", sizeof inbox);
      link_close(link);
      return;
    }
    size_t space = sizeof inbox - kept;
    ssize_t got = recv(link->fd, inbox + kept, space, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      link_close(link);
      return;
    }
    if (kept) memcpy(inbox, link->rest, kept);
    bytes_in += (uint64_t)got;
    take(link, kept + (size_t)got, now_ns());
    /* A short read has emptied the socket: asking again would only cost a system call. */
    if (link->state == CLOSED || (size_t)got < space) return;
  }
}

void links_turn(uint64_t until) {
  uint64_t now = now_ns();
  int patience = 0;
  if (until > now) {
    struct itimerspec due = {.it_value = {(time_t)(until / SECOND), (long)(until % SECOND)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &due, NULL);
    patience = -1;
  }
  struct epoll_event events[512];
  int count = epoll_wait(epoll, events, 512, patience);
  for (int i = 0; i < count; i++) {
    wslink *link = events[i].data.ptr;
    if (!link || link->state == CLOSED) continue; /* the timer, or closed by an event before this one */
    if (link->state == CONNECTING) {
      if (events[i].events & (EPOLLERR | EPOLLHUP)) link_close(link);
      else if (events[i].events & EPOLLOUT) upgrade(link);
      continue;
    }
    if (events[i].events & EPOLLOUT) link_flush(link);
    if (link->state != CLOSED && events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) read_all(link);
  }
}
