/* The people in the rooms: what they say, in which dialect, and what they must get to see. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "ledger.h"
#include "link.h"

typedef struct {
  wslink link; /* first, so that a link is its client */
  int room, place; /* place: its number in the room; talkers have the lowest */
  bool joiner, ready, greeted, stalled;
  account *accounts; /* one for each talker of the room */
  uint32_t sent;     /* a talker's next number */
  uint32_t returned; /* one past the highest of its own that came back */
  uint64_t heard;    /* when that was */
  bool resting;      /* stands in the queue of those who may send */
  uint64_t began, paged;
  int messages;
} client;

/* Counted for everybody, from the first connection on. */
typedef struct {
  uint64_t published, owed, paid; /* owed and paid: deliveries to the clients of the rooms */
  uint64_t late, repeated, stray; /* stray: a message of another room, or of nobody */
  uint64_t acks, nacks, unknowns, resets;
  uint64_t refused, dropped; /* handshakes; connections lost afterwards */
  uint64_t given_up;         /* times that a talker waited a second in vain, and went on */
  int waiting, ready, paged; /* clients: connecting; ready; joiners that have their page */
} tally;

extern tally counted;
extern histogram delivery_times, ack_times;
extern bool closing; /* the ends of connections are our own doing now */

void clients_make(void);
client *client_in(int room, int place);
client *joiner(int number);
void client_connect(client *one, bool stalls);
/* Send one message with this clock in it. */
void client_say(client *one, uint64_t clock);
/* Let all talkers that have less than a window on the way send; needed at the start, later they do so themselves. */
void talkers_wake(void);
/* Send for those that may; nothing where `talking` is off. */
void talkers_talk(void);
extern bool talking;
/* A talker whose message does not come back within a second takes it for lost. */
void talkers_give_up(uint64_t now);
/* Deliveries that did not happen, everybody's accounts closed. */
uint64_t missing_deliveries(void);
