/* The command line. */
#pragma once
#include <stdbool.h>

typedef enum { PLAIN, V1, SOCKETIO } dialect;

typedef struct {
  int ports[8], port_count;
  const char *path, *join_path;
  dialect dialect;
  int rooms, clients, talkers, window, bytes, pending, stalled, part;
  int seed, joiners, page;
  double rate, settle, warm, seconds, drain;
  bool ask, leave;
} options;

extern options given;
void options_read(int count, char **words);
