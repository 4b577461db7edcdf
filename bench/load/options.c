#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

options given = {
    .path = "/ws/chat/room%d/",
    .rooms = 1,
    .clients = 10,
    .window = 1,
    .bytes = 64,
    .pending = 64,
    .page = 50,
    .settle = 0.3,
    .seconds = 3,
    .drain = 2,
};

static const char usage[] =
    "usage: load --port P [--port P ...] [options]     (everything on 127.0.0.1)\n"
    "  --path PATH        %d in it is the number of the room (/ws/chat/room%d/)\n"
    "  --dialect D        plain, v1 or socketio (plain)\n"
    "  --rooms N          rooms (1)\n"
    "  --clients N        in each room; they take the ports in turn (10)\n"
    "  --talkers N        of them, in each room (0)\n"
    "  --window N         messages that a talker has on the way at a time (1)\n"
    "  --rate N           messages a second of all talkers together, instead of a window\n"
    "  --bytes N          in a message's text (64)\n"
    "  --pending N        handshakes at a time (64)\n"
    "  --part N           stop and report when this many are connected, then go on\n"
    "  --stalled N        in each room, stop reading when the load begins\n"
    "  --settle S         seconds of quiet after connecting (0.3)\n"
    "  --warm S           seconds of load before the figures count (0)\n"
    "  --seconds S        of load that counts (3)\n"
    "  --drain S          wait for what is missing for so long without progress (2)\n"
    "  --seed N           messages written to each room before anything else\n"
    "  --joiners N        connect to room 0 when the load begins, and wait for a page of history\n"
    "  --join-path PATH   theirs\n"
    "  --page N           messages in that page (50)\n"
    "  --leave            the clients leave before the joiners come\n"
    "  --ask              after 'part' and 'open', wait for a line on the standard input\n"
    "Prints a JSON object on a line at each phase; the last one, 'result', has the figures.\n";

static void fail(const char *word) {
  fprintf(stderr, "load: %s\n%s", word, usage);
  exit(2);
}

static dialect dialect_named(const char *name) {
  if (!strcmp(name, "plain")) return PLAIN;
  if (!strcmp(name, "v1")) return V1;
  if (!strcmp(name, "socketio")) return SOCKETIO;
  fail("no such dialect");
  return PLAIN;
}

void options_read(int count, char **words) {
  enum { PORT, PATH, DIALECT, JOIN_PATH, LEAVE, ASK, NUMBERS };
  const struct {
    const char *name;
    int *number;
    double *real;
  } numbers[] = {
      {"rooms", &given.rooms, 0},     {"clients", &given.clients, 0}, {"talkers", &given.talkers, 0},
      {"window", &given.window, 0},   {"bytes", &given.bytes, 0},     {"pending", &given.pending, 0},
      {"part", &given.part, 0},       {"stalled", &given.stalled, 0}, {"seed", &given.seed, 0},
      {"joiners", &given.joiners, 0}, {"page", &given.page, 0},       {"rate", 0, &given.rate},
      {"settle", 0, &given.settle},   {"warm", 0, &given.warm},       {"seconds", 0, &given.seconds},
      {"drain", 0, &given.drain},
  };
  enum { NUMBER_COUNT = sizeof numbers / sizeof *numbers };
  struct option known[NUMBERS + NUMBER_COUNT + 1] = {
      {"port", required_argument, 0, PORT},       {"path", required_argument, 0, PATH},
      {"dialect", required_argument, 0, DIALECT}, {"join-path", required_argument, 0, JOIN_PATH},
      {"leave", no_argument, 0, LEAVE},           {"ask", no_argument, 0, ASK},
  };
  for (int i = 0; i < NUMBER_COUNT; i++)
    known[NUMBERS + i] = (struct option){numbers[i].name, required_argument, 0, NUMBERS + i};
  for (int found; (found = getopt_long(count, words, "", known, NULL)) != -1;) {
    if (found == '?') fail("see above");
    else if (found == PORT && given.port_count < 8) given.ports[given.port_count++] = atoi(optarg);
    else if (found == PATH) given.path = optarg;
    else if (found == JOIN_PATH) given.join_path = optarg;
    else if (found == DIALECT) given.dialect = dialect_named(optarg);
    else if (found == LEAVE) given.leave = true;
    else if (found == ASK) given.ask = true;
    else if (found >= NUMBERS && numbers[found - NUMBERS].number) *numbers[found - NUMBERS].number = atoi(optarg);
    else if (found >= NUMBERS) *numbers[found - NUMBERS].real = atof(optarg);
  }
  if (!given.port_count) fail("no port");
  if (given.talkers + given.stalled > given.clients) fail("more talkers and stalled clients than clients");
  if (given.bytes > 60000) fail("at most 60000 bytes");
  if (given.seed && !given.talkers) fail("nobody to write the seed");
  if (!given.join_path) given.join_path = given.path;
}
