/* One WebSocket connection (RFC 6455, without extensions), driven by the one epoll loop of this program. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { UNOPENED, CONNECTING, UPGRADING, OPEN, CLOSED } link_state;

typedef struct {
  int fd;
  link_state state;
  bool wants_out; /* epoll tells us when it can be written to */
  char *rest;     /* the beginning of a frame whose end has not come yet */
  size_t rest_size;
  char *out; /* what the kernel would not take yet */
  size_t out_size, out_space;
} wslink;

/* How a link tells its owner; implemented in load.c. `at` is when the bytes were read. */
void link_is_open(wslink *link);
void link_has_text(wslink *link, char *text, size_t size, uint64_t at);
void link_is_closed(wslink *link);
/* The request target and the subprotocol (NULL: none) for its handshake. */
void link_asks(wslink *link, char *path, size_t space, const char **subprotocol);

void links_begin(void);
/* `narrow`: as over a network, with a small window and small segments. */
void link_open(wslink *link, int port, bool narrow);
/* Queue one text frame; `link_flush` sends all that is queued. */
void link_text(wslink *link, const char *text, size_t size);
void link_flush(wslink *link);
void link_stop_reading(wslink *link);
void link_close(wslink *link);
/* Wait for something to happen, until the given clock at most, and handle it. */
void links_turn(uint64_t until);

extern uint64_t frames_in, bytes_in;
