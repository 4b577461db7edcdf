#define _GNU_SOURCE
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "options.h"

/* "@@", the clock, the talker and its number: in every text, so that each delivery tells all about itself. */
#define MARK "@@%016llx%08x%08x"
enum { MARK_SIZE = 2 + 16 + 8 + 8 };

tally counted;
histogram delivery_times, ack_times;
bool closing, talking;

static client *clients; /* room by room, then the joiners */
static client **resting;
static int resting_count;
static char padding[60001];

void clients_make(void) {
  int residents = given.rooms * given.clients, all = residents + given.joiners;
  clients = calloc((size_t)all, sizeof *clients);
  account *accounts = calloc((size_t)all * (size_t)(given.talkers + 1), sizeof *accounts);
  resting = calloc((size_t)(given.rooms * given.talkers) + 1, sizeof *resting);
  memset(padding, 'x', sizeof padding);
  for (int i = 0; i < all; i++) {
    client *one = &clients[i];
    one->joiner = i >= residents;
    one->room = one->joiner ? 0 : i / given.clients;
    one->place = one->joiner ? given.talkers + i : i % given.clients;
    one->accounts = accounts + (size_t)i * (size_t)given.talkers;
    /* A joiner's accounts begin with what it sees first; a resident's with the talker's first message. */
    for (int t = 0; t < given.talkers; t++) one->accounts[t].begun = !one->joiner;
  }
}

client *client_in(int room, int place) { return &clients[room * given.clients + place]; }

client *joiner(int number) { return &clients[given.rooms * given.clients + number]; }

void client_connect(client *one, bool stalls) {
  one->stalled = stalls;
  one->began = now_ns();
  counted.waiting++;
  /* Cold joiners go to the last port: that instance has never seen the room. */
  int port = one->joiner ? given.port_count - 1 : one->place % given.port_count;
  link_open(&one->link, given.ports[port], stalls);
}

static void become_ready(client *one) {
  one->ready = true;
  counted.waiting--;
  counted.ready++;
}

/* The path with the number of the room in it. */
static void fill_path(const char *pattern, int room, char *path, size_t space) {
  const char *hole = strstr(pattern, "%d");
  if (!hole) snprintf(path, space, "%s", pattern);
  else snprintf(path, space, "%.*s%d%s", (int)(hole - pattern), pattern, room, hole + 2);
}

void link_asks(wslink *link, char *path, size_t space, const char **subprotocol) {
  client *one = (client *)link;
  fill_path(one->joiner ? given.join_path : given.path, one->room, path, space);
  *subprotocol = given.dialect == V1 ? "quartchat.v1" : NULL;
}

static void say(client *one, const char *frame) { link_text(&one->link, frame, strlen(frame)); }

void link_is_open(wslink *link) {
  client *one = (client *)link;
  if (given.dialect == PLAIN) become_ready(one);
  if (given.dialect == SOCKETIO) {
    say(one, "40");
    link_flush(link);
  }
}

void link_is_closed(wslink *link) {
  client *one = (client *)link;
  if (closing) return;
  if (one->ready) {
    counted.dropped++;
    counted.ready--;
    one->ready = false;
  } else {
    counted.refused++;
    counted.waiting--;
  }
}

void client_say(client *one, uint64_t clock) {
  uint32_t talker = (uint32_t)(one->room * given.talkers + one->place), number = one->sent++;
  char frame[sizeof padding + 300];
  int size = 0, fill = given.bytes > MARK_SIZE ? given.bytes - MARK_SIZE : 0;
  if (given.dialect == PLAIN) size = sprintf(frame, "{\"message\":\"");
  if (given.dialect == SOCKETIO) size = sprintf(frame, "42[\"message\",{\"message\":\"");
  if (given.dialect == V1)
    size = sprintf(frame, "{\"type\":\"send\",\"id\":\"%016llx-%x-%x\",\"message\":\"", (unsigned long long)clock, talker,
                   number);
  size += sprintf(frame + size, MARK "%.*s", (unsigned long long)clock, talker, number, fill, padding);
  size += sprintf(frame + size, given.dialect == SOCKETIO ? "\"}]" : "\"}");
  link_text(&one->link, frame, (size_t)size);
  counted.published++;
  counted.owed += (uint64_t)(given.clients - given.stalled);
}

static uint32_t on_the_way(const client *one) { return one->sent - one->returned; }

static void rest(client *one) {
  if (one->resting || given.rate > 0 || on_the_way(one) >= (uint32_t)given.window) return;
  one->resting = true;
  resting[resting_count++] = one;
}

void talkers_wake(void) {
  uint64_t now = now_ns();
  for (int room = 0; room < given.rooms; room++)
    for (int place = 0; place < given.talkers; place++) {
      client_in(room, place)->heard = now;
      rest(client_in(room, place));
    }
}

void talkers_talk(void) {
  while (resting_count) {
    client *one = resting[--resting_count];
    one->resting = false;
    if (!talking || !one->ready) continue;
    while (on_the_way(one) < (uint32_t)given.window) client_say(one, now_ns());
    link_flush(&one->link);
  }
}

void talkers_give_up(uint64_t now) {
  if (given.rate > 0) return;
  for (int room = 0; room < given.rooms; room++)
    for (int place = 0; place < given.talkers; place++) {
      client *one = client_in(room, place);
      if (!one->ready || !on_the_way(one) || now < one->heard + SECOND) continue;
      one->returned = one->sent;
      one->heard = now;
      counted.given_up++;
      rest(one);
    }
}

static int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

static bool hex_take(const char *text, int digits, uint64_t *value) {
  *value = 0;
  for (int i = 0; i < digits; i++) {
    int digit = hex_value(text[i]);
    if (digit < 0) return false;
    *value = *value << 4 | (uint64_t)digit;
  }
  return true;
}

static uint64_t us_between(uint64_t from, uint64_t to) { return to > from ? (to - from) / 1000 : 0; }

static void delivered(client *one, uint64_t clock, uint32_t talker, uint32_t number, uint64_t at) {
  int room = given.talkers ? (int)talker / given.talkers : -1;
  if (room != one->room || number >= client_in(room, (int)talker % given.talkers)->sent) {
    counted.stray++;
    return;
  }
  int place = (int)talker % given.talkers;
  verdict how = account_enter(&one->accounts[place], number);
  if (how == REPEATED) {
    counted.repeated++;
    return;
  }
  if (how == LATE) counted.late++;
  one->messages++;
  if (one->joiner) {
    if (one->messages == given.page) {
      one->paged = at;
      counted.paged++;
    }
    return; /* what it gets first is old: that says nothing about delivery */
  }
  counted.paid++;
  histogram_add(&delivery_times, us_between(clock, at));
  if (place == one->place) {
    one->heard = at;
    if (number >= one->returned) one->returned = number + 1;
    rest(one);
  }
}

static void find_marks(client *one, char *text, size_t size, uint64_t at) {
  char *end = text + size, *mark = text;
  while ((mark = memmem(mark, (size_t)(end - mark), "@@", 2)) && end - mark >= MARK_SIZE) {
    uint64_t clock, talker, number;
    if (hex_take(mark + 2, 16, &clock) && hex_take(mark + 18, 8, &talker) && hex_take(mark + 26, 8, &number))
      delivered(one, clock, (uint32_t)talker, (uint32_t)number, at);
    else counted.stray++;
    mark += MARK_SIZE;
  }
}

static bool begins(const char *text, size_t size, const char *with) {
  size_t length = strlen(with);
  return size >= length && !memcmp(text, with, length);
}

static void acknowledged(char *text, size_t size, uint64_t at) {
  static const char before[] = "\"id\":\"";
  char *id = memmem(text, size, before, sizeof before - 1);
  uint64_t clock;
  counted.acks++;
  if (id && (size_t)(text + size - id) > sizeof before + 16 && hex_take(id + sizeof before - 1, 16, &clock))
    histogram_add(&ack_times, us_between(clock, at));
}

/* A frame of quartchat.v1 that is no message; whether it was one. */
static bool v1_frame(client *one, char *text, size_t size, uint64_t at) {
  static const char type[] = "{\"type\":\"";
  if (!begins(text, size, type)) return false;
  char *name = text + sizeof type - 1;
  size_t left = size - (sizeof type - 1);
  if (begins(name, left, "message\"")) return false;
  if (begins(name, left, "ack\"")) acknowledged(text, size, at);
  else if (begins(name, left, "welcome\"")) become_ready(one);
  else if (begins(name, left, "nack\"")) counted.nacks++;
  else if (begins(name, left, "unknown\"")) counted.unknowns++;
  else if (begins(name, left, "reset\"")) counted.resets++;
  else if (begins(name, left, "ping\"")) {
    say(one, "{\"type\":\"pong\"}");
    link_flush(&one->link);
  }
  return true;
}

/* A packet of Engine.IO or Socket.IO that is no message; whether it was one. */
static bool socketio_packet(client *one, const char *text, size_t size) {
  if (size == 1 && *text == '2') {
    say(one, "3");
    link_flush(&one->link);
    return true;
  }
  if (begins(text, size, "40") && !one->greeted) {
    char join[64];
    snprintf(join, sizeof join, "42[\"join\",\"room%d\"]", one->room);
    one->greeted = true;
    say(one, join);
    link_flush(&one->link);
    return true;
  }
  if (begins(text, size, "42[\"joined\"") && !one->ready) become_ready(one);
  return !begins(text, size, "42[\"message\"");
}

void link_has_text(wslink *link, char *text, size_t size, uint64_t at) {
  client *one = (client *)link;
  if (given.dialect == V1 && v1_frame(one, text, size, at)) return;
  if (given.dialect == SOCKETIO && socketio_packet(one, text, size)) return;
  find_marks(one, text, size, at);
}

uint64_t missing_deliveries(void) {
  uint64_t missing = 0;
  int all = given.rooms * given.clients + given.joiners;
  for (int i = 0; i < all; i++) {
    client *one = &clients[i];
    for (int place = 0; place < given.talkers && !one->stalled; place++)
      missing += account_missing(&one->accounts[place], client_in(one->room, place)->sent);
  }
  return missing;
}
